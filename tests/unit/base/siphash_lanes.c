// SPDX-License-Identifier: BSD-3-Clause
#include "base/siphash_lanes.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void judge(siphash_lanes *lanes, size_t size, unsigned count, struct rng *rng)
{
    struct siphash_key key = {{rng_next(rng), rng_next(rng)}};
    static uint8_t messages[SIPHASH_BURST][SIPHASH_BURST_SIZE];
    uint64_t words[SIPHASH_BURST_SIZE / 8][SIPHASH_BURST];
    uint64_t hashes[SIPHASH_BURST];
    memset(words, 0, sizeof words);
    for (unsigned i = 0; i < SIPHASH_BURST; i++) {
        for (size_t at = 0; at < size; at++)
            messages[i][at] = (uint8_t)rng_next(rng);
        for (size_t at = 0; at < size; at++)
            words[at / 8][i] |= (uint64_t)messages[i][at] << at % 8 * 8;
    }
    lanes(&key, (const uint64_t(*)[SIPHASH_BURST])words, size, count, hashes);
    for (unsigned i = 0; i < count; i++)
        assert_true(hashes[i] == siphash(&key, messages[i], size));
}

static void every_size_and_count_gives_what_one_by_one_gives(siphash_lanes *lanes)
{
    struct rng rng;
    rng_seed(&rng, 20240607);
    for (size_t size = 0; size <= SIPHASH_BURST_SIZE; size++)
        for (unsigned count = 0; count <= SIPHASH_BURST; count++)
            judge(lanes, size, count, &rng);
}

static void sse4_gives_what_one_by_one_gives(void **state)
{
    every_size_and_count_gives_what_one_by_one_gives(siphash_lanes_sse4);
}

static void avx2_gives_what_one_by_one_gives(void **state)
{
    if (!__builtin_cpu_supports("avx2"))
        skip();
    every_size_and_count_gives_what_one_by_one_gives(siphash_lanes_avx2);
}

static void avx512_gives_what_one_by_one_gives(void **state)
{
    if (!__builtin_cpu_supports("avx512f"))
        skip();
    every_size_and_count_gives_what_one_by_one_gives(siphash_lanes_avx512);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(sse4_gives_what_one_by_one_gives),
        cmocka_unit_test(avx2_gives_what_one_by_one_gives),
        cmocka_unit_test(avx512_gives_what_one_by_one_gives),
    };
    return cmocka_run_group_tests_name("siphash_lanes", cases, NULL, NULL);
}
