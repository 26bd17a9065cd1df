// SPDX-License-Identifier: BSD-3-Clause
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// Asks for much and reads nothing of it.
static struct rig_peer *deaf_client(struct rig *rig)
{
    struct policy *policy = rig_policy(rig);
    policy->limits[LIMIT_JUNK_COMMANDS_SESSION] = limit_facts(LIMIT_JUNK_COMMANDS_SESSION)->most;
    policy->limits[LIMIT_JUNK_FREE_SESSION] = limit_facts(LIMIT_JUNK_FREE_SESSION)->most;
    policy->limits[LIMIT_COMMAND_SECONDS] = 3600;
    struct rig_peer *client = rig_connect(rig, 25);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    rig_deaf(rig, client, true);
    for (int i = 0; i < 100000 && rig_try(rig, client, "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n"); i++)
        ;
    return client;
}

static void a_client_that_takes_nothing_of_much_is_cut_off(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = deaf_client(rig);
    rig_run(rig, 50000000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 1);
    rig_run(rig, 70000000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 0);
    assert_int_equal(rig_report(rig)->facts.reason, REASON_SESSION_SLOW_READER);
    assert_true(client->closed);
}

static void in_shadow_it_is_counted_and_goes_on(void **state)
{
    struct rig *rig = *state;
    rig_policy(rig)->modes[LIMIT_DOWNLOAD_RATE_LEAST] = MODE_SHADOW;
    struct rig_peer *client = deaf_client(rig);
    rig_run(rig, 120000000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 1);
    assert_true(rig_counters(rig)->shadows[REASON_SESSION_SLOW_READER] >= 1);
    assert_int_equal(rig_counters(rig)->reasons[REASON_SESSION_SLOW_READER], 0);
    rig_reset(rig, client);
    rig_run(rig, 1000000);
}

static void a_client_that_reads_after_a_while_is_not(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = deaf_client(rig);
    for (int minute = 0; minute < 4; minute++) {
        rig_run(rig, 50000000);
        rig_deaf(rig, client, false);
        rig_run(rig, 1000);
        rig_deaf(rig, client, true);
        for (int i = 0; i < 100000 && rig_try(rig, client, "NOOP\r\nNOOP\r\nNOOP\r\n"); i++)
            ;
    }
    assert_int_equal(sessions_count(rig_sessions(rig)), 1);
    rig_reset(rig, client);
    rig_run(rig, 1000000);
}

// Nobody is asked for more than there is.
static void a_client_that_has_taken_nearly_all_is_not(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    rig_run(rig, 200000000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, play_setup, play_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_client_that_takes_nothing_of_much_is_cut_off),
        TEST(in_shadow_it_is_counted_and_goes_on),
        TEST(a_client_that_reads_after_a_while_is_not),
        TEST(a_client_that_has_taken_nearly_all_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
