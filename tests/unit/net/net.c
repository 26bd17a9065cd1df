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

// Packets in turn to who is known, unknown, behind routes, or nowhere, in bursts of that many.
static void output_mixed(unsigned burst)
{
    static const char *const to[] = {"198.51.100.10", "192.0.2.1",       "198.51.100.11",
                                     "10.1.2.3",      "2001:db8:51::10", "2001:db8:9::1",
                                     "192.0.2.7",     "192.0.2.1",       "198.51.100.10"};
    enum { KINDS = sizeof to / sizeof to[0], PACKETS = 200 };
    static struct frame frames[PACKETS];
    rig_close(&rig);
    rig_init(&rig);
    rig.policy.routes_count = 1; // IPv4's default
    rig_open(&rig);
    rig_run(&rig, 100000);
    struct frame f = frame_arp(2, peer_mac, "198.51.100.254", "198.51.100.1", rig_mac[LEG_OUTSIDE]);
    assert_kind(&f, LEG_OUTSIDE, NET_DONE);
    f = frame_tcp(LEG_OUTSIDE, "198.51.100.1", to[0], TCP_ACK);
    rig_output(&rig, &f, LEG_OUTSIDE);
    f = frame_arp(2, other_mac, to[0], "198.51.100.1", rig_mac[LEG_OUTSIDE]);
    assert_kind(&f, LEG_OUTSIDE, NET_DONE);
    rig_forget(&rig);
    for (unsigned i = 0, kind = 1; i < PACKETS; i++, kind = kind * 5 + 1) {
        const char *addr = to[kind / 7 % KINDS];
        bool v4 = !strchr(addr, ':');
        frames[i] =
            frame_tcp(LEG_OUTSIDE, v4 ? "198.51.100.1" : "2001:db8:51::1", addr, TCP_SYN | TCP_ACK);
        frame_put_u16(&frames[i], (v4 ? AT_L4 : AT_L4_V6) + 6, (uint16_t)i); // sequence number
        frame_fix(&frames[i]);
    }
    for (unsigned i = 0; i < PACKETS; i += burst)
        rig_output_burst(&rig, frames + i, burst < PACKETS - i ? burst : PACKETS - i, LEG_OUTSIDE);
    f = frame_arp(2, other_mac, "198.51.100.11", "198.51.100.1", rig_mac[LEG_OUTSIDE]);
    assert_kind(&f, LEG_OUTSIDE, NET_DONE); // who waited for it
}

// Frames to that link address, one after the other.
static unsigned sent_to(const uint8_t mac[6], struct frame *ret_frames)
{
    unsigned count = 0;
    for (unsigned i = 0; i < rig.sent_count; i++)
        if (memcmp(rig.sent[i].at, mac, 6) == 0)
            ret_frames[count++] = rig.sent[i];
    return count;
}

static void a_burst_leaves_as_its_packets_would_one_by_one(void **state)
{
    static const uint8_t nd_mac[6] = {0x33, 0x33, 0xff, 0, 0, 0x10};
    const uint8_t *const macs[] = {peer_mac, other_mac, broadcast_mac, nd_mac};
    enum { MACS = sizeof macs / sizeof macs[0] };
    static struct frame alone[MACS][RIG_SENT_MAX], burst[RIG_SENT_MAX];
    unsigned counts[MACS];
    output_mixed(1);
    struct counter_block counters = rig.counters;
    for (unsigned i = 0; i < MACS; i++)
        counts[i] = sent_to(macs[i], alone[i]);
    assert_true(counts[0] > 40 && counts[1] > 20 && counts[2] == 1 && counts[3] == 1);
    assert_true(counters.reasons[REASON_NO_ROUTE] > 10);
    assert_true(counters.reasons[REASON_NEIGHBOR_UNKNOWN] > 10);
    for (unsigned size = 2; size <= NET_BURST; size += 10) {
        output_mixed(size);
        assert_memory_equal(&rig.counters, &counters, sizeof counters);
        for (unsigned i = 0; i < MACS; i++) {
            assert_int_equal(sent_to(macs[i], burst), counts[i]);
            for (unsigned k = 0; k < counts[i]; k++) {
                assert_int_equal(burst[k].size, alone[i][k].size);
                assert_memory_equal(burst[k].at, alone[i][k].at, burst[k].size);
            }
        }
    }
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
        TEST(a_burst_leaves_as_its_packets_would_one_by_one),
        TEST(only_arp_and_discovery_are_for_every_worker),
        TEST(our_address_is_of_the_leg_and_the_family),
        TEST(two_legs_on_one_link_share_what_they_know),
        TEST(backends_on_the_link_are_asked_for_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
