#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""rfc9293.md has every requirement once and attack.md every test of attack.c, each row with tests
that exist or a reason."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lint"))
import tree  # noqa: E402

WANTED = ([f"MUST-{n}" for n in range(1, 70)] + [f"SHLD-{n}" for n in range(1, 32)]
          + [f"MAY-{n}" for n in range(1, 19)] + ["REC-1"])
ROW = re.compile(r"^\| ((?:MUST|SHLD|MAY|REC|1122)-[\d.]+) \| [^|]+ \| ([^|]+) \|$")
ATTACK = re.compile(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$")
REASONS = ("not applicable: ", "differs: ", "differs, as ", "not done: ", "not done, as ")


def main():
    rows = table("tests/tcp/rfc9293.md", ROW)
    ids = [row[0] for row in rows]
    findings = [f"tests/tcp/rfc9293.md: {wanted} stands there {ids.count(wanted)} times"
                for wanted in WANTED + ids if ids.count(wanted) != 1]
    findings += [f"tests/tcp/rfc9293.md: {name}: {what}" for name, how in rows
                 for what in wrong(how)]
    attacks = table("tests/tcp/attack.md", ATTACK)[1:]
    findings += [f"tests/tcp/attack.md: {name}: {what}" for name, how in attacks
                 for what in wrong(how)]
    told = "".join(how for _, how in attacks)
    findings += [f"tests/tcp/attack.md: nothing of {test}"
                 for test in re.findall(r"TEST\((\w{8,})\)", tree.text("tests/tcp/attack.c"))
                 if f"`attack.c: {test}`" not in told]
    tree.report(findings)


def table(path, row):
    return [match.groups() for line in tree.text(path).splitlines() if (match := row.match(line))]


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
    return any(re.search(rf"\({test}[,)]", tree.text(path)) for path in
               tree.files(".c", folders=("tests/unit", "tests/tcp")) if path.name == name)


if __name__ == "__main__":
    main()
