# SPDX-License-Identifier: BSD-3-Clause
"""A peer of the data plane that lies: takes a role's place at its socket, rewrites what it is given
and sends what nobody should. The data plane serves on, and the real peer comes back."""

import mmap
import os
import random
import select
import signal
import socket
import struct
import unittest

import lab
import talk
from labkit import names

ROLES = ("ops", "dns", "auth")
MESSAGE, SLOTS, HEADER = 1024, 512, 128  # contract/spsc.h
RING = HEADER + SLOTS * MESSAGE
MAGIC = 0x57454154
LIES = 3000


class Liar:
    """An attachment. Its version is what the data plane's own control plane says."""

    def __init__(self, role, version):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.version = version
        self.socket.connect(str(names.DATAPLANE_SOCKET))
        self.socket.settimeout(5)
        self.socket.send(struct.pack("<IHH", MAGIC, version, ROLES.index(role)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def channel(self):
        welcome, fds, *_ = socket.recv_fds(self.socket, 16, 40)
        self.memory = mmap.mmap(fds[0], 2 * RING)
        for fd in fds:
            os.close(fd)
        return welcome

    def lie(self, rng):
        """A message that is well published and wrong inside, when there is room for it."""
        memory, ring = self.memory, RING  # answers are what it sends
        tail, = struct.unpack_from("<I", memory, ring)
        head, = struct.unpack_from("<I", memory, ring + 64)
        if tail - head == SLOTS:
            return False
        slot = ring + HEADER + tail % SLOTS * MESSAGE
        memory[slot:slot + MESSAGE] = rng.randbytes(MESSAGE)
        struct.pack_into("<HBBIQ", memory, slot, self.version, rng.randrange(14), rng.randrange(5),
                         0, rng.randrange(4) << 32 | rng.randrange(64))
        struct.pack_into("<I", memory, ring, tail + 1)
        return True

    def lie_about_indices(self, rng):
        for index in (0, 64, RING, RING + 64):
            struct.pack_into("<I", self.memory, index, rng.getrandbits(31) | 1 << 30)

    def is_closed(self):
        return bool(select.select([self.socket], [], [], 0)[0])  # after the welcome nothing is said


class Hostile(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(5)
        self.data_plane = lab.pid("dataplane")
        self.reader = talk.imap()

    def tearDown(self):
        self.assertRegex(self.reader.tagged("NOOP")[-1], "^t1 OK")
        self.reader.socket.close()
        self.assertEqual(lab.pid("dataplane"), self.data_plane)
        lab.eventually(self.is_itself_again, 20, "the real peers did not come back")

    def is_itself_again(self):
        try:
            talk.imap().socket.close()
        except (OSError, AssertionError):
            return False
        return lab.ctl("status", check=False).returncode == 0

    def version(self):
        """As the counters that the control plane has mapped say: the contract's, for all."""
        with open(f"/proc/{self.data_plane}/maps") as maps:
            where = next(line for line in maps if "weir-counters" in line).partition("-")[0]
        with open(f"/proc/{self.data_plane}/mem", "rb") as memory:
            memory.seek(int(where, 16))
            return struct.unpack("<I", memory.read(4))[0]

    def test_a_child_that_lies_is_hung_up_on_and_replaced(self):
        version, parent = self.version(), lab.pid("controlplane")
        for role in ("dns", "auth"):
            with self.subTest(role=role), lab.Watch() as watch:
                os.kill(parent, signal.SIGSTOP)  # it starts no other meanwhile
                try:
                    # One that the parent had just started may still take the place back, once.
                    self.assertTrue(self.lie(role, version) or self.lie(role, version))
                finally:
                    os.kill(parent, signal.SIGCONT)
                watch.wait("SESSION_ANSWER_BAD", LIES / 3)
                lab.eventually(self.is_itself_again, 20, "the real child did not come back")

    def lie(self, role, version):
        """False when another took the place before the end."""
        with Liar(role, version) as liar:
            liar.channel()
            for _ in range(LIES):
                lab.eventually(lambda: liar.is_closed() or liar.lie(self.random), 20,
                               "its messages are not taken")
            if liar.is_closed():
                return False
            liar.lie_about_indices(self.random)
            lab.eventually(liar.is_closed, 20, "its impossible indices went unnoticed")
            return True

    def test_forged_records_and_descriptors_are_refused(self):
        version, before = self.version(), len(os.listdir(f"/proc/{self.data_plane}/fd"))
        spare = os.memfd_create("spare")
        for _ in range(300):
            role = self.random.choice(("dns", "auth"))
            with Liar(role, version + self.random.choice((0, 0, 1))) as liar:
                record = self.random.randbytes(self.random.choice((1, 8, 24, 300)))
                count = self.random.choice((0, 1, 100))
                try:
                    socket.send_fds(liar.socket, [record], [spare] * count)
                except OSError:
                    pass  # closed already
        os.close(spare)
        lab.eventually(self.is_itself_again, 20)
        lab.eventually(lambda: len(os.listdir(f"/proc/{self.data_plane}/fd")) <= before, 5,
                       "descriptors were kept")

    def test_another_user_is_turned_away(self):
        version = self.version()
        os.chmod(names.DATAPLANE_SOCKET, 0o666)  # so that it is the check that says no
        child = os.fork()
        if child == 0:
            os._exit(nobody_is_let_in(version))
        status = os.waitpid(child, 0)[1]
        os.chmod(names.DATAPLANE_SOCKET, 0o600)
        self.assertEqual(status, 0)


def nobody_is_let_in(version):
    """Exit code 1 if a role is given to that user."""
    os.setresuid(65534, 65534, 65534)
    try:
        with Liar("dns", version) as liar:
            return 1 if liar.socket.recv(16) else 0
    except ConnectionError:
        return 0
