#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""cppcheck's errors, warnings and portability findings, with settings that are quick."""

import os
import subprocess

import tree

paths = [str(path) for path in tree.files(".c", folders=("dataplane", "controlplane"))]
done = subprocess.run(
    ["cppcheck", "--quiet", "--std=c11", "--language=c", "--enable=warning,portability",
     "--inline-suppr", "--max-configs=2", f"-j{os.cpu_count()}", "-Idataplane", "-Icontrolplane",
     f"--library={tree.ROOT / 'tests/lint/cppcheck.cfg'}", "--suppress=missingInclude",
     "--suppress=missingIncludeSystem",
     "--suppress=unmatchedSuppression",
     f"--suppressions-list={tree.ROOT / 'tests/lint/cppcheck.txt'}",
     "--template={file}:{line}: {severity}: {message} [{id}]", *paths],
    cwd=tree.ROOT, capture_output=True, text=True)
tree.report([line for line in done.stderr.splitlines() if ": " in line and line[0] not in " ^"])
