# SPDX-License-Identifier: BSD-3-Clause
"""Floods: counted by reason, memory flat, and mail goes on."""

import contextlib
import json
import random
import subprocess
import threading
import time
import unittest

import frames
import lab
from labkit import names

SECONDS = 5


@contextlib.contextmanager
def hping(*arguments):
    """A flood while the block runs, at most 30 s."""
    flood = subprocess.Popen(["timeout", "30", "hping3", "--flood", "-q", *map(str, arguments),
                              lab.SHIELD], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        yield
        assert flood.poll() is None, "hping3 ended early"
    finally:
        flood.terminate()
        flood.wait()


def top(*arguments):
    rows = json.loads(lab.ctl("--json", "top", *arguments).stdout)["rows"]
    return [row["address"] for row in rows]


class Flood(unittest.TestCase):
    def withstands(self, flood, reasons, least=10000):
        """Mails go through while `flood` is on; then `reasons` rose, and memory did not."""
        dataplane = lab.pid("dataplane")
        with flood:
            before = lab.resident_kib(dataplane)
            with lab.Watch() as watch:
                end = time.monotonic() + SECONDS
                sent = 0
                while time.monotonic() < end or sent < 2:
                    subject = lab.marker()
                    lab.swaks(lab.SHIELDS[sent % 2], 25, subject=subject)
                    lab.arrived(subject)
                    sent += 1
                total = sum(watch.rise(reason) for reason in reasons)
                self.assertGreater(total, least, watch.changes())
            after = lab.resident_kib(dataplane)
        self.assertLess(after - before, 4096, "KiB more after the flood")
        self.assertEqual(lab.pid("dataplane"), dataplane)

    def test_syns_from_random_sources(self):
        self.withstands(hping("-S", "--rand-source", "-p", 25), ["SYN_RECEIVED"])

    def test_syns_from_random_sources_to_a_closed_port(self):
        self.withstands(hping("-S", "--rand-source", "-p", 22), ["NO_SERVICE"])

    def test_syns_from_one_source(self):
        self.withstands(hping("-S", "-a", "198.18.0.1", "-p", 25), ["SYN_RATE_SOURCE"])

    def test_the_one_who_floods_is_on_top_with_its_prefix(self):
        with hping("-S", "-a", "198.18.7.7", "-p", 25):
            for by in "packets", "syns", "refusals":
                lab.eventually(lambda by=by: top(by)[:1] == ["198.18.7.7"], 10, lambda: top(by))
                self.assertEqual(top(by, "--prefixes")[:1], ["198.18.7.0/24"])
            evidence = lab.ctl("explain", "198.18.7.7").stdout
            self.assertIn("number 1 of its worker's sources by SYNs", evidence)
            self.assertIn("beyond the burst: not answered (syn_rate_source)", evidence)
            self.assertIn("not proven", evidence)
        self.assertNotIn("198.18.7.7", top("connections"))

    def test_acks_from_random_sources(self):
        self.withstands(hping("-A", "--rand-source", "-p", 25), ["COOKIE_INVALID", "OUT_OF_STATE"])

    def test_udp_from_random_sources(self):
        self.withstands(hping("--udp", "--rand-source", "-p", 25), ["IP_PROTOCOL"])

    def test_icmp_from_random_sources(self):
        self.withstands(hping("--icmp", "--rand-source"), ["ICMP_RATE"])

    def test_syns_from_many_ipv6_sources(self):
        self.withstands(ipv6_flood(), ["SYN_RECEIVED"], 1000)


@contextlib.contextmanager
def ipv6_flood():
    chance, ended = random.Random(1), threading.Event()
    made = []
    for _ in range(2000):
        source = f"2001:db8:5{chance.randrange(0x1000):03x}:{chance.randrange(0x10000):x}::1"
        made.append(frames.ether(frames.ipv6(frames.tcp(
            frames.SYN, source, names.SHIELD6, sport=chance.randrange(1024, 65536)),
            source=source), 0x86dd))

    def send():
        with frames.Wire() as wire:
            while not ended.is_set():
                for frame in made:
                    wire.send(frame)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
