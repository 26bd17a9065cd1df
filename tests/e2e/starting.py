# SPDX-License-Identifier: BSD-3-Clause
"""Starting with what cannot work: a clear error, the right exit code, nothing half started."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import lab
from labkit import names, shield

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def check(text):
    """weir-controlplane --check on this configuration: exit code and what it said."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        done = lab.call(shield.program("controlplane"), "--config", file.name, "--check",
                        check=False)
        return done.returncode, (done.stdout + done.stderr).replace(file.name, "FILE")


class Configuration(unittest.TestCase):
    good = names.CONFIG.read_text()

    def refused(self, old, new, key):
        """The changed configuration is refused with file, line and key."""
        self.assertIn(old, self.good)
        text = self.good.replace(old, new, 1)
        lines = [number for number, (one, other) in enumerate(
            zip(text.splitlines(), self.good.splitlines()), 1) if one != other]
        code, said = check(text)
        self.assertEqual(code, 1, said)
        found = re.search(r"FILE:(\d+)", said)
        self.assertTrue(found, said)
        self.assertIn(int(found.group(1)), range(lines[0] - 1, lines[0] + 2), said)
        self.assertIn(key, said)

    def test_the_labs_own_is_fine(self):
        self.assertEqual(check(self.good)[0], 0)

    def test_an_unknown_key(self):
        self.refused("idle_sleep_us:", "idle_sleep_sec:", "idle_sleep_sec")

    def test_a_number_that_is_none(self):
        self.refused("mbufs: 32768", "mbufs: many", "mbufs")

    def test_a_number_out_of_range(self):
        self.refused("smtp: {port: 25,", "smtp: {port: 70025,", "port")

    def test_a_worker_on_a_cpu_that_is_not_there(self):
        self.assertIn("worker_lcores: [1]", self.good)
        code, said = check(self.good.replace("worker_lcores: [1]", "worker_lcores: [1, 777]"))
        self.assertEqual(code, 1)
        self.assertIn("boot.worker_lcores[1]: expected a CPU of this machine, not 777", said)

    def test_an_address_that_is_none(self):
        self.refused("ipv4: 198.51.100.1/24", "ipv4: 198.51.100.300/24", "ipv4")

    def test_a_gateway_that_is_on_no_link(self):
        self.refused("via: 198.51.100.10, leg: outside", "via: 192.0.2.10, leg: outside", "via")

    def test_both_legs_in_one_network(self):
        self.refused("ipv4: 203.0.113.1/24", "ipv4: 198.51.100.2/24", "inside")

    def test_a_backend_that_is_not_there(self):
        self.refused("tls: starttls, backend: dovecot-imap}", "tls: starttls, backend: none}",
                     "backend")

    def test_a_limit_that_is_not_there(self):
        self.refused("limits: {greet", "limits: {no_such_limit: 1, greet", "no_such_limit")

    def test_a_list_entry_that_is_no_prefix(self):
        self.refused("deny: []", "deny: [198.51.100.0/40]", "deny")

    def test_a_wrong_word_for_an_action(self):
        self.refused("fail: reject", "fail: explode", "fail")

    def test_text_that_is_no_yaml(self):
        code, said = check(self.good + "\n  : : [\n")
        self.assertEqual(code, 1)
        self.assertRegex(said, r"FILE:\d+")

    def test_a_file_that_is_not_there(self):
        done = lab.call(shield.program("controlplane"), "--config", "/no/such.yaml", "--check",
                        check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/no/such.yaml", done.stdout + done.stderr)


def start(old, new, *before):
    """A shield of its own with that change to the lab's configuration: how its data plane, run by
    the command `before`, ended, and what it said."""
    text = names.CONFIG.read_text()
    assert old in text
    text = text.replace(old, new)
    with tempfile.TemporaryDirectory() as folder:
        text = text.replace(str(names.RUN), folder).replace(str(names.PID), folder)
        text = text.replace(names.METRICS, "127.0.0.1:9465")
        text = text.replace("hugepage_mb: 512", "hugepage_mb: 128")
        text = text.replace("mbufs: 32768", "mbufs: 4096")
        config = Path(folder, "weir.yaml")
        config.write_text(text)
        host = ["ip", "netns", "exec", names.HOST]
        dataplane = subprocess.Popen(
            [*host, *before, shield.program("dataplane"), "--socket", f"{folder}/dataplane.sock"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        control = subprocess.Popen(
            [*host, shield.program("controlplane"), "--config", config],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            said = dataplane.communicate(timeout=30)[1]
        finally:
            dataplane.kill()
            control.kill()
            control.communicate()
    return dataplane.returncode, said


class Starting(unittest.TestCase):
    def refused(self, word, *change):
        code, said = start(*change)
        self.assertGreater(code, 0, f"a clean exit, no signal: {said}")
        self.assertIn(word, said)

    def test_a_port_that_does_not_exist(self):
        self.refused("no-such-port", "iface=weir-out", "iface=no-such-port")

    def test_a_source_table_beyond_memory(self):
        self.refused("boot.sources", "sources: 262144", "sources: 134217728",
                     "prlimit", f"--data={1 << 30}")  # of 2 GiB

    def test_the_data_plane_without_root(self):
        done = lab.call(*NOBODY, shield.program("dataplane"), "--socket", "/tmp/weir-nobody.sock",
                        check=False, seconds=20)
        self.assertGreater(done.returncode, 0)
        self.assertRegex((done.stdout + done.stderr).lower(), "root|permission|privilege")

    def test_unknown_arguments(self):
        for name in shield.PROGRAMS:
            done = lab.call(shield.program(name), "--no-such-argument", check=False, seconds=20)
            self.assertGreater(done.returncode, 0)
            self.assertTrue(done.stderr)

    def test_the_lab_without_root_says_so_in_one_line(self):
        done = lab.call(*NOBODY, lab.ROOT / "scripts/lab", "up", check=False)
        self.assertEqual(done.returncode, 77)
        self.assertEqual(len((done.stdout + done.stderr).splitlines()), 1)
