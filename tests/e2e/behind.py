# SPDX-License-Identifier: BSD-3-Clause
"""Other mail servers behind the shield than the lab's Postfix: Exim, told by PROXY headers who the
client is, and Postfix's smtp-sink, which fails on request. And what they all, and a reader of the
loosest kind, make of messages whose end is in doubt: nothing that we pass on may be read in two
ways."""

import contextlib
import itertools
import os
import re
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import lab
import talk
from labkit import certificate, names, postfix
from labkit.system import within

EXIM_PORT, SINK_PORT, LOOSE_PORT = 2540, 2541, 2590
LIMITS = "backend_check_seconds: 1, backend_rise: 1, greeting_delay_ms: 0"
EXIM = """
primary_hostname = exim.example.net
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/pid
keep_environment =
local_interfaces = {address}
daemon_smtp_ports = {port}
hosts_proxy = {shield}
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {folder}/key
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
message_size_limit = 60M
deliver_drop_privilege = true
acl_smtp_rcpt = ours
begin acl
ours:
  accept domains = example.net
         local_parts = alice : bob
  deny message = No such user here
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = {folder}/mails
  maildir_format = true
  user = Debian-exim
"""
SENDER = "someone@many.example.org"
SMUGGLER, SEEN = "smuggler@many.example.org", "seen@many.example.org"
OURS = names.client4(45)
SOURCES = itertools.cycle(f"198.19.{part}.7" for part in range(256))  # one has its limits


class Exim:
    """One in weir-backend, for the shield alone."""

    def __init__(self, test):
        deb = lab.ROOT / "build/packages/exim4-daemon-heavy.deb"
        if not deb.exists():
            test.skipTest("setup could not fetch exim4-daemon-heavy")
        home = tempfile.TemporaryDirectory(prefix="exim-", dir=names.MOUNT)
        test.addCleanup(home.cleanup)
        self.folder = Path(home.name)
        lab.call("dpkg-deb", "-x", deb, self.folder / "package")
        conf, key = self.folder / "conf", self.folder / "key"
        conf.write_text(EXIM.format(folder=self.folder, address=names.BACKEND4, port=EXIM_PORT,
                                    shield=names.INSIDE4, certificate=certificate.LEAF))
        shutil.copyfile(certificate.KEY, key)
        for path in (self.folder, key):
            shutil.chown(path, "Debian-exim")
        start(test, self.folder / "package/usr/sbin/exim4", "-C", conf, "-bdf")
        lab.eventually(lambda: "listening" in self.log(), 10, self.log)

    def log(self):
        path = self.folder / "mainlog"
        return path.read_text() if path.exists() else ""

    def accepted(self):
        """What it took, by its own names for it."""
        return re.findall(r"^\S+ \S+ (\S+) <= ", self.log(), re.M)

    def mails(self):
        return [path.read_bytes() for path in (self.folder / "mails").glob("new/*")]


def start(test, *command, **options):
    """A program in weir-backend until the test is over."""
    program = subprocess.Popen(within(names.BACKEND, *command), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    test.addCleanup(program.wait)
    test.addCleanup(program.terminate)
    return program


def is_open(port):
    with lab.inside(), contextlib.suppress(OSError):
        socket.create_connection((names.BACKEND4, port), 2).close()
        return True
    return False


def send(client, content, sender=SENDER, to=lab.ALICE, parameters=""):
    """The answers to MAIL, RCPT and, if it comes to that, the message by DATA."""
    answers = [client.smtp(f"MAIL FROM:<{sender}>{parameters}"), client.smtp(f"RCPT TO:<{to}>")]
    if answers[-1].startswith("250"):
        answers.append(client.smtp("DATA"))
    if answers[-1].startswith("354"):
        client.send(content)
        answers.append(client.reply())
    return answers


class BehindExim(unittest.TestCase):
    def setUp(self):
        self.exim = Exim(self)

    def behind(self, more=""):
        lab.configure(self, LIMITS, postfix=f"protocol: smtp, identity: proxy{more}, "
                      f"address: {names.BACKEND4}, port: {EXIM_PORT}")

    def test_mails_arrive_with_the_clients_address(self):
        for more in ("", f", tls: starttls, tls_name: mail.example.net, tls_ca_file: {lab.CA}"):
            with self.subTest(more):
                self.behind(more)
                subject = lab.marker()
                with talk.smtp(source=OURS) as client:
                    self.assertRegex(send(client, f"Subject: {subject}\r\n\r\nb\r\n..\r\n.\r\n"
                                          .encode())[-1], "^250 OK id=")
                said = lab.eventually(
                    lambda: re.search(rf"<= {SENDER} H=.*", self.exim.log()), 10, self.exim.log)
                self.assertIn(f"[{OURS}]", said.group())
                self.assertEqual(" X=TLS1.3:" in self.exim.log(), bool(more))
                mail = lab.eventually(lambda: [mail for mail in self.exim.mails()
                                               if subject.encode() in mail])[0]
                self.assertTrue(mail.endswith(b"\n\nb\n.\n"), mail)

    def test_what_exim_refuses_is_refused_in_its_words(self):
        self.behind()
        with talk.smtp() as client:
            self.assertEqual(send(client, b"", to="nobody@example.net")[-1],
                             "550 No such user here")
        with talk.Talk() as client:
            client.smtp("EHLO a_client.good.example.org")
            self.assertRegex(send(client, b"")[-1], "^501 .*EHLO")

    def test_chunks_and_utf_8_and_great_mails_pass(self):
        self.behind()
        with talk.smtp() as client:
            for word in ("PRDR", "PIPECONNECT", "X_PIPE_CONNECT"):
                self.assertNotIn(word, client.offered)
            body = b"Subject: gr\xc3\xbc\xc3\x9fe\r\n\r\n.\r\n" + b"x" * 70 + b"\r\n" * 400_000
            client.smtp("MAIL FROM:<grüße@many.example.org> SMTPUTF8 BODY=8BITMIME")
            client.smtp(f"RCPT TO:<{lab.ALICE}>")
            for chunk, last in ((body[:17], ""), (body[17:], " LAST")):
                client.send(f"BDAT {len(chunk)}{last}\r\n".encode() + chunk)
                self.assertRegex(client.reply(), "^250 ")
        mail = lab.eventually(self.exim.mails)[0]
        self.assertTrue(mail.endswith(body.replace(b"\r\n", b"\n")))


class BehindSink(unittest.TestCase):
    def behind(self, port, *arguments):
        folder = tempfile.TemporaryDirectory(prefix="sink-", dir=names.MOUNT)
        self.addCleanup(folder.cleanup)
        Path(folder.name).chmod(0o777)
        start(self, postfix.PACKAGE / "usr/sbin/smtp-sink", "-u", "nobody", "-d",
              f"{folder.name}/%M.", *arguments, f"{names.BACKEND4}:{port}", 100,
              env={**os.environ, **postfix.ENVIRONMENT})
        lab.eventually(lambda: is_open(port), 10, "smtp-sink does not start")
        lab.configure(self, LIMITS, postfix=f"protocol: smtp, identity: none, "
                      f"address: {names.BACKEND4}, port: {port}")
        return Path(folder.name)

    def test_each_mail_is_there_once(self):
        folder = self.behind(SINK_PORT)
        with talk.smtp() as client:
            for number in range(20):
                content = f"Subject: {number}\r\n\r\n" + "x\r\n" * number + ".\r\n"
                self.assertRegex(send(client, content.encode())[-1], "^250 ")
        found = sorted(int(re.search(r"^Subject: (\d+)", path.read_text(), re.M).group(1))
                       for path in folder.iterdir())
        self.assertEqual(found, list(range(20)))

    def test_no_failure_of_a_backend_becomes_a_250(self):
        ways = {  # of smtp-sink to fail: what a client hears at last
            "-q mail": "451", "-q rcpt": "451", "-q data": "451", "-q .": "451",
            "-Q mail": "451", "-Q rcpt": "451", "-Q data": "451", "-Q .": "451",
            "-r mail": "450", "-r rcpt": "450", "-r data": "450", "-r .": "450",
            "-f mail": "500", "-f rcpt": "500", "-f data": "500", "-f .": "500",
        }
        for number, (way, code) in enumerate(ways.items()):
            with self.subTest(way):
                self.behind(SINK_PORT + 1 + number, *way.split())
                with talk.smtp() as client:
                    said = send(client, b"Subject: x\r\n\r\nbody\r\n.\r\n")
                    self.assertRegex(said[-1], f"^{code} ", said)
                    self.assertTrue(client.smtp("RSET").startswith("250"))


class Loose(socketserver.ThreadingTCPServer):
    """A server that takes a message's end wherever anybody ever took one."""
    allow_reuse_address = daemon_threads = True
    END = re.compile(rb"(?:\A|[\r\n\0])\.[\r\n\0]*[\r\n]")

    def __init__(self):
        self.messages = []
        super().__init__((names.BACKEND4, LOOSE_PORT), LooseSession)


class LooseSession(socketserver.StreamRequestHandler):
    wbufsize = 0

    def handle(self):
        self.wfile.write(b"220 loose.example.net ESMTP\r\n")
        while line := self.rfile.readline(4096):
            verb = line[:4].upper()
            self.wfile.write({b"EHLO": b"250-loose.example.net\r\n250 8BITMIME\r\n",
                              b"QUIT": b"221 bye\r\n", b"DATA": b"354 go on\r\n"}
                             .get(verb, b"250 ok\r\n"))
            if verb == b"DATA":
                self.message()

    def message(self):
        text = b""
        while not Loose.END.search(text):
            more = self.request.recv(65536)
            if not more:
                return  # it never ended
            text += more
        self.server.messages.append(text)
        self.wfile.write(b"250 ok\r\n")


BREAKS = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\n\n", b"\r\n\0", b"\0\r\n", b"\r\0\n",
          b"\0\n")
LIKE_BREAKS = (b"\x0b", b"\x0c", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"\x1a", b" \r\n", b"\t")
FALSE_ENDS = [before + b"." + after for before, after in itertools.product(BREAKS, BREAKS)
              if (before[-2:], after[:2]) != (b"\r\n", b"\r\n")]
TEXT_ENDS = [before + b"." + after for before, after in itertools.product(LIKE_BREAKS, LIKE_BREAKS)]


class Smuggling(unittest.TestCase):
    """A message, a false end, a whole second mail, the true end: whatever comes of that, it is one
    answer to the client and at most one mail at the backend."""

    def attempt(self, port, end, cut):
        """The answer. `cut`: each byte of the end comes by itself."""
        source = next(SOURCES)
        with talk.submission(source=source) if port == 587 else talk.smtp(source=source) as client:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            second = (f"MAIL FROM:<{SMUGGLER}>\r\nRCPT TO:<{lab.ALICE}>\r\nDATA\r\n"
                      "Subject: smuggled\r\n\r\nforged\r\n.\r\n").encode()
            client.smtp(f"MAIL FROM:<{lab.ALICE if port == 587 else SENDER}> BODY=8BITMIME")
            client.smtp(f"RCPT TO:<{lab.ALICE}>")
            client.smtp("DATA")
            first = b"Subject: first\r\n\r\nbody"
            for piece in ([first, *(bytes([byte]) for byte in end), second] if cut
                          else [first + end + second]):
                client.send(piece)
            answer = client.reply()
            self.assertRegex(client.smtp("QUIT"), "^221 ")
            self.assertTrue(client.is_closed())
            return answer

    def attempt_all(self):
        """What was said to those that were taken."""
        taken = []
        for number, end in enumerate(FALSE_ENDS + TEXT_ENDS):
            port, cut = (587 if number % 5 == 0 else 25), number % 2
            with self.subTest(end=end, port=port, cut=cut):
                answer = self.attempt(port, end, cut)
                self.assertRegex(answer, "^550 " if end in FALSE_ENDS else "^250 ")
                taken += [answer] * answer.startswith("250")
        return taken

    def test_exim_finds_no_second_mail(self):
        exim = Exim(self)
        lab.configure(self, LIMITS, postfix=f"protocol: smtp, identity: proxy, "
                      f"address: {names.BACKEND4}, port: {EXIM_PORT}")
        taken = self.attempt_all()
        self.assertEqual(exim.accepted(), [said.split("id=")[1] for said in taken])

    def test_postfix_finds_no_second_mail(self):
        lab.configure(self, LIMITS)
        seen = len(postfix_log())
        taken = {said.split()[-1] for said in self.attempt_all()}

        def found():
            log = postfix_log()[seen:]
            return set(re.findall(r" (\w+): client=\w+\[198\.19\.", log)).intersection(
                re.findall(r"postfix/qmgr\[\d+\]: (\w+): from=", log))
        lab.eventually(lambda: found() >= taken, 10, postfix_log)
        self.assertEqual(found(), taken)

    def test_the_same_postfix_finds_one_without_us(self):
        with lab.inside():
            client = talk.smtp(server=names.BACKEND4)
        with client:
            send(client, f"Subject: first\r\n\r\nbody\n.\nMAIL FROM:<{SEEN}>\r\n"
                 f"RCPT TO:<{lab.ALICE}>\r\nDATA\r\n\r\nforged\r\n.\r\n".encode())
        lab.eventually(lambda: f"from=<{SEEN}>" in postfix_log(), 10, postfix_log)

    def test_the_loosest_reader_finds_one_end(self):
        with lab.inside():
            server = Loose()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lab.configure(self, LIMITS, postfix=f"protocol: smtp, identity: none, "
                      f"address: {names.BACKEND4}, port: {LOOSE_PORT}")
        self.assertEqual(len(self.attempt_all()), len(server.messages))
        for text in server.messages:
            self.assertEqual(Loose.END.search(text).end(), len(text), text)
            self.assertIsNone(re.search(rb"\0|\r(?!\n)|(?<!\r)\n", text), text)

    def test_chunks_hold_what_would_end_a_message(self):
        subject = lab.marker()
        body = f"MAIL FROM:<{SMUGGLER}>\r\nRCPT TO:<{lab.BOB}>\r\nDATA\r\n\r\nx\r\n.\r\n"
        content = f"Subject: {subject}\r\n\r\n.\r\n..\r\n{body}".encode()
        for cut in range(len(subject) + 13, len(subject) + 23):
            with talk.smtp() as client:
                client.smtp(f"MAIL FROM:<{SENDER}>")
                client.smtp(f"RCPT TO:<{lab.ALICE}>")
                client.send(b"BDAT %d\r\n%sBDAT %d LAST\r\n%s" % (
                    cut, content[:cut], len(content) - cut, content[cut:]))
                self.assertRegex(client.reply() + client.reply(), "^250 .*250 ")
                self.assertRegex(client.smtp("QUIT"), "^221 ")
        found = lab.eventually(lambda: len(mails := lab.mails_with(subject)) == 10 and mails)
        for path in found:
            self.assertTrue(path.read_bytes().endswith(
                f"\n\n.\n..\n{body}".replace("\r\n", "\n").encode()), path.read_bytes())


def postfix_log():
    return (names.LOG / "postfix.log").read_text(errors="replace")


class Inheritance(unittest.TestCase):
    """What a backend was told of one client never holds for another."""

    def test_nobody_inherits_a_login_or_an_address(self):
        told = {}
        with contextlib.ExitStack() as stack:
            for turn in range(12):
                source = names.client4(50 + turn)
                login = turn % 3 == 0
                client = stack.enter_context(
                    talk.submission(source=source) if login else talk.smtp(source=source))
                subject = lab.marker()
                sender = lab.ALICE if login else SENDER
                answers = send(client, f"Subject: {subject}\r\n\r\nx\r\n.\r\n".encode(), sender)
                self.assertRegex(answers[-1], "^250 ")
                told[re.search(r"queued as (\w+)", answers[-1]).group(1)] = (source, login)
                (client.reset, lambda: client.smtp("QUIT"), lambda: None)[turn // 3 % 3]()
        self.assertEqual(len(told), 12)
        for queued, (source, login) in told.items():
            said = re.compile(rf" {queued}: client=.*")
            line = lab.eventually(lambda: said.search(postfix_log())).group()
            self.assertIn(f"[{source}]", line)
            self.assertEqual("sasl_username" in line, login, line)
            self.assertEqual(f"sasl_username={lab.ALICE}" in line, login, line)
