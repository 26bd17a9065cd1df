#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Generated SPF records, asked of the live path and of python3-spf; what they disagree on must be
explained by a rule below.

    differential.py SPF_LIVE [RECORDS [SEED]]

The last line counts; `-v` before all prints each disagreement.
"""

import collections
import random
import sys

import generate
import known
import peer
import zone

BATCH = 200  # records to a zone: the fake name server's size
RECORDS, SEED = 2000, 7208


def main(arguments):
    verbose = arguments[:1] == ["-v"]
    program, *numbers = arguments[verbose:]
    records, seed = (list(map(int, numbers)) + [RECORDS, SEED][len(numbers):])
    print(f"seed {seed}")
    chance = random.Random(seed)
    batches = [generate.batch(chance, at, min(BATCH, records - at))
               for at in range(0, records, BATCH)]
    ours = zone.live(program, [order for batch in batches for order in orders(batch)])
    theirs = [(batch, question, peer.result(batch.zone, question))
              for batch in batches for question in batch.questions]
    rules, open_ones = collections.Counter(), 0
    for (batch, question, their), our in zip(theirs, ours, strict=True):
        if our == their:
            continue
        rule = known.rule(batch.zone, question, our, their)
        rules[rule] += 1
        open_ones += rule is None
        if verbose or rule is None:
            show(batch.zone, question, our, their, rule)
    for rule, count in rules.most_common():
        print(f"{count:6} {rule.__doc__ if rule else 'unexplained'}")
    spread = collections.Counter(ours)
    print("results: " + ", ".join(f"{count} {name}" for name, count in spread.most_common()))
    print(f"{records - sum(rules.values())} of {records} agree, {open_ones} unexplained")
    return 1 if open_ones else 0


def orders(batch):
    yield "forget"
    yield from zone.orders(batch.zone)
    for address, helo, sender in batch.questions:
        yield zone.ask(address, helo, sender)


def show(records, question, our, their, rule):
    print(f"{question}: ours {our}, theirs {their} [{rule.__name__ if rule else 'unexplained'}]")
    for name in generate.names_of(records, question):
        print(f"    {name} {records.get(name)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
