// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_tallies.h"

#include "base/rng.h"
#include "policy_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MOST = 100000 };

static struct guard_tallies table;

static int set_up(void **state)
{
    static const struct siphash_key key = {{9, 10}};
    return guard_tallies_init(&table, MOST, -1, &key);
}

static int tear_down(void **state)
{
    guard_tallies_done(&table);
    return 0;
}

static struct guard_tallies_place place_of(const char *text, uint8_t bits)
{
    struct addr a = made_addr(text);
    return guard_tallies_locate(&table, &a, bits);
}

static bool opened(const struct guard_tallies_place *place, uint64_t now_us)
{
    struct guard_tally_sum sum = {0};
    struct guard_tally *own = guard_tallies_take(&table, place, now_us);
    if (own)
        guard_tally_open(own, &sum, 0, now_us);
    return own != NULL;
}

static void what_was_never_taken_is_not_found(void **state)
{
    struct guard_tallies_place place = place_of("192.0.2.1", 128);
    assert_null(guard_tallies_find(&table, &place));
    struct guard_tally_sum sum = {0};
    guard_tallies_add(&table, &place, 1000, &sum);
    assert_int_equal(sum.open, 0);
}

static void a_key_is_its_prefix_and_nothing_else(void **state)
{
    static const struct {
        const char *a, *b;
        uint8_t a_bits, b_bits;
        bool same;
    } rows[] = {
        {"192.0.2.1", "192.0.2.2", 128, 128, false},
        {"192.0.2.1", "192.0.2.254", 120, 120, true},
        {"192.0.2.255", "192.0.3.0", 120, 120, false},
        {"192.0.2.1", "192.0.2.1", 120, 128, false},
        {"2001:db8::1", "2001:db8::2", 64, 64, true},
        {"2001:db8::1", "2001:db8:0:1::", 64, 64, false},
        {"2001:db8:1:100::", "2001:db8:1:1ff::", 56, 56, true},
        {"2001:db8:1:100::", "2001:db8:1:200::", 56, 56, false},
        {"2001:db8:1::", "2001:db8:1:ffff::", 48, 48, true},
        {"2001:db8:1::", "2001:db8:2::", 48, 48, false},
        {"2001:db8:1::", "2001:db8:1::", 48, 56, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t a = place_of(rows[i].a, rows[i].a_bits).key;
        uint64_t b = place_of(rows[i].b, rows[i].b_bits).key;
        assert_int_equal(a == b, rows[i].same);
        assert_int_not_equal(a, 0);
    }
}

static void as_many_as_may_be_open_find_room_and_keep_it(void **state)
{
    struct rng rng;
    rng_seed(&rng, 31);
    struct guard_tallies_place place;
    for (uint32_t i = 0; i < MOST; i++) {
        struct addr a = addr_from_v4(&(uint32_t){i * 2654435761u});
        place = guard_tallies_locate(&table, &a, 128);
        assert_true(opened(&place, 1000));
    }
    // Passers-by, closed at once, push nobody out.
    for (uint32_t i = 0; i < 5 * MOST; i++) {
        struct addr a = {.bytes = {0x20, 1}};
        uint64_t number = rng_next(&rng);
        memcpy(a.bytes + 2, &number, 6);
        place = guard_tallies_locate(&table, &a, 64);
        struct guard_tally_sum sum = {0};
        struct guard_tally *own = guard_tallies_take(&table, &place, 1000);
        if (!own)
            continue;
        guard_tally_open(own, &sum, 0, 1000);
        guard_tally_close(own);
    }
    for (uint32_t i = 0; i < MOST; i++) {
        struct addr a = addr_from_v4(&(uint32_t){i * 2654435761u});
        place = guard_tallies_locate(&table, &a, 128);
        struct guard_tally_sum sum = {0};
        guard_tallies_add(&table, &place, 1000, &sum);
        assert_int_equal(sum.open, 1);
        assert_int_equal(sum.today, 1);
    }
}

// Nine keys of one pair of buckets: whoever came least often is forgotten.
static void the_least_of_the_day_gives_way(void **state)
{
    struct guard_tallies_place places[9];
    for (int i = 0; i < 9; i++)
        places[i] = (struct guard_tallies_place){.key = (uint64_t)i + 1, .buckets = {3, 4}};
    for (int i = 0; i < 8; i++)
        for (int n = 0; n <= i; n++) {
            assert_true(opened(&places[i], 1000));
            guard_tally_close(guard_tallies_find(&table, &places[i]));
        }
    assert_non_null(guard_tallies_take(&table, &places[8], 1000));
    assert_null(guard_tallies_find(&table, &places[0]));
    for (int i = 1; i < 9; i++)
        assert_non_null(guard_tallies_find(&table, &places[i]));
    // The next day only what is of that day counts.
    assert_true(opened(&places[1], GUARD_TALLY_DAY_US));
    guard_tally_close(guard_tallies_find(&table, &places[1]));
    for (int i = 2; i < 9; i++) {
        struct guard_tallies_place other = {.key = 100 + (uint64_t)i, .buckets = {3, 4}};
        assert_true(opened(&other, GUARD_TALLY_DAY_US));
    }
    assert_non_null(guard_tallies_find(&table, &places[1]));
}

static void where_all_are_open_there_is_no_room(void **state)
{
    for (uint64_t i = 1; i <= 8; i++) {
        struct guard_tallies_place place = {.key = i, .buckets = {3, 4}};
        assert_true(opened(&place, 1000));
    }
    struct guard_tallies_place place = {.key = 9, .buckets = {3, 4}};
    assert_false(opened(&place, 1000));
    place.key = 8;
    guard_tally_close(guard_tallies_find(&table, &place));
    place.key = 9;
    assert_true(opened(&place, 1000));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(what_was_never_taken_is_not_found),
        CASE(a_key_is_its_prefix_and_nothing_else),
        CASE(where_all_are_open_there_is_no_room),
        CASE(the_least_of_the_day_gives_way),
        CASE(as_many_as_may_be_open_find_room_and_keep_it),
    };
    return cmocka_run_group_tests_name("guard_tallies", cases, NULL, NULL);
}
