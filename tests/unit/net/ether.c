// SPDX-License-Identifier: BSD-3-Clause
#include "net_test.h"

#include "net/ether.h"

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <stdio.h>

static struct frame syn(void)
{
    return frame_tcp(LEG_OUTSIDE, "198.51.100.10", "198.51.100.1", TCP_SYN);
}

// Closes the net and opens it with other tags, and with one device for both legs if wanted.
static void reopen(uint16_t outside, uint16_t inside, bool shared)
{
    rig_close(&rig);
    struct policy_interface *legs = rig.policy.boot.legs;
    legs[LEG_OUTSIDE].vlan = outside;
    legs[LEG_INSIDE].vlan = inside;
    if (shared) {
        memcpy(legs[LEG_INSIDE].device, legs[LEG_OUTSIDE].device, sizeof legs[0].device);
        memcpy(rig.config.mac[LEG_INSIDE], rig_mac[LEG_OUTSIDE], 6);
    }
    rig_open(&rig);
}

static void shorter_than_its_header_is_refused(void **state)
{
    struct frame f = syn();
    for (f.size = 0; f.size < AT_IP; f.size++)
        assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_TOO_SHORT);
    frame_tag(&f, 0);
    f.size = 17;
    assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_TOO_SHORT);
}

static void frames_for_another_host_are_ignored(void **state)
{
    struct frame f = syn();
    memcpy(f.at, other_mac, 6);
    assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_NOT_OURS);
    memcpy(f.at, rig_mac[LEG_INSIDE], 6);
    assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_NOT_OURS);
}

static void other_types_are_refused(void **state)
{
    static const uint16_t types[] = {0, 46, 0x05dc, 0x0801, 0x88a8, 0x88cc, 0x9100, 0xffff};
    struct frame f = syn();
    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
        frame_put_u16(&f, 12, types[i]);
        assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_UNKNOWN_TYPE);
    }
}

static void a_tag_where_none_belongs_is_refused(void **state)
{
    struct frame f = syn();
    frame_tag(&f, 7);
    assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_WRONG_VLAN);
}

static void the_leg_wants_its_own_tag(void **state)
{
    reopen(100, 0, false);
    struct frame f = syn();
    assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_WRONG_VLAN);
    frame_tag(&f, 101);
    assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_WRONG_VLAN);
    frame_put_u16(&f, 14, 0xe000 | 100); // priority bits do not matter
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    assert_int_equal(rig.taken.size, 40);
}

static void a_tag_inside_a_tag_is_refused(void **state)
{
    struct frame f = syn();
    frame_tag(&f, 0);
    frame_tag(&f, 0);
    assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_UNKNOWN_TYPE);
}

static void a_priority_tag_is_no_tag(void **state)
{
    struct frame f = syn();
    frame_tag(&f, 0);
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
}

static void a_tag_that_the_port_stripped_counts(void **state)
{
    reopen(100, 0, false);
    struct frame f = syn();
    rig.ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    rig.vlan_tci = 99;
    assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_WRONG_VLAN);
    rig.vlan_tci = 100;
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
}

static void answers_carry_the_tag(void **state)
{
    reopen(100, 0, false);
    rig_run(&rig, 100000); // the next hops of the routes are asked for
    assert_true(rig.sent_count > 0);
    assert_int_equal(frame_u16(&rig.sent[0], 12), 0x8100);
    assert_int_equal(frame_u16(&rig.sent[0], 14), 100);
    assert_memory_equal(rig.sent[0].at + 6, rig_mac[LEG_OUTSIDE], 6);
}

// A segment whose TCP checksum is left to the port, as tcp/ leaves it.
static struct rte_mbuf *segment_left_to_port(void)
{
    struct frame f = frame_tcp(LEG_OUTSIDE, "198.51.100.1", "198.51.100.10", TCP_ACK);
    struct rte_mbuf *m = rte_pktmbuf_alloc(rig_pool());
    assert_non_null(m);
    memcpy(rte_pktmbuf_append(m, 40), f.at + AT_IP, 40);
    uint16_t pseudo = rte_ipv4_phdr_cksum(rte_pktmbuf_mtod(m, const void *), 0);
    memcpy(rte_pktmbuf_mtod_offset(m, void *, 36), &pseudo, sizeof pseudo);
    m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4;
    m->l3_len = m->l4_len = 20;
    return m;
}

static void the_port_that_completes_a_checksum_finds_it_behind_the_link_header(void **state)
{
    rig_forget(&rig);
    ether_send(rig.net, segment_left_to_port(), LEG_OUTSIDE, peer_mac, 0x0800);
    assert_true(frame_sums_are_right(&rig.sent[0]));
    reopen(100, 0, false);
    rig_forget(&rig);
    ether_send(rig.net, segment_left_to_port(), LEG_OUTSIDE, peer_mac, 0x0800);
    struct frame *tagged = &rig.sent[0];
    assert_int_equal(frame_u16(tagged, 12), 0x8100);
    tagged->size -= 4;
    memmove(tagged->at + 12, tagged->at + 16, tagged->size - 12);
    assert_true(frame_sums_are_right(tagged));
}

static void one_port_for_both_legs_is_told_apart_by_tag(void **state)
{
    reopen(100, 200, true);
    struct frame f = syn();
    assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_WRONG_VLAN);
    frame_tag(&f, 100);
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    assert_int_equal(rig.packet.leg, LEG_OUTSIDE);
    f = frame_tcp(LEG_OUTSIDE, "203.0.113.10", "203.0.113.1", TCP_ACK);
    frame_tag(&f, 200);
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    assert_int_equal(rig.packet.leg, LEG_INSIDE);
    frame_put_u16(&f, 14, 100); // the inside address on the outside network
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_NOT_OURS);
}

static void one_port_without_tags_is_told_apart_by_destination(void **state)
{
    reopen(0, 0, true);
    struct frame f = syn();
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    assert_int_equal(rig.packet.leg, LEG_OUTSIDE);
    f = frame_tcp(LEG_OUTSIDE, "203.0.113.10", "203.0.113.1", TCP_ACK);
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    assert_int_equal(rig.packet.leg, LEG_INSIDE);
    f = frame_tcp(LEG_OUTSIDE, "2001:db8:113::10", "2001:db8:113::1", TCP_ACK);
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    assert_int_equal(rig.packet.leg, LEG_INSIDE);
    f = frame_tcp(LEG_OUTSIDE, "203.0.113.10", "203.0.113.2", TCP_ACK);
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_NOT_OURS);
}

static void a_frame_in_two_buffers_is_joined(void **state)
{
    rig.split = true;
    struct frame f = syn();
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    assert_memory_equal(rig.taken.at, f.at + AT_IP, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shorter_than_its_header_is_refused),
        TEST(frames_for_another_host_are_ignored),
        TEST(other_types_are_refused),
        TEST(a_tag_where_none_belongs_is_refused),
        TEST(the_leg_wants_its_own_tag),
        TEST(a_tag_inside_a_tag_is_refused),
        TEST(a_priority_tag_is_no_tag),
        TEST(a_tag_that_the_port_stripped_counts),
        TEST(answers_carry_the_tag),
        TEST(the_port_that_completes_a_checksum_finds_it_behind_the_link_header),
        TEST(one_port_for_both_legs_is_told_apart_by_tag),
        TEST(one_port_without_tags_is_told_apart_by_destination),
        TEST(a_frame_in_two_buffers_is_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
