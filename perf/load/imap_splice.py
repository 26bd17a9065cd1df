#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""imap.splice: what one core carries of FETCH responses, in bits of messages a second of its time.
Weir with its parser on and between clients and backends in memory (the program imap_splice), and
with its driver in the lab; against HAProxy, which passes TCP and does TLS, in the lab, on the same
processor and in the same run. Clients in plaintext or under TLS 1.3, the backend in plaintext.

Usage: imap_splice.py [--smoke]
"""

import argparse
import json
import subprocess
import sys

import hold_rig
import lab_rig
from labkit import names

SESSIONS, MAILBOX_BITS = 20, 64 * 65536 * 8
TLS_PORT, PLAIN_PORT = 2993, 2143
CASES = (("plaintext", "off", PLAIN_PORT), ("tls1.3", "implicit", TLS_PORT))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="Weir in memory alone")
    smoke = parser.parse_args().smoke
    own = in_memory(smoke)
    theirs, lab = ({}, None) if smoke else in_lab()
    for name, value in own.items():
        say(name, value, theirs.get(name))
    if lab:
        say("tls1.3 in the lab", lab, theirs["tls1.3"])
    return 0


def say(name, value, peer_value):
    found = {"bench": "imap.splice", "case": name, "value": round(value, 2), "unit": "Gbit/s"}
    if peer_value:
        found |= {"peer": "haproxy", "peer_value": round(peer_value, 2),
                  "ratio": round(value / peer_value, 3)}
    print(json.dumps(found))


def in_memory(smoke):
    command = ["taskset", "-c", str(lab_rig.SHIELD_CPU), names.BUILD / "perf/imap_splice"]
    done = subprocess.run(command + ["--smoke"] * smoke, check=True, stdout=subprocess.PIPE,
                          text=True)
    return {row["case"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}


def in_lab():
    with lab_rig.laid("imap.splice", {"dovecot-imap": hold_rig.SINK_PORT}):
        hold_rig.sink_start("imap")
        weir = lab_rig.Weir()
        own = fetch(weir, lab_rig.SHIELD, 993, "implicit")
        weir.stand()
        haproxy = hold_rig.haproxy(TLS_PORT, PLAIN_PORT)
        lab_rig.wait_open(lab_rig.PEER, PLAIN_PORT)
        theirs = {name: fetch(haproxy, lab_rig.PEER, port, tls) for name, tls, port in CASES}
        weir.go()
    return theirs, own


def fetch(shield, address, port, tls, rounds=10):
    """Gbit/s of the shield's time."""
    clients = hold_rig.Clients(address, port, "imap", tls)
    clients.order("open", SESSIONS)
    clients.order("fetch", 2)
    shield.begin()
    clients.order("fetch", 2 * rounds)  # half of the count is each session's
    used_us = shield.end()
    clients.end()
    return SESSIONS * rounds * MAILBOX_BITS / used_us / 1000


if __name__ == "__main__":
    sys.exit(main())
