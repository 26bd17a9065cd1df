#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""guard.wire: what a running Weir receives of a flood, against what dpdk-testpmd receives of it.

A second process (dpdk-testpmd, io) plays a capture of SYNs from random sources over and over into a
net_memif wire as fast as it goes; at the other end is weir-dataplane with its control plane, on one
lcore, or in its place dpdk-testpmd in its mode rxonly. Pairs of both, interleaved; medians count.
All that Weir received must be in its counters again: refused by name, or answered.

Usage: guard_wire.py [--smoke]
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build/main"))
MAC = "02:00:00:00:00:01"
FLOOD_CPU, SINK_CPU = 0, 1
HUGE_PAGES = 320  # of 2 MiB, when the machine lets us
CONFIG = """
control: {{dataplane_socket: {run}/dataplane.sock, api_socket: {run}/control.sock,
          pid_directory: {run}, session_log: {run}/session.json,
          dns_user: weir-dns, auth_user: weir-auth}}
boot: {{main_lcore: {main}, worker_lcores: [{worker}], idle_sleep_us: 0, hugepage_mb: 256,
       eal: "--file-prefix=wire-weir --no-telemetry", mbufs: 65536, connections: 16384,
       sessions: 1024, sources: 1048576}}
interfaces:
  outside: {{device: "{device}", ipv4: 198.51.100.1/24, mtu: 1500, vlan: 0}}
  inside: {{device: "net_ring0", ipv4: 203.0.113.1/24, mtu: 1500, vlan: 0}}
routes: [{{to: 0.0.0.0/0, via: 198.51.100.10, leg: outside}}]
backends: {{postfix: {{address: 203.0.113.10, port: 25, protocol: smtp, identity: none}}}}
services: {{smtp: {{port: 25, protocol: smtp, tls: "off", backend: postfix}}}}
domains: {{example.net: {{backend: postfix}}}}
relay_networks: []
smtp:
  host_name: mail.example.net
  rdns: {{none: tag, unconfirmed: tag, unavailable: tag}}
  spf: {{fail: tag, softfail: tag, unavailable: tag}}
tls: {{certificates: []}}
auth: {{passwd_file: {run}/passwd}}
dns: {{servers: ["127.0.0.1:53"], timeout_ms: 2000}}
limits: {{backend_check_seconds: 0}} # there is none
lists: {{allow: [], deny: []}}
rules: {{file: ""}}
"""


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def syn(chance):
    """A SYN with an MSS, as short as Ethernet lets it be."""
    source = struct.pack("!I", chance.randrange(0x20000000, 0x60000000))
    there = bytes([198, 51, 100, 1])
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 44, 0, 0x4000, 57, 6, 0, source, there)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    tcp = struct.pack("!HHIIBBHHHHH", chance.randrange(1024, 65536), 25, chance.getrandbits(32), 0,
                      6 << 4, 2, 64240, 0, 0, 0x0204, 1460)
    sum_ = checksum(source + there + struct.pack("!HH", 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", sum_) + tcp[18:]
    link = bytes.fromhex(MAC.replace(":", "")) + bytes([2, 0, 0, 0, 0, 9]) + b"\x08\x00"
    return (link + ip + tcp).ljust(60, b"\0")


def capture_write(path, count):
    chance = random.Random(1)
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for _ in range(count):
            frame = syn(chance)
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def memif(role, run):
    return (f"net_memif0,role={role},socket={run}/memif.sock,socket-abstract=no,rsize=12,"
            f"bsize=2048,mac={MAC if role == 'server' else '02:00:00:00:00:09'}")


def huge():
    pages = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
    return pages.exists() and int(pages.read_text()) >= HUGE_PAGES


@contextlib.contextmanager
def huge_pages():
    """More of them while the block runs, if the machine has too few and lets us."""
    setting = Path("/proc/sys/vm/nr_hugepages")
    before = None if huge() or os.environ.get("WEIR_NO_HUGE") else setting.read_text()
    if before:
        setting.write_text(str(int(before) + HUGE_PAGES))
    try:
        yield
    finally:
        if before:
            setting.write_text(before)


class Testpmd:
    """dpdk-testpmd with its prompt."""

    def __init__(self, name, cpu, devices, mbufs, mbuf_size, mode, with_huge):
        memory = ["--in-memory"] if with_huge else ["--no-huge", "--no-shconf"]
        command = ["stdbuf", "-oL", "dpdk-testpmd", f"--lcores=0@{FLOOD_CPU},1@{cpu}",
                   "--main-lcore=0", "--no-pci", "--no-telemetry", f"--file-prefix=wire-{name}",
                   "-m", "256", *memory, "--log-level=*:error"]
        for device in devices:
            command += ["--vdev", device]
        command += ["--", "-i", f"--forward-mode={mode}", f"--total-num-mbufs={mbufs}",
                    f"--mbuf-size={mbuf_size}", "--nb-cores=1", "--burst=32",
                    "--no-lsc-interrupt", "--rxd=4096", "--txd=4096"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.said("testpmd> ")

    def said(self, end):
        """All that it says up to that text."""
        text = ""
        while not text.endswith(end):
            letter = self.process.stdout.read(1)
            if not letter:
                raise SystemExit(f"guard.wire: dpdk-testpmd ended:\n{text}")
            text += letter
        return text

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def count(self, port, what):
        self.tell(f"show port stats {port}")
        return int(re.search(rf"{what}: +(\d+)", self.said("Tx-bps:")).group(1))

    def quit(self):
        self.process.kill()
        self.process.wait()


class Rxonly:
    """dpdk-testpmd in its mode rxonly."""

    def __init__(self, run, with_huge):
        self.testpmd = Testpmd("sink", SINK_CPU, [memif("server", run)], 65536, 2176, "rxonly",
                               with_huge)
        self.testpmd.tell("start")

    def received(self):
        return self.testpmd.count(0, "RX-packets")

    def account(self):
        return 0

    def close(self):
        self.testpmd.quit()


class Weir:
    def __init__(self, run, with_huge):
        self.run = run
        config = run / "weir.yaml"
        config.write_text(CONFIG.format(run=run, device=memif("server", run), main=FLOOD_CPU,
                                        worker=SINK_CPU))
        (run / "passwd").write_text("")
        self.log = open(run / "log", "ab")
        self.processes = [
            self.start("dataplane/weir-dataplane", "--socket", run / "dataplane.sock"),
            self.start("controlplane/weir-controlplane", "--config", config)]
        for _ in range(300):
            if self.ctl("stats"):
                return
            time.sleep(0.1)
        self.close()
        raise SystemExit("guard.wire: Weir did not start:\n" + (run / "log").read_text())

    def start(self, program, *arguments):
        return subprocess.Popen([BUILD / program, *arguments], stdin=subprocess.DEVNULL,
                                stdout=self.log, stderr=self.log)

    def ctl(self, *arguments):
        done = subprocess.run([BUILD / "controlplane/weirctl", "--socket",
                               self.run / "control.sock", "--json", *arguments],
                              capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def counters(self):
        stats = self.ctl("stats", "--all")
        return ({row["name"]: row["total"] for row in stats["counters"]},
                {row["name"]: row["total"] for row in stats["reasons"]})

    def received(self):
        return self.counters()[0]["rx_packets"]

    def account(self):
        """Received frames that are neither refused nor answered."""
        counters, reasons = self.counters()
        refused = sum(count for name, count in reasons.items() if name not in OF_ANSWERS)
        print("guard.wire: " + ", ".join(f"{name} {count}" for name, count in reasons.items()
                                         if count), file=sys.stderr)
        return counters["rx_packets"] - refused - counters["syn_answered"]

    def close(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait()
        self.log.close()


# Of a frame that was answered before: not another one received.
OF_ANSWERS = ("neighbor_unknown", "no_route", "tx_full")


class Flood:
    """A testpmd that plays the capture into the wire."""

    def __init__(self, run, capture, count, with_huge):
        source = f"net_pcap0,rx_pcap={capture},infinite_rx=1"
        self.testpmd = Testpmd("flood", FLOOD_CPU, [source, memif("client", run)],
                               count + 65536, 256, "io", with_huge)
        self.testpmd.tell("start")

    def offered(self):
        return self.testpmd.count(0, "RX-packets")

    def close(self):
        self.testpmd.quit()


def measure(sink_of, run, capture, count, seconds, with_huge):
    """Frames a second that were received, and that were offered; and the sink's own account."""
    for left in run.glob("*.sock"):
        left.unlink()
    with contextlib.closing(sink_of(run, with_huge)) as sink:
        with contextlib.closing(Flood(run, capture, count, with_huge)) as flood:
            time.sleep(1)
            begun, received, offered = time.monotonic(), sink.received(), flood.offered()
            time.sleep(seconds)
            received, offered = sink.received() - received, flood.offered() - offered
            took = time.monotonic() - begun
        time.sleep(0.3)
        return received / took, offered / took, sink.account()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="one short pair of a small capture")
    smoke = parser.parse_args().smoke
    if os.geteuid() or (os.cpu_count() or 1) < 2 or not shutil.which("dpdk-testpmd"):
        print("guard.wire: needs root, two processors and dpdk-testpmd", file=sys.stderr)
        return 77
    pairs, seconds, count = (1, 1, 1 << 12) if smoke else (5, 4, 1 << 18)
    rates, lost = {Weir: [], Rxonly: []}, 0
    with huge_pages(), tempfile.TemporaryDirectory(prefix="weir-wire-") as directory:
        run = Path(directory)
        run.chmod(0o755)  # the children of the control plane look into it
        capture = run / "syns.pcap"
        capture_write(capture, count)
        for pair in range(pairs):
            for sink_of in (Weir, Rxonly) if pair % 2 == 0 else (Rxonly, Weir):
                received, offered, account = measure(sink_of, run, capture, count, seconds, huge())
                rates[sink_of].append(received)
                lost += account
                print(f"guard.wire: {sink_of.__name__}: received {received / 1e6:.2f} Mpps, "
                      f"offered {offered / 1e6:.2f}", file=sys.stderr)
    ours, peer = (statistics.median(rates[sink_of]) for sink_of in (Weir, Rxonly))
    print(json.dumps({"bench": "guard.wire", "case": "ipv4 random flood",
                      "value": round(ours / peer, 3), "unit": "ratio",
                      "peer": "testpmd rxonly", "peer_value": 1, "ratio": round(ours / peer, 3),
                      "mpps": round(ours / 1e6, 2), "peer_mpps": round(peer / 1e6, 2)}))
    if lost:
        print(f"guard.wire: {lost} frames are in no counter", file=sys.stderr)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
