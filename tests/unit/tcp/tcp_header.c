// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_header.h"
#include "stage.h"

static void a_reset_gets_no_reset(void **state)
{
    struct packet p = stage_segment(&s, TCP_RST, 0, 0);
    tcp_header_reset(s.tcp, &p);
    stage_take_none(&s);
}

static void a_reset_stands_where_the_peer_waits_for_it(void **state) // RFC 9293, section 3.5.2
{
    struct packet p = stage_segment(&s, TCP_ACK, 5, 9);
    tcp_header_reset(s.tcp, &p);
    struct stage_segment reset = stage_take(&s);
    assert_int_equal(reset.packet.tcp_flags, TCP_RST);
    assert_int_equal(stage_seq(&reset), 9);
    assert_true(addr_equal(&reset.packet.dst, &p.src));
    p = stage_segment(&s, TCP_SYN | TCP_FIN, 5, 9);
    p.payload_size = 10;
    tcp_header_reset(s.tcp, &p);
    reset = stage_take(&s);
    assert_int_equal(reset.packet.tcp_flags, TCP_RST | TCP_ACK);
    assert_int_equal(reset.packet.seq, 0);
    assert_int_equal(stage_acked(&reset), 17);
}

static void assert_segments_are_whole(void) // stage.c checks lengths and checksums
{
    uint8_t data[1400];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 13);
    struct addr v6[2];
    assert_true(addr_parse("2001:db8::1", &v6[0]) && addr_parse("2001:db8::2", &v6[1]));
    struct tcp_option option = {.has_timestamps = true, .ts_value = 1, .ts_echo = 2};
    option.sack_count = 2;
    option.sack[0] = (struct tcp_sack_block){3, 4};
    option.sack[1] = (struct tcp_sack_block){5, 6};
    for (size_t size = 0; size <= sizeof data; size += size < 40 ? 1 : 170)
        for (int family = 0; family < 2; family++) {
            struct tcp_header h = {
                .local = family ? &v6[0] : &s.base.dst,
                .remote = family ? &v6[1] : &s.base.src,
                .local_port = 25,
                .remote_port = 65535,
                .leg = LEG_INSIDE,
                .flags = TCP_ACK,
                .seq = 0xfffffff0,
                .ack = 0x80000000,
                .window = 0x1234,
                .option = &option,
                .data = span_of(data, size),
            };
            assert_true(tcp_header_emit(s.tcp, &h));
            struct stage_segment out = stage_take(&s);
            assert_int_equal(out.packet.leg, LEG_INSIDE);
            assert_int_equal(out.packet.payload_size, size);
            assert_memory_equal(out.data, data, size);
            assert_int_equal(out.packet.seq, 0xfffffff0);
            assert_int_equal(out.packet.ack, 0x80000000);
            assert_int_equal(out.packet.window, 0x1234);
            assert_int_equal(out.packet.options.sack_count, 2);
            assert_int_equal(out.packet.options.ts_echo, 2);
            assert_int_equal(out.packet.ttl, 64);
        }
}

static void both_families_are_whole(void **state)
{
    assert_segments_are_whole();
}

static void a_port_that_completes_checksums_is_left_the_segment_alone(void **state)
{
    s.tcp->config.port_sums[LEG_INSIDE] = true;
    assert_segments_are_whole();
    assert_true(s.left_to_port > 0);
    s.left_to_port = 0;
    struct packet p = stage_segment(&s, TCP_ACK, 5, 9);
    p.leg = LEG_OUTSIDE; // whose port does not
    tcp_header_reset(s.tcp, &p);
    stage_take(&s);
    assert_int_equal(s.left_to_port, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_bare(a_reset_gets_no_reset),
        with_bare(a_reset_stands_where_the_peer_waits_for_it),
        with_bare(both_families_are_whole),
        with_bare(a_port_that_completes_checksums_is_left_the_segment_alone),
    };
    return stage_run(tests);
}
