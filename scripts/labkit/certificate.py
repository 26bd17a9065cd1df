# SPDX-License-Identifier: BSD-3-Clause
"""A CA and a P-256 leaf for mail.example.net and imap.example.net, made afresh at each lab up."""

from . import names
from .system import run

CA, LEAF, KEY = (names.MOUNT / name for name in ("ca.pem", "mail.pem", "mail.key"))


def up():
    ca_key, request = names.RUN / "ca.key", names.RUN / "mail.csr"
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
    run("openssl", "req", "-x509", *key, "-keyout", ca_key, "-out", CA, "-days", 90,
        "-subj", "/CN=Weir lab CA")
    run("openssl", "req", *key, "-keyout", KEY, "-out", request, "-subj", "/CN=mail.example.net",
        "-addext", "subjectAltName=DNS:mail.example.net,DNS:imap.example.net")
    run("openssl", "x509", "-req", "-in", request, "-CA", CA, "-CAkey", ca_key, "-days", 90,
        "-set_serial", 1, "-copy_extensions", "copy", "-out", LEAF)
    KEY.chmod(0o600)
    CA.chmod(0o644)
