// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_table.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MOST = 100, ADDRESSES = 150 };

static struct guard_table table;

static int set_up(void **state)
{
    static const struct siphash_key key = {{3, 4}};
    return guard_table_init(&table, MOST, -1, &key);
}

static int tear_down(void **state)
{
    guard_table_done(&table);
    return 0;
}

static struct addr nth(unsigned n)
{
    struct addr a = {.bytes = {0x20, 0x01, [7] = (uint8_t)n}};
    uint8_t v4[4] = {10, 0, 0, (uint8_t)n};
    return n % 2 ? a : addr_from_v4(v4);
}

static void a_full_table_takes_no_more(void **state)
{
    for (unsigned i = 0; i < MOST; i++) {
        struct addr a = nth(i);
        assert_non_null(guard_table_take(&table, &a));
    }
    struct addr more = nth(MOST), known = nth(0);
    assert_null(guard_table_take(&table, &more));
    assert_non_null(guard_table_take(&table, &known));
    guard_table_give(&table, guard_table_find(&table, &known));
    assert_non_null(guard_table_take(&table, &more));
}

static void hosts_of_a_64_share_an_entry(void **state)
{
    struct addr a = {.bytes = {0x20, 0x01, [15] = 1}}, b = {.bytes = {0x20, 0x01, [15] = 2}};
    guard_table_take(&table, &a)->value = 5;
    assert_int_equal(guard_table_find(&table, &b)->value, 5);
    assert_int_equal(table.count, 1);
}

static void a_random_story_equals_the_model(void **state)
{
    uint64_t model[ADDRESSES] = {0}; // 0: not there
    unsigned there = 0;
    struct rng rng;
    rng_seed(&rng, 11);
    for (int step = 0; step < 100000; step++) {
        unsigned n = (unsigned)rng_below(&rng, ADDRESSES);
        struct addr a = nth(n);
        struct guard_table_entry *entry = guard_table_find(&table, &a);
        assert_int_equal(entry != NULL, model[n] != 0);
        if (entry) {
            assert_int_equal(entry->value, model[n]);
            guard_table_give(&table, entry);
            model[n] = 0;
            there--;
        } else if ((entry = guard_table_take(&table, &a)) != NULL) {
            entry->value = model[n] = rng_next(&rng) | 1;
            there++;
        } else {
            assert_int_equal(there, MOST);
        }
        assert_int_equal(table.count, there);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(a_full_table_takes_no_more),
        CASE(hosts_of_a_64_share_an_entry),
        CASE(a_random_story_equals_the_model),
    };
    return cmocka_run_group_tests_name("guard_table", cases, NULL, NULL);
}
