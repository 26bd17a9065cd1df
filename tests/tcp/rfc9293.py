#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""rfc9293.md has every requirement once, each with tests that exist or a reason."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lint"))
import tree  # noqa: E402

WANTED = ([f"MUST-{n}" for n in range(1, 70)] + [f"SHLD-{n}" for n in range(1, 32)] + ["REC-1"])
ROW = re.compile(r"^\| ((?:MUST|SHLD|REC)-\d+) \| [^|]+ \| ([^|]+) \|$")
REASONS = ("not applicable: ", "differs: ", "differs, as ")


def main():
    rows = [match.groups() for line in tree.text("tests/tcp/rfc9293.md").splitlines()
            if (match := ROW.match(line))]
    ids = [row[0] for row in rows]
    findings = [f"tests/tcp/rfc9293.md: {wanted} stands there {ids.count(wanted)} times"
                for wanted in WANTED if ids.count(wanted) != 1]
    findings += [f"tests/tcp/rfc9293.md: {name}: {what}" for name, how in rows
                 for what in wrong(how)]
    tree.report(findings)


def wrong(how):
    tests = re.findall(r"`([^`]+)`", how)
    if not tests and not how.startswith(REASONS):
        yield "neither a test nor a reason"
    for test in tests:
        if test != "sim" and not exists(*test.split(": ", 1)):
            yield f"no test {test}"


def exists(name, test):
    if name.endswith(".tcp"):
        return f"\ncase {test}\n" in tree.text(f"tests/tcp/script/{name}")
    return any(re.search(rf"\b{test}\)", tree.text(path)) for path in
               tree.files(".c", folders=("tests/unit",)) if path.name == name)


if __name__ == "__main__":
    main()
