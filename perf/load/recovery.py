#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""recovery: from kill -9 of the control plane to the first answer again, as a client sees it: a
login that was sent when it was dead, and the time until it is granted. The control plane is started
again at once, as its supervisor would. In the lab: the one that is up, or one of its own.

Usage: recovery.py [--smoke]
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "scripts")]

import lab  # noqa: E402  (after the path)
import talk  # noqa: E402
from labkit import shield, system  # noqa: E402

KILLS, KILLS_SMOKE = 40, 3


def recover():
    """Milliseconds."""
    with talk.Talk(993) as client:
        victim, child = lab.pid("controlplane"), lab.pid("auth")
        begun = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        shield.start_one("controlplane")
        while system.is_alive(child):  # it dies with its parent; till then it would answer
            time.sleep(0.0005)
        answer = client.tagged(f"LOGIN {lab.ALICE} {lab.PASSWORDS[lab.ALICE]}")[-1]
        assert answer.startswith("t1 OK"), answer
        return 1000 * (time.monotonic() - begun)


def main():
    command = str(ROOT / "scripts/lab")
    lays = subprocess.run([command, "status"], capture_output=True).returncode
    code = subprocess.run([command, "up"], stdout=sys.stderr).returncode if lays else 0
    if code:
        return code
    lab.enter_client()
    took = []
    for _ in range(KILLS_SMOKE if "--smoke" in sys.argv else KILLS):
        took.append(recover())
        print(f"recovery: {took[-1]:.1f} ms", file=sys.stderr)
        time.sleep(0.2)  # the children have settled
    for case, value in (("p50", statistics.median(took)), ("max", max(took))):
        print(json.dumps({"bench": "recovery", "case": case, "value": round(value, 1),
                          "unit": "ms"}))
    if lays:
        lab.leave_client()
        subprocess.run([command, "down"], check=True, stdout=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
