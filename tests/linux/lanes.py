# SPDX-License-Identifier: BSD-3-Clause
"""A Linux kernel, a router, and two lanes from there through a seeded bridge each: to our TCP, and
to another Linux kernel, so that both meet the same weather.

    near: linux_end ─ router ─┬─ weir-out   weir-left   ─ bridge ─ weir-right   ─ weir_end
                              └─ kernel-out kernel-left ─ bridge ─ kernel-right ─ linux_end

The router is this process's network namespace, which it makes for itself; the other three have no
name either. All of them go with the processes in them. The bridges know rate, delay, loss, order
and copies (bridge.c), the router's nftables drop at random.
"""

import contextlib
import ctypes
import json
import os
import random
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build/main"))
CLONE_NEWNET = 0x40000000
OFFLOADS = "tx off rx off tso off gso off gro off".split()
NEAR = ("192.0.2.1", "2001:db8:1::1")
FAR = {"weir": ("198.51.100.1", "2001:db8:2::1"), "kernel": ("203.0.113.1", "2001:db8:3::1")}
FLOWS = 100  # most in a lane at a time
SYSCTLS = ("net.ipv4.tcp_no_metrics_save=1",)


def run(*command, stdin=None):
    done = subprocess.run([str(part) for part in command], input=stdin, text=True,
                          capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout.strip()


def enter():
    """A network namespace of our own. 77: not allowed here."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        print(f"no network namespace: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        sys.exit(77)


class Program:
    """Lines in, JSON lines out."""

    def __init__(self, *command):
        self.name = Path(command[-1 if len(command) == 1 else 0]).name
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.bytes = b""

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, until):
        """The next line, or None when none came till then (time.monotonic)."""
        while b"\n" not in self.bytes:
            patience = max(0, until - time.monotonic())
            if not select.select([self.process.stdout], [], [], patience)[0]:
                return None
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            if not more:
                raise RuntimeError(f"{self.name} ended with {self.process.wait()}")
            self.bytes += more
        line, _, self.bytes = self.bytes.partition(b"\n")
        return json.loads(line)

    def ask(self, line, seconds=10):
        self.tell(line)
        answer = self.hear(time.monotonic() + seconds)
        if answer is None:
            raise RuntimeError(f"{self.name}: no answer to {line}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Namespace:
    """One that lives as long as a process in it."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
        self.path = f"/proc/{self.holder.pid}/ns/net"
        while os.readlink(self.path) == os.readlink("/proc/self/ns/net"):
            time.sleep(0.001)

    def within(self, *command):
        return ["nsenter", f"--net={self.path}", *map(str, command)]

    def cable(self, end, inner="eth0"):
        """A veth pair between this process's namespace and that one."""
        run("ip", "link", "add", end, "type", "veth", "peer", "name", inner,
            "netns", self.holder.pid)
        up(end)
        up(inner, self.within)

    def give(self, addresses, router):
        for address, gateway in zip(addresses, router):
            run(*self.within("ip", "addr", "add", f"{address}/{bits(address)}", "dev", "eth0",
                             *nodad(address)))
            run(*self.within("ip", "route", "add", "default", "via", gateway))

    def sysctl(self, *settings):
        run(*self.within("sysctl", "-qw", *settings))

    def ask(self, *command):
        return run(*self.within(*command))

    def close(self):
        self.holder.stdin.close()
        self.holder.wait()


def bits(address):
    return 64 if ":" in address else 24


def nodad(address):
    return ["nodad"] if ":" in address else []


def up(interface, within=lambda *command: command):
    run(*within("sysctl", "-qw", f"net.ipv6.conf.{interface}.accept_ra=0"))
    run(*within("ethtool", "-K", interface, *OFFLOADS))
    run(*within("ip", "link", "set", interface, "up"))


def deafen(interface):
    """Only the bridge, which taps the frames before that, sees what arrives there."""
    run("nft", "-f", "-", stdin=f"add table netdev {interface}\n"
        f"add chain netdev {interface} deaf "
        f"{{ type filter hook ingress device {interface} priority 0; policy drop; }}\n")


def router_of(addresses):
    return addresses[0].rsplit(".", 1)[0] + ".254", addresses[1].rsplit(":", 1)[0] + ":fe"


class Lane:
    """From the router to one far end."""

    def __init__(self, name, pattern, stack):
        self.name, self.addresses = name, FAR[name]
        self.first = list(FAR).index(name) * FLOWS  # number of its first flow
        self.namespace = stack.enter_context(contextlib.closing(Namespace()))
        run("ip", "link", "add", f"{name}-out", "type", "veth", "peer", "name", f"{name}-left")
        self.namespace.cable(f"{name}-right")
        for end in ("out", "left"):
            up(f"{name}-{end}")
        for end in (f"{name}-left", f"{name}-right"):
            run("sysctl", "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1")
            deafen(end)
        router = router_of(self.addresses)
        for address in router:
            run("ip", "addr", "add", f"{address}/{bits(address)}", "dev", f"{name}-out",
                *nodad(address))
        if name == "kernel":
            self.namespace.give(self.addresses, router)
            self.namespace.sysctl(*SYSCTLS)
            command = [BUILD / "tests/linux/linux_end", pattern]
        else:
            self.namespace.sysctl("net.ipv6.conf.eth0.disable_ipv6=1")
            command = [BUILD / "tests/linux/weir_end", pattern, "eth0", *self.addresses]
        self.bridge = stack.enter_context(contextlib.closing(
            Program(BUILD / "tests/linux/bridge", f"{name}-left", f"{name}-right")))
        self.far = stack.enter_context(contextlib.closing(
            Program(*self.namespace.within(*command))))

    def weather(self, words=""):
        """Sets it; what passed since the last time."""
        return self.bridge.ask(words)


class Road:
    """All of it; a context manager. `pattern` is the file of bytes that flows carry."""

    def __init__(self, pattern, lanes=("weir", "kernel")):
        self.pattern, self.names = pattern, lanes
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with self.stack:
            run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
            self.namespace = self.stack.enter_context(contextlib.closing(Namespace()))
            self.namespace.cable("near")
            for address in router_of(NEAR):
                run("ip", "addr", "add", f"{address}/{bits(address)}", "dev", "near",
                    *nodad(address))
            self.namespace.give(NEAR, router_of(NEAR))
            self.namespace.sysctl(*SYSCTLS)
            self.lanes = [Lane(name, self.pattern, self.stack) for name in self.names]
            self.near = self.stack.enter_context(contextlib.closing(
                Program(*self.namespace.within(BUILD / "tests/linux/linux_end", self.pattern))))
            for lane in self.lanes:
                lane.weather()
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def settings(self, *names):
        """NAME=VALUE of settings of the near kernel's TCP, as `set` takes them."""
        return [f"{name}={self.namespace.ask('sysctl', '-n', f'net.ipv4.{name}')}"
                for name in names]

    def set(self, *settings):
        """Settings NAME=VALUE of the TCP of all kernels but the router's."""
        for namespace in [self.namespace] + [lane.namespace for lane in self.lanes]:
            if settings:
                namespace.sysctl(*(f"net.ipv4.{setting}" for setting in settings))

    def drop(self, percent):
        """That share of TCP segments, each way, by the router's nftables. No SYNs: where the server
        speaks first and the final ACK is lost, the next try is seconds away already."""
        run("nft", "-f", "-", stdin="table inet road\ndelete table inet road\n"
            "table inet road { chain through { type filter hook forward priority 0; "
            f"tcp flags & syn == 0 numgen random mod 100 < {percent} drop; }}; }}\n")

    def narrow(self, mtu=1500, silent=False):
        """The router sends nothing larger to the near end, which offers segments for 1500 bytes,
        and tells who tried by ICMP, or nobody."""
        for address in NEAR:
            run("ip", "route", "replace", address, "dev", "near", "mtu", "lock", mtu)
        for lane in self.lanes:  # what a kernel learnt before
            for family in ("-4", "-6"):
                lane.namespace.ask("ip", family, "route", "flush", "cache")
        verdict = "drop" if silent else "accept"
        run("nft", "-f", "-", stdin="table inet told\ndelete table inet told\n"
            "table inet told { chain own { type filter hook output priority 0; "
            f"icmp type destination-unreachable {verdict}; "
            f"icmpv6 type packet-too-big {verdict}; }}; }}\n")

    def play(self, flows, seconds):
        """Flows, as (number, family, far connects, near's words, far's words), all at a time and in
        all lanes. Returns [{number: [near's report, far's report]}] by lane, with None for what did
        not end in time."""
        for connects in (False, True):
            for lane in self.lanes:
                for number, family, far_connects, *words in flows:
                    for side, (end, own, other) in enumerate(((self.near, NEAR, lane.addresses),
                                                              (lane.far, lane.addresses, NEAR))):
                        if connects == (far_connects == (side == 1)):
                            address = (other if connects else own)[family]
                            end.tell(f"open number={lane.first + number} address={address} "
                                     f"port={5000 + lane.first + number} "
                                     f"{'connect' if connects else 'listen'} {words[side]}")
                if not connects:  # that was their last word before they listen
                    lane.far.ask("quiet")
            if not connects:
                self.near.ask("quiet")
        until = time.monotonic() + seconds
        reports = {lane.first + number: [None, None]
                   for lane in self.lanes for number, *_ in flows}
        for side, end, count in ((0, self.near, len(reports)),
                                 *((1, lane.far, len(flows)) for lane in self.lanes)):
            for _ in range(count):
                report = end.hear(until)
                if report is None:
                    break
                reports[report["number"]][side] = report
        return [{number: reports[lane.first + number] for number, *_ in flows}
                for lane in self.lanes]

    def settle(self):
        """By lane, what is left at the far end once nothing goes on any more."""
        rest = [lane.far.ask("quiet") for lane in self.lanes]
        for end in (self.near, *(lane.far for lane in self.lanes)):
            end.tell("forget")
        return rest


@contextlib.contextmanager
def road(seed, size):
    """In a namespace of its own, a road whose transfers are of so many bytes of that seed."""
    enter()
    with tempfile.NamedTemporaryFile() as pattern:
        Path(pattern.name).write_bytes(random.Random(seed).randbytes(size))
        with Road(pattern.name) as laid:
            yield laid
