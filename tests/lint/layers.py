#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Who may include whom. Stations form a star around base/ and contract/; each third-party library
has its rooms; the planes share base/ and contract/ alone. The top level holds what it may."""

import re
import subprocess

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)
ORDER = re.compile(r"^  \['(\w+)', \[(.*?)\]\],", re.MULTILINE | re.DOTALL)
STATIONS = {"link", "net", "guard", "tcp", "tls", "rules", "mail", "smtp", "imap", "pop3"}
SHARED = {"base", "contract"}
TOP = {*tree.FOLDERS, "meson.build", "meson_options.txt", "README.md", "LICENSE"}
ROOMS = (  # header, folders and files that may include it
    (r"rte_ethdev\.h|rte_(eth|bus)_\w+\.h", ("dataplane/link/", "dataplane/main.c")),
    (r"rte_\w+\.h", ("dataplane/link/", "dataplane/net/", "dataplane/guard/", "dataplane/tcp/",
                     "dataplane/worker/", "dataplane/main.c")),
    (r"openssl/.*", ("dataplane/tls/",)),
    (r"hs(/.*|_\w+)?\.h|hs/.*", ("dataplane/rules/", "controlplane/policy/")),
    (r"ares\w*\.h|libpsl\.h|spf2/.*|spf\w*\.h", ("controlplane/lookup/",)),
    (r"(uv|yaml|jansson|microhttpd|seccomp|crypt)\.h", ("controlplane/",)),
)


def committed():
    """Names at the top level; none outside a checkout, where nothing can be committed."""
    tracked = subprocess.run(["git", "-C", tree.ROOT, "ls-files"], capture_output=True, text=True)
    return {name.split("/")[0] for name in tracked.stdout.splitlines()}


def main():
    planes = {plane: order(plane) for plane in ("dataplane", "controlplane")}
    findings = [f"dataplane/meson.build: the station {name}/ may know no other" for name in STATIONS
                if planes["dataplane"][name] - SHARED - {"mail"}]
    findings += [f"{name}: nothing of that name at the top level" for name in sorted(committed())
                 if name not in TOP and not name.startswith(".")]
    for path in tree.files(".c", ".h", folders=planes):
        for mark, included in INCLUDE.findall(tree.text(path)):
            wrong = own(path, included, planes) if mark == '"' else foreign(path, included)
            if wrong:
                findings.append(f"{path}: includes {included}: {wrong}")
    tree.report(findings)


def order(plane):
    """A plane's folders and whom each may include, as its meson.build lists them."""
    return {name: set(re.findall(r"\w+", needs))
            for name, needs in ORDER.findall(tree.text(f"{plane}/meson.build"))}


def own(path, included, planes):
    plane = path.parts[0]
    folder = path.parts[1] if len(path.parts) > 2 else None
    target = included.split("/")[0]
    if "/" not in included:
        return "name the folder too"
    if plane == "controlplane" and target in SHARED:
        return None
    if target not in planes[plane] or not (tree.ROOT / plane / included).exists():
        return "planes share dataplane/base and dataplane/contract only"
    if folder is None or target == folder or target in planes[plane][folder]:
        return None
    return f"{folder}/ may not know {target}/"


def foreign(path, included):
    for header, rooms in ROOMS:
        if re.fullmatch(header, included):
            allowed = any(str(path).startswith(room) for room in rooms)
            return None if allowed else f"only in {', '.join(rooms)}"
    return None


if __name__ == "__main__":
    main()
