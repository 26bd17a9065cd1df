// SPDX-License-Identifier: BSD-3-Clause
#include "net_test.h"

#include <rte_mbuf.h>

static struct frame segment(uint8_t flags)
{
    return frame_tcp(LEG_OUTSIDE, "198.51.100.10", "198.51.100.1", flags);
}

static struct frame segment_v6(uint8_t flags)
{
    return frame_tcp(LEG_OUTSIDE, "2001:db8:51::10", "2001:db8:51::1", flags);
}

static void insert_options(struct frame *f, const uint8_t *options, size_t size)
{
    memcpy(f->at + f->size, options, size);
    f->size += size;
    f->at[AT_L4 + 12] = (uint8_t)((5 + size / 4) << 4);
    frame_fix(f);
}

static void shorter_than_its_header_is_refused(void **state)
{
    struct frame f = segment(TCP_SYN);
    for (unsigned size = 0; size < 20; size++) {
        f.size = AT_L4 + size;
        struct frame cut = f;
        frame_put_u16(&cut, AT_IP + 2, (uint16_t)(20 + size));
        frame_put_u16(&cut, AT_IP + 10, 0);
        frame_fix(&cut);
        assert_refused(&cut, LEG_OUTSIDE, REASON_TCP_BAD_HEADER);
    }
}

static void an_offset_outside_the_segment_is_refused(void **state)
{
    for (unsigned words = 0; words < 16; words++) {
        struct frame f = segment(TCP_SYN);
        f.at[AT_L4 + 12] = (uint8_t)(words << 4);
        frame_fix(&f);
        if (words != 5)
            assert_refused(&f, LEG_OUTSIDE, REASON_TCP_BAD_HEADER);
    }
}

static void flags_that_no_client_sends_are_refused(void **state)
{
    static const uint8_t bad[] = {
        0,
        TCP_FIN,
        TCP_PSH,
        TCP_URG,
        TCP_FIN | TCP_PSH | TCP_URG,
        TCP_SYN | TCP_FIN,
        TCP_SYN | TCP_RST,
        TCP_SYN | TCP_FIN | TCP_ACK,
        TCP_SYN | TCP_RST | TCP_ACK,
        TCP_SYN | TCP_URG,
        TCP_RST | TCP_FIN,
        TCP_RST | TCP_FIN | TCP_ACK,
        0x3f,
        0xff,
        TCP_ECE | TCP_CWR,
    };
    for (unsigned i = 0; i < sizeof bad; i++) {
        struct frame f = segment(bad[i]);
        assert_refused(&f, LEG_OUTSIDE, REASON_TCP_BAD_FLAGS);
        f = segment_v6(bad[i]);
        assert_refused(&f, LEG_OUTSIDE, REASON_TCP_BAD_FLAGS);
    }
}

static void flags_of_real_life_pass(void **state)
{
    static const uint8_t good[] = {
        TCP_SYN,
        TCP_SYN | TCP_ECE | TCP_CWR,
        TCP_SYN | TCP_ACK,
        TCP_SYN | TCP_ACK | TCP_ECE,
        TCP_ACK,
        TCP_ACK | TCP_PSH,
        TCP_ACK | TCP_FIN | TCP_PSH,
        TCP_ACK | TCP_URG,
        TCP_RST,
        TCP_RST | TCP_ACK,
    };
    for (unsigned i = 0; i < sizeof good; i++) {
        struct frame f = segment(good[i]);
        assert_kind(&f, LEG_OUTSIDE, NET_TCP);
        assert_int_equal(rig.packet.tcp_flags, good[i]);
    }
}

static void any_wrong_bit_fails_the_checksum(void **state)
{
    struct frame good = segment(TCP_ACK | TCP_PSH);
    memcpy(good.at + good.size, "odd", 3);
    good.size += 3;
    frame_fix(&good);
    assert_kind(&good, LEG_OUTSIDE, NET_TCP);
    for (size_t bit = (AT_L4 + 14) * 8; bit < good.size * 8; bit++) {
        struct frame f = good;
        f.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_refused(&f, LEG_OUTSIDE, REASON_TCP_BAD_CHECKSUM);
    }
}

static void the_checksum_covers_the_addresses(void **state)
{
    struct frame f = segment_v6(TCP_ACK);
    f.at[AT_IP + 8 + 15] ^= 1;
    assert_refused(&f, LEG_OUTSIDE, REASON_TCP_BAD_CHECKSUM);
}

static void what_the_port_says_of_a_checksum_is_believed(void **state)
{
    struct frame f = segment(TCP_ACK);
    f.at[AT_L4 + 16] ^= 1;
    rig.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN; // so it is summed
    assert_refused(&f, LEG_OUTSIDE, REASON_TCP_BAD_CHECKSUM);
    rig.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    rig.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE; // the data was on no wire
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    f.at[AT_L4 + 16] ^= 1;
    rig.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD;
    assert_refused(&f, LEG_OUTSIDE, REASON_TCP_BAD_CHECKSUM);
}

static void impossible_options_are_refused(void **state)
{
    static const uint8_t bad[][4] = {
        {2, 0, 0, 0},  // no length
        {2, 5, 0, 0},  // beyond the end
        {2, 3, 0, 0},  // an MSS of one byte
        {8, 4, 0, 0},  // timestamps of two bytes
        {1, 1, 1, 99}, // a kind and nothing
    };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct frame f = segment(TCP_SYN);
        insert_options(&f, bad[i], sizeof bad[i]);
        assert_refused(&f, LEG_OUTSIDE, REASON_TCP_BAD_OPTIONS);
    }
}

static void options_and_payload_are_found(void **state)
{
    static const uint8_t options[] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0,
                                      0, 7, 0,    0,    0, 0, 1, 3,  3, 7};
    struct frame f = segment(TCP_SYN);
    insert_options(&f, options, sizeof options);
    memcpy(f.at + f.size, "hello", 5);
    f.size += 5;
    frame_fix(&f);
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    const struct packet *p = &rig.packet;
    assert_int_equal(p->options.mss, 1460);
    assert_true(p->options.sack_permitted);
    assert_int_equal(p->options.ts_value, 7);
    assert_int_equal(p->options.window_scale, 7);
    assert_int_equal(p->payload_offset, 60);
    assert_int_equal(p->payload_size, 5);
    assert_memory_equal(rig.taken.at + p->payload_offset, "hello", 5);
}

static void the_header_is_read_in_host_order(void **state)
{
    struct frame f = segment_v6(TCP_ACK);
    assert_kind(&f, LEG_OUTSIDE, NET_TCP);
    assert_int_equal(rig.packet.src_port, 40000);
    assert_int_equal(rig.packet.dst_port, 25);
    assert_int_equal(rig.packet.seq, 1000);
    assert_int_equal(rig.packet.ack, 2000);
    assert_int_equal(rig.packet.window, 64240);
    assert_int_equal(rig.packet.options.mss, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shorter_than_its_header_is_refused),
        TEST(an_offset_outside_the_segment_is_refused),
        TEST(flags_that_no_client_sends_are_refused),
        TEST(any_wrong_bit_fails_the_checksum),
        TEST(the_checksum_covers_the_addresses),
        TEST(what_the_port_says_of_a_checksum_is_believed),
        TEST(impossible_options_are_refused),
        TEST(flags_of_real_life_pass),
        TEST(options_and_payload_are_found),
        TEST(the_header_is_read_in_host_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
