# SPDX-License-Identifier: BSD-3-Clause
"""Zones of random SPF records: most by the grammar, some with an error, hosts that they all use."""

import collections
import re

Batch = collections.namedtuple("Batch", "zone questions")

CLIENTS = ("192.0.2.3", "192.0.2.130", "198.51.100.7", "2001:db8::3", "2001:db8:1::7")
HOSTS = {
    "mail.example.org": [{"A": "192.0.2.3"}, {"AAAA": "2001:db8::3"}],
    "two.example.org": [{"A": "198.51.100.1"}, {"A": "198.51.100.7"}],
    "other.example.org": [{"A": "203.0.113.9"}],
    "six.example.org": [{"AAAA": "2001:db8:1::7"}],
    "alias.example.org": [{"CNAME": "mail.example.org"}],
    "failing.example.org": ["SERVFAIL"],
    "mx.example.org": [{"MX": [10, "mail.example.org"]}, {"MX": [20, "two.example.org"]}],
    "mx6.example.org": [{"MX": [5, "six.example.org"]}, {"MX": [5, "none.example.org"]}],
    "mx10.example.org": [{"MX": [i, f"m{i}.example.org"]} for i in range(10)],
    "mx11.example.org": [{"MX": [i, f"m{i}.example.org"]} for i in range(11)],
    "m9.example.org": [{"A": "192.0.2.130"}],
    "text.example.org": [{"TXT": "no record of ours"}],
    "two.records.example.org": [{"TXT": "v=spf1 +all"}, {"TXT": "v=spf1 -all"}],
    "pass.example.org": [{"TXT": "v=spf1 +all"}],
    "fail.example.org": [{"TXT": "v=spf1 -all"}],
    "neutral.example.org": [{"TXT": "v=spf1 ip4:203.0.113.0/24"}],
    "broken.example.org": [{"TXT": "v=spf1 ipv4:192.0.2.0/24 -all"}],
    "loop.example.org": [{"TXT": "v=spf1 include:loop.example.org"}],
    "chain.example.org": [{"TXT": "v=spf1 a:other.example.org redirect=pass.example.org"}],
    "deep.example.org": [{"TXT": "v=spf1 include:neutral.example.org include:chain.example.org"}],
    "3.2.0.192.in-addr.arpa": [{"PTR": "other.example.org"}, {"PTR": "mail.example.org"}],
    "7.100.51.198.in-addr.arpa": [{"PTR": "none.example.org"}],
    "3" + ".0" * 23 + ".8.b.d.0.1.0.0.2.ip6.arpa": [{"PTR": "mail.example.org"}],
    "bob.example.org": [{"A": "127.0.0.2"}],
    "3.2.0.192.x.example.org": [{"A": "127.0.0.2"}],
    "mail.example.org.x.example.org": [{"A": "127.0.0.2"}],
}
NAMES = [name for name in HOSTS if name.endswith(".org")] + ["none.example.org", "no.such.example"]
RECORDS = [name for name in NAMES if any("TXT" in entry for entry in HOSTS.get(name, []))]
MACROS = ("%{i}.x.example.org", "%{ir}.x.example.org", "%{l}.example.org", "%{l1r-}.example.org",
          "%{d}", "%{d2}", "%{o}", "%{h}", "%{p}.x.example.org", "%{v}.example.org",
          "%{D2r}.example", "%{s}.example.org", "%{L}.x.example.org", "%{l+-.}.example.org",
          "%%.example.org", "%-%_.example.org", "%{i3}.example.org", "%{d1r.}x.example.org",
          "%{d129}")
ODD_MACROS = ("%{d0}.example.org", "%{x}.example", "%{c}.example.org", "%{ld}.example.org", "%{i",
              "%(i)", "%", "%{}", "%{d-1}.example.org")
ODD_NAMES = ("", "example", "example.org.", "-a.example.org", "a-.example.org", "a..example.org",
             "a_b.example.org", "1.2.3.4", "example.1org", "example.org1", "[192.0.2.3]",
             "a" * 63 + ".example.org", "b" * 64 + ".example.org", "xn--mgbaam7a8h",
             "example.com:80")
SENDERS = ("bob", "b-o.b", "bob+x", "b%20b", "", "\"bo b\"", "bob=x", "BOB")
CHARACTERS = "abz019 .:/=-+?~%{}_\t\x80!"


def batch(chance, start, count):
    zone, questions = dict(HOSTS), []
    for number in range(start, start + count):
        domain = f"d{number}.example.com"
        zone[domain] = [{"TXT": text} for text in records(chance)]
        if chance.random() < 0.3:
            zone[domain] += HOSTS[chance.choice(("mail.example.org", "mx.example.org"))]
        helo = domain if chance.random() < 0.1 else "mail.example.org"
        sender = "" if helo == domain else f"{chance.choice(SENDERS)}@{domain}"
        questions.append((chance.choice(CLIENTS), helo, sender))
    return Batch(zone, questions)


def records(chance):
    yield record(chance)
    if chance.random() < 0.02:
        yield record(chance)


def record(chance):
    kinds = (address4, address6, host, host, named, named, modifier) + (everything,) * (
        chance.random() < 0.2)
    terms = [chance.choice(kinds)(chance) for _ in range(chance.choice((1, 1, 2, 2, 3, 4, 6, 12)))]
    text = "v=spf1 " + (" " * chance.choice((1, 1, 1, 1, 2))).join(terms)
    if chance.random() < 0.6:
        text += chance.choice((" -all", " ~all", " ?all", " +all", " ALL"))
    return mutated(chance, text) if chance.random() < 0.05 else text


def pick(chance, usual, odd):
    """One of the usual ones, once in a while an odd one."""
    return chance.choice(odd if chance.random() < 0.03 else usual)


def mutated(chance, text):
    at = chance.randrange(len(text))
    put = chance.choice(("", chance.choice(CHARACTERS), chance.choice(CHARACTERS) + text[at]))
    return text[:at] + put + text[at + 1:]


def sign(chance):
    return chance.choice(("", "", "", "+", "-", "~", "?"))


def address4(chance):
    address = pick(chance, ("192.0.2.3", "192.0.2.0", "198.51.100.0", "203.0.113.1", "192.0.2.128"),
                   ("1.2.3", "1.2.3.256", "01.2.3.4", "::1", ""))
    length = pick(chance, ("", "", "/32", "/24", "/25", "/8", "/0"), ("/33", "/08", "/", "/24/64"))
    return sign(chance) + "ip4:" + address + length


def address6(chance):
    address = pick(chance, ("2001:db8::3", "2001:db8::", "2001:DB8:1::", "::1", "::ffff:192.0.2.3",
                            "2001:db8::192.0.2.3"),
                   ("2001:db8:::3", "1:2:3:4:5:6:7:8:9", "192.0.2.3", ""))
    length = pick(chance, ("", "", "/128", "/32", "/48", "/64", "/0"), ("/129", "/032", "//64"))
    return sign(chance) + "ip6:" + address + length


def spec(chance, names):
    if chance.random() < 0.85:
        return pick(chance, names, ODD_NAMES)
    return pick(chance, MACROS, ODD_MACROS)


def host(chance):
    term = sign(chance) + chance.choice(("a", "a", "mx", "mx", "A", "Mx"))
    if chance.random() < 0.8:
        term += ":" + spec(chance, NAMES)
    return term + pick(chance, ("",) * 6 + ("/24", "/32", "/0", "//64", "/24//64", "//0"),
                       ("/33", "//129", "/024", "/24/64", "//"))


def named(chance):
    kind = chance.choice(("include", "include", "exists", "ptr"))
    if kind == "ptr" and chance.random() < 0.5:
        return sign(chance) + "ptr"
    return sign(chance) + kind + ":" + spec(chance, RECORDS if kind == "include" else NAMES)


def everything(chance):
    return sign(chance) + pick(chance, ("all",), ("all.", "all:x.example", "all/8", "al"))


def modifier(chance):
    name = pick(chance, ("redirect", "exp", "moo", "m-o.o_1"), ("1moo", "Redirect", "EXP"))
    return name + pick(chance, ("=",), (":",)) + spec(chance, RECORDS)


def names_of(zone, question):
    """The names whose records the question is about, as far as the text says."""
    _, helo, sender = question
    names, at = [(sender or "@" + helo).rpartition("@")[2]], 0
    while at < len(names):
        for entry in zone.get(names[at], []):
            if isinstance(entry, dict) and "TXT" in entry:
                for name in re.findall(r"(?:include:|redirect=)([\w.-]+)", entry["TXT"], re.I):
                    if name.lower() not in names:
                        names.append(name.lower())
        at += 1
    return names
