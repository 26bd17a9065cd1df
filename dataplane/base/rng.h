// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Chance as an argument: xoshiro256** (Blackman and Vigna, 2018), seeded by the caller so that a
 * run can be replayed. For jitter, simulation and tests. Never for secrets: those come from
 * rng_secret, which reads the kernel's generator.
 */

#include "base/check.h"

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t word[4];
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound); // 0 <= result < bound; bound > 0

// Fills `secret` from getrandom(2). 0 or -errno; without entropy the caller must not start.
int rng_secret(void *secret, size_t size) MUST_CHECK;
