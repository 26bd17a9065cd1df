# SPDX-License-Identifier: BSD-3-Clause
"""Limits on connections: each refuses at its number, not before; live, by class, in shadow."""

import contextlib
import json
import unittest

import lab
import talk
from labkit import names

SOURCE, NEIGHBOUR = names.client4(70), names.client4(71)


@contextlib.contextmanager
def limit(name, value=None, mode=None, of_class=None):
    """A limit set live, and back again."""
    said = json.loads(lab.ctl("--json", "limits", "get", name, *filter(None, [of_class])).stdout)
    for verb, now in (("set", value), ("mode", mode)):
        if now is not None:
            lab.ctl("limits", verb, name, str(now), *filter(None, [of_class]))
    try:
        yield
    finally:
        lab.ctl("limits", "set", name, str(said["value"]), *filter(None, [of_class]))
        if mode is not None:
            lab.ctl("limits", "mode", name, said["mode"], *filter(None, [of_class]))


def greeted(sources, port=25):
    """How many of connections from there are greeted, one after the other, all kept open."""
    clients = []
    try:
        for source in sources:
            with contextlib.suppress(OSError):
                client = talk.Talk(port, source=source, seconds=1)
                if client.greeting:
                    clients.append(client)
        return len(clients)
    finally:
        for client in clients:
            client.reset()


class Refuse(unittest.TestCase):
    def exactly(self, reason, most, sources):
        with lab.Watch() as watch:
            self.assertEqual(greeted(sources), most)
            watch.wait(reason)

    def test_simultaneous_connections_end_at_each_level(self):
        for name in ("connections_source", "connections_prefix", "connections_service",
                     "connections_total"):
            with self.subTest(name), limit(name, 3):
                self.exactly(name.upper(), 3, [SOURCE] * 5)

    def test_a_prefix_is_one_for_all_its_sources(self):
        with limit("connections_prefix", 4):
            self.exactly("CONNECTIONS_PREFIX", 4, [SOURCE, NEIGHBOUR] * 4)

    def test_new_connections_end_at_each_level_s_burst(self):
        for number, level in enumerate(("source", "prefix", "service", "total")):
            source = f"198.18.{40 + number}.1"  # that owes nothing: debts outlive a change
            with (self.subTest(level), limit(f"connection_rate_{level}", 1),
                  limit(f"connection_burst_{level}", 3)):
                self.exactly(f"CONNECTION_RATE_{level.upper()}", 3, [source] * 5)
            greeted([source])  # the first one finds what is owed, and has it cut

    def test_a_change_of_another_limit_forgives_no_debt(self):
        with limit("connection_rate_source", 1), limit("connection_burst_source", 3):
            self.exactly("CONNECTION_RATE_SOURCE", 3, ["198.18.44.1"] * 4)
            with limit("connection_rate_total", 500000), limit("connections_prefix", 900):
                self.exactly("CONNECTION_RATE_SOURCE", 0, ["198.18.44.1"] * 2)

    def test_a_day_s_connections_end(self):
        with limit("connections_day_source", 1):
            self.assertLessEqual(greeted([names.client4(72)] * 3), 1)
        self.assertEqual(greeted([names.client4(72)] * 3), 3)

    def test_a_class_has_its_own_limit(self):
        lab.ctl("lists", "add", "cgnat", f"{SOURCE}/32")
        try:
            with limit("connections_source", 2), limit("connections_source", 4, of_class="cgnat"):
                self.exactly("CONNECTIONS_SOURCE", 4, [SOURCE] * 6)
                self.exactly("CONNECTIONS_SOURCE", 2, [NEIGHBOUR] * 6)
        finally:
            lab.ctl("lists", "remove", "cgnat", f"{SOURCE}/32")

    def test_allow_beats_every_level(self):
        lab.ctl("lists", "add", "allow", f"{SOURCE}/32")
        try:
            with (limit("connections_source", 1), limit("connections_total", 1),
                  limit("connection_rate_total", 1), limit("connection_burst_total", 1)):
                self.assertEqual(greeted([SOURCE] * 5), 5)
        finally:
            lab.ctl("lists", "remove", "allow", f"{SOURCE}/32")


class Shadow(unittest.TestCase):
    def counted(self, name):
        said = json.loads(lab.ctl("--json", "limits", "get", name).stdout)
        return said["shadowed"], said["shadow_logins"]

    def test_what_would_be_refused_is_counted_and_who_of_it_logs_in(self):
        before = self.counted("connections_source")
        with limit("connections_source", 1, mode="shadow"), talk.smtp(source=SOURCE):
            with talk.submission(source=SOURCE):
                after = lab.eventually(
                    lambda: (now := self.counted("connections_source")) != before and now, 5,
                    "not counted")
        self.assertEqual(after[0] - before[0], 1)
        self.assertEqual(after[1] - before[1], 1)
        self.assertIn("LOGGED IN", lab.ctl("stats").stdout)

    def test_off_is_not_looked_at(self):
        before = self.counted("connections_source")
        with limit("connections_source", 1, mode="off"):
            self.assertEqual(greeted([SOURCE] * 3), 3)
        self.assertEqual(self.counted("connections_source"), before)

    def test_a_rate_of_syns_has_a_mode_too(self):
        before = self.counted("syn_rate_source")
        with limit("syn_rate_source", 1, mode="shadow"), limit("syn_burst_source", 2):
            self.assertEqual(greeted([names.client4(73)] * 8), 8)
        self.assertGreater(self.counted("syn_rate_source")[0], before[0])
