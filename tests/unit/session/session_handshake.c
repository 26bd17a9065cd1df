// SPDX-License-Identifier: BSD-3-Clause
#include "../tls/tls_peer.h"
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_leaves_the_queue_early_breaks_no_other),
        TEST(a_turn_takes_one_step_and_the_others_wait_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
