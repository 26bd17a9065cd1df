// SPDX-License-Identifier: BSD-3-Clause
#include "net_test.h"

static struct frame syn(void)
{
    return frame_tcp(LEG_OUTSIDE, "2001:db8:51::10", "2001:db8:51::1", TCP_SYN);
}

static void shorter_than_its_header_is_refused(void **state)
{
    struct frame f = syn();
    for (f.size = AT_IP; f.size < AT_L4_V6; f.size++)
        assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_TOO_SHORT);
}

static void another_version_is_refused(void **state)
{
    struct frame f = syn();
    f.at[AT_IP] = 0x40;
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_BAD_HEADER);
}

static void a_length_beyond_the_frame_is_refused(void **state)
{
    struct frame f = syn();
    frame_put_u16(&f, AT_IP + 4, 21);
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_BAD_HEADER);
    frame_put_u16(&f, AT_IP + 4, 0xffff);
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_BAD_HEADER);
}

static void extension_headers_are_refused(void **state)
{
    static const uint8_t headers[] = {0, 43, 50, 51, 60, 135, 139, 140, 253, 254};
    struct frame f = syn();
    for (unsigned i = 0; i < sizeof headers; i++) {
        f.at[AT_IP + 6] = headers[i];
        assert_refused(&f, LEG_OUTSIDE, REASON_IP_OPTIONS);
    }
}

static void fragments_are_refused(void **state)
{
    struct frame f = syn();
    f.at[AT_IP + 6] = 44;
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_FRAGMENT);
}

static void other_protocols_are_refused(void **state)
{
    static const uint8_t others[] = {1, 4, 17, 41, 59, 132};
    struct frame f = syn();
    for (unsigned i = 0; i < sizeof others; i++) {
        f.at[AT_IP + 6] = others[i];
        assert_refused(&f, LEG_OUTSIDE, REASON_IP_PROTOCOL);
    }
}

static void sources_that_cannot_be_are_refused(void **state)
{
    static const char *const martians[] = {
        "::",          "::1",     "ff02::1",         "2001:db8:51::1", "2001:db8:113::1",
        "::192.0.2.1", "fe80::1", "fe80::ff:fe00:1",
    };
    for (unsigned i = 0; i < sizeof martians / sizeof martians[0]; i++) {
        struct frame f = frame_tcp(LEG_OUTSIDE, martians[i], "2001:db8:51::1", TCP_SYN);
        assert_refused(&f, LEG_OUTSIDE, REASON_IP_MARTIAN);
    }
}

static void a_mapped_source_does_not_pass_for_ipv4(void **state)
{
    struct frame f = syn();
    struct addr mapped;
    assert_true(addr_parse("198.51.100.10", &mapped));
    memcpy(f.at + AT_IP + 8, mapped.bytes, 16);
    frame_fix(&f);
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_MARTIAN);
}

static void our_ipv4_address_mapped_is_not_ours(void **state)
{
    struct frame f = syn();
    memcpy(f.at + AT_IP + 24, rig.policy.boot.legs[LEG_OUTSIDE].addr[FAMILY_V4].bytes, 16);
    frame_fix(&f);
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_NOT_OURS);
}

static void other_destinations_are_refused(void **state)
{
    static const char *const others[] = {"2001:db8:51::2", "2001:db8:113::1", "::", "ff02::1",
                                         "fe80::ff:fe00:1"};
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct frame f = frame_tcp(LEG_OUTSIDE, "2001:db8:51::10", others[i], TCP_SYN);
        assert_refused(&f, LEG_OUTSIDE, REASON_IP_NOT_OURS);
    }
}

static void a_segment_to_a_group_is_ignored(void **state)
{
    struct frame f = frame_tcp(LEG_OUTSIDE, "2001:db8:51::10", "ff02::1", TCP_SYN);
    f.at[0] = f.at[1] = 0x33;
    assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_NOT_OURS);
    f = syn();
    f.at[0] = f.at[1] = 0x33;
    assert_refused(&f, LEG_OUTSIDE, REASON_FRAME_NOT_OURS);
}

static void a_switched_off_family_has_no_address(void **state)
{
    rig_close(&rig);
    rig.policy.boot.legs[LEG_OUTSIDE].addr[FAMILY_V6] = (struct addr){0};
    rig_open(&rig);
    struct frame f = syn();
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_NOT_OURS);
    f = frame_nd(135, "2001:db8:51::10", "fe80::ff:fe00:1", "fe80::ff:fe00:1", peer_mac, 0);
    assert_refused(&f, LEG_OUTSIDE, REASON_IP_NOT_OURS);
}

static void padding_is_cut_off(void **state)
{
    struct frame f = syn();
    f.size += 3;
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    assert_int_equal(rig.taken.size, 60);
    assert_int_equal(rig.packet.payload_size, 0);
}

static void a_packet_to_us_comes_out_with_its_addresses(void **state)
{
    struct frame f = syn();
    f.at[AT_IP] = 0x6b;
    f.at[AT_IP + 1] = 0x81; // traffic class 0xb8, flow label from there
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    char src[ADDR_TEXT_SIZE], dst[ADDR_TEXT_SIZE];
    assert_string_equal(addr_format(&rig.packet.src, src), "2001:db8:51::10");
    assert_string_equal(addr_format(&rig.packet.dst, dst), "2001:db8:51::1");
    assert_int_equal(rig.packet.traffic_class, 0xb8);
    assert_int_equal(rig.packet.ttl, 61);
    assert_int_equal(rig.packet.l4_offset, 40);
    assert_memory_equal(rig.taken.at, f.at + AT_IP, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shorter_than_its_header_is_refused),
        TEST(another_version_is_refused),
        TEST(a_length_beyond_the_frame_is_refused),
        TEST(extension_headers_are_refused),
        TEST(fragments_are_refused),
        TEST(other_protocols_are_refused),
        TEST(sources_that_cannot_be_are_refused),
        TEST(a_mapped_source_does_not_pass_for_ipv4),
        TEST(our_ipv4_address_mapped_is_not_ours),
        TEST(other_destinations_are_refused),
        TEST(a_segment_to_a_group_is_ignored),
        TEST(a_switched_off_family_has_no_address),
        TEST(padding_is_cut_off),
        TEST(a_packet_to_us_comes_out_with_its_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
