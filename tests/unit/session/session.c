// SPDX-License-Identifier: BSD-3-Clause
/* Whole sessions: what session/ promises, seen from a client and a backend. The protocols' own
 * tests are beside this folder; here only what needs all stations joined. */
#include "session/session.h"

#include "support/session_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = rig_open();
    return 0;
}

static int teardown(void **state)
{
    rig_close(*state);
    return 0;
}

static void answer_rdns(struct rig *rig)
{
    const struct message *question = rig_asked(rig, MESSAGE_RDNS);
    assert_non_null(question);
    struct message answer = message_make(MESSAGE_RDNS, STATUS_OK, question->handle);
    answer.rdns_answer.verdict = RDNS_CONFIRMED;
    assert_true(message_name_set(&answer.rdns_answer.name, span_text("client.example.org")));
    rig_answer(rig, &answer);
}

static void answer_spf(struct rig *rig)
{
    const struct message *question = rig_asked(rig, MESSAGE_SPF);
    assert_non_null(question);
    struct message answer = message_make(MESSAGE_SPF, STATUS_OK, question->handle);
    answer.spf_answer.result = SPF_PASS;
    rig_answer(rig, &answer);
}

// A client that has greeted and named a sender; the backend has not been called yet.
static struct rig_peer *client_after_mail(struct rig *rig)
{
    struct rig_peer *client = rig_connect(rig, 25);
    answer_rdns(rig);
    rig_expect(rig, client, "220 mail.example.net");
    rig_say(rig, client, "EHLO client.example.org\r\n");
    rig_expect(rig, client, "250 ");
    rig_say(rig, client, "MAIL FROM:<a@example.org>\r\n");
    rig_run(rig, 5000);
    answer_spf(rig);
    rig_expect(rig, client, "250 ");
    return client;
}

static struct rig_peer *backend_after_rcpt(struct rig *rig, struct rig_peer *client, unsigned n)
{
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    rig_run(rig, 10000);
    struct rig_peer *backend = rig_backend(rig, n);
    assert_non_null(backend);
    rig_say(rig, backend, "220 backend ESMTP\r\n");
    rig_expect(rig, backend, "EHLO ");
    rig_say(rig, backend, "250-backend\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
    rig_expect(rig, backend, "MAIL FROM:<a@example.org>");
    rig_say(rig, backend, "250 2.1.0 Ok\r\n");
    rig_expect(rig, backend, "RCPT TO:<alice@example.net>");
    rig_say(rig, backend, "250 2.1.5 Ok\r\n");
    rig_expect(rig, client, "250 ");
    return backend;
}

static void into_data(struct rig *rig, struct rig_peer *client, struct rig_peer *backend)
{
    rig_say(rig, client, "DATA\r\n");
    rig_expect(rig, backend, "DATA\r\n");
    rig_say(rig, backend, "354 go on\r\n");
    rig_expect(rig, client, "354 ");
}

static void the_250_comes_only_after_the_backends(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = client_after_mail(rig);
    struct rig_peer *backend = backend_after_rcpt(rig, client, 0);
    into_data(rig, client, backend);
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
    assert_int_equal(rig_report(rig)->mails, 1);
    assert_int_equal(rig_report(rig)->reason, REASON_MAIL_QUIT);
}

static void a_backend_that_dies_after_the_dot_gives_a_temporary_failure(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = client_after_mail(rig);
    struct rig_peer *backend = backend_after_rcpt(rig, client, 0);
    into_data(rig, client, backend);
    rig_say(rig, client, "Subject: x\r\n\r\nhello\r\n.\r\n");
    rig_expect(rig, backend, "hello\r\n.\r\n");
    rig_reset(rig, backend);
    rig_expect(rig, client, "451 ");
}

static void
a_backend_that_closes_in_order_before_its_reply_is_told_apart_from_acceptance(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = client_after_mail(rig);
    struct rig_peer *backend = backend_after_rcpt(rig, client, 0);
    into_data(rig, client, backend);
    rig_say(rig, client, "hello\r\n.\r\n");
    rig_expect(rig, backend, "hello\r\n.\r\n");
    rig_hang_up(rig, backend);
    rig_expect(rig, client, "451 ");
}

static void a_reply_that_comes_with_the_backends_end_still_counts(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = client_after_mail(rig);
    struct rig_peer *backend = backend_after_rcpt(rig, client, 0);
    into_data(rig, client, backend);
    rig_say(rig, client, "hello\r\n.\r\n");
    rig_expect(rig, backend, "hello\r\n.\r\n");
    rig_say(rig, backend, "250 2.0.0 queued\r\n");
    rig_hang_up(rig, backend);
    rig_expect(rig, client, "250 2.0.0 queued");
}

static void a_client_that_vanishes_in_data_leaves_the_backend_without_a_dot(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = client_after_mail(rig);
    struct rig_peer *backend = backend_after_rcpt(rig, client, 0);
    into_data(rig, client, backend);
    rig_say(rig, client, "Subject: x\r\n\r\nhalf a mes");
    rig_reset(rig, client);
    rig_run(rig, 100000);
    assert_true(backend->finished || backend->closed);
    assert_null(memmem(backend->text, backend->size, "\r\n.\r\n", 5));
    assert_int_equal(sessions_count(rig_sessions(rig)), 0);
}

static void a_message_larger_than_every_buffer_arrives_whole(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = client_after_mail(rig);
    struct rig_peer *backend = backend_after_rcpt(rig, client, 0);
    into_data(rig, client, backend);
    size_t start = backend->size;
    static char line[79];
    for (int i = 0; i < 9000; i++) {
        snprintf(line, sizeof line, "%08d %067d\r\n", i, i);
        rig_say(rig, client, line);
    }
    rig_say(rig, client, ".\r\n");
    rig_expect(rig, backend, "\r\n.\r\n");
    const char *at = memmem(backend->text + start, backend->size - start, "00000000 ", 9);
    assert_non_null(at);
    for (int i = 0; i < 9000; i++) {
        snprintf(line, sizeof line, "%08d %067d\r\n", i, i);
        assert_memory_equal(at + (size_t)i * 78, line, 78);
    }
    rig_say(rig, backend, "250 2.0.0 queued\r\n");
    rig_expect(rig, client, "250 ");
}

static void a_question_without_answer_fails_as_the_policy_says(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    rig_expect(rig, client, "220 ");
    assert_int_equal(rig_counters(rig)->reasons[REASON_SESSION_QUESTION_TIMEOUT], 1);
}

static void nobody_attached_fails_at_once(void **state)
{
    struct rig *rig = *state;
    rig_attach(rig, false);
    uint64_t before = rig_now(rig);
    struct rig_peer *client = rig_connect(rig, 25);
    rig_expect(rig, client, "220 ");
    assert_true(rig_now(rig) - before < 1000000);
    assert_int_equal(rig_counters(rig)->reasons[REASON_SESSION_QUESTION_FULL], 1);
}

static void open_questions_are_asked_again_on_a_fresh_channel(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    struct message first = *rig_asked(rig, MESSAGE_RDNS);
    struct message *seen = (struct message *)rig_asked(rig, MESSAGE_RDNS);
    memset(seen, 0, sizeof *seen);
    sessions_ask_again(rig_sessions(rig), ROLE_AUTH);
    assert_null(rig_asked(rig, MESSAGE_RDNS));
    sessions_ask_again(rig_sessions(rig), ROLE_DNS);
    assert_non_null(rig_asked(rig, MESSAGE_RDNS));
    assert_memory_equal(rig_asked(rig, MESSAGE_RDNS), &first, sizeof first);
    answer_rdns(rig);
    rig_expect(rig, client, "220 ");
}

static void an_answer_to_nobody_is_counted_and_dropped(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    struct message question = *rig_asked(rig, MESSAGE_RDNS);
    struct message wrong = message_make(MESSAGE_SPF, STATUS_OK, question.handle);
    rig_answer(rig, &wrong);
    wrong = message_make(MESSAGE_RDNS, STATUS_OK, question.handle + ((uint64_t)2 << 32));
    rig_answer(rig, &wrong);
    answer_rdns(rig);
    answer_rdns(rig);
    assert_int_equal(rig_counters(rig)->reasons[REASON_SESSION_ANSWER_LATE], 3);
    rig_expect(rig, client, "220 ");
}

static void a_killed_session_ends_and_says_why(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = client_after_mail(rig);
    struct session_page page;
    sessions_list(rig_sessions(rig), 0, rig_now(rig), &page);
    assert_int_equal(page.count, 1);
    assert_false(sessions_kill(rig_sessions(rig), page.rows[0].id + 1, rig_now(rig)));
    assert_true(sessions_kill(rig_sessions(rig), page.rows[0].id, rig_now(rig)));
    rig_run(rig, 3000000);
    assert_true(client->finished);
    assert_int_equal(rig_report(rig)->reason, REASON_SESSION_KILLED);
}

static void a_page_of_sessions_goes_on_where_the_last_ended(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < SESSIONS_PER_MESSAGE + 2; i++)
        rig_connect(rig, 25);
    struct session_page page;
    sessions_list(rig_sessions(rig), 0, rig_now(rig), &page);
    assert_int_equal(page.count, SESSIONS_PER_MESSAGE);
    assert_int_not_equal(page.next, 0);
    sessions_list(rig_sessions(rig), page.next, rig_now(rig), &page);
    assert_int_equal(page.count, 2);
    assert_int_equal(page.next, 0);
}

static void a_client_that_says_nothing_is_sent_home(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    rig_run(rig, 310000000);
    assert_true(client->finished);
    assert_int_equal(rig_report(rig)->reason, REASON_MAIL_IDLE_TIMEOUT);
}

static void pipelined_commands_and_a_fin_are_all_answered(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    rig_say(rig, client, "EHLO client.example.org\r\nNOOP\r\nRSET\r\nQUIT\r\n");
    rig_hang_up(rig, client);
    rig_expect(rig, client, "221 ");
}

static void more_commands_than_one_run_takes_are_all_answered(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    rig_say(rig, client, "EHLO client.example.org\r\n");
    rig_expect(rig, client, "250 ");
    rig_say(rig, client, "MAIL FROM:<a@example.org>\r\n");
    for (int i = 0; i < 100; i++)
        rig_say(rig, client, "NOOP\r\n");
    rig_say(rig, client, "QUIT\r\n");
    rig_run(rig, 5000);
    answer_spf(rig);
    for (int i = 0; i < 101; i++)
        rig_expect(rig, client, "250 ");
    rig_expect(rig, client, "221 ");
}

static void accepted_mails_are_counted(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = client_after_mail(rig);
    struct rig_peer *backend = backend_after_rcpt(rig, client, 0);
    into_data(rig, client, backend);
    rig_say(rig, client, "hello\r\n.\r\n");
    rig_expect(rig, backend, "hello\r\n.\r\n");
    rig_say(rig, backend, "250 2.0.0 queued\r\n");
    rig_expect(rig, client, "250 2.0.0 queued");
    assert_int_equal(rig_counters(rig)->counters[COUNTER_MAILS_ACCEPTED], 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_250_comes_only_after_the_backends),
        TEST(a_backend_that_dies_after_the_dot_gives_a_temporary_failure),
        TEST(a_backend_that_closes_in_order_before_its_reply_is_told_apart_from_acceptance),
        TEST(a_reply_that_comes_with_the_backends_end_still_counts),
        TEST(a_client_that_vanishes_in_data_leaves_the_backend_without_a_dot),
        TEST(a_message_larger_than_every_buffer_arrives_whole),
        TEST(a_question_without_answer_fails_as_the_policy_says),
        TEST(nobody_attached_fails_at_once),
        TEST(open_questions_are_asked_again_on_a_fresh_channel),
        TEST(an_answer_to_nobody_is_counted_and_dropped),
        TEST(a_killed_session_ends_and_says_why),
        TEST(a_page_of_sessions_goes_on_where_the_last_ended),
        TEST(a_client_that_says_nothing_is_sent_home),
        TEST(pipelined_commands_and_a_fin_are_all_answered),
        TEST(more_commands_than_one_run_takes_are_all_answered),
        TEST(accepted_mails_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
