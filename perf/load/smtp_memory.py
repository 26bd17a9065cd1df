#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""smtp.memory: resident memory for each open SMTP session through Weir in the lab, in plaintext and
under TLS 1.3 (STARTTLS): greeted and idle, and then idle after a mail of 4 KB, with its connection
to the backend. Weir's TCP is in its figures, some 310 bytes a connection; the kernel's is not in
those of the peer, nginx's mail proxy, at as many sessions.

Usage: smtp_memory.py [--smoke]
"""

import argparse
import json
import sys

import hold_rig
import lab_rig
import smtp_lab
from labkit import certificate, names, system

SESSIONS, SESSIONS_SMOKE = 5000, 60
CASES = (("plaintext", "off"), ("tls1.3", "starttls"))
# To smtp.lab's listener of nginx.
TLS = f"""
    ssl_certificate {certificate.LEAF};
    ssl_certificate_key {certificate.KEY};
    ssl_protocols TLSv1.2 TLSv1.3;
    starttls on;
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few, TLS alone, without the peer")
    smoke = parser.parse_args().smoke
    for case, tls in CASES[smoke:]:  # in a lab of its own: memory that was given back is used again
        own, theirs = measure_both(tls, smoke)
        for i, when in enumerate(("before a mail", "after a mail")):
            found = {"bench": "smtp.memory", "case": f"{case} {when}", "value": round(own[i]),
                     "unit": "bytes"}
            if theirs:
                found |= {"peer": "nginx mail", "peer_value": round(theirs[i]),
                          "ratio": round(own[i] / theirs[i], 3)}
            print(json.dumps(found), flush=True)
    return 0


def measure_both(tls, smoke):
    with lab_rig.laid("smtp.memory", {"postfix": hold_rig.SINK_PORT}, connections=16384,
                      sessions=8192):
        hold_rig.sink_start("smtp")
        weir = lab_rig.Weir()
        pids = [weir.dataplane, system.pid_of("controlplane")]
        own = measure(pids, lab_rig.SHIELD, tls, SESSIONS_SMOKE if smoke else SESSIONS)
        weir.stand()
        theirs = None
        if not smoke:
            theirs = measure([nginx_start().process.pid], lab_rig.PEER, tls, SESSIONS)
        weir.go()
    return own, theirs


def measure(pids, address, tls, sessions):
    lab_rig.wait_open(address, smtp_lab.PEER_PORT)
    clients = hold_rig.Clients(address, smtp_lab.PEER_PORT, "smtp", tls)
    return hold_rig.growth(pids, clients, sessions, also=("mail",))


def nginx_start():
    lab_rig.stub_start(smtp_lab.AUTH_PORT, hold_rig.SINK_PORT)
    text = smtp_lab.NGINX.replace("mail {{\n", "mail {{\n" + TLS)
    return lab_rig.Peer("nginx", "nginx", "-c", lab_rig.written(
        "nginx.conf", text, run=names.RUN, log=names.LOG, auth=smtp_lab.AUTH_PORT,
        peer=lab_rig.PEER, port=smtp_lab.PEER_PORT))


if __name__ == "__main__":
    sys.exit(main())
