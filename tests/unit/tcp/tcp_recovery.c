// SPDX-License-Identifier: BSD-3-Clause
#include "stage.h"

enum { M = STAGE_MSS, RTT_MS = 20 };

static int up_plain(void **state)
{
    stage_open(&s);
    stage_accept(&s, false, false);
    return 0;
}

// Some round trips first, so that the RTT is known; then `segments` in flight from `*ret_start`.
static int64_t fly(unsigned segments)
{
    int64_t at = 0;
    for (int i = 0; i < 5; i++) {
        stage_send(&s, 100);
        stage_wait(&s, RTT_MS);
        at += 100;
        stage_ack(&s, at);
    }
    stage_advance(&s);
    stage_take_all(&s);
    stage_send(&s, segments * M);
    assert_int_equal(s.count, segments);
    stage_take_all(&s);
    stage_wait(&s, RTT_MS);
    return at;
}

static void sack(int64_t ack, int64_t left, int64_t right)
{
    struct packet p = stage_segment(&s, TCP_ACK, 0, ack);
    p.options.sack_count = 1;
    p.options.sack[0] = (struct tcp_sack_block){OURS + (uint32_t)left, OURS + (uint32_t)right};
    stage_give_packet(&s, &p, span_of(NULL, 0));
    stage_advance(&s);
}

static void sack_blocks_of_what_was_never_sent_are_ignored(void **state)
{
    int64_t at = fly(4);
    sack(at, at + 10 * M, at + 20 * M);
    sack(at, at + 3 * M, at + 2 * M);       // turned round
    sack(at, at + M, at + 100 * M);         // beyond snd_nxt
    sack(at, at - 5000000, at + INT32_MAX); // half the circle
    assert_int_equal(stage_conn(&s)->sacked_bytes, 0);
    stage_take_none(&s);
}

static void a_block_that_covers_part_of_a_segment_says_nothing_of_it(void **state)
{
    int64_t at = fly(4);
    sack(at, at + M + 1, at + 2 * M);
    assert_int_equal(stage_conn(&s)->sacked_bytes, 0);
}

static void three_sacked_segments_send_the_hole_again(void **state)
{
    int64_t at = fly(6);
    sack(at, at + M, at + 4 * M);
    struct stage_segment again = stage_take(&s);
    assert_int_equal(stage_seq(&again), at);
    assert_int_equal(again.packet.payload_size, M);
    assert_true(stage_conn(&s)->flags & TCP_CONN_RECOVERY);
    stage_ack(&s, at + 6 * M);
    assert_false(stage_conn(&s)->flags & TCP_CONN_RECOVERY);
    assert_int_equal(stage_conn(&s)->cwnd, stage_conn(&s)->ssthresh);
    assert_int_equal(stage_conn(&s)->retransmitted, 1);
}

static void what_sack_told_before_grows_no_window_when_recovery_ends(void **state)
{
    int64_t at = fly(10);
    sack(at, at + M, at + 9 * M);
    assert_true(stage_conn(&s)->flags & TCP_CONN_RECOVERY);
    stage_conn(&s)->flags |= TCP_CONN_CWND_LIMITED;
    stage_ack(&s, at + 10 * M);
    assert_false(stage_conn(&s)->flags & TCP_CONN_RECOVERY);
    uint32_t ssthresh = stage_conn(&s)->ssthresh;
    assert_in_range(stage_conn(&s)->cwnd, ssthresh, ssthresh + M / 2);
}

static void one_sacked_segment_waits_for_the_reordering_window(void **state)
{
    int64_t at = fly(6);
    sack(at, at + M, at + 2 * M);
    stage_take_none(&s);
    stage_wait(&s, RTT_MS / 4 + 4);
    struct stage_segment again = stage_take(&s);
    assert_int_equal(stage_seq(&again), at);
}

static void reordering_within_that_window_sends_nothing_again(void **state)
{
    int64_t at = fly(6);
    sack(at, at + M, at + 2 * M);
    stage_wait(&s, 2);
    stage_ack(&s, at + 2 * M);
    stage_wait(&s, RTT_MS / 2);
    stage_take_none(&s);
    assert_int_equal(stage_conn(&s)->retransmitted, 0);
}

static void a_lost_retransmission_is_sent_again_before_the_time_out(void **state)
{
    int64_t at = fly(8);
    sack(at, at + M, at + 4 * M);
    stage_take(&s);
    stage_wait(&s, RTT_MS);
    sack(at, at + M, at + 8 * M); // what was sent before the repetition, then
    stage_take_all(&s);
    stage_send(&s, M); // new data, sent behind it
    stage_take_all(&s);
    stage_wait(&s, RTT_MS);
    sack(at, at + M, at + 9 * M);
    stage_wait(&s, RTT_MS / 2);
    struct stage_segment again = stage_take(&s);
    assert_int_equal(stage_seq(&again), at);
    assert_int_equal(stage_conn(&s)->backoff, 0);
}

static void a_lost_tail_is_probed_before_the_time_out(void **state)
{
    int64_t at = fly(4);
    stage_wait(&s, 3 * RTT_MS);
    struct stage_segment probe = stage_take(&s);
    assert_int_equal(stage_seq(&probe), at + 3 * M); // the last
    stage_take_none(&s);
    sack(at, at + 3 * M, at + 4 * M); // tells of the others
    stage_wait(&s, RTT_MS);
    assert_true(s.count >= 1);
    struct stage_segment again = stage_take(&s);
    assert_int_equal(stage_seq(&again), at);
}

static void three_duplicates_send_the_first_again(void **state)
{
    int64_t at = fly(6);
    stage_ack(&s, at);
    stage_ack(&s, at);
    stage_advance(&s);
    stage_take_none(&s);
    stage_ack(&s, at);
    stage_advance(&s);
    struct stage_segment again = stage_take(&s);
    assert_int_equal(stage_seq(&again), at);
}

static void duplicates_below_three_let_new_data_go(void **state)
{
    int64_t at = fly(6);
    struct tcp_conn *c = stage_conn(&s);
    c->cwnd = 6 * M;
    stage_send(&s, 5 * M);
    stage_take_none(&s);
    for (int i = 0; i < 2; i++) {
        stage_ack(&s, at);
        stage_advance(&s);
        struct stage_segment fresh = stage_take(&s);
        assert_int_equal(stage_seq(&fresh), at + (6 + i) * M);
        stage_take_none(&s);
    }
    assert_int_equal(c->cwnd, 6 * M);
    stage_ack(&s, at);
    stage_advance(&s);
    struct stage_segment again = stage_take(&s);
    assert_int_equal(stage_seq(&again), at);
    stage_take_none(&s);
}

static void in_recovery_duplicates_let_less_go_than_arrived(void **state)
{
    int64_t at = fly(10);
    stage_send(&s, 20 * M);
    stage_take_all(&s);
    for (int i = 0; i < 9; i++)
        stage_ack(&s, at);
    stage_advance(&s);
    assert_in_range(s.count, 2, 7); // beta of what arrived
    stage_take_all(&s);
    stage_ack(&s, at + 5 * M); // its four duplicates were counted
    stage_advance(&s);
    assert_in_range(s.count, 1, 3);
}

static void a_partial_ack_sends_the_next_hole(void **state)
{
    int64_t at = fly(6);
    for (int i = 0; i < 3; i++)
        stage_ack(&s, at);
    stage_advance(&s);
    stage_take_all(&s);
    stage_wait(&s, RTT_MS);
    stage_ack(&s, at + 2 * M);
    stage_advance(&s);
    struct stage_segment again = stage_take(&s);
    assert_int_equal(stage_seq(&again), at + 2 * M);
}

static void acks_with_data_or_another_window_are_no_duplicates(void **state)
{
    int64_t at = fly(6);
    for (int i = 0; i < 5; i++) {
        struct packet p = stage_segment(&s, TCP_ACK, 0, at);
        p.window = (uint16_t)(400 + i);
        stage_give_packet(&s, &p, span_of(NULL, 0));
    }
    for (int i = 0; i < 5; i++)
        stage_give(&s, TCP_ACK, i, at, 1);
    stage_advance(&s);
    for (unsigned i = 0; i < s.count; i++)
        assert_int_equal(s.kept[i].packet.payload_size, 0);
}

static void a_time_out_sends_from_the_start_with_one_segment(void **state)
{
    int64_t at = fly(6);
    stage_wait(&s, 300);
    struct stage_segment again = stage_take(&s);
    assert_int_equal(stage_seq(&again), at);
    stage_take_none(&s);
    assert_int_equal(stage_conn(&s)->cwnd, M);
    stage_ack(&s, at + M);
    stage_advance(&s);
    assert_int_equal(s.count, 2); // slow start
}

static void a_peer_that_takes_back_its_sack_gets_all_again(void **state)
{
    int64_t at = fly(3);
    sack(at, at + M, at + 3 * M);
    stage_take_all(&s);
    struct tcp_conn *c = stage_conn(&s);
    stage_ack(&s, at + M); // now its first unacknowledged segment is one it had
    for (int i = 0; i < 3000 && c->sacked_bytes; i++)
        stage_wait(&s, 1);
    assert_int_equal(c->sacked_bytes, 0);
    assert_true(s.count > 0);
}

static void a_late_ack_behind_a_repetition_gives_no_rtt(void **state)
{
    int64_t at = fly(2);
    uint32_t before = stage_conn(&s)->srtt_us;
    stage_wait(&s, 10000);
    stage_ack(&s, at + 2 * M);
    assert_int_equal(stage_conn(&s)->srtt_us, before);
}

static void acks_cut_small_grow_the_window_by_their_bytes_only(void **state)
{
    int64_t at = fly(10);
    stage_send(&s, 20 * M);
    uint32_t before = stage_conn(&s)->cwnd;
    for (int64_t i = 1; i <= M; i += 10)
        stage_ack(&s, at + i);
    assert_in_range(stage_conn(&s)->cwnd, before, before + M);
}

static void a_smaller_path_mtu_sends_what_is_longer_again(void **state)
{
    int64_t at = fly(2);
    struct packet quoted = {.src = s.base.dst, .dst = s.base.src, .src_port = 25};
    quoted.dst_port = s.base.src_port;
    quoted.seq = OURS + (uint32_t)at - 1; // not in flight
    tcp_icmp(s.tcp, &quoted, 1300, false, s.now_us);
    stage_advance(&s);
    stage_take_none(&s);
    quoted.seq = OURS + (uint32_t)at;
    tcp_icmp(s.tcp, &quoted, 1300, false, s.now_us);
    stage_advance(&s);
    assert_int_equal(s.count, 4); // each in two
    for (unsigned i = 0; i < s.count; i++)
        assert_true(s.kept[i].packet.payload_size <= 1260);
    tcp_icmp(s.tcp, &quoted, 68, true, s.now_us); // too small to be true
    assert_int_equal(stage_conn(&s)->mss, 552 - 40);
    assert_string_equal(stage_state(&s), "ESTABLISHED");
}

#define with_plain(test) cmocka_unit_test_setup_teardown(test, up_plain, stage_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with(sack_blocks_of_what_was_never_sent_are_ignored),
        with(a_block_that_covers_part_of_a_segment_says_nothing_of_it),
        with(three_sacked_segments_send_the_hole_again),
        with(what_sack_told_before_grows_no_window_when_recovery_ends),
        with(one_sacked_segment_waits_for_the_reordering_window),
        with(reordering_within_that_window_sends_nothing_again),
        with(a_lost_retransmission_is_sent_again_before_the_time_out),
        with(a_lost_tail_is_probed_before_the_time_out),
        with_plain(three_duplicates_send_the_first_again),
        with_plain(duplicates_below_three_let_new_data_go),
        with_plain(in_recovery_duplicates_let_less_go_than_arrived),
        with_plain(a_partial_ack_sends_the_next_hole),
        with_plain(acks_with_data_or_another_window_are_no_duplicates),
        with_plain(a_time_out_sends_from_the_start_with_one_segment),
        with(a_peer_that_takes_back_its_sack_gets_all_again),
        with_plain(a_late_ack_behind_a_repetition_gives_no_rtt),
        with(acks_cut_small_grow_the_window_by_their_bytes_only),
        with(a_smaller_path_mtu_sends_what_is_longer_again),
    };
    return stage_run(tests);
}
