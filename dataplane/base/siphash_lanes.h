// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What siphash_burst chooses from: siphash_lanes.c, compiled once for each instruction set. */

#include "base/siphash_burst.h"

typedef void siphash_lanes(const struct siphash_key *key, const uint64_t (*words)[SIPHASH_BURST],
                           size_t size, unsigned count, uint64_t hashes[SIPHASH_BURST]);

siphash_lanes siphash_lanes_sse4, siphash_lanes_avx2, siphash_lanes_avx512;
