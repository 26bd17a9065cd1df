# SPDX-License-Identifier: BSD-3-Clause
"""List files on the running shield: a million prefixes change places while mail flows."""

import random
import threading
import time
import unittest

import lab
import talk
from labkit import names

SOURCE = names.client4(72)
FILE = names.MOUNT / "drop.txt"
RELOAD_SECONDS = 3


def is_greeted(source):
    try:
        with talk.Talk(25, source=source, seconds=2) as client:
            return client.greeting.startswith("220")
    except OSError:
        return False


def million(seed):
    """900,000 of IPv4 and 100,000 of IPv6 as lines, none of the lab's."""
    chance = random.Random(seed)
    number = chance.getrandbits
    lines = []
    for _ in range(900_000):
        address = f"{11 + number(6)}.{number(8)}.{number(8)}"
        lines.append(f"{address}.0/24" if number(1) else f"{address}.{number(8)}")
    lines += (f"2a{number(4):02x}:{number(16):x}:{number(16):x}::/48" for _ in range(100_000))
    return lines


class Traffic:
    """One session and new connections that go on during the block; what was lost is told."""

    def __enter__(self):
        self.lost, self.noops, self.connections = [], 0, 0
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=run) for run in (self.noop, self.connect)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def noop(self):
        try:
            with talk.imap() as client:
                while not self.ended.is_set():
                    answer = client.tagged("NOOP")[-1]
                    assert "OK" in answer, answer
                    self.noops += 1
                    time.sleep(0.05)
        except (OSError, AssertionError) as error:
            self.lost.append(f"session: {error}")

    def connect(self):
        while not self.ended.is_set():
            if not is_greeted(names.client4(73)):
                self.lost.append("connection")
            self.connections += 1


class Lists(unittest.TestCase):
    def setUp(self):
        self.before = names.CONFIG.read_text()
        FILE.write_text("203.0.113.200 # nobody\n")
        text = self.before.replace("lists:\n", "lists:\n  files: "
                                   f"{{drop: {{class: deny, file: {FILE}}}}}\n", 1)
        self.assertNotEqual(text, self.before)
        names.CONFIG.write_text(text)
        lab.ctl("config", "reload")

    def tearDown(self):
        names.CONFIG.write_text(self.before)
        lab.ctl("config", "reload")
        FILE.unlink()

    def test_a_million_prefixes_are_swapped_in_while_mail_flows(self):
        self.assertTrue(is_greeted(SOURCE))
        FILE.write_text("\n".join([*million(1), SOURCE, ""]))
        with lab.Watch() as watch, Traffic() as traffic:
            time.sleep(1)
            begun = time.monotonic()
            lab.ctl("lists", "reload")
            taken = time.monotonic() - begun
            self.assertFalse(is_greeted(SOURCE), "the new list is not in effect")
            time.sleep(1)
        self.assertEqual(traffic.lost, [])
        self.assertGreater(traffic.noops, 20)
        self.assertGreater(traffic.connections, 2)
        self.assertEqual(watch.rise("NIC_MISSED") + watch.rise("NIC_NO_MBUF"), 0)
        self.assertGreater(watch.rise("DENY_LIST"), 0)
        self.assertGreater(lab.counters()["LISTS_BYTES"], 4 << 20)
        self.assertLess(taken, RELOAD_SECONDS)
        print(f"      a million prefixes in {taken:.2f} s, {watch.rise('SEGMENTS_RETRANSMITTED')} "
              "segments sent again", flush=True)
        said = lab.ctl("lists", "test", SOURCE).stdout
        self.assertEqual(said, f"deny by {SOURCE}/32 of {FILE}\n")
        begun = time.monotonic()
        lab.ctl("limits", "set", "connections_source", "50")  # shares the lists
        self.assertLess(time.monotonic() - begun, RELOAD_SECONDS)

    def test_a_bad_line_is_named_and_the_old_list_stays(self):
        FILE.write_text(f"{SOURCE}\n")
        lab.ctl("lists", "reload")
        self.assertFalse(is_greeted(SOURCE))
        FILE.write_text("192.0.2.0/24\n192.0.2.1/24\n")
        refused = lab.ctl("lists", "reload", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(f"{FILE}:2:1: expected a prefix", refused.stderr)
        self.assertFalse(is_greeted(SOURCE), "the old list is gone")
        self.assertIn(f"{FILE}:2:1:", lab.ctl("lists").stdout)
        FILE.write_text("192.0.2.0/24\n")
        lab.ctl("lists", "reload")
        self.assertTrue(is_greeted(SOURCE))
        self.assertNotIn("expected a prefix", lab.ctl("lists").stdout)
