#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""imap.lab: logins over TLS (full handshake, LOGIN, LOGOUT), 50 at a time, to Dovecot in the lab:
directly, where it does TLS itself; through Weir, which asks its auth child and logs in there as the
master user; through nginx's mail proxy, which asks a stub by HTTP; and through another Dovecot,
which passes the login on. All three speak to the backend in plain text.

Usage: imap_lab.py [--smoke]
"""

import argparse
import subprocess
import sys

import lab_rig
from labkit import certificate, names, system

IMAP_PORT, IMAPS_PORT, AUTH_PORT = 1143, 1993, 8143
USER, PASSWORD = "alice@example.net", names.ACCOUNTS["alice@example.net"]
NGINX = """
load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off; user root; worker_processes 1; pid {run}/nginx-mail.pid; error_log {log}/nginx.log;
events {{ worker_connections 20000; }}
mail {{
    auth_http 127.0.0.1:{auth}/;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{ listen {peer}:993 ssl; protocol imap; }}
}}
"""
DOVECOT = """
protocols = imap
listen = {listen}
base_dir = {run}/{name}
state_dir = {run}/{name}
instance_name = {name}
log_path = {log}/{name}.log
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
default_process_limit = 1000
default_client_limit = 5000
default_vsz_limit = 0
login_trusted_networks = 203.0.113.1
mail_location = maildir:{mail}/%u
mail_uid = mail
mail_gid = mail
first_valid_uid = 8
mail_max_userip_connections = 100000
{passwords}
userdb {{
  driver = static
  args = uid=mail gid=mail home={mail}/%u allow_all_users=yes
}}
service imap-login {{
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = 20000
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service imap {{
  service_count = 10000
  process_min_avail = 4
}}
service anvil {{
  client_limit = 5000
}}
"""
# The users of both, and Weir's way in as the lab's Dovecot knows it.
BACKEND = """
passdb {{
  driver = passwd-file
  args = {masters}
  master = yes
}}
passdb {{
  driver = passwd-file
  args = username_format=%Lu {users}
}}
"""
PROXY = """
passdb {{
  driver = static
  args = proxy=y host={backend} port={imap} nopassword=y
}}
"""
WHERE = {"direct": (lab_rig.DIRECT, IMAPS_PORT), "weir": (lab_rig.SHIELD, 993),
         "nginx mail": (lab_rig.PEER, 993), "dovecot proxy": (lab_rig.PEER, IMAPS_PORT)}


def dovecot(name, listen, passwords):
    home = names.MOUNT / "dovecot"
    values = {"run": names.RUN, "log": names.LOG, "mail": names.MOUNT / "mail",
              "masters": home / "masters", "users": home / "users", "imap": IMAP_PORT,
              "imaps": IMAPS_PORT, "backend": lab_rig.PEER_BACKEND,
              "certificate": certificate.LEAF, "key": certificate.KEY}
    (names.RUN / name).mkdir()
    return "dovecot", "-F", "-c", lab_rig.written(
        f"{name}.conf", DOVECOT, name=name, listen=listen, passwords=passwords.format(**values),
        **values)


def load(name, logins):
    address, port = WHERE[name]
    done = subprocess.run(system.within(
        names.CLIENT, names.BUILD / "perf/imap_logins", address, port, logins, 50, USER,
        PASSWORD), check=True, timeout=120, stdout=subprocess.PIPE)
    return logins / float(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    lab_rig.arguments_add(parser, rounds=5, count=2000, least=20)
    asked = parser.parse_args()
    with lab_rig.laid("imap.lab", {"dovecot-imap": IMAP_PORT}):
        lab_rig.start("dovecot-backend", names.BACKEND,
                      *dovecot("dovecot-backend", "*", BACKEND))
        lab_rig.stub_start(AUTH_PORT, IMAP_PORT)
        nginx = lab_rig.written("nginx.conf", NGINX, run=names.RUN, log=names.LOG, auth=AUTH_PORT,
                                certificate=certificate.LEAF, key=certificate.KEY,
                                peer=lab_rig.PEER)
        kinds = {"direct": None, "weir": lab_rig.Weir(),
                 "nginx mail": lab_rig.Peer("nginx", "nginx", "-c", nginx),
                 "dovecot proxy": lab_rig.Peer("dovecot-proxy",
                                               *dovecot("dovecot-proxy", lab_rig.PEER, PROXY))}
        lab_rig.compare("imap.lab", "login", asked, kinds, WHERE, load)
    return 0


if __name__ == "__main__":
    sys.exit(main())
