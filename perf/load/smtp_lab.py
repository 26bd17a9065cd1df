#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""smtp.lab: mails of 4 KB, one a session, from smtp-source, 200 at a time, to smtp-sink in the lab:
directly, through Weir with the lab's policy (reverse DNS, DNS lists, HELO, SPF, rules), through
nginx's mail proxy, which asks a stub by HTTP for each mail, and through HAProxy, which passes TCP.

Usage: smtp_lab.py [--smoke]
"""

import argparse
import os
import subprocess
import sys
import time

import lab_rig
from labkit import names, postfix, system

SINK_PORT, PEER_PORT, TCP_PORT, AUTH_PORT = 26, 25, 2500, 8025
NGINX = """
load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off; user root; worker_processes 1; pid {run}/nginx-mail.pid; error_log {log}/nginx.log;
events {{ worker_connections 20000; }}
mail {{
    server_name mail.example.net;
    auth_http 127.0.0.1:{auth}/;
    server {{ listen {peer}:{port}; protocol smtp; smtp_auth none; xclient off; }}
}}
"""
HAPROXY = """
global
    nbthread 1
    maxconn 8000
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen smtp
    bind {peer}:{tcp}
    server sink {backend}:{sink}
"""
WHERE = {"direct": (lab_rig.DIRECT, SINK_PORT), "weir": (lab_rig.SHIELD, 25),
         "nginx mail": (lab_rig.PEER, PEER_PORT), "haproxy tcp": (lab_rig.PEER, TCP_PORT)}


def sink_start():
    lab_rig.start("smtp-sink", names.BACKEND, postfix.PACKAGE / "usr/sbin/smtp-sink", "-u",
                  "postfix", f"0.0.0.0:{SINK_PORT}", 4096, environment=postfix.ENVIRONMENT)


def load(name, mails):
    address, port = WHERE[name]
    begun = time.monotonic()
    subprocess.run(system.within(
        names.CLIENT, postfix.PACKAGE / "usr/sbin/smtp-source", "-s", 200, "-m", mails,
        "-l", 4096, "-M", "client.good.example.org", "-f", "someone@good.example.org",
        "-t", "alice@example.net", f"{address}:{port}"),
        check=True, timeout=60, env={**os.environ, **postfix.ENVIRONMENT})
    return mails / (time.monotonic() - begun)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    lab_rig.arguments_add(parser, rounds=5, count=10000, least=300)
    asked = parser.parse_args()
    values = {"run": names.RUN, "log": names.LOG, "auth": AUTH_PORT, "peer": lab_rig.PEER,
              "port": PEER_PORT, "tcp": TCP_PORT, "backend": lab_rig.PEER_BACKEND,
              "sink": SINK_PORT}
    with lab_rig.laid("smtp.lab", {"postfix": SINK_PORT}):
        sink_start()
        lab_rig.stub_start(AUTH_PORT, SINK_PORT)
        kinds = {"direct": None, "weir": lab_rig.Weir(),
                 "nginx mail": lab_rig.Peer(
                     "nginx", "nginx", "-c", lab_rig.written("nginx.conf", NGINX, **values)),
                 "haproxy tcp": lab_rig.Peer(
                     "haproxy", "haproxy", "-f", lab_rig.written("haproxy.cfg", HAPROXY, **values))}
        lab_rig.compare("smtp.lab", "mail", asked, kinds, WHERE, load)
    return 0


if __name__ == "__main__":
    sys.exit(main())
