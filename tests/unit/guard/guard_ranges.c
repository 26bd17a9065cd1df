// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_ranges.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

typedef guard_ranges_number number;

static const number LAST = ~(number)0;

static struct addr addr_of(number n)
{
    struct addr a;
    for (unsigned i = 0; i < 16; i++)
        a.bytes[i] = (uint8_t)(n >> (120 - 8 * i));
    return a;
}

static uint8_t find(const struct guard_ranges *ranges, number n)
{
    struct guard_ranges families[FAMILY_COUNT] = {[FAMILY_V6] = *ranges};
    struct addr a = addr_of(n);
    const struct addr *addr = &a;
    uint8_t value;
    guard_ranges_find(families, &addr, 1, &value);
    return value;
}

static struct guard_ranges build(const number *starts, const uint8_t *values, uint32_t count)
{
    struct guard_ranges ranges;
    assert_int_equal(guard_ranges_build(&ranges, FAMILY_V6, starts, values, count), 0);
    return ranges;
}

static void one_range_is_everything(void **state)
{
    const number starts[] = {0};
    const uint8_t values[] = {7};
    struct guard_ranges ranges = build(starts, values, 1);
    assert_int_equal(find(&ranges, 0), 7);
    assert_int_equal(find(&ranges, 1), 7);
    assert_int_equal(find(&ranges, LAST), 7);
    guard_ranges_done(&ranges);
}

static void the_first_and_the_last_number_may_stand_alone(void **state)
{
    const number starts[] = {0, 1, LAST};
    const uint8_t values[] = {1, 2, 3};
    struct guard_ranges ranges = build(starts, values, 3);
    assert_int_equal(find(&ranges, 0), 1);
    assert_int_equal(find(&ranges, 1), 2);
    assert_int_equal(find(&ranges, LAST / 2), 2);
    assert_int_equal(find(&ranges, LAST - 1), 2);
    assert_int_equal(find(&ranges, LAST), 3);
    guard_ranges_done(&ranges);
}

// A line has places for twelve, a line of lines for 144: one fewer, as many, and one more.
static void as_many_as_lines_hold_and_one_more_are_found(void **state)
{
    static const uint32_t counts[] = {11, 12, 13, 14, 143, 144, 145, 1727, 1728, 1729};
    static number starts[1729];
    static uint8_t values[1729];
    for (unsigned c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        for (uint32_t i = 1; i < counts[c]; i++) {
            starts[i] = ((number)0x20010db8 << 96) + i * (UINT64_C(3) << 32);
            values[i] = i % GUARD_RANGES_VALUES;
        }
        struct guard_ranges ranges = build(starts, values, counts[c]);
        for (uint32_t i = 1; i < counts[c]; i++) {
            assert_int_equal(find(&ranges, starts[i] - 1), values[i - 1]);
            assert_int_equal(find(&ranges, starts[i]), values[i]);
        }
        assert_int_equal(find(&ranges, LAST), values[counts[c] - 1]);
        guard_ranges_done(&ranges);
    }
}

// Each bit has a range: as deep and as uneven as it gets.
static void powers_of_two_are_found(void **state)
{
    number starts[129] = {0};
    uint8_t values[129] = {0};
    for (unsigned i = 0; i < 128; i++) {
        starts[i + 1] = (number)1 << i;
        values[i + 1] = (uint8_t)((i + 1) % GUARD_RANGES_VALUES);
    }
    struct guard_ranges ranges = build(starts, values, 129);
    assert_int_equal(find(&ranges, 0), 0);
    for (unsigned i = 0; i < 128; i++) {
        assert_int_equal(find(&ranges, starts[i + 1]), values[i + 1]);
        if (i != 47) // ::ffff:ffff:ffff is an IPv4 address
            assert_int_equal(find(&ranges, starts[i + 1] * 2 - 1), values[i + 1]);
    }
    guard_ranges_done(&ranges);
}

static int by_number(const void *a, const void *b)
{
    const number *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

// Numbers that crowd at random scales; of IPv4 they have 32 bits.
static number crowded(struct rng *rng, enum family_index family)
{
    static const unsigned widths[FAMILY_COUNT][5] = {
        [FAMILY_V4] = {32, 24, 20, 12, 8}, [FAMILY_V6] = {128, 96, 64, 48, 12}};
    unsigned all = family == FAMILY_V4 ? 32 : 128, width = widths[family][rng_below(rng, 5)];
    number any = (number)rng_next(rng) << 64 | rng_next(rng);
    number near = ((number)0x20010db8 << 96) * (1 + rng_below(rng, 3));
    near = near >> (128 - all);
    return width == all ? any >> (128 - all) : near + (any >> (128 - width));
}

static uint8_t slow_find(const number *starts, const uint8_t *values, uint32_t count, number n)
{
    uint8_t value = values[0];
    for (uint32_t i = 0; i < count && starts[i] <= n; i++)
        value = values[i];
    return value;
}

struct made { // of one family
    struct guard_ranges ranges;
    number starts[5000];
    uint8_t values[5000];
    uint32_t count;
};

static void made_init(struct made *m, enum family_index family, uint32_t count, struct rng *rng)
{
    m->starts[0] = 0;
    for (uint32_t i = 1; i < count; i++)
        m->starts[i] = crowded(rng, family);
    qsort(m->starts, count, sizeof *m->starts, by_number);
    m->count = 1;
    for (uint32_t i = 1; i < count; i++)
        if (m->starts[i] > m->starts[m->count - 1])
            m->starts[m->count++] = m->starts[i];
    for (uint32_t i = 0; i < m->count; i++)
        m->values[i] = (uint8_t)rng_below(rng, GUARD_RANGES_VALUES);
    assert_int_equal(guard_ranges_build(&m->ranges, family, m->starts, m->values, m->count), 0);
}

// One address, and its value by a walk.
static struct addr made_draw(const struct made *m, enum family_index family, struct rng *rng,
                             uint8_t *ret_value)
{
    number n = m->starts[rng_below(rng, m->count)];
    if (rng_next(rng) & 1)
        n = crowded(rng, family);
    else if (n > 0)
        n -= rng_next(rng) & 1;
    *ret_value = slow_find(m->starts, m->values, m->count, n);
    return addr_of(family == FAMILY_V4 ? n | (number)0xffff << 32 : n);
}

static void random_bursts_of_both_families_equal_a_walk_from_the_first(void **state)
{
    static struct made made[FAMILY_COUNT];
    struct rng rng;
    rng_seed(&rng, 11);
    for (uint32_t count = 2; count <= 5000; count = count * 3 / 2 + 1) {
        for (int family = 0; family < FAMILY_COUNT; family++)
            made_init(&made[family], (enum family_index)family, count, &rng);
        struct guard_ranges families[FAMILY_COUNT];
        for (int family = 0; family < FAMILY_COUNT; family++)
            families[family] = made[family].ranges;
        for (int burst = 0; burst < 40; burst++) {
            struct addr drawn[GUARD_RANGES_BURST];
            const struct addr *addrs[GUARD_RANGES_BURST];
            uint8_t wanted[GUARD_RANGES_BURST], values[GUARD_RANGES_BURST];
            unsigned n = (unsigned)rng_below(&rng, GUARD_RANGES_BURST + 1);
            for (unsigned i = 0; i < n; i++) {
                enum family_index family = (enum family_index)rng_below(&rng, FAMILY_COUNT);
                drawn[i] = made_draw(&made[family], family, &rng, &wanted[i]);
                addrs[i] = &drawn[i];
            }
            guard_ranges_find(families, addrs, n, values);
            assert_memory_equal(values, wanted, n);
        }
        for (int family = 0; family < FAMILY_COUNT; family++)
            guard_ranges_done(&families[family]);
    }
}

static void memory_is_some_bytes_a_range(void **state)
{
    enum { COUNT = 100000 };
    number *starts = aligned_alloc(sizeof *starts, COUNT * sizeof *starts);
    uint8_t *values = calloc(COUNT, 1);
    assert_non_null(starts);
    assert_non_null(values);
    struct rng rng;
    rng_seed(&rng, 3);
    starts[0] = 0;
    for (uint32_t i = 1; i < COUNT; i++) {
        starts[i] = starts[i - 1] + ((number)(1 + rng_below(&rng, 10000)) << 96);
        values[i] = i % 16;
    }
    struct guard_ranges ranges = build(starts, values, COUNT);
    assert_in_range(guard_ranges_bytes(&ranges), 4 * COUNT, 24 * COUNT);
    guard_ranges_done(&ranges);
    struct guard_ranges small = build(starts, values, 8);
    assert_in_range(guard_ranges_bytes(&small), 64, 4096);
    guard_ranges_done(&small);
    free(starts);
    free(values);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(one_range_is_everything),
        cmocka_unit_test(the_first_and_the_last_number_may_stand_alone),
        cmocka_unit_test(as_many_as_lines_hold_and_one_more_are_found),
        cmocka_unit_test(powers_of_two_are_found),
        cmocka_unit_test(random_bursts_of_both_families_equal_a_walk_from_the_first),
        cmocka_unit_test(memory_is_some_bytes_a_range),
    };
    return cmocka_run_group_tests_name("guard_ranges", cases, NULL, NULL);
}
