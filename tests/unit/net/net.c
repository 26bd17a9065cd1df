// SPDX-License-Identifier: BSD-3-Clause
#include "net_test.h"

#include <rte_mbuf.h>

static void a_packet_without_route_is_counted_and_freed(void **state)
{
    rig_close(&rig);
    rig.policy.routes_count = 0;
    rig_open(&rig);
    struct frame f = frame_tcp(LEG_OUTSIDE, "198.51.100.1", "192.0.2.1", TCP_ACK);
    rig_output(&rig, &f, LEG_OUTSIDE);
    f = frame_tcp(LEG_INSIDE, "2001:db8:113::1", "2001:db8:9::1", TCP_ACK);
    rig_output(&rig, &f, LEG_INSIDE);
    assert_int_equal(rig.counters.reasons[REASON_NO_ROUTE], 2);
}

static void a_family_that_is_off_has_no_route(void **state)
{
    rig_close(&rig);
    rig.policy.boot.legs[LEG_OUTSIDE].addr[FAMILY_V6] = (struct addr){0};
    rig_open(&rig);
    struct frame f = frame_tcp(LEG_OUTSIDE, "2001:db8:51::1", "2001:db8:51::10", TCP_ACK);
    rig_output(&rig, &f, LEG_OUTSIDE);
    assert_int_equal(rig.counters.reasons[REASON_NO_ROUTE], 1);
    struct addr towards;
    assert_true(addr_parse("2001:db8:51::10", &towards));
    assert_null(net_local(rig.net, LEG_OUTSIDE, &towards));
}

static bool is_neighbor_frame(const struct frame *f)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(rig_pool());
    assert_non_null(m);
    memcpy(rte_pktmbuf_append(m, (uint16_t)f->size), f->at, f->size);
    bool yes = net_is_neighbor_frame(m);
    rte_pktmbuf_free(m);
    return yes;
}

static void only_arp_and_discovery_are_for_every_worker(void **state)
{
    struct frame f = frame_tcp(LEG_OUTSIDE, "2001:db8:51::10", "2001:db8:51::1", TCP_SYN);
    assert_false(is_neighbor_frame(&f));
    f = frame_icmp(LEG_OUTSIDE, "2001:db8:51::10", "2001:db8:51::1", 128, 0, "1234", 4);
    assert_false(is_neighbor_frame(&f));
    f = frame_nd(135, "2001:db8:51::10", "ff02::1:ff00:1", "2001:db8:51::1", peer_mac, 0);
    assert_true(is_neighbor_frame(&f));
    frame_tag(&f, 7);
    assert_true(is_neighbor_frame(&f));
    f.size = 20;
    assert_false(is_neighbor_frame(&f));
    f = frame_arp(2, peer_mac, "198.51.100.10", "198.51.100.1", rig_mac[LEG_OUTSIDE]);
    assert_true(is_neighbor_frame(&f));
    frame_tag(&f, 7);
    assert_true(is_neighbor_frame(&f));
    f.size = 13;
    assert_false(is_neighbor_frame(&f));
}

static void our_address_is_of_the_leg_and_the_family(void **state)
{
    struct addr towards;
    char text[ADDR_TEXT_SIZE];
    assert_true(addr_parse("203.0.113.10", &towards));
    assert_string_equal(addr_format(net_local(rig.net, LEG_INSIDE, &towards), text), "203.0.113.1");
    assert_true(addr_parse("2001:db8:113::10", &towards));
    assert_string_equal(addr_format(net_local(rig.net, LEG_INSIDE, &towards), text),
                        "2001:db8:113::1");
}

static void two_legs_on_one_link_share_what_they_know(void **state)
{
    rig_close(&rig);
    struct policy_interface *legs = rig.policy.boot.legs;
    memcpy(legs[LEG_INSIDE].device, legs[LEG_OUTSIDE].device, sizeof legs[0].device);
    memcpy(rig.config.mac[LEG_INSIDE], rig_mac[LEG_OUTSIDE], 6);
    rig_open(&rig);
    struct frame f = frame_tcp(LEG_INSIDE, "203.0.113.1", "203.0.113.10", TCP_SYN);
    rig_output(&rig, &f, LEG_INSIDE);
    f = frame_arp(2, peer_mac, "203.0.113.10", "203.0.113.1", rig_mac[LEG_OUTSIDE]);
    assert_kind(&f, LEG_OUTSIDE, NET_DONE); // the port says outside
    const struct frame *last = &rig.sent[rig.sent_count - 1];
    assert_int_equal(rig.sent_leg[rig.sent_count - 1], LEG_INSIDE);
    assert_memory_equal(last->at, peer_mac, 6);
}

static void backends_on_the_link_are_asked_for_ahead(void **state)
{
    rig_close(&rig);
    struct policy_backend *backends = rig.policy.backends;
    rig.policy.backends_count = 2;
    backends[0].servers_count = backends[1].servers_count = 1;
    assert_true(addr_parse("203.0.113.10", &backends[0].servers[0].addr));
    assert_true(addr_parse("192.0.2.10", &backends[1].servers[0].addr)); // behind a route
    rig.policy.routes_count = 0;
    rig_open(&rig);
    rig_run(&rig, 200000);
    assert_int_equal(rig.sent_count, 1);
    assert_int_equal(rig.sent_leg[0], LEG_INSIDE);
    static const uint8_t backend[] = {203, 0, 113, 10};
    assert_memory_equal(rig.sent[0].at + AT_IP + 24, backend, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_packet_without_route_is_counted_and_freed),
        TEST(a_family_that_is_off_has_no_route),
        TEST(only_arp_and_discovery_are_for_every_worker),
        TEST(our_address_is_of_the_leg_and_the_family),
        TEST(two_legs_on_one_link_share_what_they_know),
        TEST(backends_on_the_link_are_asked_for_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
