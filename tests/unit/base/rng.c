// SPDX-License-Identifier: BSD-3-Clause
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void one_seed_is_one_story(void **state)
{
    struct rng a, b, c;
    rng_seed(&a, 5);
    rng_seed(&b, 5);
    rng_seed(&c, 6);
    unsigned same = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t x = rng_next(&a);
        assert_true(x == rng_next(&b));
        same += x == rng_next(&c);
    }
    assert_int_equal(same, 0);
}

// xoshiro256** by its definition from a known state: 1, 2, 3, 4.
static void it_is_the_published_generator(void **state)
{
    struct rng rng = {{1, 2, 3, 4}};
    static const uint64_t expected[] = {11520u, 0u, 1509978240u, 1215971899390074240u};
    for (unsigned i = 0; i < 4; i++)
        assert_true(rng_next(&rng) == expected[i]);
}

static void below_a_bound_every_value_comes_and_no_other(void **state)
{
    struct rng rng;
    rng_seed(&rng, 7);
    unsigned seen[10] = {0};
    for (int i = 0; i < 10000; i++) {
        uint64_t value = rng_below(&rng, 10);
        assert_true(value < 10);
        seen[value]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 850, 1150);
    assert_true(rng_below(&rng, 1) == 0);
    for (int i = 0; i < 100; i++)
        assert_true(rng_below(&rng, UINT64_MAX) < UINT64_MAX);
}

static void secrets_fill_all_they_were_asked_to_and_differ(void **state)
{
    uint8_t a[1000] = {0}, b[1000] = {0};
    assert_int_equal(rng_secret(a, 999), 0);
    assert_int_equal(rng_secret(b, 999), 0);
    assert_int_equal(a[999], 0);
    assert_true(memcmp(a, b, 999) != 0);
    static const uint8_t zeros[16];
    assert_true(memcmp(a + 999 - 16, zeros, 16) != 0);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(one_seed_is_one_story),
        cmocka_unit_test(it_is_the_published_generator),
        cmocka_unit_test(below_a_bound_every_value_comes_and_no_other),
        cmocka_unit_test(secrets_fill_all_they_were_asked_to_and_differ),
    };
    return cmocka_run_group_tests_name("rng", cases, NULL, NULL);
}
