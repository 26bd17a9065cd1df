#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Our TCP against this machine's kernel: matrix.py [--long] [--seed N] [WORD…]

Every world (a weather, or settings of the kernel's side) is lived through by flows of all kinds at
a time: who connects, IPv4 and IPv6, who sends, bulk, requests with their responses, half-close,
resets, connections left with data unread. Each byte and each end is checked, and that our end holds
no connection and no packet buffer afterwards. The same flows then go from kernel to kernel: that is
the peer's figure in the line of a world. WORDs choose worlds whose name contains one of them.

A world that fails leaves a capture of our end's wire in build/linux and names its seed; --long
lives through more seeds with larger flows. Exit 0: all is right, 77: no network namespaces here.
"""

import argparse
import sys

import lanes

SECONDS = 30  # a world's patience
PATTERN_BYTES = 1 << 22
LOSSY = "delay_us=2000 reorder_us=3000 "

# name: words for the bridge, percent that nftables drops, settings of the kernel, and what it
# must not have agreed on then
WORLDS = {
    "clean": ("", 0, (), ()),
    "drop 1 %": ("", 1, (), ()),
    "drop 5 %": ("", 5, (), ()),
    "drop 10 %": ("", 10, (), ()),
    "reorder": (LOSSY + "reorder=1000", 0, (), ()),
    "duplicate": (LOSSY + "duplicate=1000", 0, (), ()),
    "jitter": (LOSSY + "jitter_us=4000", 0, (), ()),
    "all at a time": (LOSSY + "reorder=300 duplicate=300 loss=100 corrupt=100 jitter_us=1000 "
                      "rate_bps=50000000 queue_bytes=60000", 1, (), ()),
    "no sack": (LOSSY + "loss=100", 0, ("tcp_sack=0",), ("sack",)),
    "no timestamps": (LOSSY + "loss=100", 0, ("tcp_timestamps=0",), ("timestamps",)),
    "no window scale": (LOSSY + "loss=100", 0, ("tcp_window_scaling=0",), ("scaling",)),
    "none of them": (LOSSY + "loss=100", 0,
                     ("tcp_sack=0", "tcp_timestamps=0", "tcp_window_scaling=0"),
                     ("sack", "timestamps", "scaling")),
    "small windows": (LOSSY + "loss=100", 0,
                      ("tcp_rmem=2304 4608 9216", "tcp_wmem=4096 9216 9216"), ()),
    "ecn": (LOSSY + "loss=100", 0, ("tcp_ecn=1",), ()),
    # Nobody repeats a SYN-ACK that was a cookie: where the server speaks first, a lost ACK is the
    # end.
    "cookies": (LOSSY + "jitter_us=1000", 0, ("tcp_syncookies=2",), ()),
    "small mtu": ("", 0, (), ()),
    "black hole": ("", 0, ("tcp_mtu_probing=1",), ()),  # or the peer never would find out
}

# name: what the way to the near end takes, and whether the router hides why not
PATHS = {"small mtu": (1300, False), "black hole": (1300, True)}

# name: words of the one and of the other, and how each ends
KINDS = {
    "bulk": ("send={bulk}", "", "orderly", "orderly"),
    "both ways": ("send={bulk}", "send={bulk}", "orderly", "orderly"),
    "requests": ("send={talk} turn=700 lead", "send={talk} turn=700", "orderly", "orderly"),
    "pages": ("send={pages} turn=10000 lead", "send={pages} turn=10000", "orderly", "orderly"),
    "half-close": ("send={bulk}", "send={bulk} wait", "orderly", "orderly"),
    "empty": ("", "", "orderly", "orderly"),
    "reset": ("send={huge}", "abort={part}", "reset", "aborted"),
    "unread": ("send={huge}", "leave={part}", "reset", "left"),
}
SMALL = {"bulk": 150000, "talk": 7000, "pages": 50000, "huge": 6000000, "part": 40000}
LARGE = {"bulk": 1500000, "talk": 70000, "pages": 500000, "huge": 6000000, "part": 300000}


class Flow:
    """One kind of flow, and what must become of it."""

    def __init__(self, number, kind, family, far_connects, far_first, sizes):
        self.number, self.family, self.far_connects = number, family, far_connects
        self.words = [part.format(**sizes) for part in KINDS[kind][:2]]
        self.ends = list(KINDS[kind][2:])
        if far_first:
            self.words.reverse()
            self.ends.reverse()
        self.name = (f"{kind}, {'far end' if far_first else 'near end'} first, "
                     f"IPv{'46'[family]}, {'far' if far_connects else 'near'} end connects")

    def faults(self, reports):
        for side, (report, end) in enumerate(zip(reports, self.ends)):
            who = ("near", "far")[side]
            if report is None:
                yield f"{who} end did not end"
                continue
            if report["end"] != end:
                yield f"{who} end: {report['end']}, not {end}"
            if report["wrong_at"] >= 0:
                yield f"{who} end: wrong byte at {report['wrong_at']}"
        if None not in reports and self.ends == ["orderly", "orderly"]:
            for side, other in ((0, 1), (1, 0)):
                sent, words = reports[side]["sent"], dict(pair.split("=") for pair in
                                                          self.words[side].split() if "=" in pair)
                if sent != int(words.get("send", 0)) or sent != reports[other]["received"]:
                    yield f"{sent} bytes sent, {reports[other]['received']} received"


def flows_of(sizes):
    every = [(kind, family, far_connects, far_first) for kind in KINDS for family in (0, 1)
             for far_connects in (False, True) for far_first in (False, True)]
    return [Flow(number, *what, sizes) for number, what in enumerate(every)]


def judge(lane, flows, agreed, reports, rest):
    """What is wrong, and the line's part."""
    faults = [f"flow {f.number} ({f.name}): {fault}" for f in flows
              for fault in f.faults(reports[f.number])]
    faults += [f"the far end still holds {rest[what]} {what}" for what in ("connections", "mbufs")
               if rest.get(what)]
    for near, _ in reports.values():
        faults += [f"flow {near['number']}: agreed on {near['options']}" for want in agreed
                   if near and near["received"] and want in near["options"]]
    ended = [report for pair in reports.values() for report in pair if report]
    seconds = sum(report["us"] for report in ended) / 1e6 / len(ended)
    passed = lane.weather()
    line = (f"{lane.name} {seconds:5.3f} s, {sum(report['repeated'] for report in ended)} sent "
            f"again, {sum(passed['lost'])} of {sum(passed['sent'])} segments lost on the bridge")
    return [f"{lane.name}: {fault}" for fault in faults], line


def visit(road, name, seed, sizes):
    """A world; the faults."""
    weather, percent, settings, agreed = WORLDS[name]
    pcap = lanes.ROOT / "build/linux" / f"{name.replace(' %', '').replace(' ', '-')}-{seed}.pcap"
    before = road.settings(*(setting.split("=")[0] for setting in settings))
    road.set(*settings)
    road.drop(percent)
    road.narrow(*PATHS.get(name, ()))
    for lane in road.lanes:
        lane.weather(f"{weather} seed={seed}" + (f" pcap={pcap}" if lane.name == "weir" else ""))
    flows = flows_of(sizes)
    reports = road.play([(f.number, f.family, f.far_connects, *f.words) for f in flows], SECONDS)
    judged = [judge(lane, flows, agreed, *what)
              for lane, *what in zip(road.lanes, reports, road.settle())]
    road.set(*before)
    faults, peers_faults = (lane_faults for lane_faults, _ in judged)
    print(f"{'FAIL' if faults else 'OK':5}{name:16} {'; '.join(line for _, line in judged)}",
          flush=True)
    for fault in faults + peers_faults:  # the peer's do not count
        print(f"    seed {seed}: {fault}", flush=True)
    if not faults:
        pcap.unlink()
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="larger flows, five seeds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    names = [name for name in WORLDS
             if not arguments.words or any(word in name for word in arguments.words)]
    seeds = range(arguments.seed, arguments.seed + (5 if arguments.long else 1))
    (lanes.ROOT / "build/linux").mkdir(parents=True, exist_ok=True)
    failed = []
    with lanes.road(seeds[0], PATTERN_BYTES) as road:
        for seed in seeds:
            failed += [name for name in names
                       if visit(road, name, seed, LARGE if arguments.long else SMALL)]
    print(f"{len(names) * len(seeds)} worlds, {len(failed)} failed")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
