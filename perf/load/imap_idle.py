#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""imap.idle: resident memory for each logged-in IMAP session that is idle, clients under TLS 1.3,
the backend in plaintext, both legs: 20,000 through Weir in the lab. Peers, as many of theirs as one
process has descriptors for: nginx's mail proxy, Dovecot's login proxy, HAProxy.

Usage: imap_idle.py [--smoke]
"""

import argparse
import json
import sys

import hold_rig
import imap_lab
import lab_rig
from labkit import certificate, names, system

SESSIONS, SESSIONS_PEER, SESSIONS_SMOKE = 20000, 9000, 400
HAPROXY_PORT, PLAIN_PORT = 2993, 2143


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    smoke = parser.parse_args().smoke
    with lab_rig.laid("imap.idle", {"dovecot-imap": hold_rig.SINK_PORT}, connections=49152,
                      sessions=24576):
        hold_rig.sink_start("imap")
        weir = lab_rig.Weir()
        pids = [weir.dataplane, system.pid_of("controlplane")]
        own = measure(pids, lab_rig.SHIELD, 993, SESSIONS_SMOKE if smoke else SESSIONS)
        print(f"weir: {own:.0f} bytes", file=sys.stderr)
        weir.stand()
        for name, port, peer in [] if smoke else peers():
            lab_rig.wait_open(lab_rig.PEER, port)
            theirs = measure([peer.process.pid], lab_rig.PEER, port, SESSIONS_PEER)
            print(json.dumps({"bench": "imap.idle", "case": f"tls1.3 {SESSIONS}, peer at "
                              f"{SESSIONS_PEER}", "value": round(own), "unit": "bytes",
                              "peer": name, "peer_value": round(theirs),
                              "ratio": round(own / theirs, 3)}), flush=True)
        if smoke:
            print(json.dumps({"bench": "imap.idle", "case": f"tls1.3 {SESSIONS_SMOKE}",
                              "value": round(own), "unit": "bytes"}))
        weir.go()
    return 0


def measure(pids, address, port, sessions):
    clients = hold_rig.Clients(address, port, "imap", "implicit")
    return hold_rig.growth(pids, clients, sessions)[0]


def peers():
    lab_rig.stub_start(imap_lab.AUTH_PORT, hold_rig.SINK_PORT)
    nginx = lab_rig.written("nginx.conf", imap_lab.NGINX, run=names.RUN, log=names.LOG,
                            auth=imap_lab.AUTH_PORT, certificate=certificate.LEAF,
                            key=certificate.KEY, peer=lab_rig.PEER)
    yield "nginx mail", 993, lab_rig.Peer("nginx", "nginx", "-c", nginx)
    yield "dovecot login proxy", imap_lab.IMAPS_PORT, lab_rig.Peer(
        "dovecot-proxy", *imap_lab.dovecot("dovecot-proxy", lab_rig.PEER, imap_lab.PROXY))
    yield "haproxy tcp", HAPROXY_PORT, hold_rig.haproxy(HAPROXY_PORT, PLAIN_PORT)


if __name__ == "__main__":
    sys.exit(main())
