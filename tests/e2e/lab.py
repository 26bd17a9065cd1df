# SPDX-License-Identifier: BSD-3-Clause
"""The tests' view of the lab: who to talk to, what weirctl says, what arrived."""

import contextlib
import ctypes
import json
import os
import re
import ssl
import subprocess
import threading
import time
import uuid

from labkit import names, shield
from labkit.names import ROOT

SHIELDS = (names.SHIELD4, names.SHIELD6)
SHIELD = names.SHIELD4
ALICE, BOB = names.ACCOUNTS
PASSWORDS = names.ACCOUNTS
SENDER = "someone@good.example.org"  # its SPF allows our address
CA = names.MOUNT / "ca.pem"
HOME = os.open("/proc/self/ns/net", os.O_RDONLY)


def enter(name):
    """This process lives in that namespace from now on; threads and children with it."""
    namespace = os.open(f"/run/netns/{name}", os.O_RDONLY)
    setns(namespace)
    os.close(namespace)


def enter_client():
    enter(names.CLIENT)


def leave_client():
    setns(HOME)


@contextlib.contextmanager
def inside():
    """In weir-backend for a moment. What is opened there stays there."""
    enter(names.BACKEND)
    try:
        yield
    finally:
        enter_client()


def setns(namespace):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, 0):
        raise OSError(ctypes.get_errno(), "setns")


def call(*command, seconds=60, check=True, stdin=""):
    """A real program; its output. With check, an exit code other than 0 is an AssertionError."""
    done = subprocess.run([str(part) for part in command], input=stdin, text=True,
                          errors="replace", capture_output=True, timeout=seconds)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n"
                             f"{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return done


def lab(*arguments, **options):
    return call(ROOT / "scripts/lab", *arguments, **options)


def ctl(*arguments, **options):
    return call(shield.program("weirctl"), "--socket", names.CONTROL_SOCKET, *arguments, **options)


def configure(test, limits="", **backends):
    """The lab's configuration, but with these limits over its own, and these lines for some
    backends ("_" stands for "-" in their names), until that test is over."""
    if not hasattr(test, "configured_before"):
        test.configured_before = names.CONFIG.read_text()
        test.addCleanup(configured, test.configured_before)

    def joined(line):
        entries = dict(re.findall(r"(\w+): (\{.*?\}|[^,{}]+)", f"{line[1]}, {limits}"))
        return "limits: {%s}" % ", ".join(map(": ".join, entries.items()))

    text, changed = re.subn(r"(?m)^limits: \{(.*)\}$", joined, test.configured_before)
    assert changed == 1
    for name, line in backends.items():
        name = name.replace("_", "-")
        text, changed = re.subn(rf"(?ms)^  {name}: .*?\}}$", f"  {name}: {{{line}}}", text)
        assert changed == 1, name
    configured(text)


def configured(text):
    names.CONFIG.write_text(text)
    ctl("config", "reload")


def counters():
    """Every counter and refusal by its upper-case name."""
    found = {}
    collect(json.loads(ctl("--json", "stats").stdout), found)
    return found


def collect(node, found):
    rows = node.items() if isinstance(node, dict) else []
    for key, value in rows:
        if isinstance(value, (int, float)):
            found[key.upper()] = found.get(key.upper(), 0) + value
        collect(value, found)
    if isinstance(node, list):
        for row in node:
            if isinstance(row, dict) and "name" in row:
                value = row.get("value", row.get("count", row.get("total")))
                if isinstance(value, (int, float)):
                    found[row["name"].upper()] = value
            else:
                collect(row, found)


class Background(threading.Thread):
    """Runs within a `with`; its run() goes on until `ended`."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ended = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


class Watch:
    """What counters rise by in a with block; they are published with a little delay."""

    def __enter__(self):
        self.before = counters()
        return self

    def __exit__(self, *_):
        pass

    def rise(self, name):
        return counters().get(name, 0) - self.before.get(name, 0)

    def wait(self, name, least=1, seconds=5):
        return eventually(lambda: self.rise(name) >= least, seconds,
                          lambda: f"{name} rose by {self.rise(name)}, not {least}; others: "
                                  f"{self.changes()}")

    def changes_of(self, *words):
        """As text, for those whose name holds one of the words."""
        return " ".join(f"{name}+{more}" for name, more in sorted(self.changes().items())
                        if any(word in name for word in words))

    def changes(self):
        now = counters()
        return {name: now[name] - self.before.get(name, 0) for name in now
                if now[name] != self.before.get(name, 0)}


def eventually(probe, seconds=10, what=None):
    """What probe returns once it is true."""
    end = time.monotonic() + seconds
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > end:
            text = what() if callable(what) else what or "did not become true"
            raise AssertionError(f"{text} (within {seconds} s)")
        time.sleep(0.05)


def pid(name):
    return int((names.PID / name).read_text())


def resident_kib(process):
    with open(f"/proc/{process}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


class TlsContext(ssl.SSLContext):
    """Verifies the lab's certificate whatever address was dialled."""

    def __new__(cls):
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self):
        self.load_verify_locations(CA)

    def wrap_socket(self, sock, **options):
        options["server_hostname"] = "mail.example.net"
        return super().wrap_socket(sock, **options)


def marker():
    return f"m{uuid.uuid4().hex[:16]}"


def mail_files(user):
    name, domain = user.split("@")
    home = names.MOUNT / "mail" / domain / name / "Maildir"
    return [path for part in ("new", "cur") for path in (home / part).glob("*")]


def mails_with(text, user=ALICE):
    """The mails in the backend's own store that hold this text in their first 4 KiB."""
    found = []
    for path in mail_files(user):
        try:
            with open(path, "rb") as mail:
                if text.encode() in mail.read(4096):
                    found.append(path)
        except FileNotFoundError:
            pass  # moved from new to cur meanwhile
    return found


def arrived(text, user=ALICE, seconds=15):
    """The one mail that holds this text, once it is there, as bytes with LF line ends."""
    paths = eventually(lambda: mails_with(text, user), seconds, f"no mail {text} for {user}")
    if len(paths) != 1:
        raise AssertionError(f"{len(paths)} mails {text} for {user}")
    return paths[0].read_bytes()


def swaks(server, port, *arguments, sender=SENDER, to=ALICE, subject=None, check=True):
    address = f"[{server}]" if ":" in server else server
    subject = ["--header", f"Subject: {subject}"] if subject else []
    return call("swaks", "--server", address, "--port", port, "--helo", "client.good.example.org",
                "--from", sender, "--to", to, "--timeout", 20, *subject, *arguments, check=check)


def logged_in(user=ALICE, kind="PLAIN"):
    """swaks arguments to authenticate, and to trust the lab's certificate alone."""
    return ("--tls-verify", "--tls-ca-path", CA, "--auth", kind, "--auth-user", user,
            "--auth-password", PASSWORDS[user])
