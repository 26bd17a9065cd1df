// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_pool.h"

#include <poll.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct auth_job job_of(uint32_t id, const char *hash, const char *password)
{
    struct auth_job job = {.id = id,
                           .until_ms = UINT64_MAX,
                           .scheme = PASSWORD_PLAIN,
                           .hash_size = (uint8_t)strlen(hash),
                           .password_size = (uint8_t)strlen(password)};
    memcpy(job.hash, hash, strlen(hash));
    memcpy(job.password, password, strlen(password));
    return job;
}

static bool take(struct auth_pool *pool, struct auth_job_result *ret_result)
{
    for (int tries = 0; tries < 5000; tries++) {
        if (auth_pool_take(pool, ret_result))
            return true;
        struct pollfd fd = {.fd = auth_pool_fd(pool), .events = POLLIN};
        poll(&fd, 1, 1);
    }
    return false;
}

static void idle_pool_gives_nothing_and_ends(void **state)
{
    struct auth_pool *pool;
    struct auth_job_result result;
    assert_int_equal(auth_pool_open(&pool), 0);
    assert_false(auth_pool_take(pool, &result));
    auth_pool_close(pool);
}

static void job_too_many_is_refused_until_one_is_taken(void **state)
{
    struct auth_pool *pool;
    struct auth_job_result result;
    struct auth_job job = job_of(1, "a", "a");
    assert_int_equal(auth_pool_open(&pool), 0);
    for (int i = 0; i < AUTH_JOBS_MAX; i++)
        assert_true(auth_pool_put(pool, &job));
    assert_false(auth_pool_put(pool, &job));
    assert_true(take(pool, &result));
    assert_true(auth_pool_put(pool, &job));
    auth_pool_close(pool);
}

static void job_whose_time_is_past_is_not_hashed(void **state)
{
    struct auth_pool *pool;
    struct auth_job_result result;
    struct auth_job job = job_of(1, "a", "a");
    job.until_ms = 1;
    assert_int_equal(auth_pool_open(&pool), 0);
    assert_true(auth_pool_put(pool, &job));
    assert_true(take(pool, &result));
    assert_true(result.late && !result.right);
    auth_pool_close(pool);
}

// Hashes that keep every thread busy long enough for the rest to queue up behind them.
static struct auth_job slow_job(uint32_t id)
{
    struct auth_job job = job_of(id, "$6$rounds=200000$salt$x", "a");
    job.scheme = PASSWORD_CRYPT;
    return job;
}

static void job_that_goes_first_overtakes(void **state)
{
    enum { OTHERS = 20, FIRST = OTHERS };
    struct auth_pool *pool;
    struct auth_job_result result;
    assert_int_equal(auth_pool_open(&pool), 0);
    for (uint32_t i = 0; i < OTHERS; i++) {
        struct auth_job job = slow_job(i);
        assert_true(auth_pool_put(pool, &job));
    }
    struct auth_job job = slow_job(FIRST);
    job.first = true;
    assert_true(auth_pool_put(pool, &job));
    int before = 0;
    for (assert_true(take(pool, &result)); result.id != FIRST; before++)
        assert_true(take(pool, &result));
    assert_true(before <= 2 * AUTH_THREADS);
    auth_pool_close(pool);
}

static void each_job_comes_back_once_with_its_verdict(void **state)
{
    enum { JOBS = 200 };
    struct auth_pool *pool;
    bool seen[JOBS] = {0};
    assert_int_equal(auth_pool_open(&pool), 0);
    for (uint32_t i = 0; i < JOBS; i++) {
        struct auth_job job = job_of(i, "secret", i % 2 ? "secret" : "guess!");
        assert_true(auth_pool_put(pool, &job));
    }
    for (int i = 0; i < JOBS; i++) {
        struct auth_job_result result;
        assert_true(take(pool, &result));
        assert_false(seen[result.id] || result.late);
        seen[result.id] = true;
        assert_true(result.right == (result.id % 2 == 1));
    }
    auth_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_pool_gives_nothing_and_ends),
        cmocka_unit_test(job_too_many_is_refused_until_one_is_taken),
        cmocka_unit_test(job_whose_time_is_past_is_not_hashed),
        cmocka_unit_test(job_that_goes_first_overtakes),
        cmocka_unit_test(each_job_comes_back_once_with_its_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
