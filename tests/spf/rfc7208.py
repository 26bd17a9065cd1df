#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The public test suite of RFC 7208, as Debian's python3-spf carries it, asked of the live path.

    rfc7208.py SPF_LIVE [CASE...]

Its explanations are not compared: none is ever looked up or told to anybody.
"""

import gzip
import sys

import yaml

import zone

SUITE = "/usr/share/doc/python3-spf/rfc7208-tests.yml.gz"
CASES = 203


def main(program, *names):
    orders, cases = [], []
    with gzip.open(SUITE) as suite:
        for scenario in yaml.safe_load_all(suite):
            orders += ["forget", *zone.orders(scenario["zonedata"])]
            for name, case in scenario["tests"].items():
                if not names or name in names:
                    cases.append((name, case))
                    orders.append(zone.ask(str(case["host"]), case["helo"], case["mailfrom"]))
    results = zone.live(program, orders)
    right = sum(check(name, case, result)
                for (name, case), result in zip(cases, results, strict=True))
    print(f"{right} of {len(cases)}")
    return 0 if right == len(cases) == (len(names) or CASES) else 1


def check(name, case, result):
    """The suite has cases that the RFC leaves open: any result of a list is right."""
    wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
    if result not in wanted:
        print(f"{name}: {result}, not {' or '.join(wanted)} (section {case['spec']})")
    return result in wanted


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
