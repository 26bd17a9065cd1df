# SPDX-License-Identifier: BSD-3-Clause
"""Mail goes in: every service, both families, big, many at a time, with any bytes in its body."""

import hashlib
import os
import smtplib
import unittest
from concurrent.futures import ThreadPoolExecutor

import lab
import talk


class Delivery(unittest.TestCase):
    def test_swaks_delivers_to_a_user_of_ours_on_25(self):
        for server in lab.SHIELDS:
            with self.subTest(server=server):
                subject = lab.marker()
                lab.swaks(server, 25, subject=subject)
                mail = lab.arrived(subject)
                source = lab.names.CLIENT6 if ":" in server else lab.names.CLIENT4
                self.assertIn(source, mail.decode(), "the backend knows the client's address")

    def test_swaks_delivers_on_25_under_starttls(self):
        subject = lab.marker()
        lab.swaks(lab.SHIELD, 25, "--tls", "--tls-verify", "--tls-ca-path", lab.CA, subject=subject)
        lab.arrived(subject)

    def test_swaks_submits_on_587_with_plain_and_login(self):
        for server in lab.SHIELDS:
            for kind in ("PLAIN", "LOGIN"):
                with self.subTest(server=server, kind=kind):
                    subject = lab.marker()
                    lab.swaks(server, 587, "--tls", *lab.logged_in(kind=kind), sender=lab.ALICE,
                              to=lab.BOB, subject=subject)
                    lab.arrived(subject, lab.BOB)

    def test_swaks_submits_on_465(self):
        for server in lab.SHIELDS:
            with self.subTest(server=server):
                subject = lab.marker()
                lab.swaks(server, 465, "--tls-on-connect", *lab.logged_in(), sender=lab.ALICE,
                          to=lab.BOB, subject=subject)
                lab.arrived(subject, lab.BOB)

    def test_a_user_may_send_elsewhere(self):
        subject = lab.marker()
        lab.swaks(lab.SHIELD, 587, "--tls", *lab.logged_in(), sender=lab.ALICE,
                  to="friend@elsewhere.example", subject=subject)
        lab.arrived(subject, "friend@elsewhere.example")

    def test_a_relay_network_may_send_elsewhere(self):
        subject = lab.marker()
        lab.swaks(lab.SHIELD, 25, "--local-interface", lab.names.client4(90),
                  to="friend@elsewhere.example", subject=subject)
        lab.arrived(subject, "friend@elsewhere.example")

    def test_two_mails_and_two_recipients_in_one_session(self):
        first, second = lab.marker(), lab.marker()
        with smtplib.SMTP(lab.SHIELD, 25, timeout=20) as client:
            client.sendmail(lab.SENDER, [lab.ALICE, lab.BOB], f"Subject: {first}\r\n\r\none\r\n")
            client.sendmail(lab.SENDER, [lab.ALICE], f"Subject: {second}\r\n\r\ntwo\r\n")
        lab.arrived(first)
        lab.arrived(first, lab.BOB)
        lab.arrived(second)

    def test_pipelined_commands_are_answered_in_order(self):
        subject = lab.marker()
        with talk.smtp() as client:
            client.send(f"MAIL FROM:<{lab.SENDER}>\r\nRCPT TO:<{lab.ALICE}>\r\n"
                        "RCPT TO:<nobody-here@example.net>\r\nDATA\r\n")
            codes = [client.reply()[:3] for _ in range(4)]
            self.assertEqual(codes, ["250", "250", "550", "354"])
            self.assertTrue(client.smtp(f"Subject: {subject}\r\n\r\nbody\r\n.").startswith("250"))
        lab.arrived(subject)

    def test_20_mb_arrive_byte_identical(self):
        for server in lab.SHIELDS:
            with self.subTest(server=server):
                self.assertEqual(*send_and_hash(server, 20_000_000))

    def test_twenty_mails_in_parallel(self):
        subject = lab.marker()

        def send(number):
            with smtplib.SMTP(lab.SHIELDS[number % 2], 25, timeout=60) as client:
                client.sendmail(lab.SENDER, [lab.ALICE],
                                f"Subject: {subject} {number}\r\n\r\n{'x' * 5000}\r\n")

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(send, range(20)))
        lab.eventually(lambda: len(lab.mails_with(subject)) == 20, 30, "not all twenty arrived")

    def test_dots_and_eight_bit_bytes_pass_unchanged(self):
        subject = lab.marker()
        lines = [b".", b"..", b".a", "Grüße €".encode(), bytes(range(128, 256)), b"x" * 990, b""]
        with smtplib.SMTP(lab.SHIELD, 25, timeout=20) as client:
            client.sendmail(lab.SENDER, [lab.ALICE], f"Subject: {subject}\r\n\r\n".encode() +
                            b"\r\n".join(lines) + b"\r\n", ["BODY=8BITMIME"])
        body = lab.arrived(subject).partition(b"\n\n")[2]
        self.assertEqual(body.split(b"\n"), lines + [b""])

    def test_data_that_comes_in_one_byte_pieces_is_one_mail(self):
        subject = lab.marker()
        with talk.smtp() as client:
            client.smtp(f"MAIL FROM:<{lab.SENDER}>")
            client.smtp(f"RCPT TO:<{lab.ALICE}>")
            client.smtp("DATA")
            for byte in f"Subject: {subject}\r\n\r\n..a\r\n.\r\n".encode():
                client.send(bytes([byte]))
            self.assertTrue(client.reply().startswith("250"))
        self.assertTrue(lab.arrived(subject).endswith(b"\n.a\n"))


def send_and_hash(server, size):
    """A mail of random text lines: digests of what was sent and of what the backend stored."""
    subject = lab.marker()
    body = b"".join(os.urandom(36).hex().encode() + b"\r\n" for _ in range(size // 74))
    with smtplib.SMTP(server, 25, timeout=120) as client:
        client.sendmail(lab.SENDER, [lab.ALICE], f"Subject: {subject}\r\n\r\n".encode() + body)
    stored = lab.arrived(subject, seconds=60).partition(b"\n\n")[2]
    return (hashlib.sha256(body.replace(b"\r\n", b"\n")).hexdigest(),
            hashlib.sha256(stored).hexdigest())
