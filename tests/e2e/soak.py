# SPDX-License-Identifier: BSD-3-Clause
"""Mails of every size from senders that try again, while the backend and the control plane are
killed, packets are lost and clients vanish: each mail that got its 250 is at the backend, whole,
and once unless a reply was lost.

WEIR_MAILS says how many (800; 100000 for the long form), WEIR_SEED which and when.
"""

import hashlib
import itertools
import os
import random
import re
import signal
import subprocess
import threading
import time
import unittest
from collections import Counter, defaultdict
from pathlib import Path

import lab
import loss
import talk
from labkit import names

MAILS = int(os.environ.get("WEIR_MAILS", 800))
SEED = int(os.environ.get("WEIR_SEED", time.time()))
PAUSE = (1, 4) if MAILS < 10_000 else (4, 12)  # seconds between kills; a big mail needs some
PORT, SENDERS = 2526, 24
GREATEST, USUAL = 30_000_000, 100_000  # bytes: one in 5000; the others, small ones more often
PERCENT_LOST, PERCENT_VANISHING = 2, 3
LIMITS = "backend_check_seconds: 1, backend_rise: 1, backend_seconds: 10"
STORED = names.RUN / "soak"
SINK = Path(__file__).with_name("sink.py")


class Lost(Exception):
    """The end of a mail was sent, and no answer of its own came back."""


def size_of(number, chance):
    if number < 4:
        return number  # bytes; 3 is the first that has room for a line
    if number % 5000 == 4:
        return GREATEST
    return int(USUAL ** chance.random())


class Mail:
    """Its bytes follow from its number: any two differ, lines begin with dots, bytes have bit 7."""
    block = b""

    def __init__(self, number):
        chance = random.Random(SEED * 1_000_003 + number)
        self.sender, self.size = f"soak-{number}@many.example.org", size_of(number, chance)
        self.tries, self.lost, self.way = 0, 0, chance.choice(("data", "pipelined", "bdat"))
        self.start = chance.randrange(USUAL)

    def content(self):
        head = f"X-Soak: {self.sender}\r\n\r\n".encode()
        if self.size < len(head) + 2:
            return b"\r\n" if self.size >= 2 else b""
        rest = self.size - len(head)
        body = self.block[self.start:self.start + rest - 2]
        return head + body.lstrip(b"\n").rstrip(b"\r") + b"\r\n"  # a line end is never cut

    def row(self):
        content = self.content()
        return f"{len(content)} {hashlib.sha256(content).hexdigest()}"


def block_make():
    """Lines of any bytes but NUL, many of which begin with dots."""
    chance = random.Random(SEED)
    lines = (b"." * chance.choice((0, 0, 0, 1, 2)) + chance.randbytes(chance.randrange(400))
             .translate(None, b"\r\n\0") + b"\r\n" for _ in range(USUAL // 100))
    piece = b"".join(lines)
    return piece * ((GREATEST + USUAL) // len(piece) + 1)


class Sender(threading.Thread):
    """Takes mails from a queue; what was put off goes to its end."""

    def __init__(self, soak):
        super().__init__(daemon=True)
        self.soak, self.chance = soak, random.Random(f"{SEED} {len(soak.senders)}")

    def run(self):
        while mail := self.soak.next():
            try:
                with talk.smtp(source=next(self.soak.sources), seconds=30) as client:
                    if self.chance.random() < 0.25:
                        self.expect(client.smtp("STARTTLS"), "220")
                        client.start_tls()
                        client.smtp("EHLO client.example.org")
                    while mail and self.attempt(client, mail):
                        mail = self.soak.next() if self.chance.random() < 0.6 else None
            except OSError as error:  # no connection, or it ended
                self.soak.put_off(mail, type(error).__name__)

    def attempt(self, client, mail):
        """Whether the session goes on."""
        begun, mail.tries = time.monotonic(), mail.tries + 1
        try:
            answer = self.transact(client, mail)
        except Lost:
            answer = ""
        except OSError as error:
            self.soak.put_off(mail, str(error))
            return False
        if answer.startswith("250"):
            self.soak.accept(mail)
            return True
        if self.soak.has_killed_since(begun):
            mail.lost += 1  # the backend may have it
        self.soak.put_off(mail, f"{answer[:9]} at the end")
        return False

    def transact(self, client, mail):
        """The answer to the mail's end; a ConnectionError if it came to none."""
        content = mail.content()
        commands = [f"MAIL FROM:<{mail.sender}>", f"RCPT TO:<{lab.ALICE}>"]
        if mail.way == "data":
            for command in commands:
                self.expect(client.smtp(command), "250")
        else:
            client.send("".join(command + "\r\n" for command in commands))
            replies = [client.reply() for _ in commands]
            for reply in replies:
                self.expect(reply, "250")
        if mail.way == "bdat" and "CHUNKING" in client.offered:
            self.send_chunks(client, content)
        else:
            self.expect(client.smtp("DATA"), "354")
            dotted = re.sub(rb"(?m)^\.", b"..", content)
            self.send_or_vanish(client, dotted)
            client.send(b".\r\n")
        try:
            answer = client.reply()
        except OSError as error:
            raise Lost from error
        return answer

    def send_chunks(self, client, content):
        cuts = sorted(self.chance.randrange(len(content) + 1) for _ in range(2))
        for start, end in itertools.pairwise([0, *cuts]):
            client.send(f"BDAT {end - start}\r\n")
            self.send_or_vanish(client, content[start:end])
            self.expect(client.reply(), "250")
        client.send(f"BDAT {len(content) - cuts[-1]} LAST\r\n".encode() + content[cuts[-1]:])

    def send_or_vanish(self, client, content):
        if self.chance.random() * 100 < PERCENT_VANISHING:
            client.send(content[:self.chance.randrange(len(content) + 1)])
            client.reset()
            raise ConnectionError("vanished")
        client.send(content)

    def expect(self, answer, code):
        if not answer.startswith(code):
            raise ConnectionError(answer[:9])


class Soak(unittest.TestCase):
    def setUp(self):
        print(f"      {MAILS} mails, WEIR_SEED={SEED}", flush=True)
        self.chance, self.lock = random.Random(SEED), threading.Lock()
        Mail.block = block_make()
        self.mails = [Mail(number) for number in range(MAILS)]
        self.queue, self.waiting, self.accepted = list(self.mails[::-1]), [], []
        self.outcomes, self.kills, self.senders = Counter(), [], []
        self.sources = itertools.cycle([f"198.19.{part}.{last}" for part in range(256)
                                        for last in range(1, 255)])  # threads share no generator
        STORED.unlink(missing_ok=True)
        self.sink = self.sink_start()
        lab.configure(self, LIMITS, postfix=f"protocol: smtp, identity: none, "
                      f"address: {names.BACKEND4}, port: {PORT}")

    def tearDown(self):
        if lab.ctl("status", check=False).returncode:
            lab.lab("restart", "controlplane")
        self.sink.kill()
        self.sink.wait()
        Mail.block = b""

    def sink_start(self):
        return subprocess.Popen(["ip", "netns", "exec", names.BACKEND, "python3", SINK,
                                 names.BACKEND4, str(PORT), STORED])

    def next(self):
        """A mail to send, None when all are accepted."""
        while len(self.accepted) < MAILS:
            with self.lock:
                now = time.monotonic()
                if self.waiting and self.waiting[0][0] < now:
                    return self.waiting.pop(0)[1]
                if self.queue:
                    return self.queue.pop()
            time.sleep(0.05)
        return None

    def accept(self, mail):
        with self.lock:
            self.accepted.append(mail)

    def put_off(self, mail, why):
        with self.lock:
            self.outcomes[why] += 1
            self.waiting.append((time.monotonic() + 0.5, mail))

    def has_killed_since(self, begun):
        return any(end > begun for end in self.kills)

    def disturb(self):
        """Until all is accepted: now the backend, now the control plane, each back in a moment."""
        turn = 0
        while len(self.accepted) < MAILS:
            time.sleep(self.chance.uniform(*PAUSE))
            turn += 1
            if turn % 3 == 0:
                os.kill(lab.pid("controlplane"), signal.SIGKILL)
                time.sleep(self.chance.uniform(0, 0.5))
                lab.lab("restart", "controlplane")
                continue
            self.kills.append(float("inf"))
            self.sink.kill()
            self.sink.wait()
            time.sleep(self.chance.uniform(0, 0.5))
            self.sink = self.sink_start()
            self.kills[-1] = time.monotonic()
        return turn

    def test_no_accepted_mail_is_lost_cut_mixed_or_doubled(self):
        begun = time.monotonic()
        self.senders = []
        with loss.weather(PERCENT_LOST):
            for _ in range(SENDERS):
                self.senders.append(Sender(self))
                self.senders[-1].start()
            disturbed = self.disturb()
            for sender in self.senders:
                sender.join()
        seconds = time.monotonic() - begun
        self.assertEqual(len(self.accepted), MAILS)
        stored = defaultdict(list)
        for line in STORED.read_text().splitlines():
            sender, row = line.split(" ", 1)
            stored[sender].append(row)
        copies = sum(map(len, stored.values()))
        print(f"      {seconds:.0f} s, {disturbed} kills, {sum(m.size for m in self.mails)} bytes, "
              f"{sum(m.tries for m in self.mails)} tries, {copies} at the backend; "
              f"{dict(self.outcomes)}", flush=True)
        for mail in self.mails:
            rows = stored.pop(mail.sender, [])
            self.assertEqual(set(rows), {mail.row()}, mail.sender)
            self.assertLessEqual(len(rows), 1 + mail.lost, mail.sender)
        self.assertEqual(stored, {}, "what nobody sent")
