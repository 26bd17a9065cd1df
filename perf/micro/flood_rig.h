// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A whole worker under a SYN flood, for the benches guard.drop and guard.answer: the real port,
 * turn and tables; only the wire is made up. The outside port is a net_null; an rx callback writes
 * a SYN with right checksums into every frame that it "receives", and what is sent to it is freed.
 * The inside port is an empty ring.
 *
 * The peer is what dpdk-testpmd does in its mode rxonly, on the same port with the same callback in
 * the same process: receive a burst of 32, count, free one by one. The callback's own time is
 * measured too, so that it can be taken off both.
 */

#include "contract/counter.h"
#include "contract/policy.h"

struct flood_config {
    const char *name;
    bool v4;
    bool options;     // SYNs as Linux sends them, with SACK, timestamps and window scale; else MSS
    unsigned sources; // log2 of the sources that SYNs come from
    unsigned table;   // log2 of the sources that the table is made for
    const uint64_t *limits; // LIMIT_COUNT of them; 0: the default
};

struct flood_times { // ns a frame, this thread's own time
    double ours, peer;
    double fill; // of both
};

struct flood;

void flood_start(bool smoke); // EAL and pool, once a program
struct flood *flood_open(const struct flood_config *config);
void flood_close(struct flood *flood); // fails when mbufs are left

// The medians of some rounds of each, interleaved.
struct flood_times flood_run(struct flood *flood, uint64_t frames);

// The longest of that many turns with a full receive queue, by this thread's own time, which counts
// what a hypervisor took away; so the longest pause of an empty loop that ran as long stands beside
// it.
struct flood_turn {
    double us;
    long switches, faults; // of that turn: involuntary context switches, page faults
    double pause_us;
};
struct flood_turn flood_worst_turn(struct flood *flood, uint64_t turns);

const struct counter_block *flood_counters(const struct flood *flood);
