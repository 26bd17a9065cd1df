// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Buckets of guard_source: all ways compared at once and without a branch, since which one it is
 * cannot be predicted. guard_bucket.c is compiled once for each instruction set; the best that the
 * CPU has is chosen at run time. They decide the same. AVX-512 was tried: 8 % beyond AVX2 where
 * lines come from memory, not worth a third.
 */

#include "guard/guard_source.h"

// The slot's own, or the one that would give way to it.
typedef unsigned guard_bucket_way(const struct guard_source_slot *slot, uint64_t time_mask);
extern guard_bucket_way guard_bucket_way_sse4, guard_bucket_way_avx2;
