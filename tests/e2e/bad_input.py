# SPDX-License-Identifier: BSD-3-Clause
"""Clients that misbehave: each gets a clear error or a counted refusal, and hurts nobody else."""

import os
import socket
import unittest

import lab
import talk


def after_rcpt():
    client = talk.smtp()
    client.smtp(f"MAIL FROM:<{lab.SENDER}>")
    client.smtp(f"RCPT TO:<{lab.ALICE}>")
    return client


class BadLines(unittest.TestCase):
    def test_a_command_line_over_its_limit(self):
        for port, answer in ((25, r"^5"), (143, r"BAD|BYE"), (110, r"^-ERR")):
            with self.subTest(port=port), talk.Talk(port) as client, \
                    lab.Watch() as watch:
                client.send(b"A" * 70000 + b"\r\n")
                self.assertRegex(client.line(), answer)
                client.socket.close()
                watch.wait("MAIL_LINE_TOO_LONG")

    def test_an_endless_line_ends_the_session_or_is_swallowed(self):
        with talk.Talk(25) as client:
            try:
                for _ in range(100):
                    client.send(b"B" * 65536)
            except OSError:
                pass
        self.assertTrue(still_serving())

    def test_nul_bytes(self):
        for port in (25, 143, 110):
            with self.subTest(port=port), talk.Talk(port) as client, lab.Watch() as watch:
                client.send(b"NO\0OP\r\n")
                self.assertRegex(client.line(), r"^(5|\S+ BAD|\* BAD|\* BYE|-ERR)")
                watch.wait("MAIL_NUL")

    def test_a_bare_lf_does_not_end_a_command(self):
        with talk.Talk(25) as client, lab.Watch() as watch:
            client.send(b"EHLO a.example\nMAIL FROM:<a@b.example>\r\n")
            self.assertRegex(client.reply(), r"^5")
            watch.wait("MAIL_BARE_LF")

    def test_a_bare_cr_in_a_command(self):
        with talk.Talk(25) as client, lab.Watch() as watch:
            client.send(b"EHLO a.example\rx\r\n")
            self.assertRegex(client.reply(), r"^5")
            watch.wait("MAIL_BARE_CR")

    def test_no_other_end_of_data_smuggles_a_second_mail(self):
        for end in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n\0.\r\n"):
            with self.subTest(end=end), after_rcpt() as client:
                subject, smuggled = lab.marker(), lab.marker()
                client.smtp("DATA")
                client.send(f"Subject: {subject}\r\n\r\nbody".encode() + end +
                            f"MAIL FROM:<{lab.ALICE}>\r\nRCPT TO:<{lab.ALICE}>\r\nDATA\r\n"
                            f"Subject: {smuggled}\r\n\r\nforged\r\n.\r\n".encode())
                self.assertRegex(client.reply(), r"^[25]")
                lab.swaks(lab.SHIELD, 25, subject=lab.marker())
                self.assertFalse([path for path in lab.mails_with(smuggled)
                                  if f"Subject: {subject}".encode() not in path.read_bytes()])


class LenientNetworks(unittest.TestCase):
    LENIENT = lab.names.CLIENT4  # whose SPF passes

    def setUp(self):
        text = lab.names.CONFIG.read_text()
        self.addCleanup(lab.configured, text)
        lab.configured(text.replace("\nsmtp:\n",
                                    f"\nsmtp:\n  lenient_networks: [{self.LENIENT}/32]\n"))

    def send(self, source, text):
        with talk.Talk(25, source=source) as client:
            for command in ("EHLO client.good.example.org", f"MAIL FROM:<{lab.SENDER}>",
                            f"RCPT TO:<{lab.ALICE}>", "DATA"):
                client.send(command + "\n")
                reply = client.reply()
                if reply.startswith("5"):
                    return reply
            client.send(text)
            reply = client.reply()
            client.send("NOOP\n")  # the session goes on, in step
            self.assertRegex(client.reply(), "^250 ")
            return reply

    def test_lines_with_bare_lf_pass_from_there_alone_and_smuggle_nothing(self):
        self.assertRegex(self.send(lab.names.client4(87), b""), "^500 5.5.2 Bare LF")
        for end in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r\r\n", b"\r\n\0.\r\n"):
            with self.subTest(end=end):
                subject, smuggled = lab.marker(), lab.marker()
                forged = f"MAIL FROM:<{lab.ALICE}>\nRCPT TO:<{lab.ALICE}>\nDATA\n{smuggled}\n"
                self.assertRegex(self.send(self.LENIENT, f"Subject: {subject}\n\nbody".encode() +
                                           end + forged.encode() + b"\r\n.\r\n"), "^250 ")
                [path] = lab.eventually(lambda: lab.mails_with(smuggled))
                headers, body = path.read_bytes().replace(b"\r\n", b"\n").split(b"\n\n", 1)
                self.assertIn(f"Subject: {subject}".encode(), headers)
                self.assertRegex(body, b"(?s)^body( |\n *)\\.( |\n)?\n?MAIL FROM.*DATA\n")


class BadOrder(unittest.TestCase):
    def test_smtp_commands_out_of_order(self):
        with talk.Talk(25) as client:
            for command in (f"MAIL FROM:<{lab.SENDER}>", f"RCPT TO:<{lab.ALICE}>", "DATA"):
                self.assertRegex(client.smtp(command), r"^503 ")
        with talk.smtp() as client:
            self.assertRegex(client.smtp(f"RCPT TO:<{lab.ALICE}>"), r"^503 ")
            self.assertRegex(client.smtp("DATA"), r"^503 ")
            client.smtp(f"MAIL FROM:<{lab.SENDER}>")
            self.assertRegex(client.smtp(f"MAIL FROM:<{lab.SENDER}>"), r"^503 ")
            self.assertRegex(client.smtp("DATA"), r"^5")
            self.assertTrue(client.smtp("QUIT").startswith("221"))

    def test_imap_and_pop3_commands_before_login(self):
        with talk.Talk(993) as client:
            for command in ("SELECT INBOX", "FETCH 1 BODY[]", "APPEND INBOX {10+}\r\n0123456789"):
                self.assertRegex(client.tagged(command)[-1], r"^t1 (NO|BAD)")
        with talk.Talk(995) as client:
            for command in ("STAT", "RETR 1", "DELE 1", "PASS wonderland"):
                self.assertTrue(client.pop3(command).startswith("-ERR"))

    def test_malformed_arguments(self):
        with talk.smtp() as client:
            for command in ("MAIL", "MAIL FROM", "MAIL FROM:", "MAIL FROM:a b@c", "MAIL FROM:<a@b",
                            "MAIL FROM:<a@b> SIZE=x", "HELO", "STARTTLS now"):
                self.assertRegex(client.smtp(command), r"^5", command)

    def test_unknown_commands_are_refused_until_there_are_too_many(self):
        for port in (25, 143, 110):
            with self.subTest(port=port), talk.Talk(port) as client, lab.Watch() as watch:
                try:
                    for _ in range(30):
                        client.send("t1 NONSENSE\r\n")
                except OSError:
                    pass
                self.assertTrue(client.is_closed())
                client.socket.close()
                watch.wait("MAIL_TOO_MANY_ERRORS")

    def test_another_protocol_on_a_mail_port(self):
        for hello in (b"GET / HTTP/1.1\r\nHost: mail.example.net\r\n\r\n",
                      b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500)):
            with self.subTest(hello=hello[:4]), talk.Talk(25) as client:
                client.send(hello)
                self.assertRegex(client.reply(), r"^[45]|^$")

    def test_http_on_a_tls_port_is_not_mail(self):
        with lab.Watch() as watch:
            for port in (465, 993, 995):
                with socket.create_connection((lab.SHIELD, port), 5) as client:
                    client.sendall(b"GET / HTTP/1.1\r\nHost: mail.example.net\r\n\r\n")
                    while client.recv(100):
                        pass
            watch.wait("MAIL_NOT_MAIL", 3)
            self.assertEqual(watch.rise("TLS_HANDSHAKE_FAILED"), 0)

    def test_garbage_instead_of_a_handshake(self):
        with talk.smtp() as client, lab.Watch() as watch:
            client.smtp("STARTTLS")
            client.send(os.urandom(4000))
            self.assertTrue(client.is_closed())
            client.socket.close()
            watch.wait("TLS_HANDSHAKE_FAILED")

    def test_imap_literals_before_login_are_limited(self):
        with talk.Talk(993) as client, lab.Watch() as watch:
            client.send("t1 LOGIN {999999999}\r\n")
            self.assertRegex(client.line(), r"^t1 (BAD|NO)|^\* BYE")
            watch.wait("IMAP_LITERAL_TOO_BIG")

    def test_a_login_in_literals_works(self):
        with talk.Talk(993) as client:
            client.send(f"t1 LOGIN {{{len(lab.ALICE)}}}\r\n")
            self.assertTrue(client.line().startswith("+"))
            client.send(lab.ALICE + " {10}\r\n")
            self.assertTrue(client.line().startswith("+"))
            client.send("wonderland\r\n")
            self.assertTrue(client.line().startswith("t1 OK"))


class Vanishing(unittest.TestCase):
    """The client goes away, by FIN and by RST, in each state; nothing of it stays."""

    def setUp(self):
        lab.eventually(lambda: lab.counters()["SESSIONS_OPEN"] == 0, 30, "sessions of other tests")

    def stage(self, name):
        if name == "connected":
            return talk.Talk(25, greeting=False)
        if name == "half a line":
            client = talk.Talk(25)
            client.send("EHL")
            return client
        if name == "starttls":
            client = talk.smtp()
            client.smtp("STARTTLS")
            client.send(b"\x16\x03\x01")
            return client
        if name == "mail":
            client = talk.smtp()
            client.send(f"MAIL FROM:<{lab.SENDER}>\r\n")
            return client
        if name == "auth":
            client = talk.smtp(465)
            client.send("AUTH PLAIN " + talk.plain() + "\r\n")
            return client
        if name == "submission":
            return talk.submission()
        if name == "imap greeted":
            return talk.Talk(993)
        if name == "imap literal":
            client = talk.Talk(993)
            client.send("t1 LOGIN {10}\r\nhalf")
            return client
        if name == "imap login":
            client = talk.Talk(993)
            client.send(f"t1 LOGIN {lab.ALICE} wonderland\r\n")
            return client
        if name == "imap spliced":
            return talk.imap()
        if name == "pop3 user":
            client = talk.Talk(995)
            client.pop3(f"USER {lab.ALICE}")
            return client
        client = after_rcpt()
        if name == "data":
            client.smtp("DATA")
        if name == "half a mail":
            client.smtp("DATA")
            client.send("Subject: never finished\r\n\r\n" + "half\r\n" * 1000)
        if name == "end of data":
            client.smtp("DATA")
            client.send("Subject: finished\r\n\r\nbody\r\n.\r\n")
        return client

    STAGES = ("connected", "half a line", "starttls", "mail", "rcpt", "data", "half a mail",
              "end of data", "auth", "submission", "imap greeted", "imap literal",
              "imap login", "imap spliced", "pop3 user")

    def test_by_fin_and_by_rst(self):
        # half-closed: a close with something unread would be a RST
        self.vanish(lambda client: client.socket.shutdown(socket.SHUT_WR))
        self.vanish(lambda client: client.reset())
        # those that were opened for clients to come last longest
        lab.eventually(lambda: lab.counters()["CONNECTIONS_OPEN"] == 0, 90, "a connection stays")

    def vanish(self, go):
        before = len(lab.mails_with("Subject: never finished"))
        clients = [self.stage(stage) for stage in self.STAGES]
        for client in clients:
            go(client)
        lab.eventually(lambda: lab.counters()["SESSIONS_OPEN"] == 0, 10,
                       lambda: "sessions stay: " + lab.ctl("--json", "sessions", "list").stdout)
        self.assertEqual(len(lab.mails_with("Subject: never finished")), before)
        for client in clients:
            client.socket.close()


def still_serving():
    with talk.smtp() as client:
        return client.offered.startswith("250")
