# SPDX-License-Identifier: BSD-3-Clause
"""Real mail clients through Weir and straight to Dovecot: what each of them ends with is the same.

WEIR_INTEROP_MAILS sets the size of the mailbox that is synchronised (5000).
"""

import contextlib
import difflib
import hashlib
import imaplib
import json
import os
import poplib
import pprint
import random
import re
import shutil
import tempfile
import time
import unittest
from pathlib import Path

import lab
import talk
from labkit import names
from labkit.system import within
from limits import limit

USER, PASSWORD = lab.BOB, lab.PASSWORDS[lab.BOB]
HOST = "imap.example.net"
MANY, FEW, INBOX = int(os.environ.get("WEIR_INTEROP_MAILS", 5000)), 200, 40
MAILDIR = names.MOUNT / "mail" / "example.net" / "bob" / "Maildir"
BIG = 20_000_000
TREES = []  # what was put into the store, to be taken out again


def mail(number):
    """Small, and now and then like something that a proxy might trip over."""
    draw = random.Random(number)
    odd = ("a1 OK not an answer", "* BYE not an end", "looks like a literal {5}", "+ no go-ahead",
           ".", "..", "-ERR", "Grüße, ✉", "x" * 990, ")", "", "From here")
    lines = [odd[number % len(odd)]] + [draw.choice(odd) if draw.random() < 0.1 else
                                        draw.randbytes(24).hex() for _ in range(number % 17)]
    return (f"Message-ID: <{number}@example.net>\nFrom: someone@good.example.org\nTo: {USER}\n"
            f"Date: Thu, 01 Jan 2026 00:00:{number % 60:02} +0000\n"
            f"Subject: number {number} of many\n\n" + "\n".join(lines) + "\n").encode()


def fill(folder, count):
    """That many mails straight into Dovecot's own store."""
    home = MAILDIR / folder
    for part in (home / "cur", home / "new", home / "tmp"):
        part.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = home / "cur" / f"{1_700_000_000 + number}.interop{number}.lab:2,{'S' * (number % 2)}"
        path.write_bytes(mail(number))
        os.utime(path, (1_700_000_000 + number,) * 2)
        TREES.append(path)
    # The domain's folder, too, or Dovecot can make no other user's.
    for path in (*MAILDIR.parents[:2], MAILDIR, *home.rglob("*"), home):
        shutil.chown(path, "mail", "mail")


def setUpModule():
    fill(".many", MANY)
    fill(".few", FEW)
    fill(".", INBOX)
    with talk.imap(USER) as client:  # who opens a mailbox first is told that its mails are recent
        for name in ("many", "few", "INBOX"):
            assert " OK" in client.tagged(f"SELECT {name}")[-1]


def tearDownModule():
    for path in TREES:
        path.unlink(missing_ok=True)
    for folder in (".many", ".few"):
        shutil.rmtree(MAILDIR / folder, ignore_errors=True)


class Way:
    """One way to the mailboxes, with a folder to work in."""

    def __init__(self, name, folder):
        self.name, self.folder = name, Path(folder, name)
        self.through = name == "through"
        self.imap, self.pop3 = (993, 995) if self.through else (143, 110)
        self.folder.mkdir(mode=0o700)
        self.hosts = self.write("hosts", f"{lab.SHIELD if self.through else names.BACKEND4} {HOST}")

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        return path

    def pick(self, through, direct):
        return through if self.through else direct

    def run(self, *command, **options):
        """A client where HOST is the server's name."""
        there = () if self.through else within(names.BACKEND)
        return lab.call(*there, "unshare", "--mount", "sh", "-c",
                        f"mount --bind {self.hosts} /etc/hosts && exec \"$@\"", "sh", "env",
                        f"HOME={self.folder}", "LC_ALL=C.UTF-8", "TERM=xterm", *command, **options)

    def connect(self, make):
        """What make() returns, its connection made where this way begins."""
        with contextlib.nullcontext() if self.through else lab.inside():
            return make()

    def talk(self, login=True):
        """A plain-spoken IMAP client."""
        if self.through:
            client = talk.Talk(self.imap)
        else:
            client = self.connect(lambda: talk.Talk(143, server=names.BACKEND4))
        if login:
            answer = client.tagged(f"LOGIN {USER} {PASSWORD}")[-1]
            assert answer.startswith("t1 OK"), answer
        return client


class Both(unittest.TestCase):
    def both(self, look):
        """look(way) for both ways; the result, which must be the same and not empty."""
        with tempfile.TemporaryDirectory() as folder:
            found = {name: look(Way(name, folder)) for name in ("through", "direct")}
        self.assertTrue(found["direct"])
        if found["through"] != found["direct"]:
            self.fail("\n".join(difflib.unified_diff(*(
                pprint.pformat(found[name], width=300).splitlines()
                for name in ("through", "direct")), n=2))[:3000])
        return found["through"]

    def assert_stored(self, found, count):
        """Mails with LF ends are those of the store, each once."""
        self.assertEqual(sorted(digest(body) for body in found),
                         sorted(digest(mail(number)) for number in range(count)))


def digest(data):
    return hashlib.sha256(data).hexdigest()


def by_uid(maildir):
    return {re.search(r",U=(\d+)", path.name).group(1): path.read_bytes()
            for part in ("cur", "new") for path in (maildir / part).iterdir()}


class Programs(Both):
    def mbsync(self, way):
        near = way.folder / "near"
        near.mkdir()
        way.run("mbsync", "--quiet", "--all", "--config", way.write("mbsyncrc", f"""FSync no
IMAPAccount far
Host {HOST}
Port {way.imap}
User {USER}
Pass {PASSWORD}
AuthMechs LOGIN
SSLType {way.pick("IMAPS", "None")}
CertificateFile {lab.CA}
SystemCertificates no

IMAPStore far
Account far

MaildirStore near
Path {near}/
Inbox {near}/INBOX

Channel all
Far :far:many
Near :near:many
Sync Pull
Create Near"""))
        mark = rb"(?m)^X-TUID: \S+\n"  # mbsync's own, never the same twice
        return {uid: re.sub(mark, b"", body) for uid, body in by_uid(near / "many").items()}

    def test_mbsync_takes_the_whole_mailbox(self):
        self.assert_stored(self.both(self.mbsync).values(), MANY)

    def offlineimap(self, way):
        way.run("offlineimap", "-o", "-u", "basic", "-c", way.write("offlineimaprc", f"""[general]
accounts = lab
metadata = {way.folder}/metadata
[Account lab]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {way.folder}/near
[Repository far]
type = IMAP
readonly = True
remotehost = {HOST}
remoteport = {way.imap}
remoteuser = {USER}
remotepass = {PASSWORD}
ssl = {way.pick("yes", "no")}
starttls = no
sslcacertfile = {lab.CA}
auth_mechanisms = PLAIN
folderfilter = lambda name: name == "few\""""))
        return by_uid(way.folder / "near" / "few")

    def test_offlineimap_takes_a_mailbox(self):
        self.assert_stored(self.both(self.offlineimap).values(), FEW)

    def fetchmail(self, way):
        all_mail = way.folder / "all"
        secure = f"ssl sslcertck sslcertfile {lab.CA}"
        way.run("fetchmail", "--nodetach", "--nosyslog", "-f", way.write("fetchmailrc", f"""
set invisible
poll {HOST} protocol pop3 service {way.pop3}
    user "{USER}" password "{PASSWORD}" {way.pick(secure, 'sslproto ""')}
    keep fetchall no rewrite mda "cat >>{all_mail}\""""))
        return all_mail.read_bytes()

    def test_fetchmail_fetches_the_inbox(self):
        fetched = self.both(self.fetchmail)
        for number in range(INBOX):
            self.assertIn(b"Message-ID: <%d@example.net>" % number, fetched)

    def imapflow(self, way):
        out = way.run("node", Path(__file__).parent / "imapflow.mjs", HOST, way.imap, USER,
                      PASSWORD, "few", *way.pick((lab.CA,), ())).stdout
        found = json.loads(out)
        self.assertLess(found["idle"].pop("ms"), 2000)
        return found

    def test_imapflow_reads_a_mailbox_and_idles(self):
        found = self.both(self.imapflow)
        self.assertEqual(found["mails"]["count"], FEW)
        self.assertEqual(sorted(digest for _, digest in found["mails"]["found"].values()),
                         sorted(digest(mail(number).replace(b"\n", b"\r\n"))
                                for number in range(FEW)))
        self.assertEqual(found["idle"], {"count": 1, "listed": True})

    def neomutt(self, way):
        """Copies a mailbox to the disk, on the server, and from the disk to the server again."""
        url = f"{way.pick('imaps', 'imap')}://{HOST}:{way.imap}/"
        boxes = [f"{kind}-{way.name}" for kind in ("copied", "appended")]
        rc = way.write("muttrc", f"""set folder="{url}" imap_user="{USER}" imap_pass="{PASSWORD}"
set ssl_force_tls={way.pick("yes", "no")} ssl_starttls=no ssl_ca_certificates_file="{lab.CA}"
set ssl_verify_host=yes ssl_verify_dates=yes ssl_use_system_certs=no certificate_file=""
set mbox_type=Maildir confirmappend=no confirmcreate=no quit=yes wait_key=no sleep_time=0
set header_cache="" message_cachedir="" move=no mark_old=no spoolfile={url}few""")
        near = way.folder / "near"
        with way.talk() as client:
            for box in boxes:
                self.assertIn(" OK", client.tagged(f"CREATE {box}")[-1])
        take = "<tag-pattern>~A<enter><tag-prefix><copy-message>"
        for box, *targets in (("=few", near, f"={boxes[0]}"), (near, f"={boxes[1]}")):
            keys = "".join(f"{take}{target}<enter>" for target in targets)
            way.run("script", "-qec", f"neomutt -n -F {rc} -f {box} -e 'push {keys}<exit>'",
                    "/dev/null")
        found, own = [], rb"(?m)^(Content-Length|Lines|Status): \w+\n"
        for home in (near, *(MAILDIR / f".{box}" for box in boxes)):
            found.append(sorted(re.sub(own, b"", path.read_bytes(), 3)
                                for part in ("cur", "new") for path in (home / part).iterdir()))
            shutil.rmtree(home)
        return found

    def test_neomutt_copies_and_appends_a_mailbox(self):
        for found in self.both(self.neomutt):
            self.assert_stored(found, FEW)

    def test_curl_appends_20_mb(self):
        with tempfile.TemporaryDirectory() as folder:
            way = Way("through", folder)
            lines = b"".join(random.randbytes(36).hex().encode() + b"\r\n"
                             for _ in range(BIG // 74))
            subject = lab.marker()
            path = way.folder / "mail"
            path.write_bytes(f"Subject: {subject}\r\n\r\n".encode() + lines)
            way.run("curl", "-sS", "--max-time", 60, "--cacert", lab.CA, "--user",
                    f"{USER}:{PASSWORD}", "-T", path, f"imaps://{HOST}/INBOX")
        stored = lab.arrived(subject, USER)
        TREES.extend(lab.mails_with(subject, USER))
        self.assertEqual(digest(stored.partition(b"\n\n")[2]),
                         digest(lines.replace(b"\r\n", b"\n")))


class Libraries(Both):
    def imaplib(self, way):
        def make():
            return imaplib.IMAP4(way.pick(lab.SHIELD, names.BACKEND4), timeout=20)
        with way.connect(make) as client:
            if way.through:
                client.starttls(lab.TlsContext())
            client.login(USER, PASSWORD)
            client.select("few", readonly=True)
            self.assertEqual(len(client.search(None, "ALL")[1][0].split()), FEW)
            return client.fetch("1:*", "(UID FLAGS INTERNALDATE ENVELOPE BODY BODY.PEEK[])")

    def test_imaplib_fetches_everything(self):
        found = self.both(self.imaplib)[1]
        self.assert_stored([part[1].replace(b"\r\n", b"\n") for part in found
                            if isinstance(part, tuple)], FEW)

    def poplib(self, way):
        if way.through:
            client = poplib.POP3_SSL(lab.SHIELD, context=lab.TlsContext(), timeout=20)
        else:
            client = way.connect(lambda: poplib.POP3(names.BACKEND4, timeout=20))
        client.user(USER)
        client.pass_(PASSWORD)
        rows = client.list()[1]
        small = [row.split()[0].decode() for row in rows if int(row.split()[1]) < 100_000]
        found = [client.stat(), rows, client.uidl(), [client.retr(number) for number in small],
                 [client.top(number, 1) for number in small]]
        client.quit()
        return found

    def test_poplib_fetches_everything(self):
        self.assertGreaterEqual(len(self.both(self.poplib)[3]), INBOX)


def literal(text, sync="+"):
    data = text.encode()
    return b"{%d%s}\r\n%s" % (len(data), sync.encode(), data)


def said(client, data, tag):
    """What is answered up to this tag, without times and numbers that no two runs share."""
    client.send(data)
    lines = [client.line()]
    while not client.ended and not lines[-1].startswith(tag + " "):
        lines.append(client.line())
    return [re.sub(r"UIDVALIDITY \d+|APPENDUID \d+|\(\d\.\d+ \+ [^)]*secs\)", "", line)
            for line in lines]


class Verbatim(Both):
    """The same bytes, the same answers."""

    def answers(self, data, order=lambda lines: lines):
        def look(way):
            with way.talk() as client:
                return order(said(client, data, "z"))
        return self.both(look)

    def test_names_in_utf_8(self):
        answers = self.answers(
            b'a CREATE "Entw&APw-rfe"\r\nb LIST "" "*"\r\nc STATUS Entw&APw-rfe (MESSAGES)\r\n'
            b'd RENAME "Entw&APw-rfe" {8+}\r\n&JwU-.12\r\ne DELETE "&JwU-.12"\r\n'
            b'f CREATE "Entw\xc3\xbcrfe"\r\ng CREATE ' + literal("Entwürfe") +
            b'\r\nh STATUS ' + literal("✉" * 300) + b' (MESSAGES)\r\ni DELETE &JwU-\r\n'
            b'j ENABLE UTF8=ACCEPT\r\nz LIST "" "*"\r\n')
        self.assertIn("a OK", " ".join(answers))
        self.assertIn("e OK", " ".join(answers))

    def test_searches_in_utf_8(self):
        answers = self.answers(
            b"a SELECT few\r\nb SEARCH CHARSET UTF-8 BODY " + literal("Grüße, ✉") +
            b"\r\nc SEARCH CHARSET ISO-8859-1 BODY {2+}\r\n\xfc\xdf\r\n"
            b"z SEARCH CHARSET klingon BODY {1+}\r\nx\r\n")
        self.assertTrue(any(re.match(r"\* SEARCH( \d+){10}", line) for line in answers), answers)

    def test_literals_that_hold_commands_and_one_command_of_many(self):
        bomb = b" ".join(b"OR SUBJECT " + literal(f"number {n} of") for n in range(60))
        answers = self.answers(
            b"a SELECT few\r\nb SEARCH " + bomb + b" SUBJECT {0+}\r\n\r\n"
            b"c SEARCH SUBJECT " + literal("x LOGOUT\r\ny LOGOUT\r\n") + b"\r\n"
            b"e STATUS " + literal("few") + b" (MESSAGES)\r\n"
            b"f FETCH 1:5 (BODY.PEEK[HEADER.FIELDS ({7+}\r\nsubject " + literal("Message-ID") +
            b")])\r\nz NOOP\r\n")
        self.assertNotIn("BYE", " ".join(answers))
        self.assertEqual(sum(line.startswith("Message-ID") for line in answers), 5)

    def test_literals_that_wait(self):
        def look(way):
            with way.talk() as client:
                heard = said(client, b"a SELECT few\r\n", "a")
                client.send(b"z SEARCH")
                for number in range(20):
                    client.send(b" OR SUBJECT {%d}\r\n" % len(f"number {number} of"))
                    heard.append(client.line())
                    client.send(f"number {number} of")
                return heard + said(client, b" SUBJECT xyzzy\r\n", "z")
        self.assertIn("* SEARCH " + " ".join(map(str, range(1, 21))), self.both(look))

    def test_pipelined_commands(self):
        # sorted: Dovecot works on several at once while its output waits
        many = b"".join(b"p%d FETCH %d (FLAGS BODY.PEEK[])\r\n" % (n, n + 1) for n in range(FEW))
        text = mail(7).replace(b"\n", b"\r\n").decode()
        answers = self.answers(
            b"a SELECT few\r\n" + many + b"b CREATE pipe\r\nc APPEND pipe (\\Seen) " +
            literal(text) + b"\r\nd SELECT pipe\r\ne FETCH 1 (FLAGS BODY[])\r\n"
            b"f IDLE\r\nDONE\r\ng UNSELECT\r\nh DELETE pipe\r\nz LOGOUT\r\n", sorted)
        self.assertEqual(sum(line.startswith("p") and " OK " in line for line in answers), FEW)
        self.assertIn("f OK", " ".join(answers))

    def test_commands_pipelined_with_the_login(self):
        def look(way):
            with way.talk(login=False) as client:
                login = b"a LOGIN " + literal(USER) + b" " + literal(PASSWORD)
                client.send(login + b"\r\nb SELECT few\r\nc FETCH 1:3 BODY.PEEK[]\r\nz LOGOUT\r\n")
                answer = client.line()
                self.assertTrue(answer.startswith("a OK"), answer)
                return said(client, b"", "z")
        self.assertIn("c OK", " ".join(self.both(look)))

    def test_what_is_offered(self):
        with talk.Talk(993) as client:
            before = client.tagged("CAPABILITY")[0].split()
        self.assertIn("LITERAL-", before)
        self.assertNotIn("LITERAL+", before)
        with tempfile.TemporaryDirectory() as folder:
            offered = {}
            for name in ("through", "direct"):
                with Way(name, folder).talk() as client:
                    offered[name] = set(client.tagged("CAPABILITY")[0].split())
        self.assertIn("LITERAL+", offered["through"])
        self.assertLessEqual(offered["through"], offered["direct"])
        self.assertLessEqual(offered["direct"] - offered["through"],
                             {"COMPRESS=DEFLATE", "UNAUTHENTICATE", "LOGIN-REFERRALS"})


class Patience(unittest.TestCase):
    def test_idle_tells_of_a_mail_within_2_s(self):
        with talk.imap(USER) as idler, talk.imap(USER) as writer:
            writer.tagged("CREATE idle")
            idler.tagged("SELECT idle")
            for number in range(1, 4):
                idler.send("t2 IDLE\r\n")
                self.assertTrue(idler.line().startswith("+"))
                begun = time.monotonic()
                writer.tagged("APPEND idle {5+}\r\na: b\n")
                self.assertEqual(idler.line(), f"* {number} EXISTS")
                self.assertLess(time.monotonic() - begun, 2)
                while not (line := (idler.send("DONE\r\n") or idler.line())).startswith("t2"):
                    self.assertIn("RECENT", line)
            writer.tagged("DELETE idle")

    def test_a_slow_reader_costs_no_memory_and_loses_nothing(self):
        process = lab.pid("dataplane")
        before = lab.resident_kib(process)
        text = random.randbytes(BIG // 2).hex().encode()
        with talk.imap(USER) as slow:
            slow.tagged("CREATE slow")
            slow.socket.settimeout(60)
            self.assertIn(" OK", slow.tagged(f"APPEND slow {{{len(text) + 2}+}}\r\n\r\n" +
                                             text.decode())[-1])
            slow.tagged("SELECT slow")
            slow.send("t2 FETCH 1 BODY[TEXT]\r\n")
            begun = time.monotonic()
            while time.monotonic() - begun < 2:
                slow.buffer += slow.socket.recv(512)
                time.sleep(0.05)
                if not slow.buffer:
                    self.fail("nothing comes")
            self.assertLess(lab.resident_kib(process) - before, 4096)
            with talk.imap(USER) as other:
                self.assertIn(" OK", other.tagged("STATUS few (MESSAGES)")[-1])
            size, parts = len(slow.buffer), [slow.buffer]
            while size < len(text):
                parts.append(slow.socket.recv(1 << 20))
                size += len(parts[-1])
                self.assertTrue(parts[-1])
            body = b"".join(parts).partition(b"}\r\n")[2]
            self.assertEqual(digest(body[:len(text)]), digest(text))
            slow.buffer = body[len(text):]
            while not slow.line().startswith("t2"):
                self.assertFalse(slow.ended)
            slow.tagged("DELETE slow")

    def test_connections_that_never_log_in_are_ended_and_leave_room(self):
        clients = []
        with (limit("login_seconds", 5), limit("tls_handshake_seconds", 5), lab.Watch() as watch):
            try:
                for number in range(1000):
                    port = (143, 110, 993, 995)[number % 4]
                    clients.append(talk.Talk.__new__(talk.Talk))
                    clients[-1].__init__(110 if port == 995 else port, greeting=False,
                                         source=f"198.19.{number % 250}.{1 + number // 250}")
                with talk.imap(USER) as client:
                    self.assertIn(" OK", client.tagged("NOOP")[-1])
                self.assertTrue(all(client.is_closed() for client in clients))
            finally:
                for client in clients:
                    client.reset()
            watch.wait("MAIL_LOGIN_TIMEOUT", 900)
