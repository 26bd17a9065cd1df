// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_ranges.h"

#include "base/rng.h"

#include <errno.h>
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

static void find_burst(const struct guard_ranges *ranges, const struct addr *const *addrs,
                       unsigned n, uint8_t *ret_values)
{
    const struct guard_line *lines[GUARD_RANGES_BURST];
    guard_ranges_locate(ranges, addrs, n, lines);
    guard_ranges_find(ranges, addrs, n, lines, ret_values);
}

static uint8_t find(const struct guard_ranges *ranges, number n)
{
    struct addr a = addr_of(ranges->family == FAMILY_V4 ? n | (number)0xffff << 32 : n);
    const struct addr *addr = &a;
    uint8_t value;
    find_burst(ranges, &addr, 1, &value);
    return value;
}

static struct guard_ranges build_of(enum family_index family, const number *starts,
                                    const uint8_t *values, uint32_t count)
{
    struct guard_ranges ranges;
    assert_int_equal(guard_ranges_build(&ranges, family, starts, values, count), 0);
    return ranges;
}

static struct guard_ranges build(const number *starts, const uint8_t *values, uint32_t count)
{
    return build_of(FAMILY_V6, starts, values, count);
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

/* The edges: of a line, of a slot's five lines, of lines of lines, and of few ranges without a
 * table. They are near each other in each word of an address, and across its nine bits of cuts.
 */
static void as_many_as_lines_hold_and_one_more_are_found(void **state)
{
    static const uint32_t counts[] = {10,  11,  12,  20,  21,  22,  54,   55,   56,   57,  63,
                                      64,  65,  66,  104, 105, 106, 107,  121,  122,  440, 441,
                                      442, 443, 604, 605, 606, 607, 1331, 1332, 2205, 2206};
    static const struct {
        enum family_index family;
        number first;
        unsigned shift;
    } places[] = {
        {FAMILY_V4, 0xc6330000, 0},
        {FAMILY_V4, 0xc6330000, 3},
        {FAMILY_V4, 0x0a000000, 7},
        {FAMILY_V4, 0x0a000000, 16},
        {FAMILY_V6, (number)0x20010db8 << 96, 0},
        {FAMILY_V6, (number)0x20010db8 << 96, 32},
        {FAMILY_V6, (number)0x20010db8 << 96, 64},
        {FAMILY_V6, (number)0x20010db8 << 96, 82},
        {FAMILY_V6, (number)0x20010db8 << 96, 96},
    };
    static number starts[2206];
    static uint8_t values[2206];
    for (unsigned p = 0; p < sizeof places / sizeof places[0]; p++)
        for (unsigned c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            for (uint32_t i = 1; i < counts[c]; i++) {
                starts[i] = places[p].first + ((number)(i * 3) << places[p].shift);
                values[i] = i % GUARD_RANGES_VALUES;
            }
            struct guard_ranges ranges = build_of(places[p].family, starts, values, counts[c]);
            for (uint32_t i = 1; i < counts[c]; i++) {
                assert_int_equal(find(&ranges, starts[i] - 1), values[i - 1]);
                assert_int_equal(find(&ranges, starts[i]), values[i]);
                assert_int_equal(find(&ranges, starts[i] + 1), values[i]);
            }
            assert_int_equal(find(&ranges, 0), values[0]);
            guard_ranges_done(&ranges);
        }
}

static void each_address_of_a_crowded_slot_may_be_a_range(void **state)
{
    enum { FIRST = 0xc6330000, COUNT = 0x10000 };
    number *starts = aligned_alloc(sizeof *starts, (COUNT + 2) * sizeof *starts);
    uint8_t *values = calloc(COUNT + 2, 1);
    assert_non_null(starts);
    assert_non_null(values);
    starts[0] = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        starts[i + 1] = FIRST + i;
        values[i + 1] = (uint8_t)(1 + i % 13);
    }
    starts[COUNT + 1] = FIRST + COUNT;
    struct guard_ranges ranges = build_of(FAMILY_V4, starts, values, COUNT + 2);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(find(&ranges, FIRST + i), 1 + i % 13);
    assert_int_equal(find(&ranges, FIRST - 1), 0);
    assert_int_equal(find(&ranges, FIRST + COUNT), 0);
    guard_ranges_done(&ranges);
    free(starts);
    free(values);
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

static void random_bursts_equal_a_walk_from_the_first(void **state)
{
    static struct made made;
    struct rng rng;
    rng_seed(&rng, 11);
    for (uint32_t count = 2; count <= 5000; count = count * 3 / 2 + 1)
        for (int f = 0; f < FAMILY_COUNT; f++) {
            enum family_index family = (enum family_index)f;
            made_init(&made, family, count, &rng);
            for (int burst = 0; burst < 40; burst++) {
                struct addr drawn[GUARD_RANGES_BURST];
                const struct addr *addrs[GUARD_RANGES_BURST];
                uint8_t wanted[GUARD_RANGES_BURST], values[GUARD_RANGES_BURST];
                unsigned n = (unsigned)rng_below(&rng, GUARD_RANGES_BURST + 1);
                for (unsigned i = 0; i < n; i++) {
                    drawn[i] = made_draw(&made, family, &rng, &wanted[i]);
                    addrs[i] = &drawn[i];
                }
                find_burst(&made.ranges, addrs, n, values);
                assert_memory_equal(values, wanted, n);
            }
            guard_ranges_done(&made.ranges);
        }
}

// Ranges of up to 1000 networks of a size each: bytes a range, 0 where they do not fit.
static size_t bytes_each(enum family_index family, unsigned bits, uint32_t count, struct rng *rng)
{
    number *starts = aligned_alloc(sizeof *starts, count * sizeof *starts);
    uint8_t *values = calloc(count, 1);
    assert_non_null(starts);
    assert_non_null(values);
    starts[0] = 0;
    for (uint32_t i = 1; i < count; i++) {
        starts[i] = starts[i - 1] + ((number)(1 + rng_below(rng, 1000)) << bits);
        values[i] = i % 16;
    }
    struct guard_ranges ranges;
    int error = guard_ranges_build(&ranges, family, starts, values, count);
    size_t bytes = error ? 0 : ranges.bytes / count;
    guard_ranges_done(&ranges);
    free(starts);
    free(values);
    assert_true(error == 0 || error == -E2BIG);
    return bytes;
}

static void memory_is_some_bytes_a_range(void **state)
{
    struct rng rng;
    rng_seed(&rng, 3);
    assert_in_range(bytes_each(FAMILY_V4, 2, 100000, &rng), 3, 12);
    assert_in_range(bytes_each(FAMILY_V6, 64, 100000, &rng), 3, 64);
    assert_in_range(bytes_each(FAMILY_V6, 96, 100000, &rng), 100, 200); // scattered: the worst
    assert_in_range(bytes_each(FAMILY_V4, 24, 12, &rng), 1, 128);
    assert_in_range(bytes_each(FAMILY_V6, 96, 12, &rng), 1, 256);
}

static void ranges_that_take_more_than_they_may_are_refused(void **state)
{
    struct rng rng;
    rng_seed(&rng, 4);
    assert_int_equal(bytes_each(FAMILY_V6, 96, 2400000, &rng), 0);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(one_range_is_everything),
        cmocka_unit_test(the_first_and_the_last_number_may_stand_alone),
        cmocka_unit_test(as_many_as_lines_hold_and_one_more_are_found),
        cmocka_unit_test(each_address_of_a_crowded_slot_may_be_a_range),
        cmocka_unit_test(powers_of_two_are_found),
        cmocka_unit_test(random_bursts_equal_a_walk_from_the_first),
        cmocka_unit_test(memory_is_some_bytes_a_range),
        cmocka_unit_test(ranges_that_take_more_than_they_may_are_refused),
    };
    return cmocka_run_group_tests_name("guard_ranges", cases, NULL, NULL);
}
