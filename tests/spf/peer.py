# SPDX-License-Identifier: BSD-3-Clause
"""python3-spf, asked about a zone in memory."""

import spf

import zone

VOIDS = spf.MAX_VOID_LOOKUPS


def result(records, question, voids=VOIDS):
    """Its result, with another limit for look-ups that find nothing if so wanted."""
    spf.DNSLookup = lambda name, kind, *_, **__: lookup(records, name, kind)
    spf.MAX_VOID_LOOKUPS = voids
    address, helo, sender = question
    return spf.query(i=address, s=sender, h=helo, receiver="receiver.example").check()[0]


def lookup(records, name, kind):
    """As its resolver gives it: an alias, and what stands there."""
    for _ in range(10):
        entries = records.get(name.lower().rstrip("."), [])
        found = [entry[kind] for entry in entries if isinstance(entry, dict) and kind in entry]
        for value in found:
            yield (name, kind), wire(kind, value)
        if found:
            return
        if "SERVFAIL" in entries:
            raise spf.TempError("SERVFAIL")
        alias = [entry["CNAME"] for entry in entries if "CNAME" in entry]
        if not alias:
            return
        yield (name, "CNAME"), alias[0]
        name = alias[0]


def wire(kind, value):
    if kind == "TXT":
        return (value.encode("latin-1"),)
    return zone.data(kind, value) if kind == "AAAA" else value
