// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Heavy hitters of one worker, now: which sources (IPv4 address, IPv6 /64) and which prefixes (/24,
 * /48) cause most packets, SYNs, connections and refusals. Only for people to look at: addresses
 * may be forged (those of connections are proven), and nothing is decided here.
 *
 * A table a measure and scope: Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient computation
 * of frequent and top-k elements in data streams", ICDT 2005) in buckets of eight under a keyed
 * hash, so that nobody can aim at a bucket. A newcomer takes the place of its bucket's smallest and
 * its count as the possible error. Counts fade (Cormode et al., "Forward decay", ICDE 2009): an
 * event of age t weighs 2^(-t / half-life), so a steady rate r stands at r * half-life / ln 2.
 *
 * Each measure is sampled by itself, one event in N, with geometric gaps (Liu et al.,
 * "NitroSketch", SIGCOMM 2019) that nobody can foresee without the key. N is 1, and counts are
 * exact, up to GUARD_HEAVY_SAMPLES events a tick; it doubles beyond, so a measure costs a decrement
 * an event and at most 6,400 samples a second: under 1 ns an event at any rate from 1 M/s.
 *
 * What is said of a source with faded count f, of W in all, in one of m entries:
 *
 *   least - s <= f <= most + s,  most - least <= about W / m,  s = 3 sqrt(N f) or 0 when N = 1
 *
 * the first bound in 99.7 of 100 cases (always, when N = 1), the second on the average of the
 * buckets. So whoever makes more than a few W / m (0.1 %) is there, however many others are made
 * up. 190 KiB, no allocation after open.
 */

#include "base/rng.h"
#include "base/siphash.h"
#include "contract/message.h"

enum {
    GUARD_HEAVY_ENTRIES = 1024, // of each table
    GUARD_HEAVY_WAYS = 8,
    GUARD_HEAVY_SAMPLES = 64, // of a measure in a tick, before its N doubles
    GUARD_HEAVY_TICK_US = 10000,
};

struct guard_heavy_entry {
    uint64_t number; // of an address or prefix: guard_name.h
    double count;    // with what it may have taken over
    float error;     // of it, taken over from others
    uint32_t family; // 4 or 6; 0: free
};

struct guard_heavy_sampler {
    uint32_t skip;     // events until the next sample, that one included
    uint32_t interval; // N, a power of two
    uint32_t samples;  // in this tick
    double unit;       // what an event of now weighs
    double total;      // of all samples
    struct guard_heavy_entry *tables[TOP_SCOPE_COUNT];
};

struct guard_heavy {
    struct guard_heavy_sampler samplers[TOP_MEASURE_COUNT];
    struct siphash_key key;
    struct rng rng;
    uint64_t epoch_us[TOP_MEASURE_COUNT]; // an event of then weighs 1
    uint64_t tick_us;                     // begin of the next
    struct guard_heavy_entry *memory;
};

// `key` is the boot's; what is used here is derived from it. 0 or -ENOMEM.
int guard_heavy_init(struct guard_heavy *heavy, int numa_node,
                     const struct siphash_key *key) MUST_CHECK;
void guard_heavy_done(struct guard_heavy *heavy);

void guard_heavy_sample(struct guard_heavy *heavy, enum top_measure measure,
                        const struct addr *source);
// One event. A source of zeros is nobody and counts nowhere.
static inline void guard_heavy_note(struct guard_heavy *heavy, enum top_measure measure,
                                    const struct addr *source)
{
    if (__builtin_expect(--heavy->samplers[measure].skip == 0, 0))
        guard_heavy_sample(heavy, measure, source);
}

// To be called about every tick; the fading goes by it.
void guard_heavy_advance(struct guard_heavy *heavy, uint64_t now_us);

// The entries of a table, page by page, in no order.
void guard_heavy_page(const struct guard_heavy *heavy, const struct page_question *question,
                      struct top_page *ret_page);
// What is known of that address or its prefix, and how many entries surely stand above it.
void guard_heavy_find(const struct guard_heavy *heavy, enum top_measure measure,
                      enum top_scope scope, const struct addr *addr, struct top_place *ret_place);
