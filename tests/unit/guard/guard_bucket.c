// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_bucket.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 200000, TIME_BITS = 45 };
static const uint64_t time_mask = (UINT64_C(1) << TIME_BITS) - 1;

struct rival { // one instruction set's buckets
    const struct guard_bucket_ways *ways;
    struct guard_source_v4 v4;
    struct guard_source_v6 v6;
};

// Twice as many sources as there are ways, so that all three kinds of entries are met.
static void step(struct rival *rival, uint64_t number, const struct guard_source_rate *rate,
                 uint64_t now_us, bool ret_conforming[2])
{
    ret_conforming[0] =
        rival->ways->take_v4(&rival->v4, (number & 15) << TIME_BITS, time_mask, rate, now_us);
    ret_conforming[1] = rival->ways->take_v6(&rival->v6, number & 7, rate, now_us);
}

static void sse4_and_avx2_decide_and_write_the_same(void **state)
{
    if (!__builtin_cpu_supports("avx2"))
        skip();
    struct rival one = {.ways = &guard_bucket_sse4}, two = {.ways = &guard_bucket_avx2};
    struct rng rng;
    rng_seed(&rng, 20240609);
    uint64_t now_us = 0, refused = 0;
    for (int i = 0; i < STEPS; i++) {
        struct guard_source_rate rate = guard_source_rate(1 + rng_below(&rng, 50), 3);
        now_us += rng_below(&rng, 8) ? rng_below(&rng, 20000) : 0;
        if (i % 10000 == 9999)
            now_us = rng_next(&rng) & time_mask;
        bool first[2], second[2];
        uint64_t number = rng_next(&rng);
        step(&one, number, &rate, now_us, first);
        step(&two, number, &rate, now_us, second);
        assert_memory_equal(first, second, sizeof first);
        assert_memory_equal(&one.v4, &two.v4, sizeof one.v4);
        assert_memory_equal(&one.v6, &two.v6, sizeof one.v6);
        refused += !first[0] + !first[1];
        uint64_t tag = (number & 15) << TIME_BITS,
                 tat_us = one.ways->tat_v4(&one.v4, tag, time_mask);
        assert_true(tat_us > now_us && tat_us == two.ways->tat_v4(&two.v4, tag, time_mask));
        tat_us = one.ways->tat_v6(&one.v6, number & 7);
        assert_true(tat_us > now_us && tat_us == two.ways->tat_v6(&two.v6, number & 7));
        assert_true(one.ways->tat_v4(&one.v4, UINT64_C(16) << TIME_BITS, time_mask) == 0);
        assert_true(one.ways->tat_v6(&one.v6, 8) == 0);
    }
    assert_in_range(refused, STEPS / 100, STEPS); // both answers were met
}

static void an_entry_that_says_nothing_goes_before_the_least_debt(void **state)
{
    struct rival rival = {.ways = &guard_bucket_sse4};
    struct guard_source_rate rate = guard_source_rate(10, 2);
    bool conforming[2];
    for (uint64_t number = 1; number <= 8; number++) // a debt each, of 100 ms
        step(&rival, number, &rate, number * 1000, conforming);
    uint64_t before[8];
    memcpy(before, rival.v4.entries, sizeof before);
    step(&rival, 9, &rate, 101500, conforming); // only the first has paid
    assert_true(rival.v4.entries[0] >> TIME_BITS == 9);
    assert_memory_equal(&rival.v4.entries[1], &before[1], sizeof before - sizeof before[0]);
    step(&rival, 10, &rate, 101500, conforming); // nobody: the second owes least
    assert_true(rival.v4.entries[1] >> TIME_BITS == 10);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(sse4_and_avx2_decide_and_write_the_same),
        cmocka_unit_test(an_entry_that_says_nothing_goes_before_the_least_debt),
    };
    return cmocka_run_group_tests_name("guard_bucket", cases, NULL, NULL);
}
