# SPDX-License-Identifier: BSD-3-Clause
"""testssl.sh on the ports that are TLS from the start. Minutes long, so only `run scan` does it."""

import concurrent.futures
import json
import os
import tempfile
import unittest
from pathlib import Path

import lab

PORTS = (465, 993, 995)
GOOD = ("OK", "INFO", "DEBUG")
LAB_ONLY = ("cert_revocation",  # the lab's CA has neither list nor responder
            "engine_problem")  # of the openssl that testssl.sh found
QUICK = {"HEADER_MAXSLEEP": "1", "USLEEP_SND": "0.01", "USLEEP_REC": "0.02"}  # the server is near


def scan(port, folder):
    found = Path(folder, f"{port}.json")
    lab.call("env", *(f"{key}={value}" for key, value in QUICK.items()), "testssl", "--quiet",
             "--warnings", "batch", "--nodns", "none", "--add-ca", lab.CA, "--jsonfile", found,
             "--ip", lab.SHIELD, f"mail.example.net:{port}", seconds=1200, check=False)
    return json.loads(found.read_text())


class Scan(unittest.TestCase):
    def test_testssl_finds_nothing_worse_than_info(self):
        with tempfile.TemporaryDirectory() as folder, \
                concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for port, rows in zip(PORTS, pool.map(lambda port: scan(port, folder), PORTS)):
                with self.subTest(port=port):
                    self.assertGreater(len(rows), 150)
                    self.assertEqual([row for row in rows if row["severity"] not in GOOD and
                                      row["id"] not in LAB_ONLY], [])
