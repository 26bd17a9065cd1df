// SPDX-License-Identifier: BSD-3-Clause
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_session_between_two_mails_is_told_and_ends(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    sessions_drain(rig_sessions(rig), true, rig_now(rig) + 60000000);
    rig_expect(rig, client, "421 4.3.2 ");
    rig_run(rig, 3000000);
    assert_true(client->finished);
    assert_int_equal(sessions_count(rig_sessions(rig)), 0);
    assert_int_equal(rig_report(rig)->facts.reason, REASON_MAIL_DRAINED);
}

static void a_mail_under_way_gets_its_250_first(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    sessions_drain(rig_sessions(rig), true, rig_now(rig) + 60000000);
    rig_run(rig, 1000000);
    play_into_data(rig, client, backend);
    rig_say(rig, client, "Subject: x\r\n\r\nhello\r\n.\r\n");
    rig_expect(rig, backend, "hello\r\n.\r\n");
    rig_say(rig, backend, "250 2.0.0 queued\r\n");
    rig_expect(rig, client, "250 2.0.0 queued");
    rig_expect(rig, client, "421 4.3.2 ");
    rig_run(rig, 3000000);
    assert_int_equal(rig_report(rig)->facts.mails, 1);
    assert_int_equal(rig_report(rig)->facts.reason, REASON_MAIL_DRAINED);
}

static void what_is_left_at_the_deadline_is_ended_then(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    sessions_drain(rig_sessions(rig), true, rig_now(rig) + 2000000);
    rig_run(rig, 1900000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 1);
    rig_expect(rig, client, "421 4.3.2 ");
    rig_run(rig, 3000000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 0);
    assert_int_equal(rig_report(rig)->facts.reason, REASON_SESSION_DRAIN_OVER);
}

static void a_mail_that_the_backend_has_gets_its_answer_even_then(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    play_into_data(rig, client, backend);
    rig_say(rig, client, "Subject: x\r\n\r\nhello\r\n.\r\n");
    rig_expect(rig, backend, "hello\r\n.\r\n");
    sessions_drain(rig_sessions(rig), true, rig_now(rig) + 1000000);
    rig_run(rig, 2000000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 1);
    rig_say(rig, backend, "250 2.0.0 queued\r\n");
    rig_expect(rig, client, "250 2.0.0 queued");
    rig_expect(rig, client, "421 4.3.2 ");
    rig_run(rig, 3000000);
    assert_int_equal(rig_report(rig)->facts.mails, 1);
}

static void a_drain_that_is_stopped_lets_sessions_be(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    sessions_drain(rig_sessions(rig), true, rig_now(rig) + 2000000);
    rig_run(rig, 1000000);
    sessions_drain(rig_sessions(rig), false, 0);
    rig_run(rig, 5000000);
    rig_say(rig, client, "RSET\r\nNOOP\r\n");
    rig_expect(rig, client, "250 ");
    rig_expect(rig, client, "250 ");
    assert_int_equal(sessions_count(rig_sessions(rig)), 1);
}

static void a_drained_server_is_left_between_two_mails(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    play_backend_after_rcpt(rig, client, 0);
    struct rig_peer *other = rig_connect(rig, 25);
    struct server_order order = {.backend = "nobody", .drain = 1};
    assert_false(sessions_drain_server(rig_sessions(rig), &order));
    span_to_text(span_text(rig_policy(rig)->backends[0].name), order.backend, sizeof order.backend);
    assert_true(sessions_drain_server(rig_sessions(rig), &order));
    rig_run(rig, 1000000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 2);
    rig_say(rig, client, "RSET\r\n");
    rig_expect(rig, client, "421 4.3.2 ");
    rig_run(rig, 3000000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 1); // who is not there stays
    assert_false(other->finished);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, play_setup, play_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_session_between_two_mails_is_told_and_ends),
        TEST(a_mail_under_way_gets_its_250_first),
        TEST(what_is_left_at_the_deadline_is_ended_then),
        TEST(a_mail_that_the_backend_has_gets_its_answer_even_then),
        TEST(a_drain_that_is_stopped_lets_sessions_be),
        TEST(a_drained_server_is_left_between_two_mails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
