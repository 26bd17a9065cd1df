#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""tcp.loss: goodput of our TCP towards and from a Linux kernel through a seeded bridge, against
Linux to Linux (CUBIC) over the same bridge with the same seed at the same time.

The bridge carries 100 Mbit/s, 10 ms each way (20 ms round trip), with a queue of 250 kB, one
round trip's worth; losses hit data and ACKs alike. "from us": our end sends. A case is one transfer
a seed, the median of all seeds counts; the ratio is that of the medians.

Usage: tcp_loss.py [--smoke] [--seeds N] [WORD…]
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/linux"))

import lanes  # noqa: E402  (after the path)

ROAD = "rate_bps=100000000 delay_us=10000 queue_bytes=250000"
CASES = {  # words for the bridge, megabytes a transfer
    "no loss": ("", 40),
    "loss 1 %": ("loss=100", 4),
    "loss 5 %": ("loss=500", 1),
    "reordering": ("reorder=200 reorder_us=3000", 20),
}
DIRECTIONS = {"from us": ("", "send={bytes}"), "to us": ("send={bytes}", "")}


def transfer(road, words, ends, seed, size):
    """Mbit/s by lane."""
    for lane in road.lanes:
        lane.weather(f"{ROAD} {words} seed={seed}")
    flow = (0, 0, True, *(part.format(bytes=size) for part in ends))
    rates = []
    for reports in road.play([flow], 120):
        got = [report for report in reports[0] if report and report["received"] == size]
        if not got or got[0]["wrong_at"] >= 0:
            raise SystemExit(f"tcp.loss: seed {seed}: {reports[0]}")
        rates.append(8 * size / got[0]["us"])
    road.settle()
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="one small transfer a case")
    parser.add_argument("--seeds", type=int, default=9)
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    with lanes.road(1, 1 << 22) as road:
        for case, (words, megabytes) in CASES.items():
            for direction, ends in DIRECTIONS.items():
                name = f"ipv4 {case} {direction}"
                if not all(word in name for word in arguments.words):
                    continue
                size = 200000 if arguments.smoke else megabytes * 1000000
                measure(road, name, words, ends, 1 if arguments.smoke else arguments.seeds, size)


def measure(road, name, words, ends, seeds, size):
    rates = [transfer(road, words, ends, seed, size) for seed in range(1, seeds + 1)]
    print(f"tcp.loss: {name}: " + ", ".join(f"{ours:.2f}/{peers:.2f}" for ours, peers in rates),
          file=sys.stderr)
    ours, peers = (statistics.median(column) for column in zip(*rates))
    print(json.dumps({"bench": "tcp.loss", "case": name, "value": round(ours, 2),
                      "unit": "Mbit/s", "peer": "Linux to Linux, CUBIC",
                      "peer_value": round(peers, 2), "ratio": round(ours / peers, 3)}), flush=True)


if __name__ == "__main__":
    main()
