# SPDX-License-Identifier: BSD-3-Clause
"""Programs: run one, start one with its log and pid file, stop it, wait for what must be true."""

import os
import signal
import subprocess
import time

from . import names


class LabError(Exception):
    """Something could not be laid; the text is for a person."""


def run(*command, stdin=None, check=True):
    """Standard output as text. A failure is a LabError with the command and what it said."""
    done = subprocess.run([str(part) for part in command], input=stdin, text=True,
                          capture_output=True)
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(map(str, command))}: exit {done.returncode}: {said}")
    return done.stdout


def within(namespace, *command):
    return ["ip", "netns", "exec", namespace, *map(str, command)]


def start(name, namespace, *command, log=None, environment=None):
    """In the background, its own session, output appended to the log; returns the process."""
    with open(names.LOG / (log or f"{name}.log"), "ab") as output:
        process = subprocess.Popen(within(namespace, *command), stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output, start_new_session=True,
                                   env={**os.environ, **(environment or {})})
    (names.PID / name).write_text(f"{process.pid}\n")
    return process


def pid_of(name):
    """Pid of a running process by its pid file, or None."""
    try:
        pid = int((names.PID / name).read_text())
    except (OSError, ValueError):
        return None
    return pid if is_alive(pid) else None


def is_alive(pid):
    """A zombie that nobody has reaped yet is not, unless its threads still hold its files."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            state = stat.read().rpartition(")")[2].split()[0]
        return state not in "ZX" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def stop(pids, seconds=5.0):
    """TERM, again for whom it only made drain, and KILL for what is still there then."""
    for number, patience in ((signal.SIGTERM, 1.0), (signal.SIGTERM, seconds),
                             (signal.SIGKILL, 5.0)):
        for pid in filter(is_alive, pids):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        end = time.monotonic() + patience
        while any(map(is_alive, pids)) and time.monotonic() < end:
            time.sleep(0.02)
        if not any(map(is_alive, pids)):
            return


def wait_until(what, probe, seconds, processes=()):
    """Until probe() is true. `processes` are {name: Popen}: one that ends early is the error."""
    end = time.monotonic() + seconds
    while not probe():
        for name, process in dict(processes).items():
            if process.poll() is not None:
                raise LabError(f"{name} ended with {process.returncode}\n{log_tail(name)}")
        if time.monotonic() > end:
            tails = "\n".join(log_tail(name) for name in dict(processes))
            raise LabError(f"{what}: not within {seconds} s\n{tails}")
        time.sleep(0.02)


def log_tail(name, lines=15):
    path = names.LOG / f"{name}.log"
    try:
        last = path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        last = []
    return "\n".join([f"--- end of {names.FILES / 'log' / path.name}", *last])


def filled(template, **values):
    """A template's text with its @name@ parts replaced."""
    text = (names.TEMPLATES / template).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def fill(template, target, mode=0o644, **values):
    target.write_text(filled(template, **values))
    target.chmod(mode)
