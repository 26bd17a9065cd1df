# SPDX-License-Identifier: BSD-3-Clause
"""A CA and a P-256 leaf for mail.example.net and imap.example.net, made afresh at each lab up."""

import secrets

from . import names
from .system import run

CA, LEAF, KEY = (names.MOUNT / name for name in ("ca.pem", "mail.pem", "mail.key"))
CA_KEY = names.RUN / "ca.key"
P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
DAYS = 90


def up():
    run("openssl", "req", "-x509", *P256, "-keyout", CA_KEY, "-out", CA, "-days", DAYS,
        "-subj", "/CN=Weir lab CA")
    CA.chmod(0o644)
    leaf_make(LEAF, KEY, "mail.example.net", "imap.example.net")


def leaf_make(leaf, key, *hosts):
    """Signed by the lab's CA; replaces what is there."""
    request = names.RUN / "leaf.csr"
    run("openssl", "req", *P256, "-keyout", key, "-out", request, "-subj", f"/CN={hosts[0]}",
        "-addext", "subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts))
    run("openssl", "x509", "-req", "-in", request, "-CA", CA, "-CAkey", CA_KEY, "-days", DAYS,
        "-set_serial", f"0x{secrets.token_hex(8)}", "-copy_extensions", "copy", "-out", leaf)
    key.chmod(0o600)
