// SPDX-License-Identifier: BSD-3-Clause
#include "../tls/tls_peer.h"
#include "play.h"
#include "session/session_internal.h"
#include "tls/tls_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tls_tickets *tickets;

static int set_up(void **state)
{
    char text[256];
    const char *what;
    if (play_setup(state) < 0)
        return -1;
    struct rig *rig = *state;
    peer_init();
    peer_certificate(rig_policy(rig), "mail", PEER_EC, "mail.example.net");
    tickets = tls_tickets_open(0);
    struct tls_context *tls = tls_context_build(rig_policy(rig), tickets, text, sizeof text, &what);
    peer_done();
    rig_serve_tls(rig, tls);
    rig_policy(rig)->services[1].tls = TLS_IMPLICIT;
    return tls ? 0 : -1;
}

static int tear_down(void **state)
{
    int error = play_teardown(state);
    tls_tickets_shut(tickets);
    return error;
}

static uint64_t failed(const struct rig *rig)
{
    return rig_counters(rig)->reasons[REASON_TLS_HANDSHAKE_FAILED];
}

enum { CLIENTS = 5 };

// All say something that is no TLS at the same moment.
static void babble(struct rig *rig, struct rig_peer *clients[CLIENTS])
{
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = rig_connect(rig, rig_policy(rig)->services[1].port);
    for (int i = 0; i < CLIENTS; i++)
        assert_true(rig_try(rig, clients[i], "a1 LOGIN alice wonderland\r\n"));
}

static uint64_t queued(const struct rig *rig)
{
    return rig_counters(rig)->counters[COUNTER_TLS_HANDSHAKES_QUEUED];
}

static void who_leaves_the_queue_early_breaks_no_other(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *clients[CLIENTS];
    babble(rig, clients);
    while (queued(rig) < CLIENTS - 1)
        rig_run(rig, 1);
    rig_reset(rig, clients[CLIENTS - 2]); // one in the middle of it
    for (int i = 0; i < CLIENTS; i++)
        rig_hang_up(rig, clients[i]);
    assert_int_equal(failed(rig), CLIENTS - 1);
}

static void a_turn_takes_one_step_and_the_others_wait_once(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *clients[CLIENTS];
    babble(rig, clients);
    rig_run(rig, 100000);
    assert_int_equal(queued(rig), CLIENTS - 1);
    for (int i = 0; i < CLIENTS; i++)
        rig_hang_up(rig, clients[i]);
    assert_int_equal(failed(rig), CLIENTS);
}

enum { SERVERS = 3 };

// A check of each server has come as far as its handshake.
static void checks_begin(struct rig *rig)
{
    char text[256];
    const char *what;
    struct policy *policy = rig_policy(rig);
    policy->limits[LIMIT_BACKEND_CHECK_SECONDS] = 5;
    for (unsigned i = 0; i < SERVERS; i++) {
        policy->backends[i].tls = TLS_IMPLICIT;
        snprintf(policy->backends[i].name, sizeof policy->backends[i].name, "backend%u", i);
    }
    struct tls_clients *clients = tls_clients_build(policy, text, sizeof text, &what);
    assert_non_null(clients);
    rig_dial_tls(rig, clients);
    rig_hang_up(rig, rig_connect(rig, 25));
    assert_non_null(rig_backend(rig, SERVERS - 1));
}

// What all of them say at the same moment is no TLS: one step is taken, the others wait.
static void checks_meet_babble(struct rig *rig)
{
    checks_begin(rig);
    for (unsigned i = 0; i < SERVERS; i++)
        assert_true(rig_try(rig, rig_backend(rig, i), "220 backend ESMTP\r\n"));
    while (queued(rig) < SERVERS - 1)
        rig_run(rig, 1);
}

static uint64_t servers_failed_at_tls(const struct rig *rig)
{
    return rig_counters(rig)->reasons[REASON_TLS_BACKEND_FAILED];
}

static void dials_that_are_dropped_leave_the_queue(void **state)
{
    struct rig *rig = *state;
    struct sessions *all = rig_sessions(rig);
    checks_meet_babble(rig);
    uint64_t before = servers_failed_at_tls(rig);
    assert_non_null(all->handshake_first);
    dial_policy(all);
    assert_null(all->handshake_first);
    assert_null(all->handshake_last);
    rig_run(rig, 100000);
    assert_int_equal(servers_failed_at_tls(rig), before);
}

static void a_step_with_a_server_is_one_of_the_turns_too(void **state)
{
    struct rig *rig = *state;
    checks_meet_babble(rig);
    for (uint64_t n = servers_failed_at_tls(rig); n < SERVERS; n++) {
        assert_int_equal(servers_failed_at_tls(rig), n);
        rig_run(rig, 1);
    }
    assert_int_equal(servers_failed_at_tls(rig), SERVERS);
    assert_int_equal(queued(rig), SERVERS - 1);
}

static void a_server_that_leaves_while_its_step_waits_has_failed_at_tls(void **state)
{
    struct rig *rig = *state;
    checks_begin(rig);
    assert_true(rig_try(rig, rig_backend(rig, 0), "220 backend ESMTP\r\n"));
    assert_true(rig_try(rig, rig_backend(rig, 1), "220 backend ESMTP\r\n"));
    rig_hang_up(rig, rig_backend(rig, 1));
    assert_int_equal(queued(rig), 1);
    assert_int_equal(servers_failed_at_tls(rig), 2);
    assert_int_equal(rig_counters(rig)->reasons[REASON_MAIL_BACKEND_LOST], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_leaves_the_queue_early_breaks_no_other),
        TEST(a_turn_takes_one_step_and_the_others_wait_once),
        TEST(dials_that_are_dropped_leave_the_queue),
        TEST(a_step_with_a_server_is_one_of_the_turns_too),
        TEST(a_server_that_leaves_while_its_step_waits_has_failed_at_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
