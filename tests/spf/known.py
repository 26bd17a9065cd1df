# SPDX-License-Identifier: BSD-3-Clause
"""Why python3-spf and we may disagree. Each rule says what python3-spf does, with RFC 7208's
section, and proves itself where it can: it agrees with us about the same question once what it
stumbles over is out of its way."""

import re

import peer

MACRO = re.compile(r"%(?:[%_-]|\{[slodiphv](?:[1-9][0-9]*)?r?[.+,/_=-]*\})", re.I)
OWN = re.compile(r"[+?~-]?include:%\{[dho]\d*\}", re.I)
MODIFIER = re.compile(r"[a-z][a-z0-9_.-]*=", re.I)


def rule(zone, question, our, their):
    """The first rule that explains it, or None."""
    return next((rule for rule in RULES if rule(zone, question, our, their)), None)


def changed(zone, change):
    """The zone with all records changed."""
    return {name: [{"TXT": change(entry["TXT"])}
                   if isinstance(entry, dict) and entry.get("TXT", "").lower().startswith("v=spf1")
                   else entry for entry in entries] for name, entries in zone.items()}


def voids(zone, question, our, their):
    """it counts more look-ups as void: an alias and its target, names of an MX behind the one that
    matches, the macro p (4.6.4)"""
    return their == "permerror" and peer.result(zone, question, voids=100) == our


def modifier_case(zone, question, our, _):
    """it knows modifiers in lower case only (12, and RFC 5234, 2.3)"""
    return peer.result(changed(zone, modifiers_lowered), question) == our


def modifiers_lowered(text):
    return " ".join(MODIFIER.sub(lambda m: m[0].lower(), term, count=1) if MODIFIER.match(term)
                    else term for term in text.split(" "))


def unknown_twice(zone, question, our, their):
    """it refuses a modifier that it does not know when it comes twice (6)"""
    return their == "permerror" and peer.result(changed(zone, unknown_once), question) == our


def unknown_once(text):
    kept, seen = [], set()
    for term in text.split(" "):
        name = MODIFIER.match(term)
        if name and name[0] not in ("redirect=", "exp=") and name[0] in seen:
            continue
        seen.add(name and name[0])
        kept.append(term)
    return " ".join(kept)


def own_include(zone, question, our, their):
    """it refuses a record that includes its own domain, even where that is not reached (5.2)"""
    return (their == "permerror" and
            peer.result(changed(zone, own_include_left_out), question) == our)


def own_include_left_out(text):
    return " ".join(term for term in text.split(" ") if not OWN.fullmatch(term))


def several(zone, question, our, their):
    """it does several of these at once"""
    def change(text):
        return own_include_left_out(unknown_once(modifiers_lowered(text)))
    return their == "permerror" and peer.result(changed(zone, change), question, voids=100) == our


def control_characters(zone, question, our, _):
    """it takes control characters (7.1)"""
    return our == "permerror" and any(re.search("[\0-\x1f]", text)
                                      for text in own_texts(zone, question))


def macro_syntax(zone, question, our, _):
    """it takes macros that the grammar does not have: %{ld}, %{d0} (7.1)"""
    return our == "permerror" and any("%" in MACRO.sub("", text)
                                      for text in own_texts(zone, question))


def own_texts(zone, question):
    domain = (question[2] or "@" + question[1]).rpartition("@")[2]
    return [entry["TXT"] for entry in zone.get(domain, []) if "TXT" in entry]


RULES = (voids, modifier_case, unknown_twice, own_include, several, macro_syntax,
         control_characters)
