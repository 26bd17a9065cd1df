// SPDX-License-Identifier: BSD-3-Clause
#include "mail/excess.h"

#include "mail_test.h"

static void a_count_under_its_limit_ends_nothing(void **state)
{
    fake->policy.policy.limits[LIMIT_ERRORS_SESSION] = 3;
    assert_false(excess_ends(&fake->host, LIMIT_ERRORS_SESSION, 2));
    assert_true(excess_ends(&fake->host, LIMIT_ERRORS_SESSION, 3));
    assert_true(excess_ends(&fake->host, LIMIT_ERRORS_SESSION, 4));
    assert_int_equal(fake->shadowed[REASON_MAIL_TOO_MANY_ERRORS], 0);
}

static void a_limit_that_is_off_ends_nothing(void **state)
{
    fake->policy.policy.modes[LIMIT_ERRORS_SESSION] = MODE_OFF;
    assert_false(excess_ends(&fake->host, LIMIT_ERRORS_SESSION, UINT32_MAX));
    assert_int_equal(fake->shadowed[REASON_MAIL_TOO_MANY_ERRORS], 0);
}

static void a_limit_in_shadow_ends_nothing_and_is_counted_once_a_session(void **state)
{
    fake->policy.policy.modes[LIMIT_ERRORS_SESSION] = MODE_SHADOW;
    assert_false(excess_ends(&fake->host, LIMIT_ERRORS_SESSION, 9));
    assert_int_equal(fake->shadowed[REASON_MAIL_TOO_MANY_ERRORS], 0);
    for (uint64_t count = 10; count < 15; count++)
        assert_false(excess_ends(&fake->host, LIMIT_ERRORS_SESSION, count));
    assert_int_equal(fake->shadowed[REASON_MAIL_TOO_MANY_ERRORS], 1);
}

static void what_is_free_makes_nobody_wait(void **state)
{
    excess_slows(&fake->host, LIMIT_ERRORS_FREE_SESSION, 5);
    assert_int_equal(fake->held_us, 0);
    excess_slows(&fake->host, LIMIT_ERRORS_FREE_SESSION, 6);
    assert_int_equal(fake->held_us, 1000000);
    assert_int_equal(fake->counted[REASON_MAIL_ERRORS_SLOWED], 1);
}

static void nobody_waits_in_shadow_or_without_a_delay(void **state)
{
    fake->policy.policy.modes[LIMIT_JUNK_FREE_SESSION] = MODE_SHADOW;
    excess_slows(&fake->host, LIMIT_JUNK_FREE_SESSION, 21);
    excess_slows(&fake->host, LIMIT_JUNK_FREE_SESSION, 22);
    assert_int_equal(fake->shadowed[REASON_SMTP_JUNK_SLOWED], 2);
    fake->policy.policy.modes[LIMIT_JUNK_FREE_SESSION] = MODE_ENFORCE;
    fake->policy.policy.limits[LIMIT_ERROR_DELAY_MS] = 0;
    excess_slows(&fake->host, LIMIT_JUNK_FREE_SESSION, 23);
    assert_int_equal(fake->held_us, 0);
    assert_int_equal(fake->counted[REASON_SMTP_JUNK_SLOWED], 0);
}

static void a_time_is_that_of_the_limit_now(void **state)
{
    fake->policy.policy.limits[LIMIT_LOGIN_SECONDS] = 7;
    assert_int_equal(excess_end_us(&fake->host, LIMIT_LOGIN_SECONDS, 1000), 7001000);
    fake->policy.policy.limits[LIMIT_LOGIN_SECONDS] = 8;
    assert_int_equal(excess_end_us(&fake->host, LIMIT_LOGIN_SECONDS, 1000), 8001000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(a_count_under_its_limit_ends_nothing),
        FAKE_TEST(a_limit_that_is_off_ends_nothing),
        FAKE_TEST(a_limit_in_shadow_ends_nothing_and_is_counted_once_a_session),
        FAKE_TEST(what_is_free_makes_nobody_wait),
        FAKE_TEST(nobody_waits_in_shadow_or_without_a_delay),
        FAKE_TEST(a_time_is_that_of_the_limit_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
