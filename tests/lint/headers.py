#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every header compiles alone."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import tree

LIBRARIES = ("libdpdk", "openssl", "libhs", "libcares", "libuv", "yaml-0.1", "jansson",
             "libseccomp", "cmocka")


def main():
    flags = subprocess.run(["pkg-config", "--cflags", *LIBRARIES], capture_output=True, text=True,
                           check=True).stdout.split()
    command = ["gcc", "-fsyntax-only", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
               "-Wno-unused-parameter", *flags, "-march=corei7", "-x", "c"]

    def said(path):
        include = ["-I" + str(tree.ROOT / folder) for folder in roots(path)]
        done = subprocess.run([*command, *include, "-"], capture_output=True, text=True,
                              input=f'#include "{tree.ROOT / path}"\n')
        return done.stderr if done.returncode else None

    headers = tree.files(".h", folders=("dataplane", "controlplane", "tests"))
    with ThreadPoolExecutor(2) as pool:
        tree.report([f"{path}: does not compile alone\n{error}"
                     for path, error in zip(headers, pool.map(said, headers)) if error])


def roots(path):
    if path.parts[0] == "dataplane":
        return ("dataplane",)
    planes = ("controlplane", "dataplane")
    return (*planes, "tests") if path.parts[0] == "tests" else planes


if __name__ == "__main__":
    main()
