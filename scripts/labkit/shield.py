# SPDX-License-Identifier: BSD-3-Clause
"""Weir itself in weir-host: its configuration, its two processes, and how one knows they serve."""

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
from pathlib import Path

from . import names, network
from .system import LabError, fill, pid_of, run, start, stop, wait_until, within

DEVICES = {  # DPDK device of a cable's end, by poll-mode driver
    "af_packet": "net_af_packet{n},iface={end},blocksz=65536,framesz=2048,framecnt=8192,"
                 "qdisc_bypass=1",
    "af_xdp": "net_af_xdp{n},iface={end},force_copy=1",
    "tap": "net_tap{n},iface=weir-tap{n}",
}
HUGE_PAGES = 320  # of 2 MiB, when the machine lets us
HUGE_BEFORE = names.RUN / "huge-pages-before"
PROGRAMS = {"dataplane": "dataplane/weir-dataplane",
            "controlplane": "controlplane/weir-controlplane", "weirctl": "controlplane/weirctl"}
BUILD_TAKEN = names.RUN / "build"


def program(name):
    """Its path in the build that the lab was laid with."""
    return Path(BUILD_TAKEN.read_text()) / PROGRAMS[name]


def build():
    ours = [names.ROOT / "scripts/dev", "build", "--programs"]
    if "WEIR_BUILD" not in os.environ and subprocess.run(ours, stdout=2).returncode:
        raise LabError("Weir does not build")


def check(pmd, config, workers):
    """What is asked for can be laid; found out before anything that runs is touched."""
    if config and not config.is_file():
        raise LabError(f"{config}: no such file")
    if pmd == "af_xdp" and workers > 1:
        raise LabError("net_af_xdp has one queue on a veth: one worker")
    processors = os.cpu_count() or 1
    if not 1 <= workers <= processors:
        raise LabError(f"{workers} workers on {processors} processors")


def configure(pmd, config, workers):
    BUILD_TAKEN.write_text(str(names.BUILD))
    passwords_write()
    rules = names.MOUNT / "rules.yaml"
    fill("rules.yaml", rules)
    if config:
        shutil.copyfile(config, names.CONFIG)
        return
    processors = os.cpu_count() or 1
    last_first = list(range(processors))[::-1]
    fill("weir.yaml", names.CONFIG, lab=names.MOUNT, run=names.RUN, log=names.LOG, pid=names.PID,
         metrics=names.METRICS, dns_port=names.DNS_PORT, rules=rules,
         outside=DEVICES[pmd].format(n=0, end="weir-out"),
         inside=DEVICES[pmd].format(n=1, end="weir-in"),
         workers=sorted(last_first[:workers]))


def passwords_write():
    """Users as Weir's auth child reads them: its own file, hashed; the backend has its own."""
    passwd = names.MOUNT / "passwd"
    passwd.write_text("".join(f"{user}:{scram_keys(password)}\n"
                              for user, password in names.ACCOUNTS.items()))
    passwd.chmod(0o600)
    shutil.chown(passwd, "weir-auth")


def scram_keys(password, iterations=4096):
    """RFC 5802's StoredKey and ServerKey as Dovecot writes them."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client, server = (hmac.digest(salted, key, "sha256") for key in (b"Client Key", b"Server Key"))
    parts = (salt, hashlib.sha256(client).digest(), server)
    return f"{{SCRAM-SHA-256}}{iterations}," + ",".join(
        base64.b64encode(part).decode() for part in parts)


def start_all():
    processes = {name: start_one(name) for name in ("dataplane", "controlplane")}
    wait_until("banner through the shield", is_serving, 30, processes)


def start_one(name):
    arguments = {"dataplane": ("--socket", names.DATAPLANE_SOCKET),
                 "controlplane": ("--config", names.CONFIG)}[name]
    return start(name, names.HOST, program(name), *arguments)


def restart(name):
    pid = pid_of(name)
    if pid:
        stop([pid])
    process = start_one(name)
    wait_until(f"{name} serving", is_controlled, 30, {name: process})


def is_controlled():
    """Both planes and the children are there: weirctl is answered, and so is port 25."""
    return ctl("status", quiet=True) == 0 and pid_of("dns") and pid_of("auth") and is_serving()


def is_serving():
    network.taps_join()
    knock = f"exec 3<>/dev/tcp/{names.SHIELD4}/25; read line <&3; echo $line; echo -e 'QUIT\\r' >&3"
    return run(*within(names.CLIENT, "timeout", 2, "bash", "-c", knock),
               check=False).startswith("220")


def ctl(*arguments, quiet=False):
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run([program("weirctl"), "--socket", names.CONTROL_SOCKET, *arguments],
                          stdout=output, stderr=output).returncode


def huge_pages_take():
    """A modest number, unless WEIR_NO_HUGE is set; Weir works without, slower."""
    setting = Path("/proc/sys/vm/nr_hugepages")
    if os.environ.get("WEIR_NO_HUGE") or not os.access(setting, os.W_OK):
        return
    before = int(setting.read_text())
    if before < HUGE_PAGES:
        HUGE_BEFORE.write_text(f"{before}\n")
        setting.write_text(f"{HUGE_PAGES}\n")


def huge_pages_give_back():
    if HUGE_BEFORE.exists():
        Path("/proc/sys/vm/nr_hugepages").write_text(HUGE_BEFORE.read_text())
        HUGE_BEFORE.unlink()
