// SPDX-License-Identifier: BSD-3-Clause
#include "stage.h"

static void closed_window(void)
{
    struct packet p = stage_segment(&s, TCP_ACK, 0, 0);
    p.window = 0;
    stage_give_packet(&s, &p, span_of(NULL, 0));
}

static void nothing_is_sent_into_a_closed_window_but_probes(void **state)
{
    closed_window();
    stage_send(&s, 1000);
    stage_take_none(&s);
    stage_wait(&s, 1100); // no RTT known: the first time-out
    struct stage_segment probe = stage_take(&s);
    assert_int_equal(probe.packet.payload_size, 0);
    assert_int_equal(stage_seq(&probe), -1);
    stage_wait(&s, 1900);
    stage_take_none(&s); // doubled
    stage_wait(&s, 200);
    stage_take(&s);
}

static void an_opened_window_is_used_at_once(void **state)
{
    closed_window();
    stage_send(&s, 1000);
    stage_wait(&s, 1100);
    stage_take_all(&s);
    stage_ack(&s, 0);
    stage_advance(&s);
    struct stage_segment data = stage_take(&s);
    assert_int_equal(data.packet.payload_size, 1000);
    stage_ack(&s, 1000);
    stage_wait(&s, 3000);
    stage_take_none(&s); // no probe is left over
}

static void a_peer_that_answers_probes_is_never_given_up(void **state)
{
    closed_window();
    stage_send(&s, 1000);
    for (int i = 0; i < 300; i++) {
        stage_wait(&s, 1000);
        if (s.count)
            closed_window();
        stage_take_all(&s);
    }
    assert_string_equal(stage_state(&s), "ESTABLISHED");
}

static void a_peer_that_leaves_probes_unanswered_is_given_up(void **state)
{
    closed_window();
    stage_send(&s, 1000);
    for (int i = 0; i < 200; i++) {
        stage_wait(&s, 1000);
        stage_take_all(&s);
    }
    assert_int_equal(stage_events(&s), TCP_EVENT_CLOSED);
}

static void a_small_window_is_not_filled_with_small_segments(void **state)
{
    stage_ack(&s, 0); // largest window: 64 KiB
    struct packet p = stage_segment(&s, TCP_ACK, 0, 0);
    p.window = 1; // 128 bytes
    stage_give_packet(&s, &p, span_of(NULL, 0));
    stage_send(&s, 1000);
    stage_take_none(&s);
    stage_wait(&s, 1100); // then the persist time has passed
    struct stage_segment part = stage_take(&s);
    assert_int_equal(part.packet.payload_size, 128);
}

static void a_window_of_half_its_largest_is_filled(void **state)
{
    struct packet p = stage_segment(&s, TCP_ACK, 0, 0);
    stage_conn(&s)->snd_wnd_most = 1024;
    p.window = 6; // 768 bytes
    stage_give_packet(&s, &p, span_of(NULL, 0));
    stage_send(&s, 1000);
    struct stage_segment part = stage_take(&s);
    assert_int_equal(part.packet.payload_size, 768);
}

static void small_writes_go_out_at_once(void **state)
{
    for (int64_t i = 0; i < 3; i++) { // Nagle is off
        stage_send(&s, 10);
        struct stage_segment data = stage_take(&s);
        assert_int_equal(stage_seq(&data), 10 * i);
    }
}

static void with_nagle_small_writes_wait_for_the_acknowledgment(void **state)
{
    tcp_nagle(s.tcp, s.h, true);
    stage_send(&s, 10);
    stage_take(&s); // nothing was on its way
    stage_send(&s, 10);
    stage_send(&s, 10);
    stage_take_none(&s);
    stage_ack(&s, 10);
    stage_advance(&s);
    struct stage_segment both = stage_take(&s);
    assert_int_equal(both.packet.payload_size, 20);
    stage_send(&s, STAGE_MSS + 10);
    struct stage_segment full = stage_take(&s);
    assert_int_equal(full.packet.payload_size, STAGE_MSS);
    stage_take_none(&s);
}

static void with_nagle_what_is_pushed_or_last_does_not_wait(void **state)
{
    tcp_nagle(s.tcp, s.h, true);
    stage_send(&s, 10);
    stage_take(&s);
    stage_send(&s, 10);
    stage_take_none(&s);
    tcp_push(s.tcp, s.h);
    stage_advance(&s);
    assert_int_equal(stage_take(&s).packet.payload_size, 10);
    stage_send(&s, 10);
    stage_take_none(&s); // pushed was what came before
    tcp_nagle(s.tcp, s.h, false);
    stage_advance(&s);
    assert_int_equal(stage_take(&s).packet.payload_size, 10);
    tcp_nagle(s.tcp, s.h, true);
    stage_send(&s, 10);
    tcp_finish(s.tcp, s.h);
    stage_advance(&s);
    struct stage_segment last = stage_take(&s);
    assert_int_equal(last.packet.payload_size, 10);
    assert_true(last.packet.tcp_flags & TCP_FIN);
}

static void writes_of_one_turn_share_a_segment(void **state)
{
    tcp_send(s.tcp, s.h, span_text("250 "));
    tcp_send(s.tcp, s.h, span_text("ok\r\n"));
    tcp_finish(s.tcp, s.h);
    stage_advance(&s);
    struct stage_segment data = stage_take(&s);
    assert_memory_equal(data.data, "250 ok\r\n", 8);
    assert_int_equal(data.packet.tcp_flags, TCP_ACK | TCP_PSH | TCP_FIN);
    stage_take_none(&s);
}

static void the_initial_window_is_ten_segments(void **state)
{
    stage_send(&s, 60000);
    assert_int_equal(s.count, 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(s.kept[i].packet.payload_size, STAGE_MSS);
}

static void an_ack_rides_on_data(void **state)
{
    stage_give(&s, TCP_ACK, 0, 0, 50);
    stage_send(&s, 20);
    struct stage_segment data = stage_take(&s);
    assert_int_equal(stage_acked(&data), 50);
    stage_wait(&s, 100);
    stage_take_none(&s);
}

static void reading_opens_a_closed_window(void **state)
{
    for (int64_t at = 0; at < STAGE_RECEIVE_BYTES; at += 1024)
        stage_give(&s, TCP_ACK, at, 0, 1024);
    stage_wait(&s, 100);
    assert_int_equal(s.kept[s.count - 1].packet.window, 0);
    stage_take_all(&s);
    tcp_consume(s.tcp, s.h, 100); // not worth a segment: silly window
    stage_advance(&s);
    stage_take_none(&s);
    tcp_consume(s.tcp, s.h, 5000);
    stage_advance(&s);
    struct stage_segment update = stage_take(&s);
    assert_true(update.packet.window << TCP_WINDOW_SCALE_OURS >= 4096);
}

static void a_reply_to_idleness_begins_with_the_initial_window(void **state)
{
    struct tcp_conn *c = stage_conn(&s);
    c->cwnd = 100 * STAGE_MSS;
    stage_wait(&s, 5000);
    stage_send(&s, 60000);
    assert_int_equal(s.count, 10);
}

static void a_turn_sends_no_more_than_its_bound(void **state)
{
    stage_conn(&s)->cwnd = 1 << 20;
    stage_conn(&s)->srtt_us = 500; // not paced
    struct packet p = stage_segment(&s, TCP_ACK, 0, 0);
    p.window = UINT16_MAX;
    stage_give_packet(&s, &p, span_of(NULL, 0));
    s.tcp->config.send_bytes = 1 << 20;
    stage_send(&s, 200 * STAGE_MSS);
    assert_int_equal(s.count, TCP_SEGMENTS_BURST);
    assert_true(tcp_next_us(s.tcp) <= s.now_us); // the rest does not wait for a timer
    stage_advance(&s);
    assert_int_equal(s.count, 2 * TCP_SEGMENTS_BURST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with(nothing_is_sent_into_a_closed_window_but_probes),
        with(an_opened_window_is_used_at_once),
        with(a_peer_that_answers_probes_is_never_given_up),
        with(a_peer_that_leaves_probes_unanswered_is_given_up),
        with(a_small_window_is_not_filled_with_small_segments),
        with(a_window_of_half_its_largest_is_filled),
        with(small_writes_go_out_at_once),
        with(with_nagle_small_writes_wait_for_the_acknowledgment),
        with(with_nagle_what_is_pushed_or_last_does_not_wait),
        with(writes_of_one_turn_share_a_segment),
        with(the_initial_window_is_ten_segments),
        with(an_ack_rides_on_data),
        with(reading_opens_a_closed_window),
        with(a_reply_to_idleness_begins_with_the_initial_window),
        with(a_turn_sends_no_more_than_its_bound),
    };
    return stage_run(tests);
}
