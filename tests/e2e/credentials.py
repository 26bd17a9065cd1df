# SPDX-License-Identifier: BSD-3-Clause
"""What becomes of passwords: none stays in the control plane or its logs, an old one ends with
its file."""

import os
import shutil
import signal
import unittest

import lab
import talk
from labkit import names, system

PASSWORDS = names.MOUNT / "passwd"
WRONG = "n0t-the-word"  # long enough to be nobody else's bytes


def login(password, source):
    with talk.Talk(465, source=source) as client:
        client.smtp("EHLO client.example.org")
        return client.smtp(f"AUTH PLAIN {talk.plain(lab.ALICE, password)}")[:3]


def memory_of(process):
    """Whatever can be read, a mapping at a time."""
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", 0) as memory:
        for line in maps:
            first, last = (int(part, 16) for part in line.split()[0].split("-"))
            try:
                memory.seek(first)
                yield memory.read(last - first)
            except (OSError, OverflowError):
                pass  # a mapping of the kernel's, or one that nobody may read


class Credentials(unittest.TestCase):
    def restart_auth(self):
        """One that has done nothing yet: what happens once at a start is seen too."""
        before = lab.pid("auth")
        os.kill(before, signal.SIGKILL)
        lab.eventually(lambda: (system.pid_of("auth") or before) != before)
        lab.eventually(lambda: login(lab.PASSWORDS[lab.ALICE], "198.19.77.1") == "235")

    def test_no_password_stays_in_memory_or_logs(self):
        self.restart_auth()
        self.assertEqual(login(WRONG, "198.19.77.2"), "535")
        words = [WRONG.encode(), lab.PASSWORDS[lab.ALICE].encode()]
        for process in ("auth", "dns", "controlplane"):
            for piece in memory_of(lab.pid(process)):
                self.assertFalse(any(word in piece for word in words), process)
        for log in names.LOG.glob("*plane.log"), names.LOG.glob("*.json"):
            for path in log:
                self.assertFalse(any(word in path.read_bytes() for word in words), path)

    def test_an_old_password_ends_with_the_file_that_had_it(self):
        kept = PASSWORDS.read_text()
        self.addCleanup(self.replace, kept)
        self.assertEqual(login(lab.PASSWORDS[lab.ALICE], "198.19.77.3"), "235")
        changed = lab.call("openssl", "passwd", "-6", "-stdin", stdin=WRONG).stdout
        self.replace(f"{lab.ALICE}:{{SHA512-CRYPT}}{changed}")
        lab.eventually(lambda: login(WRONG, "198.19.77.4") == "235", 5)
        self.assertEqual(login(lab.PASSWORDS[lab.ALICE], "198.19.77.3"), "535")

    def replace(self, text):
        made = PASSWORDS.with_suffix(".new")
        made.write_text(text)
        made.chmod(0o600)
        shutil.chown(made, "weir-auth")
        made.rename(PASSWORDS)
