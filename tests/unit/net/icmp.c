// SPDX-License-Identifier: BSD-3-Clause
#include "net_test.h"

static const char outside_v4[] = "198.51.100.1", outside_v6[] = "2001:db8:51::1";
static const char client_v4[] = "198.51.100.10", client_v6[] = "2001:db8:51::10";

static struct frame ping(bool v4)
{
    static const uint8_t body[] = "\x12\x34\x00\x01 sixteen odd data";
    return v4 ? frame_icmp(LEG_OUTSIDE, client_v4, outside_v4, 8, 0, body, sizeof body - 1)
              : frame_icmp(LEG_OUTSIDE, client_v6, outside_v6, 128, 0, body, sizeof body - 1);
}

// Lets the net learn the pinger, so that replies leave at once.
static void know_client(void)
{
    struct frame f = ping(true);
    assert_kind(&f, LEG_OUTSIDE, NET_ICMP_ECHO);
    f = frame_arp(2, peer_mac, client_v4, outside_v4, rig_mac[LEG_OUTSIDE]);
    assert_kind(&f, LEG_OUTSIDE, NET_DONE);
    f = ping(false);
    assert_kind(&f, LEG_OUTSIDE, NET_ICMP_ECHO);
    f = frame_nd(136, client_v6, outside_v6, client_v6, peer_mac, 0x60);
    assert_kind(&f, LEG_OUTSIDE, NET_DONE);
    rig_forget(&rig);
}

// The error that a router at `from` would send about our segment: `quoted` bytes of it.
static struct frame error_about(const char *from, uint8_t type, uint8_t code, uint32_t rest,
                                size_t quoted)
{
    bool v4 = strchr(from, '.') != NULL;
    struct frame ours = v4 ? frame_tcp(LEG_OUTSIDE, outside_v4, "192.0.2.7", TCP_ACK)
                           : frame_tcp(LEG_OUTSIDE, outside_v6, "2001:db8:9::7", TCP_ACK);
    uint8_t body[100] = {(uint8_t)(rest >> 24), (uint8_t)(rest >> 16), (uint8_t)(rest >> 8),
                         (uint8_t)rest};
    if (v4) // as if it had been 1,500 bytes long
        frame_put_u16(&ours, AT_IP + 2, 1500);
    memcpy(body + 4, ours.at + AT_IP, quoted);
    return frame_icmp(LEG_OUTSIDE, from, v4 ? outside_v4 : outside_v6, type, code, body,
                      4 + quoted);
}

static void too_short_or_with_a_wrong_checksum_is_refused(void **state)
{
    struct frame f = frame_icmp(LEG_OUTSIDE, client_v4, outside_v4, 8, 0, "abc", 3);
    assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_BAD);
    f = frame_icmp(LEG_OUTSIDE, client_v6, outside_v6, 128, 0, "abc", 3);
    assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_BAD);
    f = ping(true);
    f.at[f.size - 1] ^= 1;
    assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_BAD);
    f = ping(false);
    f.at[f.size - 1] ^= 1;
    assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_BAD);
}

static void an_echo_request_with_a_code_is_refused(void **state)
{
    struct frame f = frame_icmp(LEG_OUTSIDE, client_v4, outside_v4, 8, 1, "1234", 4);
    assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_BAD);
}

static void types_that_we_do_not_serve_are_ignored(void **state)
{
    static const uint8_t v4[] = {0, 4, 5, 9, 10, 13, 15, 17, 40};
    static const uint8_t v6[] = {129, 130, 131, 132, 133, 134, 137, 138, 143, 155, 5, 0};
    for (unsigned i = 0; i < sizeof v4; i++) {
        struct frame f = frame_icmp(LEG_OUTSIDE, client_v4, outside_v4, v4[i], 0, "1234", 4);
        assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_IGNORED);
    }
    for (unsigned i = 0; i < sizeof v6; i++) {
        struct frame f = frame_icmp(LEG_OUTSIDE, client_v6, outside_v6, v6[i], 0, "1234", 4);
        assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_IGNORED);
    }
}

static void router_advertisements_to_all_nodes_are_ignored(void **state)
{
    struct frame f = frame_nd(134, "fe80::1", "ff02::1", "::", NULL, 0);
    assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_IGNORED);
}

static void a_ping_to_a_group_or_link_locally_is_not_answered(void **state)
{
    struct frame f = frame_icmp(LEG_OUTSIDE, client_v6, "ff02::1", 128, 0, "1234", 4);
    f.at[0] = f.at[1] = 0x33;
    assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_IGNORED);
    f = frame_icmp(LEG_OUTSIDE, client_v6, "fe80::ff:fe00:1", 128, 0, "1234", 4);
    assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_IGNORED);
}

static void an_error_that_quotes_too_little_is_refused(void **state)
{
    for (size_t quoted = 0; quoted < 28; quoted++) {
        struct frame f = error_about("192.0.2.254", 3, 3, 0, quoted);
        assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_BAD);
    }
    for (size_t quoted = 0; quoted < 48; quoted++) {
        struct frame f = error_about("2001:db8:9::fe", 1, 4, 0, quoted);
        assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_BAD);
    }
}

static void an_error_about_what_is_not_ours_is_refused(void **state)
{
    struct frame f = error_about("192.0.2.254", 3, 3, 0, 40);
    f.at[AT_L4 + 8 + 15] ^= 1; // the quote's source
    frame_fix(&f);
    assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_BAD);
    f = error_about("192.0.2.254", 3, 3, 0, 40);
    f.at[AT_L4 + 8 + 6] = 0x20; // a fragment: we send none
    frame_fix(&f);
    assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_BAD);
    f = error_about("192.0.2.254", 3, 3, 0, 40);
    f.at[AT_L4 + 8 + 9] = 17;
    frame_fix(&f);
    assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_IGNORED);
}

static void a_size_below_what_ipv6_allows_is_refused(void **state)
{
    struct frame f = error_about("2001:db8:9::fe", 2, 0, 1279, 60);
    assert_refused(&f, LEG_OUTSIDE, REASON_ICMP_BAD);
    f = error_about("2001:db8:9::fe", 2, 0, 1280, 60);
    assert_kind(&f, LEG_OUTSIDE, NET_ICMP_ERROR);
    assert_int_equal(rig.icmp.next_mtu, 1280);
}

static void pings_over_the_rate_are_counted_and_not_answered(void **state)
{
    know_client();
    struct frame f = ping(true);
    rig.now_us += 10000000;
    unsigned sent = 0;
    for (int i = 0; i < 400; i++) {
        rig_forget(&rig);
        assert_kind(&f, LEG_OUTSIDE, NET_ICMP_ECHO);
        sent += rig.sent_count;
    }
    assert_in_range(sent, 200, 201);
    assert_int_equal(rig.counters.reasons[REASON_ICMP_RATE], 400 - 200);
    rig.now_us += 10000;
    rig_forget(&rig);
    assert_kind(&f, LEG_OUTSIDE, NET_ICMP_ECHO);
    assert_int_equal(rig.sent_count, 1);
}

static void a_ping_is_answered_with_the_same_bytes(void **state)
{
    know_client();
    for (int v4 = 0; v4 <= 1; v4++) {
        struct frame f = ping(v4);
        rig_forget(&rig);
        assert_kind(&f, LEG_OUTSIDE, NET_ICMP_ECHO);
        assert_int_equal(rig.sent_count, 1);
        const struct frame *reply = &rig.sent[0];
        size_t l4 = v4 ? AT_L4 : AT_L4_V6;
        assert_int_equal(reply->size, f.size);
        assert_memory_equal(reply->at, peer_mac, 6);
        assert_memory_equal(reply->at + 6, rig_mac[LEG_OUTSIDE], 6);
        assert_int_equal(reply->at[l4], v4 ? 0 : 129);
        assert_int_equal(reply->at[v4 ? AT_IP + 8 : AT_IP + 7], 64);
        assert_memory_equal(reply->at + l4 + 4, f.at + l4 + 4, f.size - l4 - 4);
        assert_true(frame_sums_are_right(reply));
    }
}

static void every_echo_checksum_is_right_when_the_type_changes(void **state)
{
    know_client();
    for (unsigned i = 0; i < 65536; i += 13) {
        uint8_t body[4] = {(uint8_t)(i >> 8), (uint8_t)i, 0xf7, 0xff};
        struct frame f = frame_icmp(LEG_OUTSIDE, client_v4, outside_v4, 8, 0, body, sizeof body);
        rig.now_us += 1000;
        rig_forget(&rig);
        assert_kind(&f, LEG_OUTSIDE, NET_ICMP_ECHO);
        assert_true(frame_sums_are_right(&rig.sent[0]));
    }
}

static void errors_name_our_segment_and_how_bad_it_is(void **state)
{
    static const struct {
        const char *from;
        uint8_t type, code;
        bool want_hard;
    } cases[] = {
        {"192.0.2.254", 3, 0, false},   {"192.0.2.254", 3, 1, false},
        {"192.0.2.254", 3, 2, true},    {"192.0.2.254", 3, 3, true},
        {"192.0.2.254", 3, 13, true},   {"192.0.2.254", 11, 0, false},
        {"192.0.2.254", 12, 0, false},  {"2001:db8:9::fe", 1, 0, false},
        {"2001:db8:9::fe", 1, 1, true}, {"2001:db8:9::fe", 1, 3, false},
        {"2001:db8:9::fe", 1, 4, true}, {"2001:db8:9::fe", 3, 0, false},
        {"2001:db8:9::fe", 4, 1, true}, {"fe80::1", 1, 4, true},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct frame f = error_about(cases[i].from, cases[i].type, cases[i].code, 0, 48);
        assert_kind(&f, LEG_OUTSIDE, NET_ICMP_ERROR);
        assert_int_equal(rig.icmp.hard, cases[i].want_hard);
        assert_int_equal(rig.icmp.next_mtu, 0);
        char text[ADDR_TEXT_SIZE];
        bool v4 = strchr(cases[i].from, '.') != NULL;
        assert_string_equal(addr_format(&rig.packet.src, text), v4 ? outside_v4 : outside_v6);
        assert_string_equal(addr_format(&rig.packet.dst, text), v4 ? "192.0.2.7" : "2001:db8:9::7");
        assert_int_equal(rig.packet.src_port, 40000);
        assert_int_equal(rig.packet.dst_port, 25);
        assert_int_equal(rig.packet.seq, 1000);
    }
}

static void too_big_names_the_size(void **state)
{
    static const struct {
        uint32_t named;
        uint16_t want;
    } cases[] = {{1400, 1400}, {0, 1492}, {1500, 1492}, {9000, 1492},
                 {67, 68},     {1, 68},   {296, 296}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct frame f = error_about("192.0.2.254", 3, 4, cases[i].named, 28);
        assert_kind(&f, LEG_OUTSIDE, NET_ICMP_ERROR);
        assert_int_equal(rig.icmp.next_mtu, cases[i].want);
        assert_false(rig.icmp.hard);
    }
    struct frame f = error_about("2001:db8:9::fe", 2, 0, 0x12345, 60);
    assert_kind(&f, LEG_OUTSIDE, NET_ICMP_ERROR);
    assert_int_equal(rig.icmp.next_mtu, 65535);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(too_short_or_with_a_wrong_checksum_is_refused),
        TEST(an_echo_request_with_a_code_is_refused),
        TEST(types_that_we_do_not_serve_are_ignored),
        TEST(router_advertisements_to_all_nodes_are_ignored),
        TEST(a_ping_to_a_group_or_link_locally_is_not_answered),
        TEST(an_error_that_quotes_too_little_is_refused),
        TEST(an_error_about_what_is_not_ours_is_refused),
        TEST(a_size_below_what_ipv6_allows_is_refused),
        TEST(pings_over_the_rate_are_counted_and_not_answered),
        TEST(a_ping_is_answered_with_the_same_bytes),
        TEST(every_echo_checksum_is_right_when_the_type_changes),
        TEST(errors_name_our_segment_and_how_bad_it_is),
        TEST(too_big_names_the_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
