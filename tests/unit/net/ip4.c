// SPDX-License-Identifier: BSD-3-Clause
#include "net_test.h"

#include <rte_mbuf.h>

static struct frame syn(void)
{
    return frame_tcp(LEG_OUTSIDE, "198.51.100.10", "198.51.100.1", TCP_SYN);
}

static void shorter_than_its_header_is_refused(void **state)
{
    struct frame f = syn();
    for (f.size = AT_IP; f.size < AT_L4; f.size++)
        assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_TOO_SHORT);
}

static void another_version_or_a_short_header_is_refused(void **state)
{
    struct frame f = syn();
    static const uint8_t bad[] = {0x00, 0x40, 0x44, 0x55, 0x65, 0xf5};
    for (unsigned i = 0; i < sizeof bad; i++) {
        f.at[AT_IP] = bad[i];
        assert_refused(&f, LEG_OUTSIDE, REASON_IP_BAD_HEADER);
    }
}

static void options_are_refused(void **state)
{
    struct frame f = syn();
    for (unsigned words = 6; words <= 15; words++) {
        f.at[AT_IP] = (uint8_t)(0x40 | words);
        assert_refused(&f, LEG_OUTSIDE, REASON_IP_OPTIONS);
    }
}

static void a_total_length_beyond_the_frame_or_below_the_header_is_refused(void **state)
{
    struct frame f = syn();
    static const uint16_t bad[] = {0, 19, 41, 0xffff};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        frame_put_u16(&f, AT_IP + 2, bad[i]);
        assert_refused(&f, LEG_OUTSIDE, REASON_IP_BAD_HEADER);
    }
}

static void a_wrong_header_checksum_is_refused(void **state)
{
    struct frame good = syn();
    for (unsigned bit = 0; bit < 16; bit++) {
        struct frame f = good;
        f.at[AT_IP + 10 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_refused(&f, LEG_OUTSIDE, REASON_IP_BAD_CHECKSUM);
    }
}

static void what_the_port_says_of_the_header_is_believed(void **state)
{
    struct frame f = syn();
    rig.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_BAD;
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_BAD_CHECKSUM);
    f.at[AT_IP + 10] ^= 1;
    rig.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    rig.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_NONE;
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
}

static void fragments_are_refused(void **state)
{
    static const uint16_t bits[] = {0x2000, 0x0001, 0x1fff, 0x2001, 0x6000};
    for (unsigned i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        struct frame f = syn();
        frame_put_u16(&f, AT_IP + 6, bits[i]);
        frame_fix(&f);
        assert_refused(&f, LEG_OUTSIDE, REASON_IP_FRAGMENT);
    }
}

static void sources_that_cannot_be_are_refused(void **state)
{
    static const char *const martians[] = {
        "0.0.0.0",   "0.1.2.3",         "127.0.0.1",      "127.255.255.255", "224.0.0.1",
        "240.0.0.1", "255.255.255.255", "198.51.100.255", "198.51.100.1",    "203.0.113.1",
    };
    for (unsigned i = 0; i < sizeof martians / sizeof martians[0]; i++) {
        struct frame f = frame_tcp(LEG_OUTSIDE, martians[i], "198.51.100.1", TCP_SYN);
        assert_refused(&f, LEG_OUTSIDE, REASON_IP_MARTIAN);
    }
}

static void other_destinations_are_refused(void **state)
{
    // The inside address is not ours on the outside leg.
    static const char *const others[] = {"198.51.100.2", "203.0.113.1", "0.0.0.0", "198.51.100.255",
                                         "224.0.0.1"};
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct frame f = frame_tcp(LEG_OUTSIDE, "198.51.100.10", others[i], TCP_SYN);
        assert_refused(&f, LEG_OUTSIDE, REASON_IP_NOT_OURS);
    }
}

static void a_packet_in_a_broadcast_frame_is_ignored(void **state)
{
    struct frame f = syn();
    memcpy(f.at, broadcast_mac, 6);
    assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_NOT_OURS);
}

static void other_protocols_are_refused(void **state)
{
    for (unsigned protocol = 0; protocol < 256; protocol++) {
        struct frame f = syn();
        f.at[AT_IP + 9] = (uint8_t)protocol;
        frame_fix(&f);
        if (protocol != 1 && protocol != 6)
            assert_refused(&f, LEG_OUTSIDE, REASON_IP_PROTOCOL);
    }
}

static void a_switched_off_family_has_no_address(void **state)
{
    rig_close(&rig);
    rig.policy.boot.legs[LEG_OUTSIDE].addr[FAMILY_V4] = (struct addr){0};
    rig_open(&rig);
    struct frame f = syn();
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_NOT_OURS);
    f = frame_tcp(LEG_OUTSIDE, "198.51.100.10", "0.0.0.0", TCP_SYN);
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_NOT_OURS);
}

static void padding_is_cut_off(void **state)
{
    struct frame f = syn();
    memset(f.at + f.size, 0xee, 6);
    f.size += 6; // the 60 bytes of a real wire
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    assert_int_equal(rig.taken.size, 40);
    assert_int_equal(rig.packet.payload_size, 0);
}

static void a_packet_to_us_comes_out_with_its_addresses(void **state)
{
    struct frame f = frame_tcp(LEG_INSIDE, "203.0.113.10", "203.0.113.1", TCP_SYN | TCP_ACK);
    f.at[AT_IP + 1] = 0xb8;
    frame_fix(&f);
    assert_kind(&f, LEG_INSIDE, NET_TCP);
    char src[ADDR_TEXT_SIZE], dst[ADDR_TEXT_SIZE];
    assert_string_equal(addr_format(&rig.packet.src, src), "203.0.113.10");
    assert_string_equal(addr_format(&rig.packet.dst, dst), "203.0.113.1");
    assert_int_equal(rig.packet.leg, LEG_INSIDE);
    assert_int_equal(rig.packet.ttl, 61);
    assert_int_equal(rig.packet.traffic_class, 0xb8);
    assert_int_equal(rig.packet.l4_offset, 20);
    assert_memory_equal(rig.taken.at, f.at + AT_IP, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shorter_than_its_header_is_refused),
        TEST(another_version_or_a_short_header_is_refused),
        TEST(options_are_refused),
        TEST(a_total_length_beyond_the_frame_or_below_the_header_is_refused),
        TEST(a_wrong_header_checksum_is_refused),
        TEST(what_the_port_says_of_the_header_is_believed),
        TEST(fragments_are_refused),
        TEST(sources_that_cannot_be_are_refused),
        TEST(other_destinations_are_refused),
        TEST(a_packet_in_a_broadcast_frame_is_ignored),
        TEST(other_protocols_are_refused),
        TEST(a_switched_off_family_has_no_address),
        TEST(padding_is_cut_off),
        TEST(a_packet_to_us_comes_out_with_its_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
