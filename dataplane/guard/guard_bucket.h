// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Buckets of guard_source: all ways compared at once and without a branch, since which one it is
 * cannot be predicted. guard_bucket.c is compiled once for each instruction set; the best that the
 * CPU has is chosen at run time. They decide and write the same. AVX-512 was tried: 8 % beyond AVX2
 * where lines come from memory, not worth a third.
 */

#include "guard/guard_source.h"

// When it is, in ticks: IPv4 buckets before `swept` count from another origin than the rest.
struct guard_bucket_now {
    uint64_t v4_before, v4_rest, v6;
    const void *swept;
    uint64_t v4_mask; // of a TAT in an entry
};

struct guard_bucket_ways {
    // The slot's own, or the one that would give way to it.
    unsigned (*way)(const struct guard_source_slot *slot, uint64_t time_mask);
    // guard_source_take_burst's, the rate too in ticks.
    uint32_t (*take)(const struct guard_source_slot *slots, unsigned count,
                     const struct guard_bucket_now *now, const struct guard_rate *rate,
                     const struct guard_source_slot *ahead);
};
extern const struct guard_bucket_ways guard_bucket_sse4, guard_bucket_avx2;
