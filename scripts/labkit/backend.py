# SPDX-License-Identifier: BSD-3-Clause
"""The mail servers behind the shield: Debian's Postfix and Dovecot, without systemd.

Postfix takes mail for example.net and hands it to Dovecot over LMTP; what authenticated users send
elsewhere is kept too, in build/lab/mail/DOMAIN/USER. It believes XCLIENT from the shield alone, and
asks Dovecot's auth socket so that XCLIENT LOGIN counts. Further listeners take PROXY headers and
TLS, behind a fence that only the shield passes.
"""

import secrets
import shutil
import socket

from . import certificate, names, postfix
from .system import fill, filled, run, start, wait_until, within


def up():
    fence()
    dovecot_write()
    servers = {
        "dovecot": start("dovecot", names.BACKEND, "dovecot", "-F", "-c",
                         names.MOUNT / "dovecot/dovecot.conf"),
        "postfix": start("postfix", names.BACKEND, *postfix_lay(),
                         environment=postfix.ENVIRONMENT),
    }
    for port, greeting in ((25, "220"), (143, "* OK"), (110, "+OK")):
        for address in (names.BACKEND4, names.BACKEND6):
            wait_until(f"backend port {port}", lambda: is_greeting(address, port, greeting), 20,
                       servers)


def fence():
    ports = ", ".join(map(str, names.FENCED.values()))
    run(*within(names.BACKEND, "nft", "-f", "-"), stdin=f"""table inet fence {{
        chain input {{
            type filter hook input priority 0
            ip saddr {names.INSIDE4} accept
            ip6 saddr {names.INSIDE6} accept
            tcp dport {{ {ports} }} reject with tcp reset
        }}
    }}\n""")


def is_greeting(address, port, greeting):
    said = run(*within(names.BACKEND, "timeout", 2, "nc", "-N", address, port), stdin="",
               check=False)
    return said.startswith(greeting)


def dovecot_write():
    home = names.MOUNT / "dovecot"
    home.mkdir(exist_ok=True)
    (names.RUN / "dovecot").mkdir(exist_ok=True)
    mail = names.MOUNT / "mail"
    mail.mkdir(exist_ok=True)
    shutil.chown(mail, "mail", "mail")
    users = home / "users"
    users.write_text("".join(f"{user}:{{PLAIN}}{password}\n"
                             for user, password in names.ACCOUNTS.items()))
    users.chmod(0o640)
    shutil.chown(users, "root", "dovecot")
    fill("dovecot.conf", home / "dovecot.conf", users=users, master=master_write(), mail=mail,
         run=names.RUN, log=names.LOG, address4=names.BACKEND4, address6=names.BACKEND6,
         shield4=names.INSIDE4, shield6=names.INSIDE6, certificate=certificate.LEAF,
         key=certificate.KEY, **names.FENCED)


def master_write():
    """The shield's way into Dovecot for users whose passwords it never learns: its own file, and
    Dovecot's, good for connections that really come from it alone."""
    secret = secrets.token_urlsafe(24)
    ours, theirs = names.MOUNT / "master", names.MOUNT / "dovecot/masters"
    ours.write_text(f"weir:{secret}\n")
    ours.chmod(0o600)
    theirs.write_text(f"weir:{{PLAIN}}{secret}::::::"
                      f"allow_real_nets={names.INSIDE4},{names.INSIDE6}\n")
    theirs.chmod(0o640)
    shutil.chown(theirs, "root", "dovecot")
    return theirs


def postfix_lay():
    """The command that runs it."""
    postfix.unpack()
    settings = filled("main.cf", log=names.LOG, run=names.RUN, address4=names.BACKEND4,
                      address6=names.BACKEND6, shield4=names.INSIDE4, shield6=names.INSIDE6,
                      certificate=certificate.LEAF, key=certificate.KEY,
                      postmaster=next(iter(names.ACCOUNTS)),
                      recipients=", ".join(f"{user}=ok" for user in names.ACCOUNTS))
    return postfix.lay(names.MOUNT / "postfix", names.LOG / "postfix.log", settings,
                       filled("master.cf", **names.FENCED))
