// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SYNs that were refused a moment ago and come again, same ports and sequence number, when a real
 * TCP would retransmit (RFC 6298: after 1 s, then 2): a source without history is told from a
 * flood of random SYNs by this alone. A flood that repeats its SYNs may look the same, hence two
 * grades: by clock is what also has a TSval that went on with the time between, which replayed
 * packets have not; plain is the rest. What came again sooner than any TCP does is neither.
 *
 * One 8-byte cell a SYN, found by keyed hash: tag 19, doubled 1, time 12 in 16 ms, and the TSval's
 * clock. A cell stays for 1.5 s: the flood cannot push out what was noted, only keep others from
 * being noted. With r refused SYNs a second one finds a free cell with 1 / (1 + 1.5 s * r / cells):
 * 87 % at 100,000, 74 % at 250,000.
 *
 * Past 250,000 a second only a share is looked at, cut so that it is about that many, by a cheap
 * hash of the SYN, so that its retransmission is in the share too: the cost has a bound.
 */

#include "base/packet.h"
#include "base/siphash.h"

#include <stdbool.h>

enum {
    GUARD_AGAIN_BITS = 20,
    GUARD_AGAIN_CELLS = 1 << GUARD_AGAIN_BITS, // 8 MiB
    GUARD_AGAIN_KEYS = 8,
    GUARD_AGAIN_DOUBLE_MS = 100, // sooner than this the network may have doubled it
    GUARD_AGAIN_LEAST_MS = 800,
    GUARD_AGAIN_MOST_MS = 3600,
    GUARD_AGAIN_KEEP_MS = 1500,
    GUARD_AGAIN_WINDOW_US = 100000,
    GUARD_AGAIN_WINDOW_MOST = 25000, // SYNs to look at in a window
};

struct guard_again_cell {
    uint32_t what; // 0: free
    uint32_t clock;
};

struct guard_again {
    struct guard_again_cell *cells;
    uint32_t share;     // looked at are hashes up to it: all of them at first
    uint32_t count;     // refused SYNs in this window
    uint64_t window_us; // when it began
    uint64_t keys[GUARD_AGAIN_KEYS];
};

int guard_again_init(struct guard_again *again, int numa_node,
                     const struct siphash_key *key) MUST_CHECK; // 0 or -ENOMEM
void guard_again_done(struct guard_again *again);

enum guard_again_grade { GUARD_AGAIN_NOT, GUARD_AGAIN_PLAIN, GUARD_AGAIN_CLOCK };

// So many are refused. All are told of: by guard_again_note, or those that it would not look at by
// this.
void guard_again_end_window(struct guard_again *again, uint64_t now_us);
static inline void guard_again_count(struct guard_again *again, unsigned refused, uint64_t now_us)
{
    if (__builtin_expect(now_us - again->window_us >= GUARD_AGAIN_WINDOW_US, 0))
        guard_again_end_window(again, now_us);
    again->count += refused;
}

// Whether it is in the share. Mixed just well enough: who aims into the share competes with its own
// SYNs.
static inline bool guard_again_looks_at(const struct guard_again *again, const struct packet *syn)
{
    uint32_t mixed = (syn->seq ^ (uint32_t)again->keys[0]) * UINT32_C(0x85ebca6b);
    mixed = (mixed ^ mixed >> 15 ^ syn->src_port) * UINT32_C(0x9e3779b1);
    return mixed <= again->share;
}

// Asks for the memory of its cell.
void guard_again_fetch(const struct guard_again *again, const struct packet *syn);
// A SYN that is about to be refused: whether it was refused before, a retransmission's time ago.
enum guard_again_grade guard_again_note(struct guard_again *again, const struct packet *syn,
                                        uint64_t now_us);
