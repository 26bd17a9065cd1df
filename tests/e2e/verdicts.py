# SPDX-License-Identifier: BSD-3-Clause
"""The gate's beginning and its verdicts: greeting, headers, session log, offences."""

import calendar
import json
import re
import socket
import subprocess
import sys
import time
import unittest

import lab
import talk
from labkit import names

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's, whichever Python runs this
import authres  # noqa: E402  (after the path)
import dkim  # noqa: E402

HELO = "client.good.example.org"
REFUSING_PORT = 4144
REFUSING = """
import socketserver
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
class Session(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] here\\r\\n")
        for line in self.rfile:
            tag, verb, *_ = line.split()
            said = b" NO [AUTHENTICATIONFAILED] no" if verb == b"AUTHENTICATE" else b" OK done"
            self.wfile.write(tag + said + b"\\r\\n")
server = Server(("{address}", {port}), Session)
print("listening", flush=True)
server.serve_forever()
"""


def log_lines():
    path = names.LOG / "session.json"
    return [json.loads(line) for line in path.read_text().splitlines()]


def logged(client):
    """The line of that Talk's session, which has ended or does now."""
    port = client.socket.getsockname()[1]
    client.socket.close()
    return lab.eventually(lambda: next((line for line in reversed(log_lines())
                                        if line["client_port"] == port and
                                        began(line) > client.begun - 1), None), 15,
                          "the session is not in the log")


def began(line):
    return calendar.timegm(time.strptime(line["started"][:19], "%Y-%m-%dT%H:%M:%S"))


def deliver(client, sender, subject, to=lab.ALICE, mail=None):
    for command in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA"):
        answer = client.smtp(command)
        assert answer[0] in "23", f"{command}: {answer}"
    client.send((mail or b"Subject: %s\r\n\r\nx\r\n" % subject.encode()) + b".\r\n")
    answer = client.reply()
    assert answer.startswith("250"), answer


def headers(mail):
    """Name and unfolded value of each field, in order."""
    fields = []
    for line in mail.split(b"\n\n", 1)[0].decode(errors="replace").split("\n"):
        if line[:1] in " \t" and fields:
            fields[-1][1] += " " + line.strip()
        else:
            name, _, value = line.partition(":")
            fields.append([name, value.strip()])
    return fields


def results(mail):
    """Our own Authentication-Results, read by another's parser of RFC 8601."""
    ours = [f"{name}: {value}" for name, value in headers(mail)
            if name == "Authentication-Results" and value.startswith("mail.example.net")]
    assert len(ours) == 1, ours
    parsed = authres.AuthenticationResultsHeader.parse(ours[0])
    return {result.method: result for result in parsed.results}


class Greeting(unittest.TestCase):
    def test_a_client_that_nobody_knows_waits_behind_a_first_line_and_later_no_more(self):
        begun = time.monotonic()
        with talk.Talk(source="198.18.40.1") as client:
            self.assertEqual(client.greeting,
                             "220-mail.example.net ESMTP\n220 mail.example.net ESMTP")
            self.assertGreater(time.monotonic() - begun, 0.24)
            client.smtp(f"EHLO {HELO}")
            self.assertTrue(client.smtp("QUIT").startswith("221"))
            self.assertTrue(client.is_closed())
        with talk.Talk(source="198.18.40.1") as client:
            self.assertEqual(client.greeting, "220 mail.example.net ESMTP")

    def test_who_speaks_behind_the_first_line_is_refused(self):
        with lab.Watch() as watch, talk.Talk(source="198.18.40.2", greeting=False) as client:
            self.assertEqual(client.line(), "220-mail.example.net ESMTP")
            client.send("EHLO bot.example\r\n")
            self.assertTrue(client.line().startswith("554 5.5.1"))
            self.assertTrue(client.is_closed())
            watch.wait("SMTP_EARLY_TALKER")

    def test_dns_is_asked_at_the_last_ack_and_never_for_a_syn(self):
        tcpdump = "tcpdump -i lo -l -n -tt -T domain udp dst port 5300"
        queries = subprocess.Popen(
            ["ip", "netns", "exec", names.HOST, *tcpdump.split()],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while "listening on" not in queries.stderr.readline():
            pass
        lab.call(*f"hping3 -q -S -c 5 -i u1000 -p 25 -a 198.18.40.3 {lab.SHIELD}".split(),
                 check=False)
        before = time.time()
        with talk.Talk(source="198.18.40.4"):
            greeted = time.time()
        time.sleep(0.2)
        queries.terminate()
        seen = queries.communicate()[0].splitlines()
        self.assertFalse([line for line in seen if "3.40.18.198" in line], seen)
        for zone in ("in-addr.arpa", "bl.example.org", "allow.example.org"):
            times = [float(line.split()[0]) for line in seen if f"4.40.18.198.{zone}" in line]
            self.assertTrue(times and before < times[0] < greeted - 0.1, (zone, before, seen))


class Headers(unittest.TestCase):
    def test_what_was_found_stands_in_results_that_others_can_read(self):
        for server, source, helo in ((lab.SHIELDS[0], names.CLIENT4, HELO),
                                     (lab.SHIELDS[1], names.CLIENT6, HELO),
                                     (lab.SHIELDS[0], names.CLIENT4, "[198.51.100.10]"),
                                     (lab.SHIELDS[1], names.CLIENT6, "[IPv6:2001:db8:51::10]")):
            with self.subTest(helo=helo, source=source):
                subject = lab.marker()
                with talk.Talk(server=server, source=source) as client:
                    client.smtp(f"EHLO {helo}")
                    deliver(client, '"a \\"b;c"@many.example.org', subject)
                mail = lab.arrived(subject)
                found = results(mail)
                self.assertEqual(found["iprev"].properties[0].value, source)
                self.assertIn("spf", found)
                spf = next(value for name, value in headers(mail) if name == "Received-SPF")
                quoted = f'"{source}"' if ":" in source else source
                self.assertIn(f"client-ip={quoted}", spf)
                self.assertIn('envelope-from="\\"a \\\\\\"b;c\\"@many.example.org"', spf)

    def test_a_login_stands_there_too(self):
        subject = lab.marker()
        with talk.submission() as client:
            deliver(client, lab.ALICE, subject, to=lab.BOB)
        mail = lab.arrived(subject, lab.BOB)
        auth = results(mail)["auth"]
        self.assertEqual((auth.result, auth.properties[0].value), ("pass", lab.ALICE))
        received = next(value for name, value in headers(mail)
                        if name == "Received" and "(Weir)" in value)
        self.assertRegex(received, r"using TLSv1\.\d with cipher \S+\) "
                                   r"by mail\.example\.net \(Weir\) with ESMTPSA id ")

    def test_a_signed_mail_verifies_behind_us_and_only_forged_results_go(self):
        key = lab.call("openssl", "genrsa", "2048").stdout.encode()
        public = lab.call("openssl", "rsa", "-pubout", stdin=key.decode()).stdout
        record = b"v=DKIM1; k=rsa; p=" + "".join(public.split("\n")[1:-2]).encode()
        subject = lab.marker()
        body = (b"From: a@many.example.org\r\nTo: alice@example.net\r\nSubject:  %s \r\n folded\r\n"
                b"X-Odd:  white\t space \r\nARC-Authentication-Results: i=1; mail.example.net;\r\n"
                b"\tspf=pass\r\nAuthentication-Results: other.example; dkim=pass\r\n\r\n"
                b"..dots \r\n  \r\n\r\nend\r\n\r\n" % subject.encode())
        signed = dkim.sign(body, b"s1", b"many.example.org", key,
                           canonicalize=(b"simple", b"simple"),
                           include_headers=[b"From", b"To", b"Subject", b"X-Odd",
                                            b"ARC-Authentication-Results",
                                            b"Authentication-Results"]) + body
        forged = (b"Authentication-Results: mail.example.net; spf=pass\r\n",
                  b"AUTHENTICATION-results :\r\n (\r\n a) MAIL.example.NET 1; dkim=pass\r\n",
                  b'Authentication-Results: "mail.example.net"; auth=pass\r\n',
                  b"Authentication-Results:(c)(d)\r\n\tmail.example.net.;none\r\n")
        dotted = (b"".join(forged) + signed).replace(b"\r\n.", b"\r\n..")
        with talk.smtp(source="198.18.40.5") as client, lab.Watch() as watch:
            deliver(client, "a@many.example.org", subject, mail=dotted)
            watch.wait("SMTP_RESULTS_FORGED", len(forged))
        mail = lab.arrived(subject)
        self.assertTrue(dkim.verify(mail.replace(b"\n", b"\r\n"),
                                    dnsfunc=lambda name, timeout=5: record), mail)
        results(mail)  # but one of ours


class Log(unittest.TestCase):
    def test_a_mail_is_told_in_full(self):
        subject, begun = lab.marker(), time.time()
        client = talk.smtp(source=names.CLIENT4)
        client.smtp("STARTTLS")
        client.start_tls()
        client.smtp(f"EHLO {HELO}")
        deliver(client, lab.SENDER, subject)
        client.smtp("RCPT TO:<victim@elsewhere.example>")
        client.smtp(f"MAIL FROM:<{lab.SENDER}>")
        client.smtp(f"RCPT TO:<{lab.ALICE}>")
        client.smtp(f"RCPT TO:<{lab.BOB}>")
        client.smtp("RCPT TO:<victim@elsewhere.example>")
        port = client.socket.getsockname()[1]
        client.smtp("QUIT")
        line = logged(client)
        want = {"service": "smtp", "client": names.CLIENT4, "client_port": port,
                "local": lab.SHIELD, "local_port": 25, "backend": "postfix", "tls": "1.3",
                "tls_sni": "mail.example.net", "user": None, "login": None, "rdns": "confirmed",
                "rdns_name": HELO, "helo": HELO, "helo_match": "equal", "dnsbl": 0, "spf": "pass",
                "spf_helo": None, "findings": [], "score": 0, "mail_from": lab.SENDER,
                "rcpt_to": [lab.ALICE, lab.BOB], "rcpt_refused": ["victim@elsewhere.example"],
                "mails": 1, "recipients": 3, "refusals": 2,
                "refusal": "smtp_relay_denied", "reason": "mail_quit", "commands": 12}
        self.assertEqual({key: line[key] for key in want}, want)
        self.assertRegex(line["tls_cipher"], "^TLS_")
        self.assertTrue(line["message_bytes"] < line["bytes_in"] and line["bytes_out"] > 500)
        self.assertLess(abs(begun - began(line)), 3)
        self.assertLess(line["duration_ms"], 10000)

    def test_hostile_texts_stay_within_their_fields(self):
        sender = '"q\\"\\\\ {}:,\'"@many.example.org'
        client = talk.smtp(source="198.18.40.6")
        client.smtp(f"MAIL FROM:<{sender}>")
        client.smtp("RCPT TO:<\"al'ice\\\"\"@example.net>")
        client.smtp("HELO x\x01\xff\"y")
        client.send(b"MAIL FROM:<\xff\xfe\"}@many.example.org> SMTPUTF8\r\n")
        client.reply()
        line = logged(client)
        self.assertEqual(line["mail_from"], sender)
        self.assertEqual(line["rcpt_refused"], ["\"al'ice\\\"\"@example.net"])
        self.assertEqual(line["helo"], HELO)

    def test_logins_of_imap_and_pop3_are_told(self):
        client = talk.Talk(993)
        client.tagged(f"LOGIN {lab.ALICE} wrong")
        line = logged(client)
        self.assertEqual((line["service"], line["login"], line["user"], line["refusal"]),
                         ("imaps", "wrong", None, "mail_auth_failed"))
        client = talk.imap()
        client.tagged("NOOP")
        client.tagged("LOGOUT")
        line = logged(client)
        self.assertEqual((line["login"], line["user"], line["backend"], line["commands"]),
                         ("accepted", lab.ALICE, "dovecot-imap", 3))
        self.assertTrue(line["bytes_in"] > 40 and line["bytes_out"] > 100 and line["tls"] == "1.3")
        client = talk.Talk(995)
        client.pop3(f"USER {lab.ALICE}")
        client.pop3(f"PASS {lab.PASSWORDS[lab.ALICE]}")
        client.pop3("QUIT")
        line = logged(client)
        self.assertEqual((line["service"], line["login"], line["user"], line["commands"]),
                         ("pop3s", "accepted", lab.ALICE, 3))


    def test_a_login_that_only_the_backend_refuses_was_none(self):
        server = subprocess.Popen(["ip", "netns", "exec", names.BACKEND, "python3", "-c",
                                   REFUSING.format(address=names.BACKEND4, port=REFUSING_PORT)],
                                  stdout=subprocess.PIPE)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        server.stdout.readline()
        kept = names.CONFIG.read_text()
        self.addCleanup(lab.configured, kept)
        lab.configured(re.sub(r"(?ms)^  dovecot-imap: .*?\}$", f"  dovecot-imap: {{address: "
                              f"{names.BACKEND4}, port: {REFUSING_PORT}, protocol: imap, "
                              "identity: none}", kept))
        client = talk.Talk(993)
        said = client.tagged(f"LOGIN {lab.ALICE} {lab.PASSWORDS[lab.ALICE]}")[-1]
        self.assertRegex(said, r"^t1 NO \[AUTHENTICATIONFAILED\]")
        client.tagged("LOGOUT")
        line = logged(client)
        self.assertEqual((line["login"], line["user"], line["refusal"], line["reason"]),
                         ("wrong", lab.ALICE, "imap_auth_failed", "mail_quit"))


class Offences(unittest.TestCase):
    def test_foreign_alpn_is_refused_by_its_alert_and_counted(self):
        for port in (465, 993):
            with self.subTest(port=port), lab.Watch() as watch:
                said = lab.call("openssl", "s_client", "-connect", f"{lab.SHIELD}:{port}", "-alpn",
                                "h2,http/1.1", check=False)
                self.assertIn("no application protocol", said.stderr.lower())
                watch.wait("TLS_ALPN_FOREIGN")
        said = lab.call("openssl", "s_client", "-connect", f"{lab.SHIELD}:993", "-alpn", "h2,imap",
                        check=False)
        self.assertIn("ALPN protocol: imap", said.stdout)

    def test_enough_of_them_ban_a_proven_source_and_end_its_sessions_until_it_is_lifted(self):
        source = "198.18.40.7"
        lab.ctl("limits", "mode", "offences_source", "enforce")
        self.addCleanup(lab.ctl, "limits", "mode", "offences_source", "shadow")
        with (talk.imap(source=source, seconds=3) as live, lab.Watch() as watch,
              talk.imap(source="198.18.40.8") as other):
            for _ in range(6):  # of 20 points each
                self.assertRegex(live.tagged("NOOP")[-1], "^t1 OK")
                with talk.Talk(source=source, greeting=False) as client:
                    client.send("GET / HTTP/1.1\r\n\r\n")
                    client.is_closed()
            self.assertTrue(live.is_closed())
            watch.wait("SESSION_BANNED")
            self.assertRegex(other.tagged("NOOP")[-1], "^t1 OK")
            self.assertEqual(logged(live)["reason"], "session_banned")
        bans = lab.ctl("bans", "list").stdout
        self.addCleanup(lab.ctl, "bans", "remove", source, check=False)
        self.assertRegex(bans, source + r".*mail_not_mail")
        self.assertIn("mail_not_mail", lab.ctl("explain", source).stdout)
        with self.assertRaises((socket.timeout, TimeoutError)):
            talk.Talk(source=source, seconds=1.5)
        lab.ctl("bans", "remove", source)
        with talk.Talk(source=source) as client:
            self.assertTrue(client.greeting.startswith("220-"))


if __name__ == "__main__":
    unittest.main()
