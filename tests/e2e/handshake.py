# SPDX-License-Identifier: BSD-3-Clause
"""Handshakes in bad weather: SYNs forged in a client's name, and a final ACK that gets lost."""

import contextlib
import json
import os
import random
import signal
import struct
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import frames
import lab
import talk
from labkit import names

RATE = 110_000  # SYNs a second, or what this machine can
SENDERS = 2
KNOWN, NEW, UNHEARD = names.client4(40), names.client4(41), names.client4(42)
KNOWN6, NEW6 = names.client6(40), names.client6(41)
TRIES = 200
MUTE = """
table inet mute {
  chain out { type filter hook output priority 0;
    ip saddr %s tcp dport 25 tcp flags & (syn | ack) == ack drop; }
}
"""


def options(chance):
    """TCP options of some host: each of the usual ones or not, with values at random."""
    made = b""
    if chance.random() < 0.8:
        made += struct.pack("!BBH", 2, 4, chance.choice((536, 1220, 1360, 1400, 1440, 1460)))
    if chance.random() < 0.5:
        made += b"\x01\x03\x03" + bytes([chance.randrange(15)])
    if chance.random() < 0.5:
        made += b"\x01\x01\x04\x02"
    if chance.random() < 0.5:
        made += b"\x01\x01" + struct.pack("!BBII", 8, 10, chance.randrange(1 << 32), 0)
    return made


def forged(source, chance):
    syn = dict(sport=chance.randrange(1, 65536), seq=chance.randrange(1 << 32),
               options=options(chance))
    if ":" not in source:
        return frames.ether(frames.ipv4(frames.tcp(frames.SYN, source, **syn), source=source,
                                        ttl=chance.randrange(1, 256)))
    return frames.ether(frames.ipv6(frames.tcp(frames.SYN, source, names.SHIELD6, **syn),
                                    source=source, hops=chance.randrange(1, 256)), 0x86dd)


def send(made, rate):
    """For ever, at that rate."""
    begun, sent = time.monotonic(), 0
    with frames.Wire() as wire:
        while True:
            for _ in range(100):
                with contextlib.suppress(OSError):  # the queue is full
                    wire.send(made[sent % len(made)])
                sent += 1
            time.sleep(max(0, begun + sent / rate - time.monotonic()))


@contextlib.contextmanager
def forging(source):
    """A flood of SYNs in the name of `source` while the block runs; says how fast it was."""
    chance = random.Random(7)
    made = [forged(source, chance) for _ in range(20_000)]
    children = []
    for _ in range(SENDERS):
        children.append(os.fork())
        if children[-1] == 0:
            signal.alarm(120)
            with contextlib.suppress(BaseException):
                send(made, RATE / SENDERS)
            os._exit(1)
    try:
        time.sleep(0.5)
        begun, before = time.monotonic(), lab.counters()["SYN_RECEIVED"]
        yield
        seconds = time.monotonic() - begun
        print(f"      {(lab.counters()['SYN_RECEIVED'] - before) / seconds:.0f} SYN/s arrived "
              f"in the name of {source}", flush=True)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def is_greeted(source):
    try:
        server = names.SHIELD6 if ":" in source else names.SHIELD4
        with talk.Talk(25, server=server, source=source, seconds=10) as client:
            return client.greeting.startswith("220")
    except OSError:
        return False


class Framing(unittest.TestCase):
    def stays_free(self, source):
        self.assertNotIn(source, json.dumps(json.loads(lab.ctl("--json", "bans", "list").stdout)))

    def gets_in(self, source):
        """While its address is forged; and it is never banned."""
        self.assertTrue(is_greeted(source))
        with forging(source), lab.Watch() as watch, ThreadPoolExecutor(5) as pool:
            tries = [pool.submit(is_greeted, source) for _ in range(TRIES)
                     if not time.sleep(0.05)]
            greeted = sum(attempt.result() for attempt in tries)
            print(f"      {greeted} of {TRIES} connections of its own were greeted", flush=True)
            watch.wait("SYN_RATE_SOURCE", 100_000)
            self.assertGreaterEqual(greeted, 0.99 * TRIES, watch.changes())
            self.stays_free(source)
        self.assertEqual(watch.rise("BANNED"), 0)
        self.stays_free(source)

    def test_a_client_with_history_gets_in_while_its_address_is_forged(self):
        self.gets_in(KNOWN)

    def test_an_ipv6_client_with_history_gets_in_while_its_address_is_forged(self):
        self.gets_in(KNOWN6)

    def test_a_new_client_gets_in_on_its_second_syn(self):
        for source in NEW, NEW6:
            with self.subTest(source=source), forging(source), lab.Watch() as watch, \
                    ThreadPoolExecutor(10) as pool:
                greeted = sum(pool.map(is_greeted, [source] * 20))
                self.assertGreaterEqual(greeted, 19, watch.changes())
            self.stays_free(source)


class LostAck(unittest.TestCase):
    def test_the_greeting_comes_though_the_final_ack_was_lost(self):
        lab.eventually(lambda: not lab.counters().get("ATTACK_MODE"), 20)
        with lab.Watch() as watch:
            lab.call("nft", "-f", "-", stdin=MUTE % UNHEARD)
            try:
                client = talk.Talk(25, source=UNHEARD, greeting=False, seconds=10)
                time.sleep(0.3)
            finally:
                lab.call("nft", "delete", "table", "inet", "mute")
            with client:
                self.assertTrue(client.reply().startswith("220"))
            watch.wait("SYN_ACKS_RETRANSMITTED")
