#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""clang-format has nothing to change; `scripts/dev fmt` does it."""

import subprocess

import tree

paths = [str(path) for path in tree.files(".c", ".h")]
done = subprocess.run(["clang-format", "--dry-run", "--Werror", *paths], cwd=tree.ROOT,
                      capture_output=True, text=True)
tree.report([line for line in done.stderr.splitlines() if "error:" in line])
