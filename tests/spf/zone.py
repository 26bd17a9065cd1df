# SPDX-License-Identifier: BSD-3-Clause
"""Zones and questions in the form of the public SPF test suites, and spf_live, which is asked."""

import socket
import subprocess

MANNERS = {"TIMEOUT": "silent", "SERVFAIL": "failing"}
TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}


def live(program, orders):
    """The results of all questions among the orders."""
    done = subprocess.run([program], input="\n".join(orders) + "\n", stdout=subprocess.PIPE,
                          encoding="ascii", check=True)
    return done.stdout.split()


def orders(zone):
    """The orders that lay a zone: {name: [{type: value}, ...]}. Type SPF stands for TXT, unless the
    name says otherwise; "TIMEOUT" and "SERVFAIL" say how the rest is answered."""
    for name, entries in zone.items():
        if not can_be(name):
            continue
        own_text = any("TXT" in entry for entry in entries if isinstance(entry, dict))
        for entry in entries:
            if isinstance(entry, str):
                yield f"{MANNERS[entry]} {hexed(name)}"
                continue
            for kind, value in entry.items():
                if value != "NONE" and not (kind == "SPF" and own_text):
                    kind = "TXT" if kind == "SPF" else kind
                    yield f"record {hexed(name)} {TYPES[kind]} {data(kind, value).hex() or '-'}"


def ask(address, helo, sender):
    return f"ask {address} {hexed(helo)} {hexed(sender)}"


def hexed(text):
    return text.encode("latin-1", "replace").hex() or "-"


def can_be(name):
    """Is it a name that DNS can have?"""
    return len(name) < 254 and all(0 < len(label) < 64 for label in name.split("."))


def data(kind, value):
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "MX":
        return value[0].to_bytes(2, "big") + wire_name(value[1])
    if kind == "TXT":
        texts = [value] if isinstance(value, str) else value
        return b"".join(strings(text.encode("latin-1")) for text in texts)
    return wire_name(value)


def strings(text):
    """A text as character strings, 255 bytes each at most; an empty one is one too."""
    parts = [text[at:at + 255] for at in range(0, max(len(text), 1), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts)


def wire_name(name):
    labels = [label.encode("latin-1") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
