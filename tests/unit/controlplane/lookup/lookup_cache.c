// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/lookup_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct lookup_secret secret = {{{{1, 2}}, {{3, 4}}}};

static struct lookup_digest key(uint32_t number)
{
    return lookup_digest_of(&secret, span_of(&number, sizeof number));
}

static void unknown_key_finds_nothing(void **state)
{
    struct lookup_cache cache;
    assert_int_equal(lookup_cache_init(&cache, 4, sizeof(uint32_t)), 0);
    assert_null(lookup_cache_find(&cache, key(1), 0));
    lookup_cache_done(&cache);
}

static void value_is_gone_at_its_time_and_not_before(void **state)
{
    struct lookup_cache cache;
    uint32_t value = 7;
    assert_int_equal(lookup_cache_init(&cache, 4, sizeof value), 0);
    lookup_cache_put(&cache, key(1), &value, 1000);
    const void *found = lookup_cache_find(&cache, key(1), 999);
    assert_non_null(found);
    assert_int_equal(lookup_cache_until_ms(&cache, found), 1000);
    assert_null(lookup_cache_find(&cache, key(1), 1000));
    lookup_cache_done(&cache);
}

static void later_value_replaces_the_first(void **state)
{
    struct lookup_cache cache;
    uint32_t first = 1, second = 2;
    assert_int_equal(lookup_cache_init(&cache, 4, sizeof first), 0);
    lookup_cache_put(&cache, key(1), &first, 1000);
    lookup_cache_put(&cache, key(1), &second, 2000);
    const uint32_t *found = lookup_cache_find(&cache, key(1), 1500);
    assert_non_null(found);
    assert_int_equal(*found, 2);
    assert_int_equal(cache.count, 1);
    lookup_cache_done(&cache);
}

static void full_cache_forgets_what_was_used_longest_ago(void **state)
{
    struct lookup_cache cache;
    assert_int_equal(lookup_cache_init(&cache, 3, sizeof(uint32_t)), 0);
    for (uint32_t i = 0; i < 3; i++)
        lookup_cache_put(&cache, key(i), &i, 1000);
    assert_non_null(lookup_cache_find(&cache, key(0), 0)); // now 1 is the oldest
    uint32_t more = 3;
    lookup_cache_put(&cache, key(3), &more, 1000);
    assert_null(lookup_cache_find(&cache, key(1), 0));
    assert_non_null(lookup_cache_find(&cache, key(0), 0));
    assert_non_null(lookup_cache_find(&cache, key(2), 0));
    assert_non_null(lookup_cache_find(&cache, key(3), 0));
    lookup_cache_done(&cache);
}

static void many_more_keys_than_room_keep_the_newest(void **state)
{
    enum { ROOM = 100, KEYS = 10000 };
    struct lookup_cache cache;
    assert_int_equal(lookup_cache_init(&cache, ROOM, sizeof(uint32_t)), 0);
    for (uint32_t i = 0; i < KEYS; i++)
        lookup_cache_put(&cache, key(i), &i, 1000);
    assert_int_equal(cache.count, ROOM);
    for (uint32_t i = 0; i < KEYS; i++) {
        const uint32_t *found = lookup_cache_find(&cache, key(i), 0);
        assert_true((found != NULL) == (i >= KEYS - ROOM));
        if (found)
            assert_int_equal(*found, i);
    }
    lookup_cache_done(&cache);
}

static void flushed_cache_is_empty_and_usable(void **state)
{
    struct lookup_cache cache;
    uint32_t value = 1;
    assert_int_equal(lookup_cache_init(&cache, 2, sizeof value), 0);
    lookup_cache_put(&cache, key(1), &value, 1000);
    lookup_cache_flush(&cache);
    assert_null(lookup_cache_find(&cache, key(1), 0));
    for (uint32_t i = 0; i < 5; i++)
        lookup_cache_put(&cache, key(i), &i, 1000);
    assert_non_null(lookup_cache_find(&cache, key(4), 0));
    lookup_cache_done(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_key_finds_nothing),
        cmocka_unit_test(value_is_gone_at_its_time_and_not_before),
        cmocka_unit_test(later_value_replaces_the_first),
        cmocka_unit_test(full_cache_forgets_what_was_used_longest_ago),
        cmocka_unit_test(many_more_keys_than_room_keep_the_newest),
        cmocka_unit_test(flushed_cache_is_empty_and_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
