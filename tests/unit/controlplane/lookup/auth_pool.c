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
                           .scheme = PASSWORD_PLAIN,
                           .hash_size = (uint8_t)strlen(hash),
                           .password_size = (uint8_t)strlen(password)};
    memcpy(job.hash, hash, strlen(hash));
    memcpy(job.password, password, strlen(password));
    return job;
}

static bool take(struct auth_pool *pool, uint32_t *ret_id, bool *ret_right)
{
    for (int tries = 0; tries < 5000; tries++) {
        if (auth_pool_take(pool, ret_id, ret_right))
            return true;
        struct pollfd fd = {.fd = auth_pool_fd(pool), .events = POLLIN};
        poll(&fd, 1, 1);
    }
    return false;
}

static void idle_pool_gives_nothing_and_ends(void **state)
{
    struct auth_pool *pool;
    uint32_t id;
    bool right;
    assert_int_equal(auth_pool_open(&pool), 0);
    assert_false(auth_pool_take(pool, &id, &right));
    auth_pool_close(pool);
}

static void job_too_many_is_refused_until_one_is_taken(void **state)
{
    struct auth_pool *pool;
    uint32_t id;
    bool right;
    struct auth_job job = job_of(1, "a", "a");
    assert_int_equal(auth_pool_open(&pool), 0);
    for (int i = 0; i < AUTH_JOBS_MAX; i++)
        assert_true(auth_pool_put(pool, &job));
    assert_false(auth_pool_put(pool, &job));
    assert_true(take(pool, &id, &right));
    assert_true(auth_pool_put(pool, &job));
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
        uint32_t id;
        bool right;
        assert_true(take(pool, &id, &right));
        assert_false(seen[id]);
        seen[id] = true;
        assert_true(right == (id % 2 == 1));
    }
    auth_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_pool_gives_nothing_and_ends),
        cmocka_unit_test(job_too_many_is_refused_until_one_is_taken),
        cmocka_unit_test(each_job_comes_back_once_with_its_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
