// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Buckets of guard_source: all ways compared at once, since which one it is cannot be predicted.
 * guard_bucket.c is compiled once for each instruction set; the best that the CPU has is chosen at
 * run time. They decide and write the same. AVX-512 was tried: 12 % on a hot line beyond AVX2, not
 * worth a third.
 */

#include "guard/guard_source.h"

struct guard_bucket_ways {
    // The TAT of that entry, 0 when there is none.
    uint64_t (*tat_v4)(const struct guard_source_v4 *bucket, uint64_t tag, uint64_t time_mask);
    uint64_t (*tat_v6)(const struct guard_source_v6 *bucket, uint64_t number);
    bool (*take_v4)(struct guard_source_v4 *bucket, uint64_t tag, uint64_t time_mask,
                    const struct guard_source_rate *rate, uint64_t now_us);
    bool (*take_v6)(struct guard_source_v6 *bucket, uint64_t number,
                    const struct guard_source_rate *rate, uint64_t now_us);
};
extern const struct guard_bucket_ways guard_bucket_sse4, guard_bucket_avx2;
