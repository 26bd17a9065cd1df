// SPDX-License-Identifier: BSD-3-Clause
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_backend_that_dies_after_the_dot_gives_a_temporary_failure(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    play_into_data(rig, client, backend);
    rig_say(rig, client, "Subject: x\r\n\r\nhello\r\n.\r\n");
    rig_expect(rig, backend, "hello\r\n.\r\n");
    rig_reset(rig, backend);
    rig_expect(rig, client, "451 ");
}

static void a_backend_that_closes_before_its_reply_is_no_acceptance(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    play_into_data(rig, client, backend);
    rig_say(rig, client, "hello\r\n.\r\n");
    rig_expect(rig, backend, "hello\r\n.\r\n");
    rig_hang_up(rig, backend);
    rig_expect(rig, client, "451 ");
}

static void no_address_of_the_backends_family_is_a_backend_that_is_down(void **state)
{
    struct rig *rig = *state;
    rig_local_off(rig);
    struct rig_peer *client = play_client_after_mail(rig);
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    rig_expect(rig, client, "451 ");
    assert_int_equal(rig_counters(rig)->reasons[REASON_NO_ROUTE], 1);
    assert_null(rig_backend(rig, 0));
}

static void a_backend_that_does_not_answer_is_given_up_in_time(void **state)
{
    struct rig *rig = *state;
    rig_backends_silent(rig);
    struct rig_peer *client = play_client_after_mail(rig);
    uint64_t before = rig_now(rig);
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    rig_expect(rig, client, "451 ");
    uint64_t waited = rig_now(rig) - before;
    uint64_t limit = limit_facts(LIMIT_BACKEND_CONNECT_SECONDS)->value * 1000000;
    assert_true(waited >= limit && waited < limit + 1000000);
    assert_int_equal(rig_counters(rig)->reasons[REASON_TCP_UNREACHABLE], 1);
}

static void a_session_has_the_limits_of_its_class_also_when_they_change(void **state)
{
    struct rig *rig = *state;
    struct policy_class *class = &rig_policy(rig)->classes[CLASS_NAMED];
    memcpy(class->name, "cgnat", 6);
    class->limits[LIMIT_ERRORS_SESSION] = 1;
    limit_set_add(&class->own_limits, LIMIT_ERRORS_SESSION);
    struct rig_peer *other = rig_connect(rig, 25);
    play_answer_rdns(rig);
    rig_expect(rig, other, "220 ");
    rig_class(rig, CLASS_NAMED);
    struct rig_peer *first = rig_connect(rig, 25);
    rig_expect(rig, first, "220 ");
    struct rig_peer *second = rig_connect(rig, 25);
    rig_expect(rig, second, "220 ");
    rig_say(rig, first, "BLAH\r\n");
    rig_expect(rig, first, "421 4.7.0 Too many errors");
    class->modes[LIMIT_ERRORS_SESSION] = MODE_SHADOW;
    limit_set_add(&class->own_modes, LIMIT_ERRORS_SESSION);
    rig_limit(rig, LIMIT_ERRORS_SESSION, 2, MODE_ENFORCE);
    for (int i = 0; i < 3; i++) {
        rig_say(rig, second, "BLAH\r\n");
        rig_expect(rig, second, "500 ");
    }
    rig_say(rig, second, "NOOP\r\n");
    rig_expect(rig, second, "250 ");
    rig_say(rig, other, "BLAH\r\nBLAH\r\n");
    rig_expect(rig, other, "421 4.7.0 Too many errors");
    assert_int_equal(rig_counters(rig)->shadows[REASON_MAIL_TOO_MANY_ERRORS], 1);
}

static void a_second_transaction_uses_the_same_backend_connection(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    play_into_data(rig, client, backend);
    rig_say(rig, client, "hello\r\n.\r\n");
    rig_expect(rig, backend, "hello\r\n.\r\n");
    rig_say(rig, backend, "250 2.0.0 queued\r\n");
    rig_expect(rig, client, "250 2.0.0 queued");
    rig_say(rig, client, "MAIL FROM:<b@example.org>\r\n");
    rig_run(rig, 5000);
    play_answer_spf(rig);
    rig_expect(rig, client, "250 ");
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    rig_expect(rig, backend, "MAIL FROM:<b@example.org>");
    assert_null(rig_backend(rig, 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, play_setup, play_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_backend_that_dies_after_the_dot_gives_a_temporary_failure),
        TEST(a_backend_that_closes_before_its_reply_is_no_acceptance),
        TEST(no_address_of_the_backends_family_is_a_backend_that_is_down),
        TEST(a_backend_that_does_not_answer_is_given_up_in_time),
        TEST(a_session_has_the_limits_of_its_class_also_when_they_change),
        TEST(a_second_transaction_uses_the_same_backend_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
