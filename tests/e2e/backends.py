# SPDX-License-Identifier: BSD-3-Clause
"""Backends' servers from outside: fakes that fail beside the real Postfix, and what the operator
sees and does."""

import json
import subprocess
import time
import unittest

import lab
import talk
from labkit import names

FAKE_PORT = 2525
FAKES = {
    "silent": "pass",
    "closes": "c.close()",
    "busy": "c.sendall(b'421 4.3.2 busy\\r\\n')",
    "endless": "[c.sendall(b'220-more\\r\\n' * 50) for _ in range(9)]",
}
FAKE = """
import socket
s = socket.create_server(("{address}", {port}))
kept = []
while True:
    c, _ = s.accept()
    kept.append(c)
    try:
        {act}
    except OSError:
        pass
"""


class Backends(unittest.TestCase):

    def setUp(self):
        self.fake = None

    def tearDown(self):
        if self.fake:
            self.fake.kill()
            self.fake.wait()

    def start(self, kind, port):
        program = FAKE.format(address=names.BACKEND4, port=port, act=FAKES[kind])
        self.fake = subprocess.Popen(["ip", "netns", "exec", names.BACKEND, "python3", "-c",
                                      program])

    def configure(self, servers):
        """The backend of SMTP gets these servers, checked each second."""
        lab.configure(self, "backend_check_seconds: 1, backend_connect_seconds: 2, "
                      "backend_spares: 0",
                      postfix=f"protocol: smtp, identity: forward, servers: [{servers}]")

    def states(self):
        rows = json.loads(lab.ctl("--json", "backends", "list").stdout)["servers"]
        return {row["server"]: row["state"] for row in rows if row["backend"] == "postfix"}

    def mail(self):
        with talk.Talk() as client:
            client.smtp("EHLO client.example.org")
            client.smtp(f"MAIL FROM:<{lab.SENDER}>")
            return client.smtp(f"RCPT TO:<{lab.ALICE}>")

    def wait_for(self, server, state):
        until = time.monotonic() + 10
        while self.states()[server] != state:
            self.assertLess(time.monotonic(), until, self.states())
            time.sleep(0.1)

    def test_a_server_that_fails_is_followed_by_the_real_one(self):
        for number, kind in enumerate(FAKES):
            with self.subTest(kind):
                port = FAKE_PORT + 1 + number  # a server that nobody knows yet
                self.start(kind, port)
                self.configure(f"{{address: {names.BACKEND4}, port: {port}}}, "
                               f"{{address: {names.BACKEND4}, port: 25, backup: true}}")
                self.assertRegex(self.mail(), "^250 ")
                self.wait_for(f"{names.BACKEND4}:{port}", "down")
                self.assertEqual(self.states()[f"{names.BACKEND4}:25"], "up")
                self.fake.kill()
                self.fake.wait()

    def test_all_servers_down_is_said_at_once(self):
        self.configure(f"{{address: {names.BACKEND4}, port: {FAKE_PORT}}}")
        self.wait_for(f"{names.BACKEND4}:{FAKE_PORT}", "down")
        begun = time.monotonic()
        self.assertRegex(self.mail(), "^451 4.3.2 ")
        self.assertLess(time.monotonic() - begun, 1)

    def test_a_drained_backend_gets_no_mail_until_it_is_enabled(self):
        lab.ctl("backends", "drain", "postfix")
        self.assertRegex(self.mail(), "^451 4.3.2 ")
        lab.ctl("backends", "enable", f"postfix/{names.BACKEND4}:25")
        self.assertRegex(self.mail(), "^250 ")
