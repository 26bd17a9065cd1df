# SPDX-License-Identifier: BSD-3-Clause
"""Processes die: no accepted mail is lost, live sessions go on, service comes back in time."""

import itertools
import os
import signal
import smtplib
import time
import unittest

import lab
import talk
from labkit import names


class Mailer(lab.Background):
    """Sends mails one after the other, each from another source, so that no limit holds them back;
    remembers what was accepted and how others failed."""

    def __init__(self):
        super().__init__()
        self.accepted, self.codes = [], []
        self.sources = itertools.cycle(f"198.19.{part}.1" for part in range(256))

    def run(self):
        while not self.ended.is_set():
            subject = lab.marker()
            try:
                with smtplib.SMTP(lab.SHIELD, 25, timeout=20,
                                  source_address=(next(self.sources), 0)) as client:
                    client.sendmail("someone@many.example.org", [lab.ALICE],
                                    f"Subject: {subject}\r\n\r\nx\r\n")
                    self.accepted.append(subject)
            except smtplib.SMTPResponseException as error:
                self.codes.append(error.smtp_code)
            except smtplib.SMTPRecipientsRefused as error:
                self.codes += [code for code, _ in error.recipients.values()]
            except (OSError, smtplib.SMTPException):
                self.codes.append(0)


class Recovery(unittest.TestCase):
    def tearDown(self):
        if lab.ctl("status", check=False).returncode:  # the next test wants it, too
            lab.lab("restart", "controlplane")

    def test_kill_9_of_the_control_plane_loses_no_accepted_mail(self):
        with Mailer() as mailer, talk.imap() as reader, talk.submission() as writer:
            lab.eventually(lambda: len(mailer.accepted) > 5, 20, "no mails before the kill")
            os.kill(lab.pid("controlplane"), signal.SIGKILL)
            time.sleep(3)
            self.assertTrue(reader.tagged("NOOP")[-1].startswith("t1 OK"))
            self.assertTrue(writer.smtp("NOOP").startswith("250"))
            begun = time.monotonic()
            lab.lab("restart", "controlplane")
            with talk.submission():
                pass
            self.assertLess(time.monotonic() - begun, 2.0, "full service is back within 2 s")
            self.assertTrue(reader.tagged("NOOP")[-1].startswith("t1 OK"))
            subject = lab.marker()
            writer.smtp(f"MAIL FROM:<{lab.ALICE}>")
            writer.smtp(f"RCPT TO:<{lab.ALICE}>")
            writer.smtp("DATA")
            self.assertTrue(writer.smtp(f"Subject: {subject}\r\n\r\nx\r\n.").startswith("250"))
            lab.arrived(subject)
            count = len(mailer.accepted)
            lab.eventually(lambda: len(mailer.accepted) > count + 5, 20, "no mails afterwards")
        self.assertTrue(all(400 <= code < 500 for code in mailer.codes), mailer.codes)
        for subject in mailer.accepted:
            lab.arrived(subject)

    def test_a_killed_child_comes_back(self):
        for child in ("dns", "auth"):
            with self.subTest(child=child):
                before = lab.pid(child)
                os.kill(before, signal.SIGKILL)
                lab.eventually(lambda: pid_or_none(child) not in (before, None), 5, "not restarted")
                with talk.submission() as client:
                    self.assertTrue(client.smtp("NOOP").startswith("250"))
                lab.eventually(self.is_refusing_spf_fail, 5, "SPF is not evaluated again")

    def test_logins_without_the_control_plane_are_put_off_not_refused(self):
        os.kill(lab.pid("controlplane"), signal.SIGKILL)
        try:
            with talk.smtp(465, seconds=30) as client:
                self.assertRegex(client.smtp("AUTH PLAIN " + talk.plain()), r"^454 ")
            with talk.Talk(993, seconds=30) as client:
                answer = client.tagged(f"LOGIN {lab.ALICE} wonderland")[-1]
                self.assertRegex(answer, r"^t1 NO \[UNAVAILABLE\]")
        finally:
            lab.lab("restart", "controlplane")

    def test_a_restarted_data_plane_serves_again(self):
        os.kill(lab.pid("dataplane"), signal.SIGKILL)
        lab.lab("restart", "dataplane")
        subject = lab.marker()
        lab.swaks(lab.SHIELD, 25, subject=subject)
        lab.arrived(subject)

    def test_a_dead_backend_means_a_temporary_failure(self):
        rule = "add table inet dead\n" \
               "add chain inet dead in { type filter hook input priority 0; }\n" \
               "add rule inet dead in tcp dport { 25, 143 } reject with tcp reset\n"
        backend = ("ip", "netns", "exec", names.BACKEND, "nft")
        lab.call(*backend, "-f", "-", stdin=rule)
        try:
            with talk.smtp(seconds=60) as client:
                codes = [client.smtp(f"MAIL FROM:<{lab.SENDER}>")[:1],
                         client.smtp(f"RCPT TO:<{lab.ALICE}>")[:1]]
                self.assertIn("4", codes)
                self.assertNotIn("5", codes[:1])
        finally:
            lab.call(*backend, "delete", "table", "inet", "dead")
        lab.eventually(self.is_delivering, 60, "the backend is not used again")

    def is_refusing_spf_fail(self):
        with talk.smtp() as client:
            codes = (client.smtp("MAIL FROM:<someone@fail.example.org>"),
                     client.smtp(f"RCPT TO:<{lab.ALICE}>"))
            return any(code.startswith("550 5.7.23") for code in codes)

    def is_delivering(self):
        return lab.swaks(lab.SHIELD, 25, check=False).returncode == 0


def pid_or_none(name):
    try:
        return lab.pid(name)
    except (OSError, ValueError):
        return None
