// SPDX-License-Identifier: BSD-3-Clause
#include "play.h"
#include "session/session_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_reply_that_comes_with_the_backends_end_still_counts(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    play_into_data(rig, client, backend);
    rig_say(rig, client, "hello\r\n.\r\n");
    rig_expect(rig, backend, "hello\r\n.\r\n");
    rig_say(rig, backend, "250 2.0.0 queued\r\n");
    rig_hang_up(rig, backend);
    rig_expect(rig, client, "250 2.0.0 queued");
}

static void a_message_larger_than_every_buffer_arrives_whole(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    play_into_data(rig, client, backend);
    size_t start = backend->size;
    static char line[128];
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

// Sends text of a message until there is no room for more anywhere.
static void fill_up(struct rig *rig, struct rig_peer *client)
{
    static char line[1000];
    memset(line, 'x', sizeof line - 1);
    memcpy(line + sizeof line - 3, "\r\n", 2);
    for (int i = 0; i < 100000 && rig_try(rig, client, line); i++)
        ;
}

static void a_backend_that_takes_nothing_for_a_while_is_not_the_clients_fault(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    play_into_data(rig, client, backend);
    rig_deaf(rig, backend, true);
    fill_up(rig, client);
    rig_run(rig, 500000000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 1);
    rig_deaf(rig, backend, false);
    rig_say(rig, client, "\r\n.\r\n");
    rig_expect(rig, backend, "\r\n.\r\n");
    rig_say(rig, backend, "250 2.0.0 queued\r\n");
    rig_expect(rig, client, "250 ");
    assert_int_equal(rig_counters(rig)->reasons[REASON_SMTP_TOO_SLOW], 0);
    assert_int_equal(rig_counters(rig)->reasons[REASON_SMTP_DATA_TIMEOUT], 0);
}

static void a_backend_that_takes_nothing_for_too_long_is_lost(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = play_client_after_mail(rig);
    struct rig_peer *backend = play_backend_after_rcpt(rig, client, 0);
    play_into_data(rig, client, backend);
    rig_deaf(rig, backend, true);
    fill_up(rig, client);
    rig_run(rig, 610000000);
    assert_true(backend->closed);
    rig_say(rig, client, "\r\n.\r\n");
    rig_expect(rig, client, "451 4.4.2");
    assert_int_equal(rig_counters(rig)->reasons[REASON_MAIL_BACKEND_LOST], 1);
}

static void pipelined_commands_and_a_fin_are_all_answered(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    rig_say(rig, client, "EHLO client.example.org\r\nNOOP\r\nRSET\r\nQUIT\r\n");
    rig_hang_up(rig, client);
    rig_expect(rig, client, "221 ");
}

static void a_client_that_does_not_read_stops_being_read(void **state)
{
    struct rig *rig = *state;
    struct policy *policy = rig_policy(rig);
    policy->limits[LIMIT_JUNK_COMMANDS_SESSION] = limit_facts(LIMIT_JUNK_COMMANDS_SESSION)->most;
    struct rig_peer *client = rig_connect(rig, 25);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
    rig_deaf(rig, client, true);
    size_t said = 0;
    while (said < 4 * RIG_TEXT && rig_try(rig, client, "NOOP\r\n"))
        said += 6;
    assert_true(said < 4 * RIG_TEXT);
    assert_int_equal(sessions_count(rig_sessions(rig)), 1);
    rig_reset(rig, client);
}

static void a_line_whose_packets_come_at_once_is_answered(void **state)
{
    struct rig *rig = *state;
    rig_policy(rig)->services[1].tls = TLS_OFF;
    struct rig_peer *client = rig_connect(rig, 143);
    rig_expect(rig, client, "* OK ");
    char line[3000];
    snprintf(line, sizeof line, "a NOOP %02900d\r\n", 0);
    rig_say(rig, client, line);
    rig_expect(rig, client, "a BAD ");
}

static void a_client_that_ends_within_a_literal_is_gone_at_once(void **state)
{
    struct rig *rig = *state;
    rig_policy(rig)->services[1].tls = TLS_OFF;
    struct rig_peer *client = rig_connect(rig, 143);
    rig_expect(rig, client, "* OK ");
    rig_say(rig, client, "a ID (\"x\" {20}\r\n");
    rig_run(rig, 5000);
    rig_say(rig, client, "half\r\n");
    rig_hang_up(rig, client);
    rig_run(rig, 3000000);
    assert_int_equal(sessions_count(rig_sessions(rig)), 0);
}

static struct session *first_session(struct rig *rig)
{
    struct pool *pool = &rig_sessions(rig)->pool;
    return pool_get(pool, pool_at(pool, 0));
}

// A client of the service at 143, logged in as if TLS were there.
static struct rig_peer *imap_logged_in(struct rig *rig)
{
    rig_policy(rig)->services[1].tls = TLS_OFF;
    struct rig_peer *client = rig_connect(rig, 143);
    rig_expect(rig, client, "* OK ");
    first_session(rig)->host.tls = true;
    rig_say(rig, client, "a LOGIN alice wonderland\r\n");
    rig_run(rig, 5000);
    struct message answer =
        message_make(MESSAGE_AUTH, STATUS_OK, rig_asked(rig, MESSAGE_AUTH)->handle);
    answer.auth_answer.verdict = AUTH_RIGHT;
    rig_answer(rig, &answer);
    rig_run(rig, 5000);
    struct rig_peer *backend = rig_backend(rig, 0);
    rig_say(rig, backend, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n");
    rig_expect(rig, backend, "W AUTHENTICATE PLAIN ");
    rig_say(rig, backend, "W OK\r\n");
    rig_expect(rig, client, "a OK Logged in");
    return client;
}

static void what_waits_for_its_rate_comes_although_the_backend_has_ended(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = imap_logged_in(rig), *backend = rig_backend(rig, 0);
    static char mail[30001];
    memset(mail, 'x', sizeof mail - 1); // no line ends in it
    rig_limit(rig, LIMIT_DOWNLOAD_RATE_SESSION, 10000, MODE_ENFORCE);
    rig_say(rig, client, "b FETCH 1 BODY[]\r\nc LOGOUT\r\n");
    rig_expect(rig, backend, "c LOGOUT");
    rig_say(rig, backend, "* 1 FETCH (BODY[] {30000}\r\n");
    rig_say(rig, backend, mail);
    rig_say(rig, backend, ")\r\nb OK\r\n* BYE\r\nc OK\r\n");
    rig_hang_up(rig, backend);
    rig_expect(rig, client, "c OK");
}

static void a_session_that_is_over_is_its_users_no_more_while_the_client_lingers(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = imap_logged_in(rig), *backend = rig_backend(rig, 0);
    assert_true(first_session(rig)->ticket != 0);
    rig_say(rig, client, "b LOGOUT\r\n");
    rig_expect(rig, backend, "b LOGOUT");
    rig_say(rig, backend, "* BYE\r\nb OK\r\n");
    rig_hang_up(rig, backend);
    rig_expect(rig, client, "b OK");
    assert_int_equal(sessions_count(rig_sessions(rig)), 1); // the client has not closed yet
    assert_int_equal(first_session(rig)->ticket, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, play_setup, play_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_reply_that_comes_with_the_backends_end_still_counts),
        TEST(a_message_larger_than_every_buffer_arrives_whole),
        TEST(a_backend_that_takes_nothing_for_a_while_is_not_the_clients_fault),
        TEST(a_backend_that_takes_nothing_for_too_long_is_lost),
        TEST(pipelined_commands_and_a_fin_are_all_answered),
        TEST(a_client_that_does_not_read_stops_being_read),
        TEST(a_line_whose_packets_come_at_once_is_answered),
        TEST(a_client_that_ends_within_a_literal_is_gone_at_once),
        TEST(what_waits_for_its_rate_comes_although_the_backend_has_ended),
        TEST(a_session_that_is_over_is_its_users_no_more_while_the_client_lingers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
