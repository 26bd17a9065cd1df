# SPDX-License-Identifier: BSD-3-Clause
"""Packets get lost on both sides; mails arrive whole all the same."""

import contextlib
import unittest
from concurrent.futures import ThreadPoolExecutor

import delivery
import lab
import talk
from labkit import names

RULES = """
table inet weather {
  chain in { type filter hook input priority 0; iifname "eth0" numgen random mod 100 < %d drop; }
  chain out { type filter hook output priority 0; oifname "eth0" numgen random mod 100 < %d drop; }
}
"""


@contextlib.contextmanager
def weather(percent):
    """That share of packets lost, each way, on both cables."""
    try:
        for namespace in (names.CLIENT, names.BACKEND):
            lab.call("ip", "netns", "exec", namespace, "nft", "-f", "-",
                     stdin=RULES % (percent, percent))
        yield
    finally:
        for namespace in (names.CLIENT, names.BACKEND):
            lab.call("ip", "netns", "exec", namespace, "nft", "delete", "table", "inet", "weather",
                     check=False)


class Loss(unittest.TestCase):
    def test_a_big_mail_arrives_byte_identical_at_three_percent(self):
        with weather(3), lab.Watch() as watch:
            self.assertEqual(*delivery.send_and_hash(lab.SHIELD, 2_000_000))
            self.assertEqual(*delivery.send_and_hash(names.SHIELD6, 2_000_000))
            watch.wait("SEGMENTS_RETRANSMITTED")

    def test_many_mails_arrive_at_ten_percent(self):
        subject = lab.marker()
        with weather(10), ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda number: send_patiently(f"{subject} {number}"), range(10)))
            lab.eventually(lambda: len(lab.mails_with(subject)) >= 10, 60, "not all arrived")

    def test_reading_over_tls_works_at_three_percent(self):
        with weather(3), talk.imap(seconds=60) as client:
            client.tagged("SELECT INBOX")
            lines = client.tagged("FETCH 1:* (FLAGS RFC822.HEADER)")
            self.assertTrue(lines[-1].startswith("t1 OK"))


def send_patiently(subject):
    """Like a mail server: again later, when the connection did not come about."""
    for _ in range(5):
        try:
            with talk.smtp(seconds=40) as client:
                commands = (f"MAIL FROM:<{lab.SENDER}>", f"RCPT TO:<{lab.ALICE}>", "DATA",
                            f"Subject: {subject}\r\n\r\nbody\r\n.")
                if all(client.smtp(command)[:1] in ("2", "3") for command in commands):
                    return
        except OSError:
            pass
    raise AssertionError(f"{subject}: not accepted in five attempts")
