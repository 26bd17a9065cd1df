# SPDX-License-Identifier: BSD-3-Clause
"""What smtp.memory, imap.idle and imap.splice share: sessions in the lab that come and stay, and
what a server's resident memory grows by for each.

Clients and the backend are mail_hold and mail_sink. The first fifth of the sessions warms a server
up: what it takes once, and buffers that all go round, is not a session's. What the kernel keeps for
sockets is in nobody's memory here; what Weir keeps for TCP is in Weir's, and so are its control
plane and its children.
"""

import subprocess
import time

import lab_rig
from labkit import certificate, names, system

SINK_PORT = 1143
HAPROXY = """
global
    nbthread 1
    maxconn 9900
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode tcp
    timeout connect 10s
    timeout client 10m
    timeout server 10m
listen tls
    bind {peer}:{tls} ssl crt {pem}
    server sink {backend}:{sink}
listen plain
    bind {peer}:{plain}
    server sink {backend}:{sink}
"""


def sink_start(protocol):
    lab_rig.start("mail-sink", names.BACKEND, names.BUILD / "perf/mail_sink", SINK_PORT, protocol)


def haproxy(tls, plain):
    """Takes both at these ports and passes them to the sink."""
    pem = names.MOUNT / "haproxy.pem"
    pem.write_text(certificate.LEAF.read_text() + certificate.KEY.read_text())
    return lab_rig.Peer("haproxy", "haproxy", "-f", lab_rig.written(
        "haproxy.cfg", HAPROXY, peer=lab_rig.PEER, tls=tls, plain=plain, pem=pem,
        backend=lab_rig.PEER_BACKEND, sink=SINK_PORT))


class Clients:
    """Two processes, for a process may be held to 20,000 descriptors."""

    def __init__(self, address, port, protocol, tls):
        command = system.within(names.CLIENT, names.BUILD / "perf/mail_hold", address, port,
                                protocol, tls)
        self.processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                           text=True) for _ in range(2)]

    def order(self, verb, count=None):
        """Carried out by both; of a count each does half."""
        words = [verb] if count is None else [verb, str(count // 2)]
        for process in self.processes:
            process.stdin.write(" ".join(words) + "\n")
            process.stdin.flush()
        for process in self.processes:
            if process.stdout.readline() != "done\n":
                raise system.LabError(f"mail_hold: {verb}: ended with {process.wait()}")

    def end(self):
        for process in self.processes:
            process.stdin.close()
            process.wait()


def resident(pids):
    """Bytes, once they no longer change."""
    before = -1
    for _ in range(50):
        now = 0
        for pid in pids:
            with open(f"/proc/{pid}/status") as status:
                now += sum(int(line.split()[1]) * 1024 for line in status
                           if line.startswith("VmRSS:"))
        if now == before:
            return now
        before = now
        time.sleep(0.1)
    return now


def growth(parents, clients, sessions, also=()):
    """Bytes of these and their children for each session that is at rest, and then after each of
    `also`, orders, was done."""
    first = max(sessions // 5, 2)
    clients.order("open", first)
    for order in also:
        clients.order(order)
    pids = [pid for parent in parents for pid in lab_rig.family(parent)]
    before = resident(pids)
    found = []
    for order in (("open", sessions), *((order,) for order in also)):
        clients.order(*order)
        found.append((resident(pids) - before) / (sessions - first))
    clients.end()
    return found
