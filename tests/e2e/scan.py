# SPDX-License-Identifier: BSD-3-Clause
"""testssl.sh on ports that are TLS from the start. It takes minutes: only `run scan` does it."""

import concurrent.futures
import json
import os
import tempfile
import unittest
from pathlib import Path

import lab
from labkit import names

PORTS = (465, 993)
SECTIONS = ("-p", "-s", "-f", "-P", "-S", "-U")  # all but its lists of ciphers and of old clients
GOOD = ("OK", "INFO", "DEBUG")
NOT_OURS = ("cert_revocation",  # the lab's CA has neither list nor responder
            "engine_problem",  # of the openssl that testssl.sh found
            "sessionresumption_ticket")  # it leaves before a ticket of TLS 1.3 can be there
QUICK = {"HEADER_MAXSLEEP": "1", "USLEEP_SND": "0.01", "USLEEP_REC": "0.02"}  # the server is near


def scan(port, folder):
    found = Path(folder, f"{port}.json")
    quick = (f"{key}={value}" for key, value in QUICK.items())
    said = lab.call("env", *quick, "testssl", "--quiet", "--warnings", "batch", "--nodns", "none",
                    "--add-ca", lab.CA, *SECTIONS, "--jsonfile", found, "--ip", lab.SHIELD,
                    f"mail.example.net:{port}", seconds=1200, check=False)
    if not found.exists():
        raise AssertionError(said.stdout)
    return json.loads(found.read_text())


class Scan(unittest.TestCase):
    def setUp(self):
        lab.ctl("lists", "add", "allow", names.CLIENT4)  # it says GET, and would be banned
        self.addCleanup(lab.ctl, "lists", "remove", "allow", names.CLIENT4)

    def test_testssl_finds_nothing_worse_than_info(self):
        with tempfile.TemporaryDirectory() as folder, \
                concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for port, rows in zip(PORTS, pool.map(lambda port: scan(port, folder), PORTS)):
                with self.subTest(port=port):
                    self.assertGreater(len(rows), 75)
                    self.assertEqual([row for row in rows if row["severity"] not in GOOD and
                                      row["id"] not in NOT_OURS], [])
