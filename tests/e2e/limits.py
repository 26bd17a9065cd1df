# SPDX-License-Identifier: BSD-3-Clause
"""Limits on connections: each refuses at its number, not before; live, by class, in shadow."""

import contextlib
import json
import time
import unittest

import lab
import talk
from labkit import names

SOURCE, NEIGHBOUR = names.client4(70), names.client4(71)


@contextlib.contextmanager
def limit(name, value=None, mode=None, of_class=None):
    """A limit set live, and back again."""
    said = json.loads(lab.ctl("--json", "limits", "get", name, *filter(None, [of_class])).stdout)
    for verb, now in (("set", value), ("mode", mode)):
        if now is not None:
            lab.ctl("limits", verb, name, str(now), *filter(None, [of_class]))
    try:
        yield
    finally:
        lab.ctl("limits", "set", name, str(said["value"]), *filter(None, [of_class]))
        if mode is not None:
            lab.ctl("limits", "mode", name, said["mode"], *filter(None, [of_class]))


def greeted(sources, port=25):
    """How many of connections from there are greeted, one after the other, all kept open."""
    clients = []
    try:
        for source in sources:
            with contextlib.suppress(OSError):
                client = talk.Talk(port, source=source, seconds=1)
                if client.greeting:
                    clients.append(client)
        return len(clients)
    finally:
        for client in clients:
            client.reset()


class Refuse(unittest.TestCase):
    def exactly(self, reason, most, sources):
        with lab.Watch() as watch:
            self.assertEqual(greeted(sources), most)
            watch.wait(reason)

    def test_simultaneous_connections_end_at_each_level(self):
        for name in ("connections_source", "connections_prefix", "connections_service",
                     "connections_total"):
            with self.subTest(name), limit(name, 3):
                self.exactly(name.upper(), 3, [SOURCE] * 5)

    def test_a_prefix_is_one_for_all_its_sources(self):
        with limit("connections_prefix", 4):
            self.exactly("CONNECTIONS_PREFIX", 4, [SOURCE, NEIGHBOUR] * 4)

    def test_new_connections_end_at_each_level_s_burst(self):
        for number, level in enumerate(("source", "prefix", "service", "total")):
            source = f"198.18.{40 + number}.1"  # that owes nothing: debts outlive a change
            with (self.subTest(level), limit(f"connection_rate_{level}", 1),
                  limit(f"connection_burst_{level}", 3)):
                self.exactly(f"CONNECTION_RATE_{level.upper()}", 3, [source] * 5)
            greeted([source])  # the first one finds what is owed, and has it cut

    def test_a_change_of_another_limit_forgives_no_debt(self):
        with limit("connection_rate_source", 1), limit("connection_burst_source", 3):
            self.exactly("CONNECTION_RATE_SOURCE", 3, ["198.18.44.1"] * 4)
            with limit("connection_rate_total", 500000), limit("connections_prefix", 900):
                self.exactly("CONNECTION_RATE_SOURCE", 0, ["198.18.44.1"] * 2)

    def test_a_day_s_connections_end(self):
        with limit("connections_day_source", 1):
            self.assertLessEqual(greeted([names.client4(72)] * 3), 1)
        self.assertEqual(greeted([names.client4(72)] * 3), 3)

    def test_a_class_has_its_own_limit(self):
        lab.ctl("lists", "add", "cgnat", f"{SOURCE}/32")
        try:
            with limit("connections_source", 2), limit("connections_source", 4, of_class="cgnat"):
                self.exactly("CONNECTIONS_SOURCE", 4, [SOURCE] * 6)
                self.exactly("CONNECTIONS_SOURCE", 2, [NEIGHBOUR] * 6)
        finally:
            lab.ctl("lists", "remove", "cgnat", f"{SOURCE}/32")

    def test_allow_beats_every_level(self):
        lab.ctl("lists", "add", "allow", f"{SOURCE}/32")
        try:
            with (limit("connections_source", 1), limit("connections_total", 1),
                  limit("connection_rate_total", 1), limit("connection_burst_total", 1)):
                self.assertEqual(greeted([SOURCE] * 5), 5)
        finally:
            lab.ctl("lists", "remove", "allow", f"{SOURCE}/32")


def log_in(client, port, user=lab.ALICE):
    """The last line of the answer."""
    password = lab.PASSWORDS[user]
    if port == 993:
        return client.tagged(f"LOGIN {user} {password}")[-1]
    if port == 995:
        client.pop3(f"USER {user}")
        return client.pop3(f"PASS {password}")
    client.smtp("EHLO client.good.example.org")
    return client.smtp("AUTH PLAIN " + talk.plain(user))


class User(unittest.TestCase):
    """Sessions that one user is logged in to."""

    GOOD = {993: "t1 OK", 995: "+OK", 465: "235"}
    REFUSED = {993: "t1 NO [LIMIT]", 995: "-ERR [IN-USE]", 465: "454 4.7.0"}

    def setUp(self):
        self.clients = []
        self.addCleanup(lambda: [client.reset() for client in self.clients])

    def log_in(self, source, port, user=lab.ALICE):
        self.clients.append(talk.Talk(port, source=source))
        return log_in(self.clients[-1], port, user)

    def leave(self, number):
        self.clients.pop(number).reset()

    def test_end_at_their_number_from_a_source_by_protocol(self):
        with limit("sessions_user_source", 1), lab.Watch() as watch:
            for port in (993, 995, 465):
                with self.subTest(port):
                    self.assertTrue(self.log_in(SOURCE, port).startswith(self.GOOD[port]))
                    self.assertTrue(self.log_in(SOURCE, port).startswith(self.REFUSED[port]))
                    watch.wait("SESSIONS_USER_SOURCE")
            self.assertTrue(self.log_in(NEIGHBOUR, 993).startswith(self.GOOD[993]))

    def test_end_at_their_number_from_anywhere_and_count_down_again(self):
        with limit("sessions_user", 2), lab.Watch() as watch:
            self.assertIn("OK", self.log_in(SOURCE, 993))
            self.assertIn("OK", self.log_in(NEIGHBOUR, 993))
            self.assertIn("NO [LIMIT]", self.log_in(names.client4(72), 993))
            watch.wait("SESSIONS_USER")
            self.leave(0)
            again = self.clients[-1]
            lab.eventually(lambda: log_in(again, 993).startswith("t1 OK"), 3, "not counted down")

    def test_are_counted_while_the_control_plane_is_away_and_back(self):
        with limit("sessions_user", 2):
            self.assertIn("OK", self.log_in(SOURCE, 993))
            self.assertIn("OK", self.log_in(NEIGHBOUR, 993))
            lab.lab("restart", "controlplane")
            lab.ctl("limits", "set", "sessions_user", "2")  # it has read its file again
            self.assertIn("NO [LIMIT]", self.log_in(SOURCE, 993))
            self.leave(0), self.leave(0)
            lab.eventually(lambda: log_in(self.clients[-1], 993).startswith("t1 OK"), 3, "kept")

    def test_whose_backend_refuses_them_count_no_more(self):
        with limit("sessions_user", 1):
            lab.ctl("backends", "drain", "dovecot-imap")
            try:
                self.assertIn("[UNAVAILABLE]", self.log_in(SOURCE, 993))
            finally:
                lab.ctl("backends", "enable", "dovecot-imap")
            lab.eventually(lambda: log_in(self.clients[-1], 993).startswith("t1 OK"), 5, "kept")

    def test_come_at_their_rate(self):
        with limit("login_rate_user", 3), lab.Watch() as watch:
            said = [self.log_in(SOURCE, 993, lab.BOB) for _ in range(5)]  # some may be owed
            self.assertIn("NO [LIMIT]", said[3])
            self.assertIn("NO [LIMIT]", said[4])
            self.assertIn("-ERR [SYS/TEMP]", self.log_in(SOURCE, 995, lab.BOB))
            watch.wait("LOGIN_RATE_USER", 3)
            self.assertIn("OK", self.log_in(SOURCE, 993))
        lab.eventually(lambda: "OK" in self.log_in(SOURCE, 993, lab.BOB), 3, "still owed")


class Session(unittest.TestCase):
    """Limits of one session: live, also under way; what is in shadow ends nothing."""

    def errors(self, client, most):
        """How many bad commands are answered until the end, or that many."""
        for number in range(most):
            if not client.smtp("DANCE").startswith("500"):
                return number
            if client.buffer.startswith(b"421"):
                return number + 1
        return most

    def test_a_change_holds_for_sessions_under_way(self):
        with limit("error_delay_ms", 0), limit("errors_session", 6), talk.smtp() as client:
            self.assertEqual(self.errors(client, 2), 2)
            with limit("errors_session", 4), lab.Watch() as watch:
                client.smtp("NOOP")
                self.assertEqual(self.errors(client, 9), 2)
                watch.wait("MAIL_TOO_MANY_ERRORS")

    def test_a_class_has_its_own(self):
        lab.ctl("lists", "add", "cgnat", f"{SOURCE}/32")
        self.addCleanup(lab.ctl, "lists", "remove", "cgnat", f"{SOURCE}/32")
        with (limit("error_delay_ms", 0), limit("errors_session", 2, of_class="cgnat"),
              limit("message_bytes", 70000, of_class="cgnat"),
              talk.smtp(source=SOURCE) as client, talk.smtp(source=NEIGHBOUR) as other):
            self.assertIn("SIZE 70000", client.offered)
            self.assertNotIn("SIZE 70000", other.offered)
            self.assertEqual(self.errors(client, 9), 2)
            self.assertEqual(self.errors(other, 5), 5)

    def test_who_never_logs_in_is_ended_in_time_while_others_are_served(self):
        sources = [f"198.18.60.{number}" for number in range(1, 101)]
        with (limit("login_seconds", 5), lab.Watch() as watch, contextlib.ExitStack() as open_ones):
            begun = time.monotonic()
            silent = [open_ones.enter_context(talk.Talk(993, source=source, seconds=20))
                      for source in sources]
            opened = time.monotonic()
            with talk.imap() as client:
                self.assertIn(" OK", client.tagged("SELECT INBOX")[-1])
            for client in silent:
                self.assertRegex(client.line(), r"^\* BYE ")
                self.assertTrue(client.is_closed())
            self.assertGreater(time.monotonic() - begun, 4.9)
            self.assertLess(time.monotonic() - opened, 8)
            watch.wait("MAIL_LOGIN_TIMEOUT", len(silent))

    def test_in_shadow_the_session_goes_on_and_is_counted_once(self):
        before = Shadow.counted("errors_session")[0]
        with (limit("error_delay_ms", 0), limit("errors_session", 3, mode="shadow"),
              talk.smtp() as client, lab.Watch() as watch):
            self.assertEqual(self.errors(client, 8), 8)
            self.assertIn("221", client.smtp("QUIT"))
            self.assertEqual(Shadow.counted("errors_session")[0] - before, 1)
            self.assertNotIn("MAIL_TOO_MANY_ERRORS", watch.changes())
        self.assertRegex(lab.ctl("limits").stdout, r"errors_session +10 +1 +enforce +[1-9]")

    def test_bad_commands_wait_from_a_number_on(self):
        with (limit("error_delay_ms", 300), limit("errors_free_session", 2), talk.smtp() as client):
            begun = time.monotonic()
            self.assertEqual(self.errors(client, 3), 3)
            self.assertLess(time.monotonic() - begun, 0.25)
            self.assertIn("250", client.smtp("NOOP"))
            self.assertGreater(time.monotonic() - begun, 0.29)

    def test_a_message_too_big_in_shadow_is_delivered_and_size_is_not_told(self):
        subject, before = lab.marker(), Shadow.counted("message_bytes")[0]
        with limit("message_bytes", 65536, mode="shadow"):
            with talk.smtp() as client:
                self.assertNotIn("SIZE 65536", client.offered)
            lab.swaks(lab.SHIELD, 25, "--body", "x" * 70 * 1000, subject=subject)
            lab.arrived(subject)
        self.assertEqual(Shadow.counted("message_bytes")[0] - before, 1)

    def test_a_limit_that_must_hold_says_why(self):
        for name, why in (("literal_bytes_login", "always enforced"),
                          ("syn_burst_source", "nothing is refused by it alone")):
            done = lab.ctl("limits", "mode", name, "off", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stdout + done.stderr)

    def test_a_number_that_is_none_or_too_great_is_told_the_range(self):
        for value in ("99999999999999999999", "many"):
            done = lab.ctl("limits", "set", "errors_session", value, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("from 1 to 1000", done.stdout + done.stderr)


class Shadow(unittest.TestCase):
    @staticmethod
    def counted(name):
        said = json.loads(lab.ctl("--json", "limits", "get", name).stdout)
        return said["shadowed"], said["shadow_logins"]

    def test_what_would_be_refused_is_counted_and_who_of_it_logs_in(self):
        before = self.counted("connections_source")
        with limit("connections_source", 1, mode="shadow"), talk.smtp(source=SOURCE):
            with talk.submission(source=SOURCE):
                after = lab.eventually(
                    lambda: (now := self.counted("connections_source")) != before and now, 5,
                    "not counted")
        self.assertEqual(after[0] - before[0], 1)
        self.assertEqual(after[1] - before[1], 1)
        self.assertIn("LOGGED IN", lab.ctl("stats").stdout)

    def test_off_is_not_looked_at(self):
        before = self.counted("connections_source")
        with limit("connections_source", 1, mode="off"):
            self.assertEqual(greeted([SOURCE] * 3), 3)
        self.assertEqual(self.counted("connections_source"), before)

    def test_a_rate_of_syns_has_a_mode_too(self):
        before = self.counted("syn_rate_source")
        with limit("syn_rate_source", 1, mode="shadow"), limit("syn_burst_source", 2):
            self.assertEqual(greeted([names.client4(73)] * 8), 8)
        self.assertGreater(self.counted("syn_rate_source")[0], before[0])
