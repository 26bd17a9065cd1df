#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""One unit test file per source file, same path below tests/unit; untested.txt lists the rest."""

import tree


def main():
    rows = [line.split(None, 1) for line in tree.text("tests/lint/untested.txt").splitlines()
            if line and not line.startswith("#")]
    allowed = {row[0]: row[1] if len(row) > 1 else "" for row in rows}
    findings = [f"tests/lint/untested.txt: {path}: no reason" for path in allowed
                if not allowed[path]]
    for path in tree.files(".c", folders=("dataplane", "controlplane")):
        has = any((tree.ROOT / place).exists() for place in places(path))
        if not has and str(path) not in allowed:
            findings.append(f"{path}: no unit test {places(path)[0]}")
        if has and str(path) in allowed:
            findings.append(f"tests/lint/untested.txt: {path} has a test now")
    findings += [f"tests/lint/untested.txt: {path}: no such file" for path in allowed
                 if not (tree.ROOT / path).exists()]
    tree.report(findings)


def places(path):
    inside = tree.Path(*path.parts[1:])
    unit = tree.Path("tests/unit")
    return [unit / inside] if path.parts[0] == "dataplane" else [unit / path]


if __name__ == "__main__":
    main()
