# SPDX-License-Identifier: BSD-3-Clause
"""What every check needs: our files, and one way to report. A check exits 1 on findings."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("dataplane", "controlplane", "tests", "perf", "scripts")


def files(*suffixes, folders=FOLDERS):
    """Our files with these suffixes, as paths relative to the root, sorted."""
    found = (path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*"))
    return sorted(path for path in found if path.suffix in suffixes and (ROOT / path).is_file())


def text(path):
    return (ROOT / path).read_text()


def report(findings):
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
