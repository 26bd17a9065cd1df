# SPDX-License-Identifier: BSD-3-Clause
"""Logins that leave no password: SCRAM with and without the channel, tokens, and the master user
who logs such users in at the backend."""

import base64
import hashlib
import hmac
import imaplib
import os
import smtplib
import unittest

import lab
import talk
from labkit import names

NO_MAILBOX = "nobody@example.net"


class Scram:
    """A client of RFC 5802, message by message."""

    def __init__(self, user=lab.ALICE, password=None, header="n,,"):
        self.password = (lab.PASSWORDS[user] if password is None else password).encode()
        self.header = header
        self.bare = f"n={user},r={base64.b64encode(os.urandom(18)).decode()}"
        self.server = None
        self.proven = False

    def first(self):
        return (self.header + self.bare).encode()

    def last(self, challenge):
        self.server = challenge.decode()
        parts = dict(part.split("=", 1) for part in self.server.split(","))
        self.salt = parts["s"]
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(parts["s"]),
                                     int(parts["i"]))
        text = f"c={base64.b64encode(self.header.encode()).decode()},r={parts['r']}"
        message = ",".join((self.bare, self.server, text)).encode()
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self.verifier = b"v=" + base64.b64encode(hmac.digest(server_key, message, "sha256"))
        return f"{text},p={base64.b64encode(proof).decode()}".encode()

    def step(self, challenge):
        """What a library calls with each challenge, None or b"" being "begin"."""
        if not challenge:
            return self.first()
        if self.server is None:
            return self.last(challenge)
        self.proven = challenge == self.verifier
        return b""


def smtp_login(scram, mechanism="SCRAM-SHA-256"):
    """The last reply's code to an AUTH on 465."""
    with smtplib.SMTP_SSL(lab.SHIELD, 465, context=lab.TlsContext(), timeout=20) as server:
        server.ehlo("client.example.org")
        try:
            return server.auth(mechanism, lambda challenge=None: scram.step(challenge).decode())[0]
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code


def imap_login(scram):
    connection = imaplib.IMAP4_SSL(lab.SHIELD, 993, ssl_context=lab.TlsContext(), timeout=20)
    try:
        connection.authenticate("SCRAM-SHA-256", scram.step)
        return connection.select()[0]
    except imaplib.IMAP4.error as error:
        return str(error)
    finally:
        connection.shutdown()


def pop3_login(scram):
    with talk.Talk(995) as client:
        answer = client.pop3("AUTH SCRAM-SHA-256")
        while answer.startswith("+ "):
            challenge = base64.b64decode(answer[2:])
            answer = client.pop3(base64.b64encode(scram.step(challenge)).decode())
        return answer if not answer.startswith("+OK") else client.pop3("STAT")


def gsasl(*arguments):
    """GNU SASL's own client, which is another's TLS too. It can be told no host name."""
    return lab.call("gsasl", "--x509-ca-file=", "--verbose", "--authentication-id", lab.ALICE,
                    "--password", lab.PASSWORDS[lab.ALICE], *arguments, check=False)


class Logins(unittest.TestCase):
    def test_wrong_passwords_are_wrong_and_nobody_looks_like_somebody(self):
        for user in lab.ALICE, NO_MAILBOX:
            salts = set()
            for _ in range(2):
                scram = Scram(user, "not the word")
                self.assertEqual(smtp_login(scram), 535)
                salts.add((scram.salt, len(scram.server)))
            self.assertEqual(len(salts), 1, user)
        self.assertIn("AUTHENTICATIONFAILED", imap_login(Scram(password="not the word")))
        self.assertIn("-ERR [AUTH]", pop3_login(Scram(password="not the word")))

    def test_a_client_that_was_told_less_than_was_offered_is_refused(self):
        self.assertEqual(smtp_login(Scram(header="y,,")), 535)
        self.assertEqual(smtp_login(Scram(header="p=tls-exporter,,")), 535)
        self.assertEqual(smtp_login(Scram(header="p=tls-exporter,,"), "SCRAM-SHA-256-PLUS"), 535)

    def test_scram_logs_in_by_each_protocol_and_at_the_backend(self):
        for login, want in (smtp_login, 235), (imap_login, "OK"), (pop3_login, "+OK"):
            scram = Scram()
            answer = login(scram)
            self.assertTrue(str(answer).startswith(str(want)), (login.__name__, answer))
            self.assertTrue(scram.proven, login.__name__)

    def test_gsasl_logs_in_bound_to_the_channel(self):
        for way in "--smtp", "--imap":
            port = {"--smtp": 587, "--imap": 143}[way]
            where = (way, "--connect", f"{lab.SHIELD}:{port}", "--mechanism")
            done = gsasl(*where, "SCRAM-SHA-256-PLUS")
            self.assertIn("server trusted", done.stdout + done.stderr)
            self.assertIn("server trusted", gsasl(*where, "SCRAM-SHA-256", "--no-cb").stderr)

    def test_msmtp_sends_after_scram(self):
        mark = lab.marker()
        lab.call("msmtp", "--host", lab.SHIELD, "--port", 587, "--tls=on", "--tls-starttls=on",
                 f"--tls-trust-file={lab.CA}", "--tls-host-override=mail.example.net",
                 "--auth=scram-sha-256", f"--user={lab.ALICE}",
                 f"--passwordeval=echo {lab.PASSWORDS[lab.ALICE]}", f"--from={lab.ALICE}", lab.BOB,
                 stdin=f"From: {lab.ALICE}\nSubject: {mark}\n\nhello\n")
        mail = lab.arrived(mark, lab.BOB)
        self.assertIn(b"auth=pass", mail)

    def test_a_sender_belongs_to_its_login_or_the_map_says_so(self):
        kept = names.CONFIG.read_text()
        self.addCleanup(lab.ctl, "config", "reload")
        self.addCleanup(names.CONFIG.write_text, kept)
        senders = names.MOUNT / "senders"
        text = kept.replace("smtp:\n  host_name", f"smtp:\n  sender_map: {senders}\n"
                            "  subaddress: '+'\n  host_name", 1)
        self.assertNotEqual(text, kept)
        names.CONFIG.write_text(text)
        many = "".join(f"user{i}@many.example: {lab.BOB}\n" for i in range(100000))
        for lines, want in (("", "553 5.7.1"),
                            (f"sales@example.net: {lab.BOB}, {lab.ALICE}\n", "250"),
                            (f"@example.net: {lab.ALICE}\n", "250"),
                            (f"@example.net: {lab.BOB}\n", "553 5.7.1")):
            senders.write_text(many + lines)
            lab.ctl("config", "reload")
            with talk.submission() as client:
                self.assertTrue(client.smtp("MAIL FROM:<Sales@example.net>").startswith(want),
                                lines)
                self.assertTrue(client.smtp("RSET").startswith("250"))
                self.assertTrue(client.smtp("MAIL FROM:<alice+tag@example.net>").startswith("250"))
        senders.write_text(f"a@b: {lab.BOB}\nnonsense\n")
        told = lab.ctl("config", "reload", check=False)
        self.assertIn(f"{senders}:2:1: expected ADDRESS: LOGIN", told.stdout + told.stderr)

    def test_the_master_comes_from_the_shield_alone(self):
        name, secret = (names.MOUNT / "master").read_text().strip().split(":")
        response = base64.b64encode(f"{lab.ALICE}\0{name}\0{secret}".encode()).decode()
        said = lab.lab("in", "backend", "timeout", "5", "nc", "-N", names.BACKEND4, "143",
                       stdin=f"a AUTHENTICATE PLAIN {response}\r\nb LOGOUT\r\n").stdout
        self.assertIn("a NO", said)
