# SPDX-License-Identifier: BSD-3-Clause
"""Sessions after login: budgets of what a client may do, backends chosen by user, and the drain."""

import json
import os
import signal
import ssl
import time
import unittest

import lab
import talk
from labkit import names, system

HALF_OPEN = 200
SHUTTING = "Server is shutting down"


def limits(**values):
    for name, value in values.items():
        lab.ctl("limits", "set", name, value)


def pop3(user=lab.BOB):
    client = talk.Talk(995)
    client.pop3(f"USER {user}")
    answer = client.pop3(f"PASS {lab.PASSWORDS[user]}")
    assert answer.startswith("+OK"), answer
    return client


def backend_of(user):
    rows = json.loads(lab.ctl("--json", "sessions", "list").stdout)["sessions"]
    return {row["backend"] for row in rows if row["user"] == user}


class Budgets(unittest.TestCase):
    def tearDown(self):
        lab.ctl("config", "reload")

    def test_commands_over_their_rate_are_answered_later(self):
        limits(command_rate_session=20, command_burst_session=5)
        for login, noop, good in ((talk.imap, "a NOOP\r\n", "a OK"), (pop3, "NOOP\r\n", "+OK")):
            with self.subTest(good), login() as client, lab.Watch() as watch:
                begun = time.monotonic()
                client.send(noop * 15)
                for _ in range(15):
                    self.assertTrue(client.line().startswith(good))
                self.assertGreater(time.monotonic() - begun, 0.4)
                watch.wait("MAIL_COMMAND_RATE")

    def test_bytes_over_their_rate_come_later(self):
        limits(download_rate_session=200_000, upload_rate_session=200_000)
        mail = b"Subject: slow\r\n\r\n" + b"0123456789abcdef\r\n" * 25_000  # 450 kB
        with talk.imap() as client, lab.Watch() as watch:
            begun = time.monotonic()
            client.send(f"a APPEND INBOX {{{len(mail)}+}}\r\n".encode() + mail + b"\r\n")
            said = client.line()
            while not said.startswith("a "):
                said = client.line()
            self.assertIn("a OK", said)
            self.assertGreater(time.monotonic() - begun, 1)
            watch.wait("MAIL_UPLOAD_RATE")
            client.tagged("SELECT INBOX")
            begun = time.monotonic()
            self.assertIn("t1 OK", client.tagged("FETCH * BODY.PEEK[]")[-1])
            self.assertGreater(time.monotonic() - begun, 1)
            watch.wait("MAIL_DOWNLOAD_RATE")

    def test_literal_bombs_are_refused(self):
        with talk.imap() as client, lab.Watch() as watch:
            self.assertRegex(client.tagged("SEARCH TEXT {70000}")[-1], r"^t1 NO \[LIMIT\]")
            self.assertRegex(client.tagged("APPEND x {4294967295}")[-1], r"^t1 NO \[TOOBIG\]")
            self.assertRegex(client.tagged("SEARCH " + "(" * 1000)[-1], r"^t1 NO \[LIMIT\]")
            self.assertRegex(client.tagged("NOOP")[-1], "^t1 OK")
            self.assertRegex(client.tagged("APPEND x {4294967295+}")[0], r"^\* BYE ")
            self.assertTrue(client.is_closed())
            for reason in ("IMAP_ARGUMENT_TOO_BIG", "IMAP_TOO_COMPLEX"):
                watch.wait(reason)
            watch.wait("IMAP_APPEND_TOO_BIG", 2)

    def test_what_cannot_be_policed_is_neither_offered_nor_taken(self):
        with talk.imap() as client, lab.Watch() as watch:
            listed = client.tagged("CAPABILITY")[0]
            self.assertIn("IDLE", listed)
            self.assertNotRegex(listed, "COMPRESS|UNAUTHENTICATE|REFERRALS|AUTH=|STARTTLS")
            for verb in ("COMPRESS DEFLATE", "UNAUTHENTICATE", "LOGIN a b", "STARTTLS"):
                self.assertRegex(client.tagged(verb)[-1], "^t1 BAD ")
            watch.wait("MAIL_VERB_REFUSED", 4)
        with pop3() as client, lab.Watch() as watch:
            self.assertTrue(client.pop3("CAPA").startswith("+OK"))
            listed = iter(client.line, ".")
            self.assertFalse({"STLS", "SASL", "USER"} & {line.split()[0] for line in listed})
            self.assertTrue(client.pop3("STLS").startswith("-ERR"))
            self.assertTrue(client.pop3("STAT").startswith("+OK"))
            watch.wait("MAIL_VERB_REFUSED")

    def test_half_open_logins_leave_room_for_others(self):
        """Under TLS, each in the middle of the literal that would be its name."""
        before = json.loads(lab.ctl("--json", "status").stdout)["dataplane"]["sessions"]
        half = []
        try:
            for n in range(HALF_OPEN):
                client = talk.Talk(993, source=f"198.18.{n // 100}.{n % 100 + 1}")
                half.append(client)
                client.send("a LOGIN {5}\r\n")
                self.assertTrue(client.line().startswith("+"))
                client.send("ali")
            begun = time.monotonic()
            with talk.imap() as client:
                self.assertRegex(client.tagged("NOOP")[-1], "^t1 OK")
            self.assertLess(time.monotonic() - begun, 3)
        finally:
            for client in half:
                client.socket.close()
        lab.eventually(lambda: json.loads(lab.ctl("--json", "status").stdout)["dataplane"]
                       ["sessions"] <= before, 10, "half-open sessions were left")


class Mailboxes(unittest.TestCase):
    def setUp(self):
        self.before = names.CONFIG.read_text()
        self.map = names.MOUNT / "mailboxes"

    def tearDown(self):
        names.CONFIG.write_text(self.before)
        lab.ctl("config", "reload")

    def configure(self, port, how):
        self.map.write_text(f"# whose mailbox is elsewhere\n{lab.BOB}: second, second-pop3\n")
        second = "".join(
            f"  {name}: {{address: {names.BACKEND4}, port: {port}, protocol: {protocol}{how}}}\n"
            for name, protocol in (("second", "imap"), ("second-pop3", "pop3")))
        text = self.before.replace("backends:\n", f"backends:\n{second}")
        text = text.replace("auth:\n", f"auth:\n  mailbox_map: {self.map}\n")
        names.CONFIG.write_text(text)
        return lab.ctl("config", "reload", check=False)

    def test_a_user_is_logged_in_with_his_own_password_where_his_mailbox_is(self):
        self.configure(names.FENCED["imap_proxied"], ", identity: proxy")
        with talk.imap(lab.ALICE), talk.imap(lab.BOB) as client:
            self.assertEqual(backend_of(lab.ALICE), {"dovecot-imap"})
            self.assertEqual(backend_of(lab.BOB), {"second"})
            self.assertRegex(client.tagged("SELECT INBOX")[-1], "^t1 OK")

    def test_a_backend_that_is_down_is_no_wrong_password_and_nobody_elses_trouble(self):
        self.configure(4, "")
        with talk.Talk(993) as client:
            answer = client.tagged(f"LOGIN {lab.BOB} {lab.PASSWORDS[lab.BOB]}")[-1]
            self.assertIn("NO [UNAVAILABLE]", answer)
        with talk.Talk(995) as client:
            client.pop3(f"USER {lab.BOB}")
            self.assertIn("-ERR [SYS/TEMP]", client.pop3(f"PASS {lab.PASSWORDS[lab.BOB]}"))
        talk.imap(lab.ALICE).socket.close()

    def test_a_map_with_an_unknown_backend_is_refused_by_name(self):
        self.map.write_text("@example.net: nowhere\n")
        names.CONFIG.write_text(self.before.replace(
            "auth:\n", f"auth:\n  mailbox_map: {self.map}\n"))
        self.assertIn("nowhere", lab.ctl("config", "check", check=False).stderr)


class Drained(unittest.TestCase):
    def setUp(self):
        self.addCleanup(lab.ctl, "drain", "stop", check=False)

    def assert_bye(self, client):
        self.assertRegex(client.line(), rf"^\* BYE {SHUTTING}")
        self.assertTrue(client.is_closed())

    def test_sessions_end_where_nothing_is_cut_and_idle_has_its_time(self):
        subject = lab.marker()
        with talk.imap() as reader, talk.imap() as idle, pop3() as popper, \
                talk.Talk(993) as stranger, talk.submission() as writer, lab.Watch() as watch:
            idle.tagged("SELECT INBOX")
            idle.send("t2 IDLE\r\n")
            self.assertTrue(idle.line().startswith("+"))
            writer.smtp(f"MAIL FROM:<{lab.ALICE}>")
            writer.smtp(f"RCPT TO:<{lab.ALICE}>")
            lab.ctl("drain", "start", 20)
            self.assert_bye(reader)
            self.assert_bye(stranger)
            self.assertRegex(popper.line(), rf"^-ERR \[SYS/TEMP\] {SHUTTING}")
            self.assertRegex(writer.smtp("DATA"), "^354")
            self.assertRegex(writer.smtp(f"Subject: {subject}\r\n\r\nx\r\n."), "^250")
            self.assertRegex(writer.reply(), "^421 4.3.2 ")
            self.assertIn("DRAINING", lab.ctl("status").stdout)
            with self.assertRaises((OSError, ssl.SSLError)):
                talk.Talk(993, seconds=3)
            lab.arrived(subject)
            self.assertIn("EXISTS", idle.line())
            idle.send("DONE\r\n")
            said = idle.line()
            while said.startswith("* ") and "BYE" not in said:
                said = idle.line()
            self.assertRegex(said, "^t2 OK")
            self.assert_bye(idle)
            watch.wait("MAIL_DRAINED", 5)
            watch.wait("WORKER_DRAINED")
        lab.ctl("drain", "stop")
        talk.imap().socket.close()

    def test_what_is_left_at_the_deadline_is_told(self):
        with talk.imap() as idle, lab.Watch() as watch:
            idle.send("t2 IDLE\r\n")
            self.assertTrue(idle.line().startswith("+"))
            begun = time.monotonic()
            lab.ctl("drain", "start", 1)
            self.assert_bye(idle)
            self.assertGreater(time.monotonic() - begun, 0.9)
            watch.wait("SESSION_DRAIN_OVER")

    def test_a_reload_leaves_sessions_alone(self):
        subject = lab.marker()
        with talk.imap() as idle, pop3() as popper:
            idle.tagged("SELECT INBOX")
            idle.send("t2 IDLE\r\n")
            self.assertTrue(idle.line().startswith("+"))
            self.assertTrue(popper.pop3("STAT").startswith("+OK"))
            limits(imap_autologout_seconds=1800)
            lab.ctl("config", "reload")
            lab.swaks(lab.SHIELD, 25, subject=subject)
            self.assertIn("EXISTS", idle.line())
            self.assertTrue(popper.pop3("STAT").startswith("+OK"))

    def test_a_drained_server_is_left(self):
        self.addCleanup(lab.ctl, "backends", "enable", "dovecot-imap")
        with talk.imap() as reader, pop3() as popper:
            lab.ctl("backends", "drain", "dovecot-imap")
            self.assert_bye(reader)
            self.assertTrue(popper.pop3("STAT").startswith("+OK"))

    def test_sigterm_drains_and_ends_the_data_plane(self):
        lab.ctl("limits", "set", "drain_seconds", "20")
        pid = lab.pid("dataplane")
        with talk.imap() as reader, talk.imap() as idle:
            idle.send("t2 IDLE\r\n")
            self.assertTrue(idle.line().startswith("+"))
            os.kill(pid, signal.SIGTERM)
            self.assert_bye(reader)
            idle.send("DONE\r\n")
            self.assertRegex(idle.line(), "^t2 OK")
            self.assert_bye(idle)
        try:
            lab.eventually(lambda: not system.is_alive(pid), 5, "it did not end")
            log = (names.LOG / "dataplane.log").read_text()
            self.assertRegex(log, r'what="draining" sessions=\d')
        finally:
            lab.lab("restart", "dataplane")
