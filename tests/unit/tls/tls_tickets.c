// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_tickets.h"

#include "tls_peer.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct tls_tickets *tickets;
static struct policy *policy;
static struct tls_context *context;

static struct tls_context *build(void)
{
    char text[256];
    const char *what;
    struct tls_context *built = tls_context_build(policy, tickets, text, sizeof text, &what);
    assert_non_null(built);
    return built;
}

static int set_up(void **state)
{
    policy = calloc(1, sizeof *policy);
    peer_init();
    peer_certificate(policy, "mail", PEER_EC, "mail.example.net");
    tickets = tls_tickets_open(0);
    context = build();
    return 0;
}

static int tear_down(void **state)
{
    tls_context_free(context);
    tls_tickets_shut(tickets);
    peer_done();
    free(policy);
    return ERR_peek_error() == 0 ? 0 : -1;
}

// One session; offers *ticket if there is one, and puts the one it got in its place.
static bool resumes(int version, SSL_SESSION **ticket)
{
    struct peer peer = {0};
    struct tls_facts facts;
    struct tls *tls = tls_open(context, PROTOCOL_IMAP);
    assert_non_null(tls);
    peer_open(&peer, version, NULL, NULL);
    if (*ticket) {
        assert_int_equal(SSL_set_session(peer.ssl, *ticket), 1);
        SSL_SESSION_free(*ticket);
    }
    peer_pump(&peer, tls, 0);
    assert_int_equal(tls_step(tls), TLS_OPEN);
    tls_facts(tls, &facts);
    // OpenSSL tells a client of TLS 1.2 of its first ticket only.
    *ticket = peer.session ? peer.session : SSL_get1_session(peer.ssl);
    peer.session = NULL;
    peer_close(&peer);
    tls_close(tls);
    return facts.resumed;
}

static void pass_periods(unsigned count)
{
    for (unsigned i = 1; i <= count; i++)
        assert_int_equal(tls_tickets_advance(tickets, i * TLS_TICKETS_PERIOD_US), 0);
}

static void a_ticket_of_nobodys_key_is_not_opened(void **state)
{
    for (int version = 2; version <= 3; version++) {
        SSL_SESSION *ticket = NULL;
        assert_false(resumes(version, &ticket));
        tls_context_free(context);
        tls_tickets_shut(tickets);
        tickets = tls_tickets_open(0); // as after a restart
        context = build();
        assert_false(resumes(version, &ticket));
        SSL_SESSION_free(ticket);
    }
}

static void a_ticket_of_the_second_last_key_is_not_opened(void **state)
{
    for (int version = 2; version <= 3; version++) {
        SSL_SESSION *ticket = NULL;
        assert_false(resumes(version, &ticket));
        pass_periods(2);
        assert_false(resumes(version, &ticket));
        SSL_SESSION_free(ticket);
        tear_down(state);
        set_up(state);
    }
}

static void a_ticket_of_the_last_key_is_opened_and_renewed(void **state)
{
    for (int version = 2; version <= 3; version++) {
        SSL_SESSION *ticket = NULL;
        assert_false(resumes(version, &ticket));
        pass_periods(1);
        assert_true(resumes(version, &ticket));
        assert_int_equal(tls_tickets_advance(tickets, 2 * TLS_TICKETS_PERIOD_US), 0);
        assert_true(resumes(version, &ticket)); // by the ticket that the second one got
        SSL_SESSION_free(ticket);
        tear_down(state);
        set_up(state);
    }
}

static void keys_stay_within_a_period(void **state)
{
    SSL_SESSION *ticket = NULL;
    assert_false(resumes(3, &ticket));
    for (int i = 0; i < 3; i++)
        assert_int_equal(tls_tickets_advance(tickets, TLS_TICKETS_PERIOD_US - 1), 0);
    assert_true(resumes(3, &ticket));
    SSL_SESSION_free(ticket);
}

static void another_context_opens_the_same_tickets(void **state)
{
    SSL_SESSION *ticket = NULL;
    assert_false(resumes(3, &ticket));
    tls_context_free(context);
    context = build();
    assert_true(resumes(3, &ticket));
    SSL_SESSION_free(ticket);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_ticket_of_nobodys_key_is_not_opened),
        TEST(a_ticket_of_the_second_last_key_is_not_opened),
        TEST(a_ticket_of_the_last_key_is_opened_and_renewed),
        TEST(keys_stay_within_a_period),
        TEST(another_context_opens_the_same_tickets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
