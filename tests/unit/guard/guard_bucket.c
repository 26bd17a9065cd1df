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
    guard_bucket_way *way;
    struct guard_source_v4 v4;
    struct guard_source_v6 v6;
};

static struct guard_source_slot slot_v4(struct rival *rival, uint64_t number)
{
    return (struct guard_source_slot){&rival->v4, number << TIME_BITS, true};
}

static struct guard_source_slot slot_v6(struct rival *rival, uint64_t number)
{
    return (struct guard_source_slot){&rival->v6, number, false};
}

static struct rival rival_make(guard_bucket_way *chosen)
{
    struct rival rival = {.way = chosen};
    for (uint64_t way = 0; way < GUARD_SOURCE_V4_WAYS; way++)
        rival.v4.entries[way] = way << TIME_BITS;
    for (uint64_t way = 0; way < GUARD_SOURCE_V6_WAYS; way++)
        rival.v6.numbers[way] = way;
    return rival;
}

// As guard_source_take does it, but that a source's own way is sought like a newcomer's.
static bool take_v4(struct rival *rival, uint64_t number, const struct guard_rate *rate,
                    uint64_t now)
{
    struct guard_source_slot slot = slot_v4(rival, number);
    uint64_t *entry = &rival->v4.entries[rival->way(&slot, time_mask)];
    uint64_t tat = (*entry & ~time_mask) == slot.tag ? *entry & time_mask : 0;
    bool conforming = guard_rate_judge(&tat, rate, now);
    *entry = slot.tag | (tat < time_mask ? tat : time_mask);
    return conforming;
}

static bool take_v6(struct rival *rival, uint64_t number, const struct guard_rate *rate,
                    uint64_t now)
{
    struct guard_source_slot slot = slot_v6(rival, number);
    unsigned way = rival->way(&slot, time_mask);
    uint64_t tat = rival->v6.numbers[way] == number ? rival->v6.tats[way] : 0;
    bool conforming = guard_rate_judge(&tat, rate, now);
    rival->v6.numbers[way] = number;
    rival->v6.tats[way] = tat;
    return conforming;
}

// Twice as many sources as there are ways, so that all three kinds of entries are met.
static int step(struct rival *rival, uint64_t number, const struct guard_rate *rate, uint64_t now)
{
    return take_v4(rival, number & 15, rate, now) + take_v6(rival, number & 7, rate, now);
}

// What guard_source_find reads; 0 when nothing is known.
static uint64_t tat_v4(struct rival *rival, uint64_t number)
{
    struct guard_source_slot slot = slot_v4(rival, number);
    unsigned way = guard_source_way_v4(&slot, time_mask);
    if (way == GUARD_SOURCE_UNKNOWN)
        return 0;
    assert_int_equal(way, rival->way(&slot, time_mask));
    return rival->v4.entries[way] & time_mask;
}

static uint64_t tat_v6(struct rival *rival, uint64_t number)
{
    struct guard_source_slot slot = slot_v6(rival, number);
    unsigned way = guard_source_way_v6(&slot);
    if (way == GUARD_SOURCE_UNKNOWN)
        return 0;
    assert_int_equal(way, rival->way(&slot, time_mask));
    return rival->v6.tats[way];
}

static void sse4_and_avx2_decide_and_write_the_same(void **state)
{
    if (!__builtin_cpu_supports("avx2"))
        skip();
    struct rival one = rival_make(guard_bucket_way_sse4), two = rival_make(guard_bucket_way_avx2);
    struct rng rng;
    rng_seed(&rng, 20240609);
    uint64_t now = 0, refused = 0;
    for (int i = 0; i < STEPS; i++) {
        struct guard_rate rate = guard_rate_of(1000000, 1 + rng_below(&rng, 50), 3);
        now += rng_below(&rng, 8) ? rng_below(&rng, 20000) : 0;
        if (i % 10000 == 9999)
            now = rng_next(&rng) & time_mask;
        uint64_t number = rng_next(&rng), tat;
        int conforming = step(&one, number, &rate, now);
        assert_int_equal(conforming, step(&two, number, &rate, now));
        assert_memory_equal(&one.v4, &two.v4, sizeof one.v4);
        assert_memory_equal(&one.v6, &two.v6, sizeof one.v6);
        refused += conforming != 2;
        tat = tat_v4(&one, number & 15);
        assert_true(tat > now && tat == tat_v4(&two, number & 15));
        tat = tat_v6(&one, number & 7);
        assert_true(tat > now && tat == tat_v6(&two, number & 7));
        assert_true(tat_v4(&one, 16) == 0 && tat_v4(&two, 16) == 0);
        assert_true(tat_v6(&one, 8) == 0 && tat_v6(&two, 8) == 0);
    }
    assert_in_range(refused, STEPS / 100, STEPS); // both answers were met
}

static void an_entry_that_says_nothing_goes_before_the_least_debt(void **state)
{
    struct rival rival = rival_make(guard_bucket_way_sse4);
    struct guard_rate rate = guard_rate_of(1000000, 10, 2);
    for (uint64_t number = 1; number <= 8; number++) // a debt each, of 100 ms
        (void)step(&rival, number, &rate, number * 1000);
    struct guard_source_v4 before = rival.v4;
    (void)step(&rival, 9, &rate, 101500); // only the first has paid
    before.entries[1] = rival.v4.entries[1];
    assert_true(before.entries[1] >> TIME_BITS == 9);
    assert_memory_equal(&rival.v4, &before, sizeof before); // the others stay
    (void)step(&rival, 10, &rate, 101500);                  // nobody: the second owes least
    assert_true(rival.v4.entries[2] >> TIME_BITS == 10);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(sse4_and_avx2_decide_and_write_the_same),
        cmocka_unit_test(an_entry_that_says_nothing_goes_before_the_least_debt),
    };
    return cmocka_run_group_tests_name("guard_bucket", cases, NULL, NULL);
}
