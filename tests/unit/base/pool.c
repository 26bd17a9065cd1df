// SPDX-License-Identifier: BSD-3-Clause
#include "base/pool.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 17 };

static struct pool pool;

static int set_up(void **state)
{
    return pool_init(&pool, COUNT, 100);
}

static int tear_down(void **state)
{
    pool_done(&pool);
    return 0;
}

static void handles_never_taken_find_nothing(void **state)
{
    assert_null(pool_get(&pool, HANDLE_NONE));
    for (uint64_t index = 0; index < 2 * COUNT; index++)
        for (uint64_t generation = 0; generation < 4; generation++)
            assert_null(pool_get(&pool, generation << 32 | index));
    assert_null(pool_get(&pool, UINT64_MAX));
}

static void an_exhausted_pool_gives_no_handle(void **state)
{
    void *object = NULL;
    for (int i = 0; i < COUNT; i++)
        assert_true(pool_take(&pool, &object) != HANDLE_NONE);
    void *last = object;
    assert_true(pool_take(&pool, &object) == HANDLE_NONE);
    assert_ptr_equal(object, last);
    assert_int_equal(pool.used, COUNT);
}

static void a_handle_kept_too_long_finds_nothing(void **state)
{
    void *object, *again;
    handle first = pool_take(&pool, &object);
    pool_give(&pool, first);
    assert_null(pool_get(&pool, first));
    handle second = pool_take(&pool, &again);
    assert_ptr_equal(again, object); // the same place, somebody else's now
    assert_true(second != first);
    assert_null(pool_get(&pool, first));
    assert_ptr_equal(pool_get(&pool, second), again);
}

static void objects_are_aligned_and_apart(void **state)
{
    void *objects[COUNT];
    for (int i = 0; i < COUNT; i++) {
        assert_true(pool_take(&pool, &objects[i]) != HANDLE_NONE);
        assert_int_equal((uintptr_t)objects[i] % 64, 0);
        memset(objects[i], i, 100);
    }
    for (int i = 0; i < COUNT; i++)
        for (int b = 0; b < 100; b++)
            assert_int_equal(((uint8_t *)objects[i])[b], i);
}

static void a_random_story_equals_the_model(void **state)
{
    handle held[COUNT] = {0}, old[COUNT] = {0};
    uint32_t used = 0;
    struct rng rng;
    rng_seed(&rng, 1);
    for (int step = 0; step < 20000; step++) {
        unsigned n = (unsigned)rng_below(&rng, COUNT);
        if (held[n]) {
            pool_give(&pool, held[n]);
            old[n] = held[n];
            held[n] = HANDLE_NONE;
            used--;
        } else {
            void *object;
            held[n] = pool_take(&pool, &object);
            assert_true(held[n] != HANDLE_NONE);
            assert_ptr_equal(pool_get(&pool, held[n]), object);
            used++;
        }
        assert_int_equal(pool.used, used);
        for (int i = 0; i < COUNT; i++)
            assert_null(pool_get(&pool, old[i]));
        uint32_t seen = 0;
        for (uint32_t i = 0; i < COUNT; i++)
            seen += pool_at(&pool, i) != HANDLE_NONE;
        assert_int_equal(seen, used);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(handles_never_taken_find_nothing),     CASE(an_exhausted_pool_gives_no_handle),
        CASE(a_handle_kept_too_long_finds_nothing), CASE(objects_are_aligned_and_apart),
        CASE(a_random_story_equals_the_model),
    };
    return cmocka_run_group_tests_name("pool", cases, NULL, NULL);
}
