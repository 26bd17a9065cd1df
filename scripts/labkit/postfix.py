# SPDX-License-Identifier: BSD-3-Clause
"""Debian's Postfix, unpacked and not installed because mail servers conflict. Each instance has a
folder of its own."""

import os
import shutil

from . import names
from .system import run

PACKAGE = names.MOUNT / "postfix-package"
PROGRAMS = PACKAGE / "usr/lib/postfix"
ENVIRONMENT = {"LD_LIBRARY_PATH": str(PROGRAMS)}
QUEUES = {"active": 0o700, "bounce": 0o700, "corrupt": 0o700, "defer": 0o700, "deferred": 0o700,
          "flush": 0o700, "hold": 0o700, "incoming": 0o700, "private": 0o700, "public": 0o755,
          "maildrop": 0o730, "saved": 0o700, "trace": 0o700}
SETTINGS = """compatibility_level = 3.6
daemon_directory = {programs}/sbin
command_directory = {programs}/sbin
shlib_directory = {programs}
meta_directory = {home}/etc
queue_directory = {home}/queue
data_directory = {home}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {log}
maillog_file_prefixes = {log}
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE
  POSTLOG_HOSTNAME LD_LIBRARY_PATH
default_database_type = texthash
local_recipient_maps =
alias_maps =
mydestination =
smtpd_peername_lookup = no
disable_dns_lookups = yes
"""
SERVICES = """# service type private unpriv chroot wakeup maxproc command
tlsmgr    unix  - - n 1000? 1 tlsmgr
pickup    unix  n - n 60    1 pickup
cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -     - proxymap
showq     unix  n - n -     - showq
error     unix  - - n -     - error
retry     unix  - - n -     - error
smtp      unix  - - n -     - smtp
lmtp      unix  - - n -     - lmtp
anvil     unix  - - n -     1 anvil
scache    unix  - - n -     1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


def unpack():
    run("dpkg-deb", "-x", names.ROOT / "build/packages/postfix.deb", PACKAGE)


def lay(home, log, settings, services):
    """An instance with these further lines in main.cf and master.cf; the command that runs it."""
    queue, data, etc = home / "queue", home / "data", home / "etc"
    for directory in (queue, queue / "pid", data, etc):
        directory.mkdir(parents=True, exist_ok=True)
    shutil.chown(data, "postfix")
    for name, mode in QUEUES.items():
        (queue / name).mkdir(exist_ok=True)
        shutil.chown(queue / name, "postfix")
        os.chmod(queue / name, mode)
    for name in ("public", "maildrop"):
        shutil.chown(queue / name, group="postdrop")
    main = etc / "main.cf"
    main.write_text(SETTINGS.format(programs=PROGRAMS, home=home, log=log) + settings)
    os.utime(main, (0, 0))  # Postfix waits until a file that changed just now has grown old
    (etc / "master.cf").write_text(SERVICES + services)
    (etc / "dynamicmaps.cf").write_text("")
    return PROGRAMS / "sbin/master", "-s", "-c", etc


def flush(home):
    """Everything that the instance put off is tried now."""
    run("env", *map("=".join, ENVIRONMENT.items()), PACKAGE / "usr/sbin/postqueue", "-c",
        home / "etc", "-f")
