# SPDX-License-Identifier: BSD-3-Clause
"""Logins that leave no password: SCRAM with and without the channel, tokens, and the master user
who logs such users in at the backend."""

import base64
import hashlib
import hmac
import imaplib
import json
import os
import re
import shutil
import smtplib
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import lab
import talk
from labkit import names

DOVECOT = """protocols =
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
ssl = no
auth_mechanisms = plain xoauth2 oauthbearer
auth_failure_delay = 0
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home=/nonexistent
}}
service auth {{
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
"""
DOVECOT_OAUTH2 = """introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/keys/
username_attribute = sub
"""
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


BEARER_SERVER = """
import socketserver
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
class Session(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] here\\r\\n")
        for line in self.rfile:
            tag, verb, *_ = line.split()
            if verb == b"AUTHENTICATE":
                self.wfile.write(b"+ \\r\\n")
                open("{seen}", "wb").write(self.rfile.readline().rstrip())
            self.wfile.write(tag + b" OK done\\r\\n")
server = Server(("{address}", 4143), Session)
print("listening", flush=True)
server.serve_forever()
"""


def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(user, key, padding=""):
    """A JSON web token (RFC 7519) by HMAC; padding makes it long."""
    claims = {"sub": user, "aud": "weir", "iss": "lab", "exp": int(time.time()) + 600,
              "pad": padding}
    text = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (text + b"." + part(hmac.digest(key, text, "sha256"))).decode()


def xoauth2(user, bearer):
    return f"user={user}\1auth=Bearer {bearer}\1\1".encode()


def oauthbearer(user, bearer):
    return f"n,a={user},\1host=mail.example.net\1port=587\1auth=Bearer {bearer}\1\1".encode()


class Tokens(unittest.TestCase):
    """Dovecot judges tokens, here by a key of its own; another has the mailboxes."""
    key = b"k" * 32

    def setUp(self):
        folder = Path(tempfile.mkdtemp(prefix="weir-oauth-"))
        self.addCleanup(shutil.rmtree, folder, True)
        folder.chmod(0o755)
        keys = folder / "keys/default/HS256"
        keys.mkdir(parents=True)
        (keys / "default").write_bytes(base64.b64encode(self.key))
        (folder / "dovecot.conf").write_text(DOVECOT.format(folder=folder))
        (folder / "oauth2.conf").write_text(DOVECOT_OAUTH2.format(folder=folder))
        (folder / "users").write_text("")
        process = subprocess.Popen(["dovecot", "-F", "-c", folder / "dovecot.conf"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        kept = names.CONFIG.read_text()
        self.addCleanup(lab.ctl, "config", "reload")
        self.addCleanup(names.CONFIG.write_text, kept)
        names.CONFIG.write_text(kept.replace(
            "auth:\n", f"auth:\n  backend: dovecot\n  socket: {folder}/auth\n", 1))
        lab.eventually((folder / "auth").exists)
        lab.ctl("config", "reload")
        lab.eventually(lambda: "AUTH OAUTHBEARER XOAUTH2 PLAIN LOGIN" in self.submission().offered)

    def submission(self):
        client = talk.Talk(465)
        client.offered = client.smtp("EHLO client.example.org")
        self.addCleanup(client.socket.close)
        return client

    def say(self, client, mechanism, message):
        return client.smtp(f"AUTH {mechanism} {base64.b64encode(message).decode()}")

    def test_tokens_log_in_and_wrong_ones_are_told_why(self):
        good, forged = token(lab.ALICE, self.key), token(lab.ALICE, b"x" * 32)
        for mechanism, message in ("XOAUTH2", xoauth2), ("OAUTHBEARER", oauthbearer):
            client = self.submission()
            answer = self.say(client, mechanism, message(lab.ALICE, forged))
            if answer.startswith("334"):  # not remembered yet
                self.assertIn("status", json.loads(base64.b64decode(answer[4:])))
                answer = client.smtp("AQ==")
            self.assertTrue(answer.startswith("535"), answer)
            answer = self.say(client, mechanism, message(lab.ALICE, good))
            self.assertTrue(answer.startswith("235"), answer)
            self.assertTrue(client.smtp(f"MAIL FROM:<{lab.ALICE}>").startswith("250"))
        client = self.submission()  # somebody else's token
        answer = self.say(client, "XOAUTH2", xoauth2(lab.BOB, good))
        self.assertFalse(answer.startswith("235"), answer)

    def test_a_long_token_goes_by_a_line_of_its_own(self):
        long = base64.b64encode(xoauth2(lab.ALICE, token(lab.ALICE, self.key, "x" * 4000)))
        client = self.submission()
        self.assertGreater(len(long), 4096)
        self.assertEqual(client.smtp("AUTH XOAUTH2"), "334 ")
        self.assertTrue(client.smtp(long.decode()).startswith("235"))

    def test_the_mailbox_opens_by_the_master(self):
        connection = imaplib.IMAP4_SSL(lab.SHIELD, 993, ssl_context=lab.TlsContext(), timeout=20)
        self.addCleanup(connection.shutdown)
        connection.authenticate("OAUTHBEARER",
                                lambda _: oauthbearer(lab.ALICE, token(lab.ALICE, self.key)))
        self.assertEqual(connection.select()[0], "OK")
        done = lab.call("curl", "-sS", "--cacert", lab.CA, "--resolve",
                        f"mail.example.net:995:{lab.SHIELD}", "--oauth2-bearer",
                        token(lab.ALICE, self.key), "-u", f"{lab.ALICE}:",
                        "pop3s://mail.example.net/", check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


    def test_without_a_master_the_backend_gets_the_token(self):
        seen = names.MOUNT / "token"
        server = subprocess.Popen(["ip", "netns", "exec", names.BACKEND, "python3", "-c",
                                   BEARER_SERVER.format(address=names.BACKEND4, seen=seen)],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(server.stdout.close)
        server.stdout.readline()
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        text, changed = re.subn(
            r"(?ms)^  dovecot-imap: .*?\}$", f"  dovecot-imap: {{address: {names.BACKEND4}, "
            "port: 4143, protocol: imap, identity: none}", names.CONFIG.read_text())
        self.assertEqual(changed, 1)
        names.CONFIG.write_text(text)
        lab.ctl("config", "reload")
        bearer = token(lab.ALICE, self.key, "x" * 3000)  # longer than a command may be
        connection = imaplib.IMAP4_SSL(lab.SHIELD, 993, ssl_context=lab.TlsContext(), timeout=20)
        self.addCleanup(connection.shutdown)
        self.assertIn("AUTH=XOAUTH2", connection.capabilities)
        connection.authenticate("XOAUTH2", lambda _: xoauth2(lab.ALICE, bearer))
        self.assertEqual(connection.noop()[0], "OK")
        self.assertEqual(base64.b64decode(seen.read_bytes()), xoauth2(lab.ALICE, bearer))


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
