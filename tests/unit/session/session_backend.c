// SPDX-License-Identifier: BSD-3-Clause
/* Sessions and several servers: failover, and what a client sees of it. */
#include "play.h"
#include "play_tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// Backend 0 gets a second server, which is tried only after the first.
static struct policy_backend *two_servers(struct rig *rig)
{
    struct policy_backend *backend = &rig_policy(rig)->backends[0];
    backend->servers_count = 2;
    backend->servers[1] = backend->servers[0];
    backend->servers[1].addr.bytes[15]++;
    backend->servers[1].backup = 1;
    return backend;
}

static void mail_passes(struct rig *rig, struct rig_peer *client, unsigned n)
{
    struct rig_peer *backend = rig_backend(rig, n);
    assert_non_null(backend);
    rig_say(rig, backend, "220 backend ESMTP\r\n");
    rig_expect(rig, backend, "EHLO mail.example.net\r\n");
    rig_say(rig, backend, "250 backend\r\n");
    rig_expect(rig, backend, "MAIL FROM:<a@example.org>");
    rig_say(rig, backend, "250 2.1.0 Ok\r\n");
    rig_expect(rig, backend, "RCPT TO:<alice@example.net>");
    rig_say(rig, backend, "250 2.1.5 Ok\r\n");
    rig_expect(rig, client, "250 2.1.5 Ok");
}

static struct rig_peer *client_at_rcpt(struct rig *rig)
{
    struct rig_peer *client = play_client_after_mail(rig);
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    rig_run(rig, 10000);
    assert_non_null(rig_backend(rig, 0));
    return client;
}

static void a_server_that_fails_is_followed_by_the_next_unseen(void **state)
{
    static const struct {
        const char *says; // NULL: it closes at once
        enum reason want;
    } failures[] = {
        {NULL, REASON_MAIL_BACKEND_LOST},
        {"421 4.3.2 too busy\r\n", REASON_MAIL_BACKEND_REFUSED},
        {"554 5.7.1 no\r\n", REASON_MAIL_BACKEND_REFUSED},
        {"* OK imap\r\n", REASON_MAIL_BACKEND_BAD},
        {"220 hi\r\n220 and more\r\n", REASON_MAIL_BACKEND_BAD},
    };
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        play_teardown(state);
        play_setup(state);
        struct rig *rig = *state;
        two_servers(rig);
        struct rig_peer *client = client_at_rcpt(rig);
        if (failures[i].says)
            rig_say(rig, rig_backend(rig, 0), failures[i].says);
        else
            rig_hang_up(rig, rig_backend(rig, 0));
        rig_run(rig, 20000);
        mail_passes(rig, client, 1);
        assert_int_equal(rig_counters(rig)->reasons[failures[i].want], 1);
        assert_int_equal(rig_counters(rig)->reasons[REASON_MAIL_BACKEND_DOWN], 0);
        assert_int_equal(rig_counters(rig)->counters[COUNTER_BACKEND_FAILOVERS], 1);
    }
}

static void a_server_that_accepts_and_says_nothing_is_left_in_time(void **state)
{
    struct rig *rig = *state;
    two_servers(rig);
    rig_policy(rig)->limits[LIMIT_BACKEND_CONNECT_SECONDS] = 2;
    struct rig_peer *client = client_at_rcpt(rig);
    rig_run(rig, 1900000);
    assert_null(rig_backend(rig, 1));
    rig_run(rig, 200000);
    mail_passes(rig, client, 1);
    assert_int_equal(rig_counters(rig)->reasons[REASON_MAIL_BACKEND_SLOW], 1);
}

static void a_server_that_drips_its_greeting_is_left_in_time(void **state)
{
    struct rig *rig = *state;
    two_servers(rig);
    rig_policy(rig)->limits[LIMIT_BACKEND_CONNECT_SECONDS] = 2;
    struct rig_peer *client = client_at_rcpt(rig);
    for (int i = 0; i < 3 && !rig_backend(rig, 1); i++) {
        rig_say(rig, rig_backend(rig, 0), "220-drip\r\n");
        rig_run(rig, 900000);
    }
    mail_passes(rig, client, 1);
}

static void endless_lines_are_no_greeting(void **state)
{
    struct rig *rig = *state;
    two_servers(rig);
    struct rig_peer *client = client_at_rcpt(rig);
    for (int i = 0; i < 200 && !rig_backend(rig, 1); i++)
        rig_say(rig, rig_backend(rig, 0), "220-and another line\r\n");
    mail_passes(rig, client, 1);
    assert_int_equal(rig_counters(rig)->reasons[REASON_MAIL_BACKEND_BAD], 1);
}

static void when_every_server_fails_the_client_may_try_again(void **state)
{
    struct rig *rig = *state;
    two_servers(rig);
    struct rig_peer *client = client_at_rcpt(rig);
    rig_say(rig, rig_backend(rig, 0), "421 no\r\n");
    rig_run(rig, 20000);
    rig_reset(rig, rig_backend(rig, 1));
    rig_expect(rig, client, "451 4.3.2 ");
    assert_int_equal(rig_counters(rig)->reasons[REASON_MAIL_BACKEND_DOWN], 1);
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    rig_run(rig, 20000);
    mail_passes(rig, client, 2);
}

static void when_all_are_down_the_answer_comes_at_once(void **state)
{
    struct rig *rig = *state;
    rig_policy(rig)->limits[LIMIT_BACKEND_CHECK_SECONDS] = 3600;
    rig_backends_silent(rig);
    rig_policy(rig)->limits[LIMIT_BACKEND_CONNECT_SECONDS] = 1;
    struct rig_peer *client = play_client_after_mail(rig);
    rig_run(rig, 1200000); // the first check has failed
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    uint64_t before = rig_now(rig);
    rig_expect(rig, client, "451 4.3.2 ");
    assert_true(rig_now(rig) - before < 20000);
    assert_null(rig_backend(rig, 0));
}

static void a_client_that_leaves_meanwhile_takes_its_attempt_along(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = client_at_rcpt(rig);
    rig_reset(rig, client);
    rig_run(rig, 20000);
    assert_true(rig_backend(rig, 0)->finished || rig_backend(rig, 0)->closed);
}

static void a_proxy_header_comes_first_and_then_the_clients_name(void **state)
{
    struct rig *rig = *state;
    rig_policy(rig)->backends[0].identity = IDENTITY_PROXY;
    struct rig_peer *client = client_at_rcpt(rig);
    struct rig_peer *backend = rig_backend(rig, 0);
    rig_run(rig, 10000);
    static const uint8_t head[] = {13,   10,   13, 10, 0,   13, 10,  'Q', 'U', 'I', 'T', 10,
                                   0x21, 0x11, 0,  31, 198, 51, 100, 10,  198, 51,  100, 1};
    assert_true(backend->size == 16 + 31);
    assert_memory_equal(backend->text, head, sizeof head);
    rig_say(rig, backend, "220 backend ESMTP\r\n");
    rig_expect(rig, backend, "EHLO mail.example.net\r\n");
    rig_say(rig, backend, "250-backend\r\n250 XCLIENT NAME ADDR\r\n");
    rig_expect(rig, backend, "EHLO client.example.org\r\n");
    rig_say(rig, backend, "250 backend\r\n");
    rig_expect(rig, backend, "MAIL FROM:<a@example.org>");
    rig_say(rig, backend, "250 ok\r\n");
    rig_expect(rig, backend, "RCPT TO:");
    rig_say(rig, backend, "250 ok\r\n");
    rig_expect(rig, client, "250 ok");
    assert_null(memmem(backend->text, backend->size, "XCLIENT", 7));
}

static void starttls(struct rig *rig)
{
    rig_policy(rig)->backends[0].tls = TLS_STARTTLS;
}

// The server has been asked for STARTTLS.
static struct rig_peer *server_at_starttls(struct rig *rig, unsigned n)
{
    struct rig_peer *backend = rig_backend(rig, n);
    rig_say(rig, backend, "220 backend ESMTP\r\n");
    rig_expect(rig, backend, "EHLO mail.example.net\r\n");
    rig_say(rig, backend, "250-backend\r\n250-CHUNKING\r\n250 STARTTLS\r\n");
    rig_expect(rig, backend, "STARTTLS\r\n");
    return backend;
}

static void expect_failure(struct rig *rig, struct rig_peer *client, enum reason want)
{
    rig_expect(rig, client, "451 4.3.2 ");
    assert_int_equal(rig_counters(rig)->reasons[want], 1);
    assert_null(memmem(rig_backend(rig, 0)->text, rig_backend(rig, 0)->size, "MAIL", 4));
}

static void what_comes_with_the_reply_to_starttls_is_not_believed(void **state)
{
    struct rig *rig = *state;
    starttls(rig);
    struct rig_peer *client = client_at_rcpt(rig);
    rig_say(rig, server_at_starttls(rig, 0), "220 go\r\n250 injected\r\n");
    expect_failure(rig, client, REASON_MAIL_BACKEND_BAD);
}

static void without_starttls_nothing_is_said_in_the_clear(void **state)
{
    struct rig *rig = *state;
    starttls(rig);
    struct rig_peer *client = client_at_rcpt(rig);
    rig_say(rig, server_at_starttls(rig, 0), "454 4.7.0 not now\r\n");
    expect_failure(rig, client, REASON_MAIL_BACKEND_REFUSED);
}

static void no_tls_where_it_must_come_first_is_a_failure(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = client_at_rcpt(rig);
    rig_say(rig, rig_backend(rig, 0), "220 backend ESMTP\r\n");
    expect_failure(rig, client, REASON_TLS_BACKEND_FAILED);
}

static void a_server_that_lets_the_handshake_wait_is_left_in_time(void **state)
{
    struct rig *rig = *state;
    rig_policy(rig)->limits[LIMIT_BACKEND_CONNECT_SECONDS] = 2;
    struct rig_peer *client = client_at_rcpt(rig);
    rig_run(rig, 1900000);
    assert_int_equal(rig_counters(rig)->reasons[REASON_TLS_BACKEND_FAILED], 0);
    rig_run(rig, 200000);
    expect_failure(rig, client, REASON_TLS_BACKEND_FAILED);
}

static void secured_ehlo(struct play_tls *server, const char *want)
{
    play_tls_expect(server, want);
    play_tls_say(server, "250-backend\r\n250 PIPELINING\r\n");
}

static void secured_mail_passes(struct rig *rig, struct rig_peer *client, struct play_tls *server)
{
    play_tls_expect(server, "MAIL FROM:<a@example.org>");
    play_tls_say(server, "250 2.1.0 Ok\r\n");
    play_tls_expect(server, "RCPT TO:<alice@example.net>");
    play_tls_say(server, "250 2.1.5 secured\r\n");
    rig_expect(rig, client, "250 2.1.5 secured");
    rig_say(rig, client, "DATA\r\n");
    play_tls_expect(server, "DATA\r\n");
    play_tls_say(server, "354 go on\r\n");
    rig_expect(rig, client, "354 ");
    rig_say(rig, client, "hello\r\n.\r\n");
    play_tls_expect(server, "hello\r\n.\r\n");
    play_tls_say(server, "250 2.0.0 queued\r\n");
    rig_expect(rig, client, "250 2.0.0 queued");
    assert_null(memmem(server->peer->text, server->peer->size, "alice", 5));
    rig_reset(rig, client);
    play_tls_close(server);
}

static void mail_goes_on_under_starttls(void **state)
{
    struct rig *rig = *state;
    starttls(rig);
    struct rig_peer *client = client_at_rcpt(rig);
    struct rig_peer *backend = server_at_starttls(rig, 0);
    struct play_tls *server = play_tls_open(rig, backend);
    rig_say(rig, backend, "220 go\r\n");
    secured_ehlo(server, "EHLO mail.example.net\r\n");
    secured_mail_passes(rig, client, server);
}

// The first `clear` bytes of the connection are none of TLS's.
static struct play_tls *server_greets(struct rig *rig, size_t clear)
{
    rig_run(rig, 10000);
    struct play_tls *server = play_tls_open(rig, rig_backend(rig, 0));
    server->fed = clear;
    for (int i = 0; i < 10; i++) {
        play_tls_pump(server);
        rig_run(rig, 2000);
    }
    play_tls_say(server, "220 backend ESMTP\r\n");
    return server;
}

static void mail_goes_on_under_implicit_tls(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = client_at_rcpt(rig);
    struct play_tls *server = server_greets(rig, 0);
    secured_ehlo(server, "EHLO mail.example.net\r\n");
    secured_mail_passes(rig, client, server);
}

static void a_proxy_header_stands_before_tls(void **state)
{
    struct rig *rig = *state;
    rig_policy(rig)->backends[0].identity = IDENTITY_PROXY;
    struct rig_peer *client = client_at_rcpt(rig);
    struct play_tls *server = server_greets(rig, 16 + 31);
    secured_ehlo(server, "EHLO mail.example.net\r\n");
    secured_ehlo(server, "EHLO client.example.org\r\n");
    secured_mail_passes(rig, client, server);
}

int main(void)
{
#define TEST(name)     cmocka_unit_test_setup_teardown(name, play_setup, play_teardown)
#define TEST_TLS(name) cmocka_unit_test_setup_teardown(name, play_tls_setup, play_tls_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_server_that_fails_is_followed_by_the_next_unseen),
        TEST(a_server_that_accepts_and_says_nothing_is_left_in_time),
        TEST(a_server_that_drips_its_greeting_is_left_in_time),
        TEST(endless_lines_are_no_greeting),
        TEST(when_every_server_fails_the_client_may_try_again),
        TEST(when_all_are_down_the_answer_comes_at_once),
        TEST(a_client_that_leaves_meanwhile_takes_its_attempt_along),
        TEST(a_proxy_header_comes_first_and_then_the_clients_name),
        TEST_TLS(what_comes_with_the_reply_to_starttls_is_not_believed),
        TEST_TLS(without_starttls_nothing_is_said_in_the_clear),
        TEST_TLS(no_tls_where_it_must_come_first_is_a_failure),
        TEST_TLS(a_server_that_lets_the_handshake_wait_is_left_in_time),
        TEST_TLS(mail_goes_on_under_starttls),
        TEST_TLS(mail_goes_on_under_implicit_tls),
        TEST_TLS(a_proxy_header_stands_before_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
