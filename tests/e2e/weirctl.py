# SPDX-License-Identifier: BSD-3-Clause
"""weirctl on the running shield: what it shows is there, and what it sets takes effect."""

import json
import smtplib
import unittest

import lab
import talk
from labkit import names

SOURCE, SOURCE6 = names.client4(70), names.client6(70)


def is_greeted(source, server=lab.SHIELD, seconds=2):
    """Whether a client from there gets a banner."""
    try:
        with talk.Talk(25, server, source=source, seconds=seconds) as client:
            return client.greeting.startswith("220")
    except OSError:
        return False


class Shows(unittest.TestCase):
    def test_status_names_both_planes_and_the_children(self):
        said = lab.ctl("status").stdout.lower()
        for word in ("worker", "dns", "auth"):
            self.assertIn(word, said)
        json.loads(lab.ctl("--json", "status").stdout)

    def test_stats_holds_every_reason_and_counter(self):
        counters = lab.counters()
        contract = lab.ROOT / "dataplane/contract"
        for file, word in (("reason.def", "REASON("), ("counter.def", "COUNTER(")):
            for line in (contract / file).read_text().splitlines():
                if line.startswith(word) and not line.startswith("REASON(NONE,"):
                    self.assertIn(line[len(word):].split(",")[0], counters)

    def test_a_session_is_listed_with_its_user_and_can_be_ended(self):
        with talk.submission(source=SOURCE) as client:
            said = lab.eventually(lambda: session_of(SOURCE), 5, "not listed")
            self.assertIn(lab.ALICE, json.dumps(said))
            self.assertIn("enters ESTABLISHED", lab.ctl("trace", str(said["id"])).stdout)
            lab.ctl("sessions", "kill", str(said["id"]))
            self.assertTrue(client.is_closed())

    def test_a_connection_that_was_reset_is_told_after_its_end(self):
        with talk.submission(source=SOURCE) as client:
            said = lab.eventually(lambda: session_of(SOURCE), 5, "not listed")
            client.reset()
        wanted = "ends: connection reset by the peer"
        lab.eventually(lambda: wanted in lab.ctl("trace", str(said["id"])).stdout, 5, "not told")

    def test_mails_and_logins_are_counted(self):
        with lab.Watch() as watch:
            lab.swaks(lab.SHIELD, 465, "--tls-on-connect", *lab.logged_in(), sender=lab.ALICE)
            watch.wait("MAILS_ACCEPTED")
            watch.wait("LOGINS_ACCEPTED")
            watch.wait("TLS_HANDSHAKES")

    def test_the_session_log_holds_a_line_a_session(self):
        log = names.LOG / "session.json"
        lab.swaks(lab.SHIELD, 25, "--local-interface", SOURCE, sender="someone@many.example.org")
        rows = lab.eventually(lambda: [line for line in log.read_text().splitlines()
                                       if f'"{SOURCE}"' in line], 5, "no line")
        json.loads(rows[-1])

    def test_metrics_are_served(self):
        said = lab.lab("in", "host", "curl", "-sS", "--max-time", 5,
                       f"http://{names.METRICS}/metrics").stdout
        self.assertRegex(said, r"(?m)^weir_\w+(\{[^}]*\})? \d")

    def test_an_unknown_command_is_an_error_with_help(self):
        for words in (("dance",), ("limits", "set", "no_such_limit", "1"),
                      ("bans", "add", "not-an-address")):
            self.assertNotEqual(lab.ctl(*words, check=False).returncode, 0, words)


def session_of(source):
    found = json.loads(lab.ctl("--json", "sessions").stdout)
    rows = found if isinstance(found, list) else found.get("sessions", [])
    return next((row for row in rows if source in json.dumps(row)), None)


class Sets(unittest.TestCase):
    def test_a_ban_blocks_and_its_lifting_unblocks(self):
        for source, server in ((SOURCE, lab.SHIELD), (SOURCE6, names.SHIELD6)):
            with self.subTest(source=source):
                self.assertTrue(is_greeted(source, server))
                lab.ctl("bans", "add", source)
                try:
                    with lab.Watch() as watch:
                        self.assertFalse(is_greeted(source, server))
                        watch.wait("BANNED")
                    self.assertIn(source.rpartition(":")[0] or source, lab.ctl("bans").stdout)
                    self.assertTrue(is_greeted(names.client4(71)))
                finally:
                    lab.ctl("bans", "remove", source)
                self.assertTrue(is_greeted(source, server))

    def test_a_ban_ends_the_sources_live_sessions_at_once(self):
        self.ends(("bans", "add", SOURCE), ("bans", "remove", SOURCE))

    def test_a_deny_entry_ends_the_sources_live_sessions_at_once(self):
        self.ends(("lists", "add", "deny", f"{SOURCE}/32"),
                  ("lists", "remove", "deny", f"{SOURCE}/32"))

    def ends(self, begin, end):
        with (talk.smtp(source=SOURCE, seconds=2) as client,
              talk.imap(source=SOURCE, seconds=2) as reader,
              talk.smtp(source=names.client4(71)) as other, lab.Watch() as watch):
            lab.ctl(*begin)
            try:
                with self.assertRaises(ConnectionResetError):
                    client.socket.recv(1)
                self.assertTrue(reader.is_closed())
                watch.wait("SESSION_BANNED", 2)
                self.assertIsNone(session_of(SOURCE))
                self.assertIn("250", other.smtp("NOOP"))
            finally:
                lab.ctl(*end)
        log = (names.LOG / "session.json").read_text().splitlines()
        rows = [json.loads(line) for line in log if f'"{SOURCE}"' in line]
        self.assertEqual([row["reason"].upper() for row in rows[-2:]], ["SESSION_BANNED"] * 2)

    def test_a_deny_entry_blocks_and_allow_beats_it(self):
        lab.ctl("lists", "add", "deny", "198.51.100.64/28")
        try:
            lab.eventually(lambda: not is_greeted(SOURCE), 10, "the deny entry has no effect")
            self.assertTrue(is_greeted(names.client4(20)))
            self.assertIn("198.51.100.64/28", lab.ctl("lists").stdout)
            lab.ctl("lists", "add", "allow", f"{SOURCE}/32")
            lab.eventually(lambda: is_greeted(SOURCE), 10, "allow does not beat deny")
            self.assertFalse(is_greeted(names.client4(71)))
            lab.ctl("lists", "remove", "allow", f"{SOURCE}/32")
        finally:
            lab.ctl("lists", "remove", "deny", "198.51.100.64/28")
        lab.eventually(lambda: is_greeted(SOURCE), 10, "the removed entry still blocks")

    def test_a_limit_set_live_takes_effect(self):
        self.assertIn("50", lab.ctl("limits", "get", "connections_source").stdout)
        lab.ctl("limits", "set", "connections_source", "3")
        try:
            lab.eventually(lambda: self.open_at_once(6) == 3, 10, "the limit has no effect")
        finally:
            lab.ctl("limits", "set", "connections_source", "50")
        lab.eventually(lambda: self.open_at_once(6) == 6, 10, "the limit did not go up again")

    def open_at_once(self, count):
        clients = []
        try:
            for _ in range(count):
                try:
                    client = talk.Talk(25, source=SOURCE, seconds=1)
                except OSError:
                    continue
                if client.greeting:
                    clients.append(client)
            return len(clients)
        finally:
            for client in clients:
                client.reset()

    def test_the_rate_of_syns_from_a_source_is_limited(self):
        lab.ctl("limits", "set", "syn_burst_source", "5")
        lab.ctl("limits", "set", "syn_rate_source", "1")
        try:
            with lab.Watch() as watch:
                lab.call("hping3", "-q", "-i", "u2000", "-c", 500, "-S", "-a", SOURCE, "-p", 25,
                         lab.SHIELD, check=False)
                watch.wait("SYN_RATE_SOURCE", 300)
            self.assertTrue(is_greeted(names.client4(20)))
        finally:
            lab.ctl("limits", "set", "syn_burst_source", "100")
            lab.ctl("limits", "set", "syn_rate_source", "20")

    def test_a_policy_change_leaves_live_sessions_alone(self):
        with smtplib.SMTP(lab.SHIELD, 25, timeout=20) as client, talk.imap() as reader:
            for number in range(5):
                lab.ctl("limits", "set", "message_bytes", str(50_000_000 + number))
            subject = lab.marker()
            client.sendmail(lab.SENDER, [lab.ALICE], f"Subject: {subject}\r\n\r\nstill here\r\n")
            lab.arrived(subject)
            self.assertIn("OK", reader.tagged("NOOP")[-1])
        lab.ctl("limits", "set", "message_bytes", "52428800")
