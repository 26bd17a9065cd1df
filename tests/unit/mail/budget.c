// SPDX-License-Identifier: BSD-3-Clause
#include "mail/budget.h"

#include "mail_test.h"

#include <string.h>

static struct budget budget;
static uint64_t now_us;

static int open_budget(void **state)
{
    open_fake(state);
    memset(&budget, 0, sizeof budget);
    now_us = 5000000;
    fake->policy.policy.limits[LIMIT_COMMAND_RATE_SESSION] = 10;
    fake->policy.policy.limits[LIMIT_COMMAND_BURST_SESSION] = 3;
    return 0;
}

static bool may(enum budget_kind kind)
{
    return budget_may(&budget, &fake->host, kind, now_us);
}

static bool command(void)
{
    bool may_go_on = may(BUDGET_COMMANDS);
    if (may_go_on)
        budget_charge(&budget, &fake->host, BUDGET_COMMANDS, 1, now_us);
    return may_go_on;
}

static void what_is_over_its_burst_waits_for_its_rate_and_is_counted_once(void **state)
{
    for (int i = 0; i < 3; i++)
        assert_true(command());
    assert_int_equal(budget_wake_us(&budget), UINT64_MAX);
    assert_false(command());
    assert_false(command());
    assert_int_equal(fake->counted[REASON_MAIL_COMMAND_RATE], 1);
    assert_int_equal(budget_wake_us(&budget), now_us + 100000);
    assert_true(fake->host.waits[SIDE_CLIENT]);
    now_us += 99999;
    assert_false(command());
    now_us += 1;
    assert_true(command());
    assert_false(fake->host.waits[SIDE_CLIENT]);
    assert_int_equal(budget_wake_us(&budget), UINT64_MAX);
    assert_false(command());
    assert_int_equal(fake->counted[REASON_MAIL_COMMAND_RATE], 2);
}

static void shadow_counts_and_lets_pass_and_off_looks_at_nothing(void **state)
{
    fake->policy.policy.modes[LIMIT_COMMAND_RATE_SESSION] = MODE_SHADOW;
    for (int i = 0; i < 9; i++)
        assert_true(command());
    assert_int_equal(fake->shadowed[REASON_MAIL_COMMAND_RATE], 1);
    now_us += 100000; // shadow owes no more than enforce would
    assert_true(command());
    fake->policy.policy.modes[LIMIT_COMMAND_RATE_SESSION] = MODE_OFF;
    for (int i = 0; i < 9; i++)
        assert_true(command());
    assert_int_equal(fake->shadowed[REASON_MAIL_COMMAND_RATE], 1);
    assert_int_equal(fake->counted[REASON_MAIL_COMMAND_RATE], 0);
}

static void bytes_are_a_seconds_worth_at_once_and_the_last_amount_is_not_cut(void **state)
{
    fake->policy.policy.limits[LIMIT_UPLOAD_RATE_SESSION] = 2000;
    assert_true(may(BUDGET_UPLOAD));
    budget_charge(&budget, &fake->host, BUDGET_UPLOAD, 2000, now_us);
    assert_true(may(BUDGET_UPLOAD));
    budget_charge(&budget, &fake->host, BUDGET_UPLOAD, 1000, now_us);
    assert_false(may(BUDGET_UPLOAD));
    assert_int_equal(budget_wake_us(&budget), now_us + 500000);
    assert_true(may(BUDGET_DOWNLOAD)); // which has its own
    budget_woke(&budget);
    assert_int_equal(budget_wake_us(&budget), UINT64_MAX);
}

static void the_greatest_amounts_and_rates_are_told_right(void **state)
{
    uint64_t *limits = fake->policy.policy.limits;
    limits[LIMIT_LITERAL_BYTES_MINUTE] = limit_facts(LIMIT_LITERAL_BYTES_MINUTE)->most;
    budget_charge(&budget, &fake->host, BUDGET_LITERALS, UINT32_MAX, now_us);
    assert_in_range(budget.tat_ns[BUDGET_LITERALS] - now_us * 1000, 257698037, 257698038);
    limits[LIMIT_LITERAL_BYTES_MINUTE] = 65536;
    budget_charge(&budget, &fake->host, BUDGET_LITERALS, 65536, now_us);
    assert_in_range(budget.tat_ns[BUDGET_LITERALS] - now_us * 1000, 60257698037, 60257698038);
}

static void a_command_that_was_begun_must_get_on(void **state)
{
    fake->policy.policy.limits[LIMIT_UPLOAD_RATE_LEAST] = 100;
    budget_read(&budget, &fake->host, 5, true, now_us);
    assert_int_equal(budget_slow_us(&budget), now_us + BUDGET_WINDOW_US);
    budget_read(&budget, &fake->host, 5999, true, now_us);
    now_us += BUDGET_WINDOW_US - 1;
    assert_false(budget_is_slow(&budget, &fake->host, now_us));
    now_us++;
    assert_true(budget_is_slow(&budget, &fake->host, now_us));
    budget_read(&budget, &fake->host, 6000, true, now_us);
    now_us += BUDGET_WINDOW_US;
    assert_false(budget_is_slow(&budget, &fake->host, now_us));
    budget_read(&budget, &fake->host, 0, false, now_us);
    assert_int_equal(budget_slow_us(&budget), UINT64_MAX);
    assert_false(budget_is_slow(&budget, &fake->host, now_us + 10 * (uint64_t)BUDGET_WINDOW_US));
}

static void whose_backend_takes_nothing_is_not_slow(void **state)
{
    fake->policy.policy.limits[LIMIT_UPLOAD_RATE_LEAST] = 100;
    budget_read(&budget, &fake->host, 0, true, now_us);
    fake->host.stalled = true;
    now_us += BUDGET_WINDOW_US;
    assert_false(budget_is_slow(&budget, &fake->host, now_us));
    now_us += BUDGET_WINDOW_US - 1;
    budget_read(&budget, &fake->host, 1, true, now_us); // at last
    fake->host.stalled = false;
    now_us += 1;
    assert_false(budget_is_slow(&budget, &fake->host, now_us));
    now_us += BUDGET_WINDOW_US - 1;
    assert_true(budget_is_slow(&budget, &fake->host, now_us));
}

static void slowness_has_a_mode(void **state)
{
    budget_read(&budget, &fake->host, 1, true, now_us);
    fake->policy.policy.modes[LIMIT_UPLOAD_RATE_LEAST] = MODE_OFF;
    now_us += BUDGET_WINDOW_US;
    assert_false(budget_is_slow(&budget, &fake->host, now_us));
    fake->policy.policy.modes[LIMIT_UPLOAD_RATE_LEAST] = MODE_SHADOW;
    now_us += BUDGET_WINDOW_US;
    assert_false(budget_is_slow(&budget, &fake->host, now_us));
    assert_int_equal(fake->shadowed[REASON_MAIL_UPLOAD_SLOW], 1);
}

#define BUDGET_TEST(name) cmocka_unit_test_setup_teardown(name, open_budget, close_fake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUDGET_TEST(what_is_over_its_burst_waits_for_its_rate_and_is_counted_once),
        BUDGET_TEST(shadow_counts_and_lets_pass_and_off_looks_at_nothing),
        BUDGET_TEST(bytes_are_a_seconds_worth_at_once_and_the_last_amount_is_not_cut),
        BUDGET_TEST(the_greatest_amounts_and_rates_are_told_right),
        BUDGET_TEST(a_command_that_was_begun_must_get_on),
        BUDGET_TEST(whose_backend_takes_nothing_is_not_slow),
        BUDGET_TEST(slowness_has_a_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
