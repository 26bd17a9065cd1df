# SPDX-License-Identifier: BSD-3-Clause
"""What smtp.lab and imap.lab share: the lab, further cables in it for Weir's peers, and accounts of
who used how much processor time.

    weir-client eth0 ─── weir-out   Weir          weir-in  ─── eth0 weir-backend
                eth1 ─── peer-out   nginx, ...    peer-in  ─── eth1
                eth2 ──────────────── nothing ──────────────── eth2      (direct)

All cables are laid as the lab's own: no offloads. Processor 1 is the shield's: there Weir's worker
polls without sleep, or the peer runs while Weir stands still. On processor 0 are the load, the
backend, Weir's control plane and its DNS; directly too, and then the worker spins idle on its own.

Rates are measured on plain veths, where a frame is received within its sender's call. That hides
whose work receiving is, so processor time is measured in rounds of its own: there each end of a
cable receives in a kernel thread (threaded NAPI) on its host's processor.

What is counted of a peer: the time that its processes and the two threads which receive for it
ran, by the scheduler's account. What is counted of Weir: the time that the worker ran, with the
kernel's part of sending, less what its idle turns would have taken without load (their number times
the time of one, measured right before); and all that the control plane, its children and the data
plane's other threads ran. Frames to Weir are copied into its ring in their sender's call, as a NIC
writes them to memory: these copies count nowhere. The softirq thread of processor 1 counts with
either. The worker's own account of busy turns, by the clock and so times the share of the processor
that it had, is shown beside it.
"""

import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "scripts"))

from labkit import names, network, shield, system  # noqa: E402  (after the path)

LOAD_CPU, SHIELD_CPU = 0, 1
SHIELD, PEER, DIRECT = names.SHIELD4, "192.0.2.1", "192.0.2.130"  # whom the client dials
PEER_BACKEND = "192.0.2.74"  # whom peers dial
CABLES = (  # /26s: one end, the other
    ((names.HOST, "peer-out", PEER), (names.CLIENT, "eth1", "192.0.2.10")),
    ((names.HOST, "peer-in", "192.0.2.65"), (names.BACKEND, "eth1", PEER_BACKEND)),
    ((names.CLIENT, "eth2", "192.0.2.140"), (names.BACKEND, "eth2", DIRECT)),
)
# One client sends all that there is, as fast as it can.
LIMITS = {"syn_rate_source": 1000000, "syn_burst_source": 1000000, "syn_attack_high": 1000000,
          "syn_attack_low": 1000000, "connections_source": 30000, "connections_prefix": 30000,
          "connections_service": 60000, "connections_total": 60000,
          "connection_rate_source": 60000000, "connection_burst_source": 1000000,
          "connection_rate_prefix": 60000000, "connection_burst_prefix": 1000000,
          "connection_rate_service": 60000000, "connection_burst_service": 1000000,
          "connection_rate_total": 60000000, "connection_burst_total": 1000000,
          "connections_day_source": 4000000, "connections_day_prefix": 4000000,
          "message_rate_source": 60000000, "recipient_rate_source": 60000000,
          "tls_rate_source": 60000000, "tls_rate_prefix": 60000000,
          "login_rate_user": 60000000, "sessions_user": 1000000, "sessions_user_source": 1000000,
          "backend_check_seconds": 0, "greeting_delay_ms": 0}
STUB = """
daemon off; user root; worker_processes 1; pid {run}/nginx-stub.pid; error_log {log}/stub.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            add_header Auth-Status OK;
            add_header Auth-Server {backend};
            add_header Auth-Port {backend_port};
            return 204;
        }}
    }}
}}
"""


def arguments_add(parser, rounds, count, least):
    parser.set_defaults(least=least)
    parser.add_argument("--smoke", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--count", type=int, default=count, help="of sessions a measurement")


@contextlib.contextmanager
def laid(bench, ports, **boot):
    """The lab, with Weir's backends at those ports of theirs, {name: port}, and the cables. `boot`:
    sizes other than the lab's."""
    if os.geteuid() or (os.cpu_count() or 1) < 2:
        print(f"{bench}: needs root and two processors", file=sys.stderr)
        sys.exit(77)
    os.sched_setaffinity(0, {LOAD_CPU})  # and all that is started from here
    config = ROOT / f"build/{bench}.yaml"
    config.write_text(configuration(ports, boot))
    command = str(ROOT / "scripts/lab")
    try:
        code = subprocess.run([command, "up", "--config", config], stdout=sys.stderr).returncode
        if code:
            sys.exit(code)
        for ends in CABLES:
            cable_lay(*ends)
        yield
    finally:
        subprocess.run([command, "down"], check=True, stdout=sys.stderr)
        config.unlink()


def configuration(ports, boot):
    """The lab's own, with other backends and limits, and a worker that never sleeps."""
    values = {"lab": names.MOUNT, "run": names.RUN, "log": names.LOG, "pid": names.PID,
              "metrics": names.METRICS, "dns_port": names.DNS_PORT,
              "rules": names.MOUNT / "rules.yaml", "workers": [SHIELD_CPU],
              "outside": shield.DEVICES["af_packet"].format(n=0, end="weir-out"),
              "inside": shield.DEVICES["af_packet"].format(n=1, end="weir-in")}
    text = (names.TEMPLATES / "weir.yaml").read_text()
    for name, port in ports.items():
        text, count = re.subn(rf"(  {name}: .*port: )\d+", rf"\g<1>{port}", text)
        assert count == 1, name
    for name, size in {"idle_sleep_us": 0, **boot}.items():
        text = re.sub(rf"  {name}: \d+", f"  {name}: {size}", text)
    text, count = re.subn(r"(?m)^limits: .*$", f"limits: {json.dumps(LIMITS)}", text)
    assert count == 1
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def cable_lay(end, other):
    (namespace, device, address), (far_namespace, far_device, far_address) = end, other
    system.run("ip", "link", "add", "name", device, "netns", namespace, "type", "veth",
               "peer", "name", far_device, "netns", far_namespace)
    for owner, name, ip in ((namespace, device, address), (far_namespace, far_device, far_address)):
        system.run(*system.within(owner, "ethtool", "-K", name, *network.OFFLOADS))
        system.run("ip", "-n", owner, "addr", "add", f"{ip}/26", "dev", name)
        system.run("ip", "-n", owner, "link", "set", name, "up")


def receive_in_threads(wanted):
    """Of all cables' ends but Weir's own, on their hosts' processors; returns those of peers' ends,
    by pid."""
    ends = [(owner, device) for cable in CABLES for owner, device, _ in cable]
    ends += [(owner, "eth0") for _, _, owner, _ in network.CABLES]
    peers = []
    for owner, device in ends:
        before = set(threads_of("napi/"))
        system.run(*system.within(owner, "ethtool", "-K", device, "gro", "on" if wanted else "off"))
        if wanted:  # a veth has NAPI with GRO alone
            system.run(*system.within(
                owner, "sh", "-c", f"echo 1 >/sys/class/net/{device}/threaded"))
        for pid in set(threads_of("napi/")) - before:
            os.sched_setaffinity(pid, {SHIELD_CPU if owner == names.HOST else LOAD_CPU})
            peers += [pid] if owner == names.HOST else []
    return peers


def start(name, namespace, *command, cpu=LOAD_CPU, environment=None):
    return system.start(name, namespace, "taskset", "-c", cpu, *command, environment=environment)


def written(file, template, **values):
    path = names.MOUNT / file
    path.write_text(template.format(**values))
    return path


def stub_start(port, backend_port):
    """Answers nginx's mail proxy: the backend, whoever asks."""
    config = written("stub.conf", STUB, run=names.RUN, log=names.LOG, port=port,
                     backend=PEER_BACKEND, backend_port=backend_port)
    start("nginx-stub", names.HOST, "nginx", "-c", config)


def wait_open(address, port):
    """Until the client can connect."""
    knock = system.within(names.CLIENT, "nc", "-z", "-w", 1, address, port)
    system.wait_until(f"{address} port {port}",
                      lambda: subprocess.run(knock, capture_output=True).returncode == 0, 10)


def family(pid):
    """It and what it started."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*"):
            found += map(int, (task / "children").read_text().split())
    return found


def run_us(pids, but=None):
    """What all their threads ran, but that one."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*"):
            if task.name != str(but):
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1000


def threads_of(prefix):
    """Pids of the kernel's threads whose name begins with it."""
    found = []
    for name in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if name.read_text().startswith(prefix):
                found.append(int(name.parent.name))
    return found


def softirq_us():
    return run_us(threads_of(f"ksoftirqd/{SHIELD_CPU}"))


class Peer:
    """A proxy in weir-host, on the shield's processor. Begins to be counted, and ends."""

    receivers = ()  # threads of the kernel

    def __init__(self, name, *command):
        self.process = start(name, names.HOST, *command, cpu=SHIELD_CPU)

    def begin(self):
        self.before = self.ran_us()

    def end(self):
        return self.ran_us() - self.before

    def ran_us(self):
        return run_us([*family(self.process.pid), *Peer.receivers]) + softirq_us()


class Weir:
    """Stands still but for where it is measured, or has to spin."""

    def __init__(self):
        self.dataplane = system.pid_of("dataplane")
        # The worker is the one thread that is pinned to its processor.
        self.worker = next(int(task.name) for task in Path(f"/proc/{self.dataplane}/task").glob("*")
                           if os.sched_getaffinity(int(task.name)) == {SHIELD_CPU})

    def go(self):
        os.kill(self.dataplane, signal.SIGCONT)

    def stand(self):
        os.kill(self.dataplane, signal.SIGSTOP)

    def begin(self):
        before = self.look()
        time.sleep(0.2)
        self.before = self.look()
        self.idle_turn_us = (self.before["worker"] - before["worker"]) / \
            (self.before["turns"] - before["turns"])

    def end(self):
        now = self.look()
        spent = {key: now[key] - self.before[key] for key in now}
        busy_us = spent["worker"] - self.idle_turn_us * (spent["turns"] - spent["turns_busy"])
        own_us = spent["busy_us"] * spent["worker"] / spent["wall"]
        print(f"weir: worker {busy_us:.0f} us, by its own account {own_us:.0f}, other threads "
              f"and control plane {spent['others']:.0f}; an idle turn {self.idle_turn_us:.3f} us",
              file=sys.stderr)
        return busy_us + spent["others"]

    def look(self):
        """What ran, by whom, and the worker's counters."""
        done = subprocess.run([shield.program("weirctl"), "--socket", names.CONTROL_SOCKET,
                               "--json", "stats", "--all"], check=True, capture_output=True)
        found = {row["name"]: row["total"] for row in json.loads(done.stdout)["counters"]
                 if row["name"] in ("turns", "turns_busy", "busy_us")}
        task = Path(f"/proc/{self.dataplane}/task/{self.worker}/schedstat")
        found["worker"] = int(task.read_text().split()[0]) / 1000 + softirq_us()
        found["wall"] = time.monotonic() * 1e6
        found["others"] = run_us([self.dataplane], self.worker) + \
            run_us(family(system.pid_of("controlplane")))
        return found


def interleaved(asked, kinds, load):
    """`load(kind, count)` does the work and returns how many a second; `kinds` are {name: Weir,
    Peer or None}. {name: (median of these rates, median of microseconds used for each)}."""
    print(f"processor {SHIELD_CPU}: Weir's worker, or the peer; {LOAD_CPU}: all the rest",
          file=sys.stderr)
    weir, count = kinds["weir"], asked.count if not asked.smoke else asked.least
    rates, used = ({name: [] for name in kinds} for _ in range(2))
    for name in kinds:
        load(name, 1)
    for number in range(1 if asked.smoke else asked.rounds):
        for in_threads in (False, True):
            Peer.receivers = receive_in_threads(in_threads)
            for name, shield_of in sorted(kinds.items(), reverse=bool(number % 2)):
                weir.stand() if isinstance(shield_of, Peer) else weir.go()
                if not in_threads:
                    rates[name].append(load(name, count))
                    print(f"{name}: {rates[name][-1]:.0f}/s", file=sys.stderr)
                elif shield_of:
                    shield_of.begin()
                    load(name, count)
                    used[name].append(shield_of.end() / count)
                    print(f"{name}: {used[name][-1]:.0f} us each", file=sys.stderr)
    weir.go()
    return {name: (statistics.median(rates[name]), statistics.median(used[name] or [0]))
            for name in kinds}


def compare(bench, each, asked, kinds, where, load):
    """Rounds of all kinds, once each listens where clients dial it, {kind: (address, port)}."""
    for address, port in where.values():
        wait_open(address, port)
    report(bench, each, interleaved(asked, kinds, load))


def report(bench, each, results):
    """Weir's rate against what goes directly, its processor time against nginx's; then the others'
    likewise."""
    def row(case, value, unit, peer, peer_value):
        print(json.dumps({"bench": bench, "case": case, "value": round(value, 1), "unit": unit,
                          "peer": peer, "peer_value": round(peer_value, 1),
                          "ratio": round(value / peer_value, 3)}), flush=True)

    (directly, _), (rate, used) = results.pop("direct"), results.pop("weir")
    row("rate", rate, "1/s", "direct", directly)
    row(f"cpu per {each}", used, "us", "nginx mail", results["nginx mail"][1])
    for name, (peer_rate, peer_used) in results.items():
        row(f"rate of {name}", peer_rate, "1/s", "direct", directly)
        if name != "nginx mail":
            row(f"cpu per {each} by {name}", used, "us", name, peer_used)
