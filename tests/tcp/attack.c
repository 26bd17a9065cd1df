// SPDX-License-Identifier: BSD-3-Clause

/* What a hostile peer or stranger can make us do: each test measures the work, in branches taken
 * (support/work.h), segments sent or buffers held, against an ordinary request with its answer.
 * attack.md is the table of them.
 */

#include "tcp/tcp_queue.h"

#include "base/rng.h"
#include "support/work.h"
#include "unit/tcp/stage.h"

enum {
    TIMES_MOST = 20, // a hostile segment's work, in ordinary ones
    FLOOD = 2000,
    HELD_MOST = STAGE_RECEIVE_BYTES / 512 + 8, // buffers of a connection's islands
    QUEUE_MOST = STAGE_SEND_BYTES / 512 + 4,   // segments of a send queue
};

static uint64_t ordinary;               // work of a request and its answer
static uint64_t worst, began, segments; // of what is being measured

static void meter_start(void)
{
    began = work_done;
}

static void meter_stop(void)
{
    uint64_t work = work_done - began;
    worst = work > worst ? work : worst;
    segments += s.count;
    stage_take_all(&s);
}

static void assert_cheap(uint64_t times)
{
    if (worst > times * ordinary)
        fail_msg("%lu steps, %lu times an ordinary segment's %lu", (unsigned long)worst,
                 (unsigned long)(worst / ordinary), (unsigned long)ordinary);
}

// One segment with what follows from it at once.
static void hit(uint8_t flags, int64_t seq, int64_t ack, size_t size)
{
    static const uint8_t data[1500];
    struct packet p = stage_segment(&s, flags, seq, ack);
    meter_start();
    stage_give_packet(&s, &p, span_of(data, size));
    stage_advance(&s);
    meter_stop();
}

static void hit_with_blocks(int64_t ack, const int64_t (*blocks)[2], uint8_t count)
{
    struct packet p = stage_segment(&s, TCP_ACK, 0, ack);
    p.options.sack_count = count;
    for (uint8_t i = 0; i < count; i++)
        p.options.sack[i] =
            (struct tcp_sack_block){OURS + (uint32_t)blocks[i][0], OURS + (uint32_t)blocks[i][1]};
    meter_start();
    stage_give_packet(&s, &p, span_of(NULL, 0));
    stage_advance(&s);
    meter_stop();
}

static void measure_ordinary(void)
{
    for (int i = 0; i < 16; i++) {
        meter_start();
        stage_give(&s, TCP_ACK | TCP_PSH, i * 64, i * 64, 64);
        tcp_consume(s.tcp, s.h, 64);
        stage_send(&s, 64);
        meter_stop();
    }
    ordinary = worst;
}

static int set_up(void **state)
{
    stage_open(&s);
    stage_accept(&s, true, false);
    if (!ordinary)
        measure_ordinary();
    tcp_abort(s.tcp, s.h);
    stage_take_all(&s);
    stage_accept(&s, true, false);
    worst = segments = 0;
    return 0;
}

// Fills the send queue and gets all of it under way; returns its bytes, from number `from` on.
static uint32_t fill_flight(int64_t *ret_from)
{
    int64_t from = 0;
    for (int round = 0; round < 400; round++) {
        stage_send(&s, STAGE_SEND_BYTES);
        stage_wait(&s, 3);
        const struct tcp_conn *c = stage_conn(&s);
        from = (int32_t)(c->snd_una - OURS);
        if (c->snd_nxt - c->snd_una > STAGE_SEND_BYTES * 9 / 10)
            break;
        stage_give(&s, TCP_ACK, 0, (int32_t)(c->snd_nxt - OURS), 0);
        stage_take_all(&s);
    }
    const struct tcp_conn *c = stage_conn(&s);
    assert_true(c->snd_nxt - c->snd_una > STAGE_SEND_BYTES * 9 / 10);
    stage_take_all(&s);
    *ret_from = from;
    return c->snd_nxt - c->snd_una;
}

static void segments_out_of_the_window_cost_no_more_than_one_within(void **state)
{
    for (int i = 0; i < FLOOD; i++)
        hit(TCP_ACK, STAGE_RECEIVE_BYTES + i * 100, 0, 100);
    assert_cheap(1);
    assert_int_equal(segments, FLOOD); // the ACK that a repetition needs, never more
    segments = 0;
    for (int i = 0; i < FLOOD; i++)
        hit(TCP_ACK, STAGE_RECEIVE_BYTES + i * 100, 0, 0);
    assert_int_equal(segments, 1);
    assert_int_equal(s.tcp->buffers_recv, 0);
}

static void overlapping_segments_hold_no_more_than_the_window(void **state)
{
    struct rng rng;
    rng_seed(&rng, 4);
    for (int i = 0; i < FLOOD; i++) {
        int64_t seq = 1 + (int64_t)rng_below(&rng, STAGE_RECEIVE_BYTES - 1);
        hit(TCP_ACK, seq, 0, 1 + rng_below(&rng, 1460));
        assert_true(s.tcp->buffers_recv <= HELD_MOST);
    }
    assert_cheap(3);
    hit(TCP_ACK, 0, 0, 1); // all islands that touch are the owner's at once
    assert_cheap(3);
}

static void one_byte_segments_share_buffers(void **state)
{
    for (int i = 0; i < STAGE_RECEIVE_BYTES; i++)
        hit(TCP_ACK, i, 0, 1);
    assert_cheap(1);
    assert_true(s.tcp->buffers_recv <= HELD_MOST);
    assert_int_equal(tcp_readable(s.tcp, s.h), STAGE_RECEIVE_BYTES);
}

static void islands_of_a_byte_are_few(void **state) // as SegmentSmack, CVE-2018-5390
{
    for (int i = 1; i < STAGE_RECEIVE_BYTES - 1; i += 2)
        hit(TCP_ACK, i, 0, 1);
    assert_cheap(3);
    assert_int_equal(stage_conn(&s)->run_count, TCP_RUNS_MAX);
    assert_int_equal(s.tcp->buffers_recv, TCP_RUNS_MAX);
}

static void islands_from_right_to_left_cost_the_same(void **state)
{
    for (int i = STAGE_RECEIVE_BYTES - 2; i > 0; i--)
        hit(TCP_ACK, i, 0, 1);
    assert_cheap(2);
    assert_true(s.tcp->buffers_recv <= HELD_MOST);
}

static void islands_of_all_connections_leave_room_for_what_is_in_order(void **state)
{
    handle first = s.h;
    for (uint16_t n = 1; n < 60; n++) {
        s.base.src_port = (uint16_t)(4000 + n);
        stage_accept(&s, true, false);
        for (int i = 1; i < 20; i++)
            hit(TCP_ACK, i * 1460, 0, 1200);
    }
    assert_cheap(3);
    assert_int_equal(s.tcp->buffers_recv, s.tcp->buffers_most / 2);
    s.base.src_port = 4000;
    s.h = first;
    hit(TCP_ACK, 0, 0, 1460);
    assert_int_equal(tcp_readable(s.tcp, s.h), 1460);
}

static void a_window_held_shut_costs_a_probe_a_minute(void **state)
{
    struct packet shut_window = stage_segment(&s, TCP_ACK, 0, 0);
    shut_window.window = 0;
    stage_give_packet(&s, &shut_window, span_of(NULL, 0));
    stage_send(&s, STAGE_SEND_BYTES);
    for (int second = 0; second < 3600; second++) {
        meter_start();
        s.now_us += 1000000;
        stage_advance(&s);
        bool asked = s.count > 0;
        meter_stop();
        shut_window.window = 0;
        if (asked)
            stage_give_packet(&s, &shut_window, span_of(NULL, 0));
    }
    assert_true(segments < 60 + 16);
    assert_cheap(1);
    assert_true(s.tcp->buffers_send <= QUEUE_MOST);
}

static void a_window_held_shut_in_silence_ends(void **state)
{
    struct packet shut_window = stage_segment(&s, TCP_ACK, 0, 0);
    shut_window.window = 0;
    stage_give_packet(&s, &shut_window, span_of(NULL, 0));
    stage_send(&s, STAGE_SEND_BYTES);
    stage_wait(&s, TCP_USER_TIMEOUT_MS + 2 * TCP_RTO_MOST_MS);
    assert_string_equal(stage_state(&s), "CLOSED");
    assert_int_equal(s.tcp->buffers_send, 0);
    stage_take_all(&s);
}

static void a_released_end_read_byte_by_byte_ends(void **state)
{
    stage_send(&s, STAGE_SEND_BYTES);
    tcp_release(s.tcp, s.h);
    struct packet drop = stage_segment(&s, TCP_ACK, 0, 0);
    for (int second = 0; second < TCP_LINGER_MS / 1000 - 1; second++) {
        stage_wait(&s, 1000);
        drop.ack++; // progress each time
        hit(TCP_ACK, 0, (int32_t)(drop.ack - OURS), 0);
        assert_int_equal(tcp_connections(s.tcp), 1);
    }
    stage_wait(&s, 2000);
    assert_int_equal(tcp_connections(s.tcp), 0);
    assert_int_equal(s.tcp->buffers_send, 0);
    assert_int_equal(stage_refused(&s, REASON_TCP_TIMED_OUT), 1);
    stage_take_all(&s);
}

static void a_window_of_a_byte_is_not_filled_byte_by_byte(void **state)
{
    struct packet tiny = stage_segment(&s, TCP_ACK, 0, 0);
    tiny.window = 0;
    stage_give_packet(&s, &tiny, span_of(NULL, 0));
    stage_conn(&s)->snd_scale = 0; // else the least window is 128
    stage_send(&s, STAGE_SEND_BYTES);
    for (int ms = 0; ms < 60000; ms++) {
        tiny.window = 1;
        tiny.ack = stage_conn(&s)->snd_nxt;
        meter_start();
        stage_give_packet(&s, &tiny, span_of(NULL, 0));
        stage_wait(&s, 1);
        meter_stop();
    }
    assert_cheap(2);
    assert_true(segments <= 60000 / TCP_RTO_LEAST_MS); // one a persist time
}

static void acks_of_what_was_never_sent_move_nothing(void **state)
{
    stage_send(&s, 20 * STAGE_MSS);
    stage_take_all(&s);
    uint32_t cwnd = stage_conn(&s)->cwnd, nxt = stage_conn(&s)->snd_nxt;
    for (int i = 1; i < FLOOD; i++)
        hit(TCP_ACK, 0, (int32_t)(nxt - OURS) + i * STAGE_MSS, 0);
    assert_cheap(1);
    assert_true(segments <= 1);
    assert_int_equal(stage_conn(&s)->cwnd, cwnd);
    assert_int_equal(stage_conn(&s)->snd_una, OURS);
}

static void acks_ahead_of_the_data_bring_no_burst(void **state)
{
    for (int i = 0; i < 200; i++) { // each millisecond all is acknowledged, as if it had come
        stage_send(&s, STAGE_SEND_BYTES);
        uint64_t before = segments;
        hit(TCP_ACK, 0, (int32_t)(stage_conn(&s)->snd_nxt - OURS), 0);
        assert_true(segments - before <= TCP_SEGMENTS_BURST);
        stage_wait(&s, 1);
        segments += s.count;
        stage_take_all(&s);
    }
    assert_cheap(TIMES_MOST);
    assert_true(s.tcp->buffers_send <= QUEUE_MOST);
}

static void acks_of_a_byte_each_bring_what_they_acknowledge(void **state)
{
    stage_send(&s, STAGE_SEND_BYTES);
    uint32_t cwnd = stage_conn(&s)->cwnd;
    stage_take_all(&s);
    for (int i = 1; i <= STAGE_MSS; i++)
        hit(TCP_ACK, 0, i, 0);
    assert_true(stage_conn(&s)->cwnd <= cwnd + STAGE_MSS);
    assert_true(segments <= 2);
    assert_cheap(2);
}

static void holes_all_over_the_queue_cost_a_walk_of_it(void **state) // as CVE-2019-11478
{
    int64_t from, blocks[4][2];
    uint32_t flight = fill_flight(&from);
    for (uint32_t at = STAGE_MSS; at + 8 * STAGE_MSS < flight; at += 2 * STAGE_MSS) {
        for (int i = 0; i < 4; i++) {
            blocks[i][0] = from + at + i * 2 * STAGE_MSS;
            blocks[i][1] = blocks[i][0] + STAGE_MSS;
        }
        hit_with_blocks(from, blocks, 4);
    }
    assert_cheap(4);
    uint64_t told = segments;
    for (int i = 0; i < FLOOD; i++)
        hit_with_blocks(from, blocks, 4);
    assert_cheap(4);
    assert_true(segments - told <= QUEUE_MOST);
}

static void blocks_that_cannot_be_cost_nothing(void **state)
{
    int64_t from, lies[4][2] = {{-70000, 500000}, {10, 5}, {1 << 30, (1 << 30) + 5}, {-9, -3}};
    fill_flight(&from);
    for (int i = 0; i < FLOOD; i++)
        hit_with_blocks(from, lies, 4);
    assert_cheap(1);
    assert_int_equal(stage_conn(&s)->sacked_bytes, 0);
}

static void a_tiny_mss_makes_no_more_segments_than_the_bound(void **state) // CVE-2019-11477, -11479
{
    stage_conn(&s)->peer_mss = 1;
    tcp_conn_resize(s.tcp, stage_conn(&s), 1500);
    for (int i = 0; i < 100; i++)
        tcp_send(s.tcp, s.h, span_of("abcdefgh", 8));
    size_t taken = stage_send(&s, STAGE_SEND_BYTES);
    assert_true(taken < STAGE_SEND_BYTES);
    assert_true(stage_conn(&s)->send_segments <= QUEUE_MOST);
    for (unsigned i = 0; i < s.count; i++)
        assert_true(s.kept[i].packet.payload_size >= 36 || i + 1 == s.count);
    stage_take_all(&s);
}

static void forged_resets_and_syns_bring_few_challenges(void **state) // RFC 5961
{
    for (int ms = 0; ms < 1000; ms++) {
        hit(TCP_RST, 1 + ms * 7, 0, 0);
        hit(TCP_SYN, ms * 11, 0, 0);
        hit(TCP_ACK, 0, 1 + ms, 100);
        stage_wait(&s, 1);
        segments += s.count;
        stage_take_all(&s);
    }
    assert_cheap(1);
    assert_true(segments <= 1000 / TCP_CHALLENGE_MS + 1);
    assert_string_equal(stage_state(&s), "ESTABLISHED");
    assert_int_equal(tcp_readable(s.tcp, s.h), 0);
}

static void challenges_elsewhere_do_not_show_here(void **state) // CVE-2016-5696
{
    handle first = s.h;
    s.base.src_port = 4001;
    stage_accept(&s, true, false);
    for (int i = 0; i < FLOOD; i++)
        hit(TCP_RST, 1 + i, 0, 0);
    assert_int_equal(segments, 1);
    s.base.src_port = 4000;
    s.h = first;
    hit(TCP_RST, 5, 0, 0);
    assert_int_equal(segments, 2);
}

static void forged_icmp_moves_nothing(void **state) // RFC 5927
{
    struct rng rng;
    int64_t from;
    fill_flight(&from);
    const struct tcp_conn *c = stage_conn(&s);
    uint16_t mss = c->mss;
    uint32_t flight = c->snd_nxt - c->snd_una;
    struct packet quoted = s.base;
    quoted.src = s.base.dst;
    quoted.dst = s.base.src;
    quoted.src_port = s.base.dst_port;
    quoted.dst_port = s.base.src_port;
    rng_seed(&rng, 9);
    for (int i = 0; i < FLOOD; i++) {
        quoted.seq = c->snd_nxt + (uint32_t)rng_below(&rng, UINT32_MAX - flight);
        meter_start();
        tcp_icmp(s.tcp, &quoted, 68, i % 2, s.now_us);
        stage_advance(&s);
        meter_stop();
    }
    assert_cheap(1);
    assert_int_equal(segments, 0);
    assert_int_equal(stage_conn(&s)->mss, mss);
}

static void errors_that_quote_the_flight_shrink_it_to_the_least_mtu(void **state)
{
    int64_t from;
    fill_flight(&from);
    struct packet quoted = {.src = s.base.dst,
                            .dst = s.base.src,
                            .src_port = s.base.dst_port,
                            .dst_port = s.base.src_port,
                            .seq = stage_conn(&s)->snd_una};
    for (uint16_t mtu = 1499; mtu > 0; mtu--) {
        meter_start();
        tcp_icmp(s.tcp, &quoted, mtu, false, s.now_us);
        stage_advance(&s);
        meter_stop();
    }
    assert_int_equal(stage_conn(&s)->mss, 552 - 40);
    assert_cheap(2 * TIMES_MOST); // 64 segments in a go, cut in pieces
    assert_true(segments <= 4 * QUEUE_MOST);
}

static void echoes_that_lie_do_not_move_our_clock(void **state)
{
    s.base.src_port = 4002;
    stage_accept(&s, true, true);
    for (int i = 0; i < 20; i++) {
        stage_send(&s, 100);
        stage_wait(&s, 10);
        struct packet p = stage_segment(&s, TCP_ACK, 0, (i + 1) * 100);
        p.options.ts_echo = (uint32_t)(i % 2 ? UINT32_MAX : 0);
        stage_give_packet(&s, &p, span_of(NULL, 0));
        stage_take_all(&s);
    }
    assert_in_range(stage_conn(&s)->srtt_us, 9000, 12000);
}

static void a_gigabyte_of_window_holds_a_queue(void **state)
{
    stage_conn(&s)->snd_scale = 14;
    struct packet p = stage_segment(&s, TCP_ACK, 0, 0);
    p.window = UINT16_MAX;
    stage_give_packet(&s, &p, span_of(NULL, 0));
    for (int i = 0; i < 50; i++)
        stage_send(&s, STAGE_SEND_BYTES);
    assert_true(s.tcp->buffers_send <= QUEUE_MOST);
    assert_true(tcp_unsent(s.tcp, s.h) <= STAGE_SEND_BYTES);
    stage_take_all(&s);
}

static void an_end_with_full_queues_costs_what_they_hold(void **state)
{
    int64_t from;
    fill_flight(&from);
    for (int i = 1; i < 20; i++)
        hit(TCP_ACK, i * 1460, from, 1200);
    worst = 0;
    hit(TCP_RST, 0, from, 0);
    assert_string_equal(stage_state(&s), "CLOSED");
    assert_cheap(5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, stage_down)
    const struct CMUnitTest tests[] = {
        TEST(segments_out_of_the_window_cost_no_more_than_one_within),
        TEST(overlapping_segments_hold_no_more_than_the_window),
        TEST(one_byte_segments_share_buffers),
        TEST(islands_of_a_byte_are_few),
        TEST(islands_from_right_to_left_cost_the_same),
        TEST(islands_of_all_connections_leave_room_for_what_is_in_order),
        TEST(a_window_held_shut_costs_a_probe_a_minute),
        TEST(a_window_held_shut_in_silence_ends),
        TEST(a_released_end_read_byte_by_byte_ends),
        TEST(a_window_of_a_byte_is_not_filled_byte_by_byte),
        TEST(acks_of_what_was_never_sent_move_nothing),
        TEST(acks_ahead_of_the_data_bring_no_burst),
        TEST(acks_of_a_byte_each_bring_what_they_acknowledge),
        TEST(holes_all_over_the_queue_cost_a_walk_of_it),
        TEST(blocks_that_cannot_be_cost_nothing),
        TEST(a_tiny_mss_makes_no_more_segments_than_the_bound),
        TEST(forged_resets_and_syns_bring_few_challenges),
        TEST(challenges_elsewhere_do_not_show_here),
        TEST(forged_icmp_moves_nothing),
        TEST(errors_that_quote_the_flight_shrink_it_to_the_least_mtu),
        TEST(echoes_that_lie_do_not_move_our_clock),
        TEST(a_gigabyte_of_window_holds_a_queue),
        TEST(an_end_with_full_queues_costs_what_they_hold),
    };
    return stage_run(tests);
}
