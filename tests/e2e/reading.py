# SPDX-License-Identifier: BSD-3-Clause
"""Mail comes out: IMAP and POP3, STARTTLS and TLS from the start, both families, big mails too."""

import hashlib
import imaplib
import os
import poplib
import re
import subprocess
import unittest

import lab
import talk

PORTS = {"imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995}


class Reading(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.subject = lab.marker()
        lab.swaks(lab.SHIELD, 25, subject=cls.subject, to=lab.BOB)
        lab.arrived(cls.subject, lab.BOB)

    def curl(self, service, server, path, *arguments):
        secure = [] if service.endswith("s") else ["--ssl-reqd"]
        place = f"imap.example.net:{PORTS[service]}:" + (f"[{server}]" if ":" in server else server)
        return lab.call("curl", "-sS", "--max-time", 20, *secure, "--cacert", lab.CA, "--resolve",
                        place, "--user", f"{lab.BOB}:{lab.PASSWORDS[lab.BOB]}", *arguments,
                        f"{service}://imap.example.net/{path}").stdout

    def test_curl_reads_the_mail_by_imap(self):
        for service in ("imap", "imaps"):
            for server in lab.SHIELDS:
                with self.subTest(service=service, server=server):
                    found = self.curl(service, server, "INBOX", "-X",
                                      f"UID SEARCH SUBJECT {self.subject}")
                    uid = re.search(r"SEARCH (\d+)", found).group(1)
                    mail = self.curl(service, server, f"INBOX;UID={uid}")
                    self.assertIn(self.subject, mail)

    def test_curl_reads_the_mail_by_pop3(self):
        for service in ("pop3", "pop3s"):
            for server in lab.SHIELDS:
                with self.subTest(service=service, server=server):
                    rows = self.curl(service, server, "").splitlines()
                    numbers = [row.split()[0] for row in rows if row]
                    self.assertTrue(any(self.subject in self.curl(service, server, number)
                                        for number in reversed(numbers)), rows)

    def test_openssl_reads_a_mailbox(self):
        login = f"a LOGIN {lab.BOB} {lab.PASSWORDS[lab.BOB]}"
        for extra in (["-connect", f"{lab.SHIELD}:993"],
                      ["-connect", f"{lab.SHIELD}:143", "-starttls", "imap"]):
            with self.subTest(extra=extra), subprocess.Popen(
                    ["openssl", "s_client", "-crlf", "-quiet", "-verify_return_error", "-CAfile",
                     lab.CA, *extra], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, text=True) as client:
                said = client.stdout.readline() if "-starttls" not in extra else ""
                for command in (login, "b STATUS INBOX (MESSAGES)", "c LOGOUT"):
                    client.stdin.write(command + "\n")
                    client.stdin.flush()
                    while f"\n{command[0]} " not in "\n" + said:
                        said += client.stdout.readline() or self.fail(said)
                self.assertRegex(said, r"STATUS \"?INBOX\"? \(MESSAGES [1-9]")
                self.assertIn("c OK", said)

    def test_20_mb_are_read_byte_identical(self):
        subject = lab.marker()
        body = b"".join(os.urandom(36).hex().encode() + b"\r\n" for _ in range(20_000_000 // 74))
        with talk.submission() as client:
            client.smtp(f"MAIL FROM:<{lab.ALICE}>")
            client.smtp(f"RCPT TO:<{lab.ALICE}>")
            client.smtp("DATA")
            client.send(f"Subject: {subject}\r\n\r\n".encode() + body + b".\r\n")
            client.socket.settimeout(120)
            self.assertTrue(client.reply().startswith("250"))
        lab.arrived(subject, seconds=60)
        with imaplib.IMAP4_SSL(lab.SHIELD, ssl_context=lab.TlsContext(), timeout=60) as client:
            client.login(lab.ALICE, lab.PASSWORDS[lab.ALICE])
            client.select("INBOX")
            number = client.search(None, "SUBJECT", subject)[1][0].split()[-1].decode()
            text = client.fetch(number, "(BODY.PEEK[TEXT])")[1][0][1]
        self.assertEqual(hashlib.sha256(text).hexdigest(), hashlib.sha256(body).hexdigest())
        client = poplib.POP3_SSL(lab.SHIELD, context=lab.TlsContext(), timeout=60)
        client.user(lab.ALICE)
        client.pass_(lab.PASSWORDS[lab.ALICE])
        lines = client.retr(int(number))[1]
        client.quit()
        self.assertEqual(b"\r\n".join(lines[lines.index(b"") + 1:]) + b"\r\n", body)

    def test_authenticate_plain_logs_in(self):
        with talk.Talk(993) as client:
            client.send("a AUTHENTICATE PLAIN\r\n")
            self.assertTrue(client.line().startswith("+"))
            self.assertIn("t1 OK", client.tagged(talk.plain() + "\r\nt1 NOOP")[-1])

    def test_pop3_auth_plain_logs_in(self):
        with talk.Talk(995) as client:
            answer = client.pop3("AUTH PLAIN " + talk.plain())
            self.assertTrue(answer.startswith("+OK"), answer)
            self.assertTrue(client.pop3("STAT").startswith("+OK"))

    def test_imap_idle_tells_of_a_new_mail(self):
        subject = lab.marker()
        with talk.imap() as client:
            client.tagged("SELECT INBOX")
            client.send("t2 IDLE\r\n")
            self.assertTrue(client.line().startswith("+"))
            lab.swaks(lab.SHIELD, 25, subject=subject)
            lab.arrived(subject)
            self.assertIn("EXISTS", client.line())

    def test_an_appended_mail_is_read_back(self):
        subject = lab.marker()
        mail = f"Subject: {subject}\r\n\r\nappended\r\n".encode() * 50
        with imaplib.IMAP4(lab.SHIELD, timeout=30) as client:
            client.starttls(lab.TlsContext())
            client.login(lab.ALICE, lab.PASSWORDS[lab.ALICE])
            self.assertEqual(client.append("INBOX", None, None, mail)[0], "OK")
            client.select("INBOX")
            number = client.search(None, "SUBJECT", subject)[1][0].split()[-1].decode()
            self.assertEqual(client.fetch(number, "(BODY.PEEK[])")[1][0][1], mail)

    def test_the_backend_knows_the_clients_address(self):
        for port, word in ((993, "imap-login"), (995, "pop3-login")):
            source = lab.names.client4(40 + port % 10)
            with talk.Talk(port, source=source) as client:
                if port == 993:
                    client.tagged(f"LOGIN {lab.BOB} {lab.PASSWORDS[lab.BOB]}")
                else:
                    client.pop3(f"USER {lab.BOB}")
                    client.pop3(f"PASS {lab.PASSWORDS[lab.BOB]}")
            log = lab.names.LOG / "dovecot.log"
            lab.eventually(lambda: re.search(f"{word}: .*Login: .*rip={source},", log.read_text()),
                           5, f"{word} did not hear of {source}")
