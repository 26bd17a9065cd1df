// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A guard with a policy, a clock and counters, for the tests that go through guard.h. */

#include "guard/guard.h"

#include "packet_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct scene {
    struct counter_block counters;
    struct made_policy policy;
    struct guard_lists *lists;
    struct guard *guard;
    uint64_t now_us;
};

static inline struct guard *open_guard(struct counter_block *counters, uint16_t worker,
                                       uint16_t workers)
{
    static struct guard_peers peers;
    struct guard_config config = {
        .sources = 4096,
        .sessions = 1000,
        .worker = worker,
        .workers = workers,
        .peers = workers > 1 ? &peers : NULL,
        .mtu = 1500,
        .receive_bytes = 131072,
        .numa_node = -1,
        .key = {{0x1122334455667788, 0x99aabbccddeeff00}},
        .counters = counters,
    };
    return guard_open(&config);
}

static inline void scene_policy(struct scene *s)
{
    const char *what = NULL;
    struct guard_lists *lists = guard_lists_build(&s->policy.policy, &what);
    assert_non_null(lists);
    guard_policy(s->guard, &s->policy.policy, lists);
    guard_lists_free(s->lists);
    s->lists = lists;
}

static inline int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    made_policy_init(&s->policy, (const char *[]){"192.0.2.128/25", "2001:db8:a::/48", NULL},
                     (const char *[]){"203.0.113.0/24", NULL});
    s->now_us = 5000000;
    s->guard = open_guard(&s->counters, 0, 1);
    scene_policy(s);
    *state = s;
    return 0;
}

static inline int tear_down(void **state)
{
    struct scene *s = *state;
    guard_shut(s->guard);
    guard_lists_free(s->lists);
    free(s);
    return 0;
}

// One packet as a burst of its own.
static inline struct guard_look look_at(struct scene *s, const struct packet *packet)
{
    struct guard_look look;
    guard_look(s->guard, packet, 1, &look);
    return look;
}

static inline enum reason admit_packet(struct scene *s, const struct packet *packet)
{
    struct guard_look look = look_at(s, packet);
    return guard_admit(s->guard, packet, &look, s->now_us);
}

static inline enum reason take_ack(struct scene *s, const struct packet *ack,
                                   struct tcp_handshake *ret_handshake)
{
    struct guard_look look = look_at(s, ack);
    enum reason reason = guard_ack(s->guard, ack, &look, s->now_us, false, ret_handshake);
    return reason != REASON_NONE
               ? reason
               : guard_connection_begun(s->guard, ack, &look, s->now_us, ret_handshake);
}

// Under attack, before a SYN is parsed.
static inline enum reason glance_at(struct scene *s, const struct packet *syn)
{
    static const uint8_t first[1] = {0};
    struct guard_look look = look_at(s, syn);
    uint8_t reason;
    guard_glance(s->guard, syn, &look, first, 1, s->now_us, &reason);
    return (enum reason)reason;
}

// What becomes of m, when it was answered. As a worker does it, with a glance before.
static inline enum reason answer_mbuf(struct scene *s, const struct packet *syn, struct rte_mbuf *m)
{
    struct guard_look look = look_at(s, syn);
    struct rte_mbuf *synacks[GUARD_BURST];
    enum reason reason = glance_at(s, syn);
    if (reason == REASON_NONE)
        reason = guard_syn(s->guard, m, syn, &look, s->now_us);
    assert_int_equal(guard_answer(s->guard, 0, synacks, s->now_us), reason == REASON_NONE);
    if (reason == REASON_NONE)
        assert_ptr_equal(synacks[0], m);
    return reason;
}

static inline enum reason answer_syn(struct scene *s, const struct packet *syn,
                                     struct seen_synack *ret)
{
    struct made_mbuf made;
    struct rte_mbuf *m = made_mbuf_init(&made, 60, 128);
    enum reason reason = answer_mbuf(s, syn, m);
    if (reason == REASON_NONE)
        assert_true(seen_synack(m, syn, ret));
    return reason;
}

// A whole handshake. The client's ports differ, so that each is another connection.
static inline enum reason connect_from(struct scene *s, const char *client, uint16_t port)
{
    static uint16_t next_port = 1024;
    struct packet syn = made_syn(client, port);
    syn.src_port = next_port++;
    struct seen_synack seen;
    enum reason reason = answer_syn(s, &syn, &seen);
    if (reason != REASON_NONE)
        return reason;
    struct packet ack = made_ack(&syn, seen.seq, seen.options.ts_value);
    struct tcp_handshake handshake;
    return take_ack(s, &ack, &handshake);
}
