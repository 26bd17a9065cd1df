# SPDX-License-Identifier: BSD-3-Clause
"""A question that kills whoever works on it: it is asked again once, then given up with a temporary
error and counted; everybody else is answered.

The harness plays the killer: it sees the query for the poison address leave the dns child, keeps it
from the name server, and kills the child.
"""

import os
import signal
import subprocess
import threading
import time
import unittest

import lab
import talk
from labkit import names

POISON = "198.19.250.77"
OTHER = "198.51.100.60"  # whose name is confirmed
LABEL = "77.250.19.198.in-addr.arpa"
RULE = ("add table inet poison\n"
        "add chain inet poison in { type filter hook input priority 0; }\n"
        # the query's name behind the headers of UDP and DNS: "77", "250" and, further on, "in-addr"
        "add rule inet poison in iifname lo udp dport 5300 "
        "@th,160,56 0x02373703323530 @th,272,64 0x07696e2d61646472 drop\n")


class Killer(threading.Thread):
    """Kills the dns child at each query for the poison address, by one signal and then another."""

    def __init__(self, *signals):
        super().__init__(daemon=True)
        self.signals, self.killed = signals, []

    def __enter__(self):
        self.host = ("ip", "netns", "exec", names.HOST)
        lab.call(*self.host, "nft", "-f", "-", stdin=RULE)
        self.sniffer = subprocess.Popen(
            [*self.host, *"tcpdump -i lo -l -n -p -T domain udp dst port 5300".split()],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while "listening on" not in self.sniffer.stderr.readline():
            pass
        self.start()
        return self

    def __exit__(self, *_):
        self.sniffer.terminate()
        self.sniffer.wait()
        self.join()
        lab.call(*self.host, "nft", "delete table inet poison")

    def run(self):
        for line in self.sniffer.stdout:
            if LABEL in line:
                self.kill()

    def kill(self):
        try:
            victim = lab.pid("dns")
            if victim not in self.killed:
                os.kill(victim, self.signals[len(self.killed) % len(self.signals)])
                self.killed.append(victim)
        except (FileNotFoundError, ProcessLookupError):
            pass  # not there now; the next query will be seen, too


def is_proven():
    """After that long a child that dies is started again at once."""
    return time.time() - os.stat(f"/proc/{lab.pid('dns')}").st_mtime > 10.5


class Poison(unittest.TestCase):
    def test_a_question_that_kills_the_child_is_given_up_and_others_are_answered(self):
        subject = lab.marker()
        lab.eventually(is_proven, 15, "the dns child does not stay")
        with lab.Watch() as watch, Killer(signal.SIGSEGV, signal.SIGKILL) as killer:
            with talk.Talk(source=POISON, greeting=False) as victim:
                lab.eventually(lambda: killer.killed, 5, "the question was not asked")
                with talk.Talk(source=OTHER) as other:
                    self.assertTrue(other.greeting.startswith("220"), other.greeting)
                    self.assertIn(b"iprev=pass", self.mail(other, lab.marker()))
                self.assertTrue(victim.reply().startswith("220"))
                self.assertIn(b"iprev=temperror", self.mail(victim, subject))
            self.assertEqual(len(killer.killed), 2)
            survivor = lab.pid("dns")
            time.sleep(1)
            self.assertEqual(lab.pid("dns"), survivor)
            watch.wait("SESSION_QUESTION_POISON")
            self.assertEqual(watch.rise("SESSION_QUESTION_POISON"), 1)
            self.assertEqual(watch.rise("SESSION_QUESTION_TIMEOUT"), 0)

    def mail(self, client, subject):
        """Sends one; what arrives."""
        for command in ("EHLO client.good.example.org", "MAIL FROM:<someone@many.example.org>",
                        f"RCPT TO:<{lab.ALICE}>", "DATA", f"Subject: {subject}\r\n\r\nx\r\n."):
            answer = client.smtp(command)
            self.assertRegex(answer, "^[23]", command)
        return lab.arrived(subject)


if __name__ == "__main__":
    unittest.main()
