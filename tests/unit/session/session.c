// SPDX-License-Identifier: BSD-3-Clause
/* Whole sessions: what session/ promises, seen from a client and a backend. The protocols' own
 * tests are beside this folder; here only what needs all stations joined. */
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_exhausted_session_pool_refuses_by_name_and_recovers(void **state)
{
    struct rig *rig = *state;
    const uint64_t *refused = &rig_counters(rig)->reasons[REASON_SESSION_NO_SLOT];
    struct rig_peer *first = rig_connect(rig, 25);
    for (int i = 1; i < RIG_SESSIONS; i++)
        rig_connect(rig, 25);
    assert_int_equal(*refused, 0);
    rig_connect(rig, 25);
    assert_int_equal(*refused, 1);
    assert_int_equal(sessions_count(rig_sessions(rig)), RIG_SESSIONS);
    rig_reset(rig, first);
    rig_run(rig, 10000);
    rig_connect(rig, 25);
    assert_int_equal(*refused, 1);
    assert_int_equal(sessions_count(rig_sessions(rig)), RIG_SESSIONS);
}

static void the_250_comes_only_after_the_backends(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    play_into_data(rig, client, backend);
    size_t before = client->size;
    rig_say(rig, client, "Subject: x\r\n\r\nhello\r\n.\r\n");
    rig_expect(rig, backend, "hello\r\n.\r\n");
    rig_run(rig, 1000000);
    assert_int_equal(client->size, before);
    rig_say(rig, backend, "250 2.0.0 queued\r\n");
    rig_expect(rig, client, "250 2.0.0 queued");
    rig_say(rig, client, "QUIT\r\n");
    rig_expect(rig, client, "221 ");
    rig_run(rig, 50000);
    assert_true(client->finished);
    rig_hang_up(rig, client);
    assert_non_null(rig_report(rig));
    assert_int_equal(rig_report(rig)->facts.mails, 1);
    assert_int_equal(rig_report(rig)->facts.reason, REASON_MAIL_QUIT);
}

static void a_client_that_vanishes_in_data_leaves_the_backend_without_a_dot(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    play_into_data(rig, client, backend);
    rig_say(rig, client, "Subject: x\r\n\r\nhalf a mes");
    rig_reset(rig, client);
    rig_run(rig, 100000);
    assert_true(backend->finished || backend->closed);
    assert_null(memmem(backend->text, backend->size, "\r\n.\r\n", 5));
    assert_int_equal(sessions_count(rig_sessions(rig)), 0);
}

static void a_killed_session_ends_and_says_why(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct session_page page;
    sessions_list(rig_sessions(rig), 0, rig_now(rig), &page);
    assert_int_equal(page.count, 1);
    assert_false(sessions_kill(rig_sessions(rig), page.rows[0].id + 1, rig_now(rig)));
    assert_true(sessions_kill(rig_sessions(rig), page.rows[0].id, rig_now(rig)));
    rig_run(rig, 3000000);
    assert_true(client->finished);
    assert_int_equal(rig_report(rig)->facts.reason, REASON_SESSION_KILLED);
}

static void a_client_that_says_nothing_is_sent_home(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    rig_run(rig, 310000000);
    assert_true(client->finished);
    assert_int_equal(rig_report(rig)->facts.reason, REASON_SMTP_COMMAND_TIMEOUT);
}

static void more_commands_than_one_run_takes_are_all_answered(void **state)
{
    struct rig *rig = *state;
    struct policy *policy = rig_policy(rig);
    policy->limits[LIMIT_JUNK_COMMANDS_SESSION] = limit_facts(LIMIT_JUNK_COMMANDS_SESSION)->most;
    policy->limits[LIMIT_JUNK_FREE_SESSION] = limit_facts(LIMIT_JUNK_FREE_SESSION)->most;
    struct rig_peer *client = rig_connect(rig, 25);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    rig_say(rig, client, "EHLO client.example.org\r\n");
    rig_expect(rig, client, "250 ");
    rig_say(rig, client, "MAIL FROM:<a@example.org>\r\n");
    for (int i = 0; i < 100; i++)
        rig_say(rig, client, "NOOP\r\n");
    rig_say(rig, client, "QUIT\r\n");
    rig_run(rig, 5000);
    play_answer_spf(rig);
    for (int i = 0; i < 101; i++)
        rig_expect(rig, client, "250 ");
    rig_expect(rig, client, "221 ");
}

static void a_client_that_takes_nothing_keeps_its_session(void **state)
{
    struct rig *rig = *state;
    struct policy *policy = rig_policy(rig);
    struct session_page page;
    policy->limits[LIMIT_JUNK_COMMANDS_SESSION] = limit_facts(LIMIT_JUNK_COMMANDS_SESSION)->most;
    policy->limits[LIMIT_JUNK_FREE_SESSION] = limit_facts(LIMIT_JUNK_FREE_SESSION)->most;
    struct rig_peer *client = rig_connect(rig, 25);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    rig_deaf(rig, client, true);
    for (unsigned said = 0; said < 4 * RIG_TEXT && rig_try(rig, client, "NOOP\r\n"); said += 6)
        ;
    sessions_list(rig_sessions(rig), 0, rig_now(rig), &page);
    assert_true(sessions_kill(rig_sessions(rig), page.rows[0].id, rig_now(rig)));
    rig_run(rig, 20000000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 1); // TCP holds what it did not take
    rig_run(rig, 330000000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 0);
}

static void accepted_mails_are_counted(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    play_into_data(rig, client, backend);
    rig_say(rig, client, "hello\r\n.\r\n");
    rig_expect(rig, backend, "hello\r\n.\r\n");
    rig_say(rig, backend, "250 2.0.0 queued\r\n");
    rig_expect(rig, client, "250 2.0.0 queued");
    assert_int_equal(rig_counters(rig)->counters[COUNTER_MAILS_ACCEPTED], 1);
}

static void a_ban_ends_the_sessions_of_its_source_by_rst(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    play_backend_after_rcpt(rig, client, 0);
    struct rig_peer *idle = rig_connect(rig, 143);
    rig_expect(rig, idle, "* OK ");
    rig_ban(rig);
    rig_run(rig, 100000);
    assert_true(client->closed && idle->closed);
    assert_int_equal(sessions_count(rig_sessions(rig)), 0);
    assert_int_equal(rig_report(rig)->facts.reason, REASON_SESSION_BANNED);
    assert_int_equal(rig_counters(rig)->reasons[REASON_SESSION_BANNED], 2);
}

static struct rig_peer *greeted(struct rig *rig)
{
    struct rig_peer *client = rig_connect(rig, 25);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    return client;
}

static void bad_commands_beyond_the_free_ones_wait(void **state)
{
    struct rig *rig = *state;
    rig_limit(rig, LIMIT_ERRORS_FREE_SESSION, 2, MODE_ENFORCE);
    struct rig_peer *client = greeted(rig);
    uint64_t start_us = rig_now(rig);
    for (int i = 0; i < 2; i++) {
        rig_say(rig, client, "DANCE\r\n");
        rig_expect(rig, client, "500 ");
    }
    assert_true(rig_now(rig) - start_us < 500000);
    rig_say(rig, client, "DANCE\r\nDANCE\r\nQUIT\r\n"); // the third is answered, then it waits
    rig_expect(rig, client, "500 ");
    assert_true(rig_now(rig) - start_us < 500000);
    rig_expect(rig, client, "500 ");
    assert_true(rig_now(rig) - start_us >= 1000000);
    rig_expect(rig, client, "221 ");
    assert_true(rig_now(rig) - start_us >= 2000000);
    assert_true(rig_now(rig) - start_us < 2500000);
    assert_int_equal(rig_counters(rig)->reasons[REASON_MAIL_ERRORS_SLOWED], 2);
}

static void a_changed_limit_holds_for_sessions_under_way(void **state)
{
    struct rig *rig = *state;
    rig_limit(rig, LIMIT_ERRORS_SESSION, 5, MODE_ENFORCE);
    struct rig_peer *client = greeted(rig);
    rig_say(rig, client, "DANCE\r\n");
    rig_expect(rig, client, "500 ");
    rig_limit(rig, LIMIT_ERRORS_SESSION, 2, MODE_ENFORCE);
    rig_run(rig, 100000);
    assert_false(client->finished);
    rig_say(rig, client, "DANCE\r\n");
    rig_expect(rig, client, "421 ");
}

static void a_limit_in_shadow_counts_a_session_once_and_lets_it_be(void **state)
{
    struct rig *rig = *state;
    rig_limit(rig, LIMIT_ERRORS_SESSION, 2, MODE_SHADOW);
    struct rig_peer *client = greeted(rig);
    for (int i = 0; i < 5; i++) {
        rig_say(rig, client, "DANCE\r\n");
        rig_expect(rig, client, "500 ");
    }
    rig_say(rig, client, "QUIT\r\n");
    rig_expect(rig, client, "221 ");
    assert_int_equal(rig_counters(rig)->shadows[REASON_MAIL_TOO_MANY_ERRORS], 1);
    assert_int_equal(rig_counters(rig)->reasons[REASON_MAIL_TOO_MANY_ERRORS], 0);
}

static void a_time_in_shadow_begins_anew(void **state)
{
    struct rig *rig = *state;
    rig_limit(rig, LIMIT_COMMAND_SECONDS, 10, MODE_SHADOW);
    struct rig_peer *client = greeted(rig);
    rig_run(rig, 35000000);
    assert_false(client->finished);
    assert_int_equal(rig_counters(rig)->shadows[REASON_SMTP_COMMAND_TIMEOUT], 1);
    rig_limit(rig, LIMIT_COMMAND_SECONDS, 10, MODE_ENFORCE);
    rig_run(rig, 10000000);
    assert_true(client->finished);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, play_setup, play_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_exhausted_session_pool_refuses_by_name_and_recovers),
        TEST(the_250_comes_only_after_the_backends),
        TEST(a_client_that_vanishes_in_data_leaves_the_backend_without_a_dot),
        TEST(a_killed_session_ends_and_says_why),
        TEST(a_client_that_says_nothing_is_sent_home),
        TEST(more_commands_than_one_run_takes_are_all_answered),
        TEST(a_client_that_takes_nothing_keeps_its_session),
        TEST(accepted_mails_are_counted),
        TEST(a_ban_ends_the_sessions_of_its_source_by_rst),
        TEST(bad_commands_beyond_the_free_ones_wait),
        TEST(a_changed_limit_holds_for_sessions_under_way),
        TEST(a_limit_in_shadow_counts_a_session_once_and_lets_it_be),
        TEST(a_time_in_shadow_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
