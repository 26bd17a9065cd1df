// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_ranges.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { VALUES = 200 };

static uint8_t find(const struct guard_ranges *ranges, uint64_t number)
{
    uint32_t place;
    guard_ranges_find(ranges, &number, 1, &place);
    return guard_ranges_value(ranges, place);
}

static struct guard_ranges build(const uint64_t *starts, const uint8_t *values, uint32_t count)
{
    struct guard_ranges ranges;
    assert_int_equal(guard_ranges_build(&ranges, starts, values, count), 0);
    return ranges;
}

static void one_range_is_everything(void **state)
{
    const uint64_t starts[] = {0};
    const uint8_t values[] = {7};
    struct guard_ranges ranges = build(starts, values, 1);
    assert_int_equal(find(&ranges, 0), 7);
    assert_int_equal(find(&ranges, 1), 7);
    assert_int_equal(find(&ranges, UINT64_MAX), 7);
    guard_ranges_done(&ranges);
}

static void the_first_and_the_last_number_may_stand_alone(void **state)
{
    const uint64_t starts[] = {0, 1, UINT64_MAX};
    const uint8_t values[] = {1, 2, 3};
    struct guard_ranges ranges = build(starts, values, 3);
    assert_int_equal(find(&ranges, 0), 1);
    assert_int_equal(find(&ranges, 1), 2);
    assert_int_equal(find(&ranges, UINT64_MAX / 2), 2);
    assert_int_equal(find(&ranges, UINT64_MAX - 1), 2);
    assert_int_equal(find(&ranges, UINT64_MAX), 3);
    guard_ranges_done(&ranges);
}

// Each bit has a range: no number of lines makes such a node even, so it is as deep as it gets.
static void powers_of_two_go_deep_and_are_found(void **state)
{
    uint64_t starts[65] = {0};
    uint8_t values[65] = {0};
    for (unsigned i = 0; i < 64; i++) {
        starts[i + 1] = UINT64_C(1) << i;
        values[i + 1] = (uint8_t)(i + 1);
    }
    struct guard_ranges ranges = build(starts, values, 65);
    assert_int_equal(find(&ranges, 0), 0);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(find(&ranges, starts[i + 1]), i + 1);
        assert_int_equal(find(&ranges, starts[i + 1] * 2 - 1), i + 1);
    }
    guard_ranges_done(&ranges);
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

// Numbers that crowd at random scales.
static uint64_t crowded(struct rng *rng)
{
    static const unsigned widths[] = {64, 48, 32, 16, 8};
    unsigned width = widths[rng_below(rng, 5)];
    uint64_t near = UINT64_C(0x2001db8000000000) * (1 + rng_below(rng, 3));
    return width == 64 ? rng_next(rng) : near + (rng_next(rng) >> (64 - width));
}

static uint8_t slow_find(const uint64_t *starts, const uint8_t *values, uint32_t count, uint64_t n)
{
    uint8_t value = values[0];
    for (uint32_t i = 0; i < count && starts[i] <= n; i++)
        value = values[i];
    return value;
}

static void random_ranges_equal_a_walk_from_the_first(void **state)
{
    enum { MOST = 5000 };
    static uint64_t starts[MOST];
    static uint8_t values[MOST];
    struct rng rng;
    rng_seed(&rng, 11);
    for (uint32_t count = 2; count <= MOST; count = count * 3 / 2 + 1) {
        for (uint32_t i = 1; i < count; i++)
            starts[i] = crowded(&rng);
        starts[0] = 0;
        qsort(starts, count, sizeof *starts, by_number);
        uint32_t kept = 1;
        for (uint32_t i = 1; i < count; i++)
            if (starts[i] > starts[kept - 1])
                starts[kept++] = starts[i];
        for (uint32_t i = 0; i < kept; i++)
            values[i] = (uint8_t)rng_below(&rng, VALUES);
        struct guard_ranges ranges = build(starts, values, kept);
        for (int burst = 0; burst < 40; burst++) {
            uint64_t numbers[GUARD_RANGES_BURST];
            uint32_t places[GUARD_RANGES_BURST];
            unsigned n = 1 + (unsigned)rng_below(&rng, GUARD_RANGES_BURST);
            for (unsigned i = 0; i < n; i++)
                numbers[i] =
                    i & 1 ? crowded(&rng) : starts[rng_below(&rng, kept)] - (rng_next(&rng) & 1);
            guard_ranges_find(&ranges, numbers, n, places);
            for (unsigned i = 0; i < n; i++)
                assert_int_equal(guard_ranges_value(&ranges, places[i]),
                                 slow_find(starts, values, kept, numbers[i]));
        }
        guard_ranges_done(&ranges);
    }
}

static void memory_is_some_bytes_a_range(void **state)
{
    enum { COUNT = 100000 };
    uint64_t *starts = calloc(COUNT, sizeof *starts);
    uint8_t *values = calloc(COUNT, 1);
    assert_non_null(starts);
    assert_non_null(values);
    struct rng rng;
    rng_seed(&rng, 3);
    for (uint32_t i = 1; i < COUNT; i++) {
        starts[i] = starts[i - 1] + (1 + rng_below(&rng, 1000)) * (UINT64_C(1) << 32);
        values[i] = i % 16;
    }
    struct guard_ranges ranges = build(starts, values, COUNT);
    assert_in_range(guard_ranges_bytes(&ranges), 4 * COUNT, 24 * COUNT);
    guard_ranges_done(&ranges);
    struct guard_ranges small = build(starts, values, 8);
    assert_in_range(guard_ranges_bytes(&small), 64, 640);
    guard_ranges_done(&small);
    free(starts);
    free(values);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(one_range_is_everything),
        cmocka_unit_test(the_first_and_the_last_number_may_stand_alone),
        cmocka_unit_test(powers_of_two_go_deep_and_are_found),
        cmocka_unit_test(random_ranges_equal_a_walk_from_the_first),
        cmocka_unit_test(memory_is_some_bytes_a_range),
    };
    return cmocka_run_group_tests_name("guard_ranges", cases, NULL, NULL);
}
