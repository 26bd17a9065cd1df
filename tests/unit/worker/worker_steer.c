// SPDX-License-Identifier: BSD-3-Clause
#include "support/eal_fixture.h"
#include "worker/worker_internal.h"

#include <rte_ring.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORKERS = 2, RING_SIZE = 8, ETHERNET = 14 };

static struct rte_mempool *pool;
static struct rte_ring *rings[WORKERS][WORKERS];
static struct policy_boot boot;
static struct counter_block counters[WORKERS];
static struct worker workers[WORKERS];
static struct port ports[LEG_COUNT]; // that spread nothing by themselves

static int start(void **state)
{
    eal_fixture_start();
    pool = eal_fixture_pool("p", 127);
    boot.workers = WORKERS;
    assert_true(addr_parse("203.0.113.1", &boot.legs[LEG_INSIDE].addr[FAMILY_V4]));
    assert_true(addr_parse("2001:db8:113::1", &boot.legs[LEG_INSIDE].addr[FAMILY_V6]));
    for (uint16_t i = 0; i < WORKERS; i++) {
        rings[i][1 - i] =
            rte_ring_create(i ? "b" : "a", RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
        assert_non_null(rings[i][1 - i]);
    }
    static struct rte_ring *out[WORKERS][WORKERS];
    for (uint16_t i = 0; i < WORKERS; i++) {
        out[i][1 - i] = rings[1 - i][i];
        workers[i].counters = &counters[i];
        workers[i].config = (struct worker_config){.boot = &boot,
                                                   .index = i,
                                                   .mbufs = pool,
                                                   .ports = {&ports[0], &ports[1]},
                                                   .steer_key = {{UINT64_MAX / 3, UINT64_MAX / 13}},
                                                   .steer_in = rings[i],
                                                   .steer_out = out[i]};
    }
    return 0;
}

static struct rte_mbuf *frame_v4(const char *src, const char *dst, uint16_t dst_port)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
    uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, ETHERNET + 40);
    memset(at, 0, ETHERNET + 40);
    at[12] = 0x08;
    uint8_t *ip = at + ETHERNET;
    ip[0] = 0x45;
    ip[9] = 6;
    struct addr a;
    assert_true(addr_parse(src, &a));
    memcpy(ip + 12, a.bytes + 12, 4);
    assert_true(addr_parse(dst, &a));
    memcpy(ip + 16, a.bytes + 12, 4);
    ip[22] = (uint8_t)(dst_port >> 8);
    ip[23] = (uint8_t)dst_port;
    return m;
}

static struct rte_mbuf *frame_v6(const char *src, const char *dst)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
    uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, ETHERNET + 60);
    memset(at, 0, ETHERNET + 60);
    at[12] = 0x86;
    at[13] = 0xdd;
    at[ETHERNET] = 0x60;
    at[ETHERNET + 6] = 6;
    struct addr a;
    assert_true(addr_parse(src, &a));
    memcpy(at + ETHERNET + 8, a.bytes, 16);
    assert_true(addr_parse(dst, &a));
    memcpy(at + ETHERNET + 24, a.bytes, 16);
    return m;
}

static bool is_gone(unsigned receiver, struct rte_mbuf *m, enum leg leg)
{
    return worker_steer(&workers[receiver], &m, 1, leg) == 0;
}

// Which worker handles the frame, whoever received it; the frame is freed.
static unsigned owner_of(struct rte_mbuf *m, unsigned receiver, enum leg leg)
{
    if (!is_gone(receiver, m, leg)) {
        rte_pktmbuf_free(m);
        return receiver;
    }
    struct rte_mbuf *frames[BURST];
    uint8_t legs[BURST];
    assert_int_equal(worker_steered(&workers[1 - receiver], frames, legs, BURST), 1);
    assert_ptr_equal(frames[0], m);
    assert_int_equal(legs[0], leg);
    rte_pktmbuf_free(m);
    return 1 - receiver;
}

static void a_source_has_one_owner_whoever_receives_it(void **state)
{
    unsigned owned[WORKERS] = {0};
    for (int i = 1; i < 200; i++) {
        char src[32];
        snprintf(src, sizeof src, "198.18.7.%d", i);
        unsigned first = owner_of(frame_v4(src, "198.51.100.1", 25), 0, LEG_OUTSIDE);
        assert_int_equal(owner_of(frame_v4(src, "198.51.100.1", 993), 1, LEG_OUTSIDE), first);
        owned[first]++;
    }
    assert_true(owned[0] > 50 && owned[1] > 50);
}

static void a_burst_is_parted_in_order(void **state)
{
    struct rte_mbuf *frames[BURST], *before[BURST], *theirs[BURST];
    unsigned ours = 0, others = 0, kept;
    for (unsigned i = 0; i < BURST; i++) {
        char src[32];
        snprintf(src, sizeof src, "198.18.9.%u", i);
        before[i] = frames[i] = frame_v4(src, "198.51.100.1", 25);
    }
    uint8_t legs[BURST];
    kept = worker_steer(&workers[0], frames, BURST, LEG_OUTSIDE);
    unsigned got = worker_steered(&workers[1], theirs, legs, BURST);
    assert_true(kept > 0 && got > 0);
    uint64_t lost = counters[0].reasons[REASON_STEER_RING_FULL]; // the ring is small
    assert_int_equal(kept + got + lost, BURST);
    for (unsigned i = 0; i < BURST; i++) {
        if (ours < kept && frames[ours] == before[i])
            ours++;
        else if (others < got && theirs[others] == before[i])
            others++;
    }
    assert_int_equal(ours, kept);
    assert_int_equal(others, got);
    counters[0].reasons[REASON_STEER_RING_FULL] = 0;
    rte_pktmbuf_free_bulk(frames, kept);
    rte_pktmbuf_free_bulk(theirs, got);
}

static void what_the_port_spreads_stays_where_it_came(void **state)
{
    ports[LEG_OUTSIDE].spreads[FAMILY_V4] = true;
    for (unsigned receiver = 0; receiver < WORKERS; receiver++) {
        assert_int_equal(
            owner_of(frame_v4("198.18.7.1", "198.51.100.1", 25), receiver, LEG_OUTSIDE), receiver);
        // A backend's answer on the same port goes to the worker of its connection all the same.
        assert_int_equal(
            owner_of(frame_v4("203.0.113.10", "203.0.113.1", 20001), receiver, LEG_OUTSIDE), 1);
    }
    unsigned v6 = owner_of(frame_v6("2001:db8:5000::1", "2001:db8:51::1"), 0, LEG_OUTSIDE);
    assert_int_equal(owner_of(frame_v6("2001:db8:5000::2", "2001:db8:51::1"), 1, LEG_OUTSIDE), v6);
    ports[LEG_OUTSIDE].spreads[FAMILY_V4] = false;
}

static void an_ipv6_64_has_one_owner(void **state)
{
    unsigned first = owner_of(frame_v6("2001:db8:5000::1", "2001:db8:51::1"), 0, LEG_OUTSIDE);
    for (int i = 2; i < 50; i++) {
        char src[64];
        snprintf(src, sizeof src, "2001:db8:5000::%x", i * 77);
        assert_int_equal(owner_of(frame_v6(src, "2001:db8:51::1"), 1, LEG_OUTSIDE), first);
    }
}

static void a_backends_packet_goes_to_the_worker_that_chose_the_port(void **state)
{
    for (uint16_t port = 20000; port < 20010; port++)
        assert_int_equal(owner_of(frame_v4("203.0.113.10", "203.0.113.1", port), 0, LEG_INSIDE),
                         port % WORKERS);
}

static void a_short_frame_stays_where_it_came(void **state)
{
    for (uint16_t size = 0; size < ETHERNET + 20; size++) {
        struct rte_mbuf *m = frame_v4("198.18.7.1", "198.51.100.1", 25);
        m->data_len = size;
        m->pkt_len = size;
        assert_int_equal(owner_of(m, 1, LEG_OUTSIDE), 1);
    }
}

static void a_full_ring_is_a_counted_refusal(void **state)
{
    unsigned receiver = 1 - owner_of(frame_v4("198.18.7.1", "198.51.100.1", 25), 0, LEG_OUTSIDE);
    struct counter_block *count = &counters[receiver];
    uint64_t before = count->reasons[REASON_STEER_RING_FULL];
    for (int i = 0; i < RING_SIZE + 3; i++)
        assert_true(is_gone(receiver, frame_v4("198.18.7.1", "198.51.100.1", 25), LEG_OUTSIDE));
    assert_int_equal(count->reasons[REASON_STEER_RING_FULL] - before, 4);
    struct rte_mbuf *frames[BURST];
    uint8_t legs[BURST];
    unsigned got = worker_steered(&workers[1 - receiver], frames, legs, BURST);
    assert_int_equal(got, RING_SIZE - 1);
    rte_pktmbuf_free_bulk(frames, got);
}

static void arp_is_shared_with_every_worker(void **state)
{
    struct rte_mbuf *m = frame_v4("198.18.7.1", "198.51.100.1", 25);
    uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);
    at[13] = 0x06;
    assert_false(is_gone(0, m, LEG_INSIDE));
    struct rte_mbuf *frames[BURST];
    uint8_t legs[BURST];
    assert_int_equal(worker_steered(&workers[1], frames, legs, BURST), 1);
    assert_ptr_not_equal(frames[0], m);
    assert_int_equal(legs[0], LEG_INSIDE);
    rte_pktmbuf_free(frames[0]);
    rte_pktmbuf_free(m);
}

static int all_given_back(void **state)
{
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_has_one_owner_whoever_receives_it),
        cmocka_unit_test(a_burst_is_parted_in_order),
        cmocka_unit_test(what_the_port_spreads_stays_where_it_came),
        cmocka_unit_test(an_ipv6_64_has_one_owner),
        cmocka_unit_test(a_backends_packet_goes_to_the_worker_that_chose_the_port),
        cmocka_unit_test(a_short_frame_stays_where_it_came),
        cmocka_unit_test(a_full_ring_is_a_counted_refusal),
        cmocka_unit_test(arp_is_shared_with_every_worker),
    };
    return cmocka_run_group_tests(tests, start, all_given_back);
}
