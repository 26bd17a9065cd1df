// SPDX-License-Identifier: BSD-3-Clause
/* Connections that belong to no session: checks and spares. Failover is in session_backend.c. */
#include "session/dial.h"

#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SECOND = 1000000 };

// Only backend 0 is checked: the others have its server, and would be too.
static void with_checks(struct rig *rig)
{
    struct policy *policy = rig_policy(rig);
    policy->services_count = policy->backends_count = 1;
    policy->limits[LIMIT_BACKEND_CHECK_SECONDS] = 5;
}

static void with_spares(struct rig *rig, unsigned most)
{
    rig_policy(rig)->limits[LIMIT_BACKEND_SPARES] = most;
    rig_policy(rig)->limits[LIMIT_BACKEND_SPARE_SECONDS] = 10;
}

static struct server_row server_of(struct rig *rig)
{
    struct server_page page;
    sessions_servers(rig_sessions(rig), 0, rig_now(rig), &page);
    assert_true(page.count >= 1);
    return page.rows[0];
}

static void greet(struct rig *rig, unsigned n)
{
    rig_run(rig, 10000);
    struct rig_peer *backend = rig_backend(rig, n);
    assert_non_null(backend);
    rig_say(rig, backend, "220 backend ESMTP\r\n");
    rig_expect(rig, backend, "EHLO mail.example.net\r\n");
    rig_say(rig, backend, "250-backend\r\n250-SIZE 1000\r\n250 DSN\r\n");
    rig_run(rig, 10000);
}

static void a_check_greets_and_leaves(void **state)
{
    struct rig *rig = *state;
    with_checks(rig);
    rig_connect(rig, 25);
    assert_int_equal(server_of(rig).health, SERVER_UNKNOWN);
    greet(rig, 0);
    rig_expect(rig, rig_backend(rig, 0), "QUIT\r\n");
    assert_true(rig_backend(rig, 0)->finished);
    assert_int_equal(server_of(rig).health, SERVER_UP);
    assert_int_equal(server_of(rig).connections, 0);
    rig_run(rig, 4 * SECOND);
    assert_null(rig_backend(rig, 1));
    rig_run(rig, SECOND);
    assert_non_null(rig_backend(rig, 1));
}

static void failed_checks_bring_a_server_down_and_good_ones_up(void **state)
{
    struct rig *rig = *state;
    with_checks(rig);
    rig_connect(rig, 25);
    greet(rig, 0);
    for (unsigned n = 1; n <= 3; n++) {
        assert_int_equal(server_of(rig).health, SERVER_UP);
        rig_run(rig, 5 * SECOND);
        assert_non_null(rig_backend(rig, n));
        rig_reset(rig, rig_backend(rig, n));
    }
    assert_int_equal(server_of(rig).health, SERVER_DOWN);
    assert_int_equal(server_of(rig).last_failure, REASON_MAIL_BACKEND_LOST);
    rig_run(rig, 5 * SECOND);
    greet(rig, 4);
    assert_int_equal(server_of(rig).health, SERVER_DOWN);
    rig_run(rig, 5 * SECOND);
    greet(rig, 5);
    assert_int_equal(server_of(rig).health, SERVER_UP);
    assert_int_equal(server_of(rig).checks, 6);
}

static void a_check_that_is_not_answered_ends_with_its_interval(void **state)
{
    struct rig *rig = *state;
    with_checks(rig);
    rig_connect(rig, 25);
    rig_run(rig, 5 * SECOND + 100000);
    assert_int_equal(server_of(rig).health, SERVER_DOWN);
    assert_int_equal(server_of(rig).last_failure, REASON_MAIL_BACKEND_SLOW);
    assert_int_equal(rig_counters(rig)->reasons[REASON_MAIL_BACKEND_SLOW], 1);
}

static void a_check_of_a_backend_that_takes_proxy_headers_says_that_it_is_our_own(void **state)
{
    struct rig *rig = *state;
    with_checks(rig);
    rig_policy(rig)->backends[0].identity = IDENTITY_PROXY;
    rig_connect(rig, 25);
    rig_run(rig, 10000);
    struct rig_peer *backend = rig_backend(rig, 0);
    assert_int_equal(backend->size, 16);
    assert_int_equal((uint8_t)backend->text[12], 0x20);
}

// The first client finds none and leaves some, the second finds one.
static struct rig_peer *second_client(struct rig *rig)
{
    struct rig_peer *client = play_client_after_mail(rig);
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    greet(rig, 0);
    greet(rig, 1);
    assert_int_equal(server_of(rig).spares, 2);
    return play_client_after_mail(rig);
}

static void a_spare_serves_the_next_client_without_a_greeting(void **state)
{
    struct rig *rig = *state;
    with_spares(rig, 2);
    struct rig_peer *client = second_client(rig);
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    rig_run(rig, 10000);
    assert_int_equal(rig_counters(rig)->counters[COUNTER_BACKEND_SPARES_TAKEN], 1);
    struct rig_peer *spare = rig_backend(rig, 1);
    rig_expect(rig, spare, "MAIL FROM:<a@example.org>");
    rig_say(rig, spare, "250 ok\r\n");
    rig_expect(rig, spare, "RCPT TO:<alice@example.net>");
    rig_say(rig, spare, "250 ok spare\r\n");
    rig_expect(rig, client, "250 ok spare");
}

static void a_connection_that_served_a_client_never_serves_another(void **state)
{
    struct rig *rig = *state;
    with_spares(rig, 2);
    rig_policy(rig)->backends[0].identity = IDENTITY_FORWARD;
    struct rig_peer *first = play_client_after_mail(rig);
    rig_say(rig, first, "RCPT TO:<alice@example.net>\r\n");
    rig_run(rig, 10000);
    struct rig_peer *used = rig_backend(rig, 2); // spares were begun before it
    rig_say(rig, used, "220 backend ESMTP\r\n");
    rig_expect(rig, used, "EHLO mail.example.net\r\n");
    rig_say(rig, used, "250-backend\r\n250 XCLIENT ADDR LOGIN\r\n");
    rig_expect(rig, used, "XCLIENT ADDR=198.51.100.10 LOGIN=[UNAVAILABLE]\r\n");

    rig_reset(rig, first);
    rig_run(rig, 100000);
    assert_true(used->finished || used->closed);
    size_t before = used->size;
    struct rig_peer *second = play_client_after_mail(rig);
    rig_say(rig, second, "RCPT TO:<alice@example.net>\r\n");
    rig_run(rig, 100000);
    assert_int_equal(used->size, before);
    assert_int_equal(server_of(rig).connections, 1);
}

static void a_spare_that_its_server_closes_is_no_failure(void **state)
{
    struct rig *rig = *state;
    with_spares(rig, 2);
    struct rig_peer *client = second_client(rig);
    rig_hang_up(rig, rig_backend(rig, 0));
    rig_reset(rig, rig_backend(rig, 1));
    assert_int_equal(server_of(rig).spares, 0);
    assert_int_equal(server_of(rig).failures, 0);
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    rig_run(rig, 10000);
    assert_int_equal(rig_counters(rig)->counters[COUNTER_BACKEND_SPARES_TAKEN], 0);
}

static void spares_are_bounded_and_grow_old(void **state)
{
    struct rig *rig = *state;
    with_spares(rig, 2);
    second_client(rig);
    rig_run(rig, 10 * SECOND);
    assert_int_equal(server_of(rig).spares, 0);
    rig_expect(rig, rig_backend(rig, 0), "QUIT\r\n");
    rig_expect(rig, rig_backend(rig, 1), "QUIT\r\n");
}

static void where_a_proxy_header_comes_first_there_are_none(void **state)
{
    struct rig *rig = *state;
    with_spares(rig, 2);
    rig_policy(rig)->backends[0].identity = IDENTITY_PROXY;
    struct rig_peer *client = play_client_after_mail(rig);
    rig_say(rig, client, "RCPT TO:<alice@example.net>\r\n");
    rig_run(rig, 100000);
    assert_non_null(rig_backend(rig, 0));
    assert_null(rig_backend(rig, 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, play_setup, play_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_check_greets_and_leaves),
        TEST(failed_checks_bring_a_server_down_and_good_ones_up),
        TEST(a_check_that_is_not_answered_ends_with_its_interval),
        TEST(a_check_of_a_backend_that_takes_proxy_headers_says_that_it_is_our_own),
        TEST(a_spare_serves_the_next_client_without_a_greeting),
        TEST(a_connection_that_served_a_client_never_serves_another),
        TEST(a_spare_that_its_server_closes_is_no_failure),
        TEST(spares_are_bounded_and_grow_old),
        TEST(where_a_proxy_header_comes_first_there_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
