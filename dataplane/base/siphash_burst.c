// SPDX-License-Identifier: BSD-3-Clause
#include "base/siphash_burst.h"

#include "base/check.h"
#include "base/siphash_lanes.h"

static void scalar(const struct siphash_key *key, const uint64_t (*words)[SIPHASH_BURST],
                   size_t size, unsigned count, uint64_t hashes[SIPHASH_BURST])
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t message[SIPHASH_BURST_SIZE / 8];
        for (size_t w = 0; w * 8 < size; w++)
            message[w] = words[w][i];
        hashes[i] = siphash(key, message, size);
    }
}

// Several workers may choose at once: the same.
static siphash_lanes *chosen;

bool siphash_burst_choose(enum siphash_set set)
{
    siphash_lanes *lanes = NULL;
    switch (set) {
    case SIPHASH_SCALAR:
        lanes = scalar;
        break;
    case SIPHASH_SSE4: // which the whole program is built for
        lanes = siphash_lanes_sse4;
        break;
    case SIPHASH_AVX2:
        lanes = __builtin_cpu_supports("avx2") ? siphash_lanes_avx2 : NULL;
        break;
    case SIPHASH_AVX512:
        lanes = __builtin_cpu_supports("avx512f") ? siphash_lanes_avx512 : NULL;
        break;
    case SIPHASH_SETS:
    default:
        CHECK(!"an instruction set");
    }
    if (lanes)
        __atomic_store_n(&chosen, lanes, __ATOMIC_RELAXED);
    return lanes != NULL;
}

static siphash_lanes *choose_best(void)
{
    unsigned set = SIPHASH_SETS;
    do
        set--;
    while (!siphash_burst_choose((enum siphash_set)set));
    return chosen;
}

void siphash_burst(const struct siphash_key *key, const uint64_t (*words)[SIPHASH_BURST],
                   size_t size, unsigned count, uint64_t hashes[SIPHASH_BURST])
{
    CHECK(size <= SIPHASH_BURST_SIZE && count <= SIPHASH_BURST);
    siphash_lanes *lanes = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (__builtin_expect(!lanes, 0))
        lanes = choose_best();
    lanes(key, words, size, count, hashes);
}
