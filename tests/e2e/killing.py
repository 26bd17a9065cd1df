# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 at random points, again and again under load: no session ends, no accepted mail is lost,
no login gets a wrong answer, nothing leaks, the data plane never stalls.

WEIR_KILLS says how often (60; 1000 take some two minutes), WEIR_SEED when exactly.
"""

import itertools
import json
import os
import random
import signal
import smtplib
import socket
import time
import unittest

import lab
import talk
from labkit import names, shield

KILLS = int(os.environ.get("WEIR_KILLS", 60))
SEED = int(os.environ.get("WEIR_SEED", time.time()))
SOURCES = (f"198.19.{part}.{last}" for part, last in
           itertools.cycle(itertools.product(range(256), range(1, 255))))  # no rate holds us back
ROLES = 3  # each has a channel to every worker
STALL_SECONDS = 1.0  # a SYN that is lost once takes that long, and none may be


class Load(lab.Background):
    """Does one thing over and over; counts how it ended."""

    def __init__(self):
        super().__init__()
        self.outcomes = {}

    def run(self):
        while not self.ended.is_set():
            try:
                outcome = self.once(next(SOURCES))
            except (OSError, smtplib.SMTPException) as error:
                outcome = f"broken: {error!r}"
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


class Mails(Load):
    def __init__(self):
        super().__init__()
        self.accepted = []

    def once(self, source):
        subject = lab.marker()
        try:
            with smtplib.SMTP(lab.SHIELD, 25, timeout=30, source_address=(source, 0)) as client:
                client.sendmail("someone@many.example.org", [lab.BOB],
                                f"Subject: {subject}\r\n\r\nx\r\n")
                self.accepted.append(subject)
                return "accepted"
        except smtplib.SMTPResponseException as error:
            return f"refused {error.smtp_code}"
        except smtplib.SMTPRecipientsRefused as error:
            return " ".join(f"refused {code}" for code, _ in error.recipients.values())


class Logins(Load):
    def once(self, source):
        with talk.Talk(993, source=source, seconds=30) as client:
            answer = client.tagged(f"LOGIN {lab.BOB} {lab.PASSWORDS[lab.BOB]}")[-1]
            return "OK" if answer.startswith("t1 OK") else answer


class Pulse(Load):
    """How long the data plane takes for a SYN."""

    def __init__(self):
        super().__init__()
        self.longest = 0.0

    def once(self, source):
        begun = time.monotonic()
        with socket.create_connection((lab.SHIELD, 993), 20, (source, 0)):
            self.longest = max(self.longest, time.monotonic() - begun)
        time.sleep(0.005)
        return "answered"


class Killing(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        print(f"      {KILLS} kills, WEIR_SEED={SEED}", flush=True)

    def tearDown(self):
        if lab.ctl("status", check=False).returncode:
            lab.lab("restart", "controlplane")

    def kill(self, victim):
        """One process, wherever it stands; what nobody else starts again is started here."""
        pid = pid_or_none(victim)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        if victim == "controlplane":
            self.start_controlplane()
        return True

    def start_controlplane(self):
        shield.start_one("controlplane")

    def kill_many(self, count, standing):
        done = 0
        while done < count:
            time.sleep(self.random.uniform(0, 0.12))
            # Its children back off when they die often; with their parent all begins anew.
            done += self.kill(self.random.choice(("controlplane", "controlplane", "dns", "auth")))
            if done % 20 == 0:
                self.are_alive(standing)
        wait_for_children()

    def are_alive(self, standing):
        reader, writer, popper = standing
        self.assertRegex(reader.tagged("NOOP")[-1], "^t1 OK")
        self.assertRegex(writer.smtp("NOOP"), "^250")
        self.assertRegex(popper.pop3("NOOP"), r"^\+OK")

    def test_nothing_is_lost_when_control_processes_are_killed(self):
        data_plane = lab.pid("dataplane")
        wait_for_children()
        with talk.imap() as reader, talk.submission() as writer, popping() as popper, \
                lab.Watch() as watch:
            self.kill_many(max(KILLS // 10, 10), (reader, writer, popper))  # memory settles
            before = holdings(data_plane)
            mails, logins, pulse = [Mails(), Mails()], [Logins(), Logins()], Pulse()
            with mails[0], mails[1], logins[0], logins[1], pulse:
                self.kill_many(KILLS, (reader, writer, popper))
            after = holdings(data_plane)
        self.assertEqual(lab.pid("dataplane"), data_plane)
        print(f"      mails {sum_of(mails)} logins {sum_of(logins)}; SYN at the most "
              f"{1000 * pulse.longest:.1f} ms; {watch.changes_of('QUESTIONS', 'ANSWER')}; "
              f"held {before} -> {after}", flush=True)
        for outcome in sum_of(mails):
            self.assertRegex(outcome, "^(accepted|refused 4..)$")
        for outcome in sum_of(logins):
            self.assertRegex(outcome, r"^(OK$|t1 NO \[UNAVAILABLE\])")
        self.assertGreater(sum_of(mails).get("accepted", 0), KILLS / 10)
        self.assertGreater(sum_of(logins).get("OK", 0), KILLS / 10)
        self.assertEqual(set(pulse.outcomes), {"answered"})
        self.assertLess(pulse.longest, STALL_SECONDS)
        self.assertGreater(watch.rise("QUESTIONS_ASKED_AGAIN"), 0)
        self.assertEqual(watch.rise("SESSION_ANSWER_BAD"), 0)
        self.assertLessEqual(watch.rise("ANSWERS_TAKEN"), watch.rise("QUESTIONS_ASKED"))
        self.assertEqual(after["files"], before["files"])
        self.assertEqual(after["channels"], before["channels"])
        self.assertLess(after["kib"], before["kib"] + 4096)
        self.assertEqual(missing(subject for load in mails for subject in load.accepted), [])

    def test_the_bench_of_recovery_runs_small(self):
        said = lab.call(lab.ROOT / "perf/load/recovery.py", "--smoke").stdout.splitlines()
        figures = {figure["case"]: figure["value"] for figure in map(json.loads, said)}
        self.assertLess(figures["max"], 5000)

    def test_the_control_plane_outlives_its_data_plane(self):
        count = max(KILLS // 50, 2)
        control = lab.pid("controlplane")
        before = None
        for turn in range(count + 1):
            os.kill(lab.pid("dataplane"), signal.SIGKILL)
            time.sleep(self.random.uniform(0, 0.3))
            lab.lab("restart", "dataplane")
            wait_for_children()
            before = before or holdings(control)  # the first time memory may still grow
        self.assertEqual(lab.pid("controlplane"), control)
        after = holdings(control)
        self.assertEqual(after["files"], before["files"])
        self.assertEqual(after["channels"], before["channels"])
        with talk.submission() as client:
            self.assertRegex(client.smtp("NOOP"), "^250")


def popping():
    client = talk.Talk(995)
    assert client.pop3(f"USER {lab.BOB}").startswith("+OK")
    answer = client.pop3(f"PASS {lab.PASSWORDS[lab.BOB]}")
    assert answer.startswith("+OK"), answer
    return client


def wait_for_children():
    """Every role is attached, and a login is answered."""
    def logs_in():
        try:
            talk.imap().socket.close()
            return True
        except (OSError, AssertionError):
            return False
    lab.eventually(lambda: all(map(pid_or_none, ("controlplane", "dns", "auth"))), 20)
    lab.eventually(logs_in, 30, "no login after the kills")
    lab.eventually(lambda: lab.ctl("status", check=False).returncode == 0, 20)
    workers = json.loads(lab.ctl("--json", "status").stdout)["dataplane"]["workers"]
    lab.eventually(lambda: holdings(lab.pid("dataplane"))["channels"] == ROLES * workers, 20)


def holdings(process):
    """Open descriptors, mapped channels and resident memory of a process."""
    maps = open(f"/proc/{process}/maps").read()
    kib = 0 if "libasan" in maps else lab.resident_kib(process)  # that one keeps what was freed
    return {"files": len(os.listdir(f"/proc/{process}/fd")),
            "channels": maps.count("weir-channel"), "kib": kib}


def sum_of(loads):
    total = {}
    for load in loads:
        for outcome, count in load.outcomes.items():
            total[outcome] = total.get(outcome, 0) + count
    return total


def missing(subjects):
    """Accepted mails that are not in the store, or more than once."""
    def wrong():
        held = b"".join(path.read_bytes() for path in lab.mail_files(lab.BOB))
        return [subject for subject in wanted if held.count(b"Subject: " + subject.encode()) != 1]
    wanted = list(subjects)
    try:
        lab.eventually(lambda: not wrong(), 30)
    except AssertionError:
        pass
    return wrong()


def pid_or_none(name):
    try:
        return lab.pid(name)
    except (OSError, ValueError):
        return None
