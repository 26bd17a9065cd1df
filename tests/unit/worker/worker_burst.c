// SPDX-License-Identifier: BSD-3-Clause
#include "base/rng.h"
#include "support/link_sim_packet.h"
#include "worker_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ETHER_IPV4 = 0x0800, ISS = 1000 };

static void syn(struct worker_rig *rig, uint16_t port, uint16_t to)
{
    worker_rig_segment(rig, (struct packet){.src_port = port,
                                            .dst_port = to,
                                            .seq = ISS,
                                            .tcp_flags = TCP_SYN,
                                            .options = {.mss = 1460}});
}

static void client_says(struct worker_rig *rig, uint16_t port, uint8_t flags, uint32_t seq,
                        uint32_t ack)
{
    worker_rig_segment(
        rig, (struct packet){
                 .src_port = port, .dst_port = 25, .seq = seq, .ack = ack, .tcp_flags = flags});
}

// The ACK that ends a handshake; what the shield says next is left on the wire.
static void connect_from(struct worker_rig *rig, uint16_t port)
{
    struct packet p;
    syn(rig, port, 25);
    struct rte_mbuf *m = worker_rig_take(rig, LEG_OUTSIDE, &p);
    assert_non_null(m);
    rte_pktmbuf_free(m);
    assert_int_equal(p.tcp_flags, TCP_SYN | TCP_ACK);
    worker_rig_segment(rig, (struct packet){.src_port = port,
                                            .dst_port = 25,
                                            .seq = ISS + 1,
                                            .ack = p.seq + 1,
                                            .tcp_flags = TCP_ACK});
}

static void a_syn_costs_no_connection(void **state)
{
    struct worker_rig *rig = *state;
    struct packet p;
    syn(rig, 5000, 25);
    struct rte_mbuf *m = worker_rig_take(rig, LEG_OUTSIDE, &p);
    assert_non_null(m);
    rte_pktmbuf_free(m);
    assert_int_equal(p.tcp_flags, TCP_SYN | TCP_ACK);
    assert_int_equal(p.ack, ISS + 1);
    assert_int_equal(rig->counters.counters[COUNTER_SYN_ANSWERED], 1);
    assert_int_equal(tcp_connections(rig->worker->tcp), 0);
}

static void a_port_without_service_stays_silent(void **state)
{
    struct worker_rig *rig = *state;
    struct packet p;
    syn(rig, 5000, 26);
    assert_null(worker_rig_take(rig, LEG_OUTSIDE, &p));
    assert_int_equal(rig->counters.reasons[REASON_NO_SERVICE], 1);
}

static void an_ack_without_a_cookie_stays_silent(void **state)
{
    struct worker_rig *rig = *state;
    struct packet p;
    worker_rig_segment(
        rig, (struct packet){
                 .src_port = 5000, .dst_port = 25, .seq = 5, .ack = 77, .tcp_flags = TCP_ACK});
    assert_null(worker_rig_take(rig, LEG_OUTSIDE, &p));
    assert_int_equal(rig->counters.reasons[REASON_COOKIE_INVALID], 1);
}

static void a_valid_cookie_makes_a_session_that_greets(void **state)
{
    struct worker_rig *rig = *state;
    struct packet p;
    rig->policy->limits[LIMIT_QUESTION_MS] = 0; // nobody is there to be asked
    connect_from(rig, 5000);
    struct rte_mbuf *m = worker_rig_take(rig, LEG_OUTSIDE, &p);
    assert_non_null(m);
    assert_true(p.payload_size > 4);
    assert_memory_equal(rte_pktmbuf_mtod_offset(m, const char *, p.payload_offset), "220 ", 4);
    rte_pktmbuf_free(m);
    assert_int_equal(rig->counters.counters[COUNTER_SESSIONS_OPENED], 1);
}

static void a_proven_client_over_its_limit_is_reset(void **state)
{
    struct worker_rig *rig = *state;
    struct packet p;
    rig->policy->limits[LIMIT_CONNECTIONS_SOURCE] = 1;
    connect_from(rig, 5000);
    struct rte_mbuf *m = worker_rig_take(rig, LEG_OUTSIDE, &p);
    rte_pktmbuf_free(m);
    connect_from(rig, 5001);
    m = worker_rig_take(rig, LEG_OUTSIDE, &p);
    assert_non_null(m);
    rte_pktmbuf_free(m);
    assert_true(p.tcp_flags & TCP_RST);
    assert_int_equal(p.dst_port, 5001);
    assert_int_equal(rig->counters.reasons[REASON_CONNECTIONS_SOURCE], 1);
}

// Takes buffers until `left` are free.
static unsigned hoard(struct rte_mbuf **mbufs, unsigned left)
{
    unsigned count = rte_mempool_avail_count(worker_rig_pool()) - left;
    assert_int_equal(rte_pktmbuf_alloc_bulk(worker_rig_pool(), mbufs, count), 0);
    return count;
}

static void at_the_low_mark_of_buffers_nothing_new_is_begun(void **state)
{
    static struct rte_mbuf *hoarded[4096];
    struct worker_rig *rig = *state;
    struct packet p;
    rig->policy->limits[LIMIT_QUESTION_MS] = 0; // nobody is there to be asked
    connect_from(rig, 5000);
    struct rte_mbuf *m = worker_rig_take(rig, LEG_OUTSIDE, &p); // the greeting
    assert_non_null(m);
    rte_pktmbuf_free(m);
    syn(rig, 5001, 25);
    m = worker_rig_take(rig, LEG_OUTSIDE, &p);
    assert_non_null(m);
    rte_pktmbuf_free(m);
    uint32_t cookie = p.seq;

    unsigned count = hoard(hoarded, rig->worker->mbufs_reserve - 1);
    syn(rig, 5002, 25);
    worker_rig_segment(rig, (struct packet){.src_port = 5001,
                                            .dst_port = 25,
                                            .seq = ISS + 1,
                                            .ack = cookie + 1,
                                            .tcp_flags = TCP_ACK});
    worker_rig_turns(rig, 1);
    assert_int_equal(rig->counters.reasons[REASON_MBUFS_LOW], 2);
    assert_int_equal(rig->counters.counters[COUNTER_SESSIONS_OPENED], 1);

    // The session that is open goes on, from the reserve.
    client_says(rig, 5000, TCP_ACK, ISS, 0); // before the window: RFC 9293, section 3.10.7.4
    bool answered = false;
    while (!answered && (m = worker_rig_take(rig, LEG_OUTSIDE, &p))) {
        answered = p.dst_port == 5000 && p.tcp_flags == TCP_ACK;
        rte_pktmbuf_free(m);
    }
    assert_true(answered);

    rte_pktmbuf_free_bulk(hoarded, count);
    syn(rig, 5003, 25);
    m = worker_rig_take(rig, LEG_OUTSIDE, &p);
    assert_non_null(m);
    rte_pktmbuf_free(m);
    assert_int_equal(p.dst_port, 5003);
}

static void a_stranger_on_the_inside_leg_is_refused(void **state)
{
    struct worker_rig *rig = *state;
    struct rte_mbuf *m = rte_pktmbuf_alloc(worker_rig_pool());
    memset(rte_pktmbuf_append(m, 60), 0, 60);
    worker_rig_give(m, ETHER_IPV4, LEG_INSIDE);
    worker_rig_turns(rig, 1);
    assert_int_equal(worker_rig_refusals(rig), 1);
}

static void a_turn_takes_no_more_than_four_bursts(void **state)
{
    struct worker_rig *rig = *state;
    for (uint16_t i = 0; i < 6 * BURST; i++)
        syn(rig, (uint16_t)(5000 + i), 26);
    worker_rig_turns(rig, 1);
    assert_int_equal(rig->counters.counters[COUNTER_RX_PACKETS], 4 * BURST);
    worker_rig_turns(rig, 1);
    assert_int_equal(rig->counters.counters[COUNTER_RX_PACKETS], 6 * BURST);
    assert_int_equal(rig->counters.reasons[REASON_NO_SERVICE], 6 * BURST);
}

static uint32_t cookie_for(struct worker_rig *rig, uint16_t port)
{
    struct packet p;
    syn(rig, port, 25);
    struct rte_mbuf *m = worker_rig_take(rig, LEG_OUTSIDE, &p);
    assert_non_null(m);
    rte_pktmbuf_free(m);
    return p.seq;
}

// Looked up when its turn comes, not when the burst arrived.
static void a_segment_finds_the_connection_that_its_burst_made(void **state)
{
    struct worker_rig *rig = *state;
    uint32_t iss = cookie_for(rig, 5000);
    client_says(rig, 5000, TCP_ACK, ISS + 1, iss + 1);
    client_says(rig, 5000, TCP_FIN | TCP_ACK, ISS + 1, iss + 1);
    worker_rig_turns(rig, 1);
    assert_int_equal(rig->counters.counters[COUNTER_CONNECTIONS_ACCEPTED], 1);
    assert_int_equal(rig->counters.reasons[REASON_COOKIE_INVALID], 0);
}

static void a_segment_does_not_find_the_connection_that_its_burst_ended(void **state)
{
    struct worker_rig *rig = *state;
    uint32_t iss = cookie_for(rig, 5000);
    client_says(rig, 5000, TCP_ACK, ISS + 1, iss + 1);
    client_says(rig, 5000, TCP_RST, ISS + 1, 0);
    client_says(rig, 5000, TCP_FIN | TCP_ACK, ISS + 2, iss + 700);
    worker_rig_turns(rig, 1);
    assert_int_equal(rig->counters.counters[COUNTER_CONNECTIONS_ACCEPTED], 1);
    assert_int_equal(rig->counters.reasons[REASON_COOKIE_INVALID], 1);
    assert_int_equal(tcp_connections(rig->worker->tcp), 0);
}

static void a_burst_of_syns_is_answered_in_order(void **state)
{
    struct worker_rig *rig = *state;
    struct packet p;
    (void)cookie_for(rig, 4999); // the neighbour is known now
    for (uint16_t i = 0; i < BURST; i++)
        syn(rig, (uint16_t)(5000 + i), i % 2 ? 25 : 26);
    worker_rig_turns(rig, 1);
    for (uint16_t i = 1; i < BURST; i += 2) {
        struct rte_mbuf *m = worker_rig_take(rig, LEG_OUTSIDE, &p);
        assert_non_null(m);
        rte_pktmbuf_free(m);
        assert_int_equal(p.dst_port, 5000 + i);
    }
    assert_int_equal(rig->counters.reasons[REASON_NO_SERVICE], BURST / 2);
}

static void a_syn_that_meets_its_connection_is_challenged(void **state)
{
    struct worker_rig *rig = *state;
    struct packet p;
    unsigned challenges = 0, synacks = 0;
    uint32_t iss = cookie_for(rig, 5000);
    client_says(rig, 5000, TCP_ACK, ISS + 1, iss + 1);
    syn(rig, 5000, 25); // RFC 5961, section 4
    syn(rig, 5001, 25);
    for (struct rte_mbuf *m; (m = worker_rig_take(rig, LEG_OUTSIDE, &p)); rte_pktmbuf_free(m)) {
        challenges += p.dst_port == 5000 && p.tcp_flags == TCP_ACK;
        synacks += p.tcp_flags == (TCP_SYN | TCP_ACK);
        assert_true(p.tcp_flags != (TCP_SYN | TCP_ACK) || p.dst_port == 5001);
    }
    assert_int_equal(challenges, 1);
    assert_int_equal(synacks, 1);
    assert_int_equal(rig->counters.counters[COUNTER_CONNECTIONS_ACCEPTED], 1);
    assert_int_equal(tcp_connections(rig->worker->tcp), 1);
}

static void flood(struct worker_rig *rig, unsigned bursts, uint64_t now_us)
{
    for (unsigned i = 0; i < bursts; i++) {
        for (unsigned k = 0; k < BURST; k++)
            syn(rig, (uint16_t)(1024 + i * BURST + k), 25);
        worker_turn_at(rig->worker, now_us);
    }
}

static void break_checksum_and_give(struct worker_rig *rig, uint16_t port)
{
    struct packet p = {.src = rig->client,
                       .dst = rig->shield,
                       .src_port = port,
                       .dst_port = 25,
                       .seq = port * 2654435761u,
                       .ttl = 64,
                       .tcp_flags = TCP_SYN};
    struct rte_mbuf *m = link_sim_packet_make(worker_rig_pool(), &p, span_of(NULL, 0));
    rte_pktmbuf_mtod(m, uint8_t *)[36] ^= 1;
    worker_rig_give(m, ETHER_IPV4, LEG_OUTSIDE);
}

// Those that are refused anyway; a share is looked at for retransmissions, checksums and all.
static void under_attack_most_syns_are_refused_before_they_are_parsed(void **state)
{
    struct worker_rig *rig = *state;
    enum { BURSTS = 2000, WRONG_BURSTS = 30 };
    rig->policy->limits[LIMIT_SYN_ATTACK_HIGH] = 1000;
    rig->policy->limits[LIMIT_SYN_BURST_SOURCE] = 1;
    guard_policy(rig->worker->guard, rig->policy, rig->snapshot.lists);
    uint64_t now_us = rig->worker->now_us + 1000000;
    flood(rig, BURSTS, now_us);
    flood(rig, 1, now_us + 100000);
    assert_int_equal(rig->counters.reasons[REASON_TCP_BAD_CHECKSUM], 0);
    uint64_t limited = rig->counters.reasons[REASON_SYN_RATE_SOURCE];
    for (unsigned i = 0; i < WRONG_BURSTS; i++) {
        for (unsigned k = 0; k < BURST; k++)
            break_checksum_and_give(rig, (uint16_t)(1024 + i * BURST + k));
        worker_turn_at(rig->worker, now_us + 100000);
    }
    limited = rig->counters.reasons[REASON_SYN_RATE_SOURCE] - limited;
    assert_int_equal(limited + rig->counters.reasons[REASON_TCP_BAD_CHECKSUM],
                     WRONG_BURSTS * BURST);
    assert_true(limited > WRONG_BURSTS * BURST / 3);
    assert_true(rig->counters.reasons[REASON_TCP_BAD_CHECKSUM] > WRONG_BURSTS * BURST / 10);
}

// In order of arrival: who just proved to be there is not refused as one that never did.
static void under_attack_a_syn_behind_its_source_s_handshake_is_answered(void **state)
{
    struct worker_rig *rig = *state;
    enum { BURSTS = 2000, SYNS = BURST - 1 };
    rig->policy->limits[LIMIT_SYN_ATTACK_HIGH] = 1000;
    guard_policy(rig->worker->guard, rig->policy, rig->snapshot.lists);
    uint32_t iss = cookie_for(rig, 5000);
    uint64_t now_us = rig->worker->now_us + 1000000;
    flood(rig, BURSTS, now_us); // in its name
    flood(rig, 1, now_us + 100000);
    uint64_t answered = rig->counters.counters[COUNTER_SYN_ANSWERED];
    client_says(rig, 5000, TCP_ACK, ISS + 1, iss + 1);
    for (uint16_t i = 0; i < SYNS; i++)
        syn(rig, (uint16_t)(5001 + i), 25);
    worker_turn_at(rig->worker, now_us + 100000);
    assert_int_equal(rig->counters.counters[COUNTER_CONNECTIONS_ACCEPTED], 1);
    assert_int_equal(rig->counters.counters[COUNTER_SYN_ANSWERED] - answered, SYNS);
}

static void every_frame_of_noise_is_a_counted_refusal(void **state)
{
    struct worker_rig *rig = *state;
    struct rng rng;
    rng_seed(&rng, 7);
    unsigned given = 0;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < BURST; i++, given++) {
            struct rte_mbuf *m = rte_pktmbuf_alloc(worker_rig_pool());
            uint16_t size = (uint16_t)rng_below(&rng, 200);
            uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, size);
            for (uint16_t b = 0; b < size; b++)
                at[b] = (uint8_t)rng_next(&rng);
            if (size)
                at[0] = 0x45; // past the first check now and then
            worker_rig_give(m, ETHER_IPV4, (enum leg)(i % LEG_COUNT));
        }
        worker_rig_turns(rig, 1);
    }
    assert_int_equal(rig->counters.counters[COUNTER_RX_PACKETS], given);
    assert_int_equal(worker_rig_refusals(rig), given);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, worker_rig_setup, worker_rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_syn_costs_no_connection),
        TEST(a_port_without_service_stays_silent),
        TEST(an_ack_without_a_cookie_stays_silent),
        TEST(a_valid_cookie_makes_a_session_that_greets),
        TEST(a_proven_client_over_its_limit_is_reset),
        TEST(at_the_low_mark_of_buffers_nothing_new_is_begun),
        TEST(a_stranger_on_the_inside_leg_is_refused),
        TEST(a_turn_takes_no_more_than_four_bursts),
        TEST(a_segment_finds_the_connection_that_its_burst_made),
        TEST(a_segment_does_not_find_the_connection_that_its_burst_ended),
        TEST(a_burst_of_syns_is_answered_in_order),
        TEST(a_syn_that_meets_its_connection_is_challenged),
        TEST(under_attack_most_syns_are_refused_before_they_are_parsed),
        TEST(under_attack_a_syn_behind_its_source_s_handshake_is_answered),
        TEST(every_frame_of_noise_is_a_counted_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
