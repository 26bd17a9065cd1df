# SPDX-License-Identifier: BSD-3-Clause
"""Two workers: a source stays on one, limits and what the operator is told are those of both."""

import collections
import json
import os
import re
import unittest

import lab
import talk
from labkit import names, system
from limits import greeted, limit, log_in

WORKERS = 2
SOURCES = [names.client4(number) for number in range(74, 90)]
BANNED = "198.51.100.99"


def start_with(text):
    """`boot` is read when the data plane starts."""
    names.CONFIG.write_text(text)
    system.stop([lab.pid("dataplane")])
    lab.ctl("config", "reload")
    lab.lab("restart", "dataplane")


def told(*arguments):
    return json.loads(lab.ctl("--json", *arguments).stdout)


def workers_of_sources():
    """Of each source that has a session, the workers that have one."""
    workers = collections.defaultdict(set)
    for row in told("sessions", "list")["sessions"]:
        workers[row["client"]].add(row["worker"])
    return workers


@unittest.skipIf((os.cpu_count() or 1) < WORKERS, "a processor a worker")
class Two(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = names.CONFIG.read_text()
        lcores = [str(lcore) for lcore in range(WORKERS)]
        start_with(re.sub(r"worker_lcores: .*", f"worker_lcores: [{', '.join(lcores)}]", cls.text))

    @classmethod
    def tearDownClass(cls):
        start_with(cls.text)

    def test_a_source_stays_on_one_worker_and_sources_are_on_both(self):
        clients = [talk.smtp(source=source) for source in SOURCES for _ in range(2)]
        workers = workers_of_sources()
        for client in clients:
            client.reset()
        self.assertEqual({len(workers[source]) for source in SOURCES}, {1})
        self.assertEqual(set.union(*workers.values()), set(range(WORKERS)))

    def test_limits_wider_than_a_source_are_passed_by_one_at_the_most(self):
        for level in ("total", "service", "prefix"):
            with self.subTest(level), limit(f"connections_{level}", 6), lab.Watch() as watch:
                self.assertIn(greeted(SOURCES), range(6, 6 + WORKERS))
                watch.wait(f"CONNECTIONS_{level.upper()}", len(SOURCES) - 7)
        self.assertEqual(greeted(SOURCES), len(SOURCES))

    def test_sessions_of_a_user_are_counted_over_both(self):
        readers = []
        with limit("sessions_user", 4):
            for source in SOURCES:
                readers.append(talk.Talk(993, source=source))
            said = [log_in(reader, 993) for reader in readers]
        for reader in readers:
            reader.reset()
        self.assertIn(sum(line.startswith("t1 OK") for line in said), range(4, 4 + WORKERS))
        self.assertTrue(all(line.startswith(("t1 OK", "t1 NO [LIMIT]")) for line in said), said)

    def test_a_limit_set_live_reaches_both(self):
        with limit("connections_source", 1):
            self.assertEqual(greeted([*SOURCES, *SOURCES]), len(SOURCES))
        self.assertEqual(greeted([*SOURCES, *SOURCES]), 2 * len(SOURCES))

    def test_a_ban_is_one_for_both(self):
        lab.ctl("bans", "add", BANNED, "60")
        try:
            rows = [row for row in told("bans", "list")["bans"] if row["address"] == BANNED]
            self.assertEqual(len(rows), 1)
            self.assertEqual(rows[0]["workers"], WORKERS)
            self.assertEqual(greeted([BANNED]), 0)
        finally:
            lab.ctl("bans", "remove", BANNED)
        self.assertEqual(greeted([BANNED]), 1)

    def test_who_offends_is_banned_on_whichever_worker_it_is(self):
        sources = [f"198.18.{number}.90" for number in range(16)]
        with (limit("greeting_delay_ms", 0), limit("offences_source", 1, mode="enforce"),
              lab.Watch() as watch):
            for source in sources:
                with talk.smtp(source=source) as client:
                    client.smtp("MAIL FROM:<a@good.example.org>")
                    client.send("RCPT TO:<somebody@elsewhere.example>\r\n")
                    client.is_closed()
            rows = [row for row in told("bans", "list")["bans"] if row["address"] in sources]
            self.assertEqual(sorted(row["address"] for row in rows), sorted(sources))
            self.assertEqual({row["workers"] for row in rows}, {1})
            watch.wait("SOURCES_BANNED", len(sources))
            self.assertEqual(greeted(sources[:2]), 0)
            self.assertEqual(greeted(source.replace(".90", ".91") for source in sources), 16)
        for source in sources:
            lab.ctl("bans", "remove", source)

    def test_top_and_explain_know_what_either_worker_saw(self):
        clients = [talk.smtp(source=source) for source in SOURCES]
        try:
            workers = workers_of_sources()
            top = [row["address"] for row in told("top", "connections")["rows"]]
            seen = set.union(*(workers[address] for address in top if address in SOURCES))
            self.assertEqual(seen, set(range(WORKERS)))
            for source in SOURCES:
                self.assertEqual(told("explain", source)["connections"], 1, source)
        finally:
            for client in clients:
                client.reset()
