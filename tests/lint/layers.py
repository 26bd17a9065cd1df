#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Who may include whom. Stations form a star around base/ and contract/; each third-party library
has its rooms; the planes share base/ and contract/ alone."""

import re

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)
MAIL = {"mail"}
STATIONS = {"link", "net", "guard", "tcp", "tls", "rules", "mail", "smtp", "imap", "pop3"}
MAY = {"base": set(), "contract": {"base"}, "smtp": MAIL, "imap": MAIL, "pop3": MAIL,
       "session": STATIONS - {"link", "net", "guard"}, "worker": STATIONS | {"session"}}
SHARED = {"base", "contract"}
ROOMS = (  # header, folders and files that may include it
    (r"rte_ethdev\.h|rte_(eth|bus)_\w+\.h", ("dataplane/link/", "dataplane/main.c")),
    (r"rte_\w+\.h", ("dataplane/link/", "dataplane/net/", "dataplane/guard/", "dataplane/tcp/",
                     "dataplane/worker/", "dataplane/main.c")),
    (r"openssl/.*", ("dataplane/tls/",)),
    (r"hs(/.*|_\w+)?\.h|hs/.*", ("dataplane/rules/", "controlplane/policy/")),
    (r"ares\w*\.h|spf2/.*|spf\w*\.h", ("controlplane/lookup/",)),
    (r"(uv|yaml|jansson|microhttpd|seccomp|crypt)\.h", ("controlplane/",)),
)


def main():
    findings = []
    for path in tree.files(".c", ".h", folders=("dataplane", "controlplane")):
        for mark, included in INCLUDE.findall(tree.text(path)):
            wrong = own(path, included) if mark == '"' else foreign(path, included)
            if wrong:
                findings.append(f"{path}: includes {included}: {wrong}")
    tree.report(findings)


def own(path, included):
    plane, folder = path.parts[0], path.parts[1] if len(path.parts) > 2 else None
    if "/" not in included:
        return "name the folder too" if folder else None
    target = included.split("/")[0]
    if plane == "controlplane":
        if (tree.ROOT / "controlplane" / included).exists() or target in SHARED:
            return None
        return "the control plane shares dataplane/base and dataplane/contract only"
    if not (tree.ROOT / "dataplane" / included).exists():
        return "the data plane includes its own folders only"
    if folder is None or target == folder or target in MAY.get(folder, set()):
        return None
    if target in SHARED and folder not in SHARED:
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
