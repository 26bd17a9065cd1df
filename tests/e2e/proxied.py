# SPDX-License-Identifier: BSD-3-Clause
"""Backends that are told by PROXY headers who the client is, and that are reached over TLS: what
the real ones make of it, and that nobody but the shield is believed."""

import json
import re
import subprocess
import unittest

import lab
import talk
from labkit import names

PROXY, STARTTLS, IMPLICIT = ("identity: proxy", "tls: starttls", "tls: implicit")
FORWARD = "identity: forward"
MASTER = f"master_file: {names.MOUNT}/master"
SETTINGS = (  # of the backends for SMTP, IMAP and POP3: port, and how they are to be reached
    {"smtp": ("smtp_proxied", PROXY), "imap": ("imaps_proxied", PROXY, IMPLICIT, MASTER),
     "pop3": ("pop3_proxied", PROXY, STARTTLS)},
    {"smtp": ("smtp_starttls", FORWARD, STARTTLS), "imap": ("imap_proxied", PROXY, STARTTLS),
     "pop3": ("pop3s_proxied", PROXY, IMPLICIT, MASTER)},
)
NAMES = {"smtp": "postfix", "imap": "dovecot_imap", "pop3": "dovecot_pop3"}
GOOD = f"tls_name: imap.example.net, tls_ca_file: {lab.CA}"
CLIENTS = ((names.SHIELD4, names.client4(37)), (names.SHIELD6, names.client6(37)))
BACKENDS = (names.BACKEND4, names.BACKEND6)
LIMITS = "backend_check_seconds: 1, backend_spares: 0"
NO_SPF = "someone@elsewhere.example.org"
FORGED = "198.51.100.66"
V1 = f"PROXY TCP4 {FORGED} {names.SHIELD4} 4711 25\r\n".encode()
V2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(map(int, FORGED.split("."))) +
      bytes(map(int, names.SHIELD4.split("."))) + b"\x12\x67\0\x19")


def logged(server):
    return (names.LOG / f"{server}.log").read_text(errors="replace")


class Proxied(unittest.TestCase):
    def configure(self, settings, address=names.BACKEND4, tls=GOOD):
        lines = {}
        for protocol, (port, *how) in settings.items():
            how = how + ([tls] if STARTTLS in how or IMPLICIT in how else [])
            lines[NAMES[protocol]] = (f'address: "{address}", port: {names.FENCED[port]}, '
                                      f"protocol: {protocol}, {', '.join(how)}")
        lab.configure(self, LIMITS, **lines)

    def states(self):
        rows = json.loads(lab.ctl("--json", "backends", "list").stdout)["servers"]
        return {row["state"] for row in rows}

    def mail(self, server, source):
        """Postfix's own word, in its log and in the mail, for who brought it."""
        subject = lab.marker()
        lab.swaks(server, 25, "--local-interface", source, sender=NO_SPF, subject=subject)
        mail = lab.arrived(subject).decode()
        said = re.search(r"^Received: from [^\n]*\[(?:IPv6:)?([^]]+)\]\)[^;]*by mx\.example\.net",
                         mail, re.M)
        self.assertTrue(said, mail)
        self.assertEqual(said.group(1), source)
        queued = re.search(r"by mx\.example\.net [^;]* id (\w+)", mail).group(1)
        said = re.compile(rf" {queued}: client=\S+\[{source}\]")
        lab.eventually(lambda: said.search(logged("postfix")), what=f"no {said.pattern}")

    def login(self, server, source, port):
        """Dovecot's own word for who logged in there, and from which address to which."""
        seen = len(logged("dovecot"))
        options = {"server": server, "source": source}
        if port == 993:
            client = talk.imap(port=port, **options)
            self.assertRegex(client.tagged("SELECT INBOX")[-1], "^t1 OK")
            client.tagged("LOGOUT")
        else:
            client = talk.Talk(port, **options)
            client.pop3(f"USER {lab.ALICE}")
            self.assertRegex(client.pop3(f"PASS {lab.PASSWORDS[lab.ALICE]}"), r"^\+OK")
            self.assertRegex(client.pop3("STAT"), r"^\+OK \d+")
            client.pop3("QUIT")
        client.socket.close()
        kind = {993: "imap", 995: "pop3"}[port]
        said = re.compile(rf"{kind}-login: Info: Login: user=<{lab.ALICE}>, .*"
                          rf"rip={source}, lip={server}, .*TLS")
        lab.eventually(lambda: said.search(logged("dovecot")[seen:]),
                       what=lambda: f"no {said.pattern} in {logged('dovecot')[seen:]}")

    def test_the_backends_know_every_clients_address(self):
        for settings, address in zip(SETTINGS * 2, BACKENDS + BACKENDS[::-1]):
            self.configure(settings, address)
            for server, source in CLIENTS:
                with self.subTest(f"{source} at {address} {settings['smtp'][0]}"):
                    self.mail(server, source)
                    self.login(server, source, 993)
                    self.login(server, source, 995)

    def test_mail_goes_to_postfix_under_tls(self):
        self.configure({"smtp": SETTINGS[1]["smtp"]})
        subject = lab.marker()
        lab.swaks(names.SHIELD4, 25, subject=subject)
        self.assertRegex(lab.arrived(subject).decode(),
                         r"\(using TLSv1\.3 [^;]*by mx\.example\.net")

    def test_a_certificate_that_is_not_good_is_a_temporary_failure(self):
        for tls in (f"tls_name: other.example.net, tls_ca_file: {lab.CA}",
                    "tls_name: imap.example.net", f"tls_ca_file: {lab.CA}"):
            with self.subTest(tls):
                self.configure(SETTINGS[1], tls=tls)
                with lab.Watch() as watch:
                    client = talk.smtp()
                    client.smtp(f"MAIL FROM:<{lab.SENDER}>")
                    self.assertRegex(client.smtp(f"RCPT TO:<{lab.ALICE}>"), "^451 4.3.2 ")
                    client = talk.Talk(993)
                    self.assertRegex(client.tagged(
                        f"LOGIN {lab.ALICE} {lab.PASSWORDS[lab.ALICE]}")[-1],
                        r"^t1 NO \[UNAVAILABLE\]")
                    client = talk.Talk(995)
                    client.pop3(f"USER {lab.ALICE}")
                    self.assertRegex(client.pop3(f"PASS {lab.PASSWORDS[lab.ALICE]}"),
                                     r"^-ERR \[SYS/TEMP\]")
                    watch.wait("TLS_BACKEND_FAILED", least=3)
        self.configure(SETTINGS[1])
        lab.eventually(lambda: self.states() == {"up"}, what=self.states)
        self.mail(*CLIENTS[0])
        self.login(*CLIENTS[0], 993)
        self.login(*CLIENTS[0], 995)

    def test_a_client_that_says_who_it_is_by_itself_is_not_believed(self):
        self.configure(SETTINGS[0])
        for header in (V1, V2):
            for early in (True, False):
                with self.subTest(header=header[:5], early=early):
                    client = talk.Talk(greeting=not early, source=names.client4(38))
                    client.send(header + b"EHLO client.example.org\r\n")
                    if early and client.line().startswith("5"):
                        continue
                    self.assertRegex(client.line(), "^5[05][0-9] ")
                    client.socket.close()
        sessions = [json.loads(line) for line in
                    (names.LOG / "session.json").read_text().splitlines()]
        self.assertNotIn(FORGED, {row["client"] for row in sessions})
        self.assertNotIn(FORGED, logged("postfix"))

    def test_none_but_the_shield_reaches_who_believes_anybody(self):
        for port in names.FENCED.values():
            for address in BACKENDS:
                done = subprocess.run(["ip", "netns", "exec", names.BACKEND, "nc", "-z", "-w", "2",
                                       address, str(port)], capture_output=True)
                self.assertEqual(done.returncode, 1, (address, port))
