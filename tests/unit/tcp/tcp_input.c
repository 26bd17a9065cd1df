// SPDX-License-Identifier: BSD-3-Clause
#include "stage.h"

// RFC 9293, section 3.10.7, and RFC 5961, from the side of what must be refused.

static void a_segment_beyond_the_window_is_answered_not_taken(void **state)
{
    stage_give(&s, TCP_ACK, STAGE_RECEIVE_BYTES + 200, 0, 10);
    struct stage_segment answer = stage_take(&s);
    assert_int_equal(answer.packet.tcp_flags, TCP_ACK);
    assert_int_equal(stage_acked(&answer), 0);
    assert_int_equal(tcp_readable(s.tcp, s.h), 0);
    assert_int_equal(stage_refused(&s, REASON_TCP_OUT_OF_WINDOW), 1);
}

static void data_beyond_the_window_is_cut_off(void **state)
{
    for (int64_t at = 0; at + 1024 <= STAGE_RECEIVE_BYTES - 1024; at += 1024)
        stage_give(&s, TCP_ACK, at, 0, 1024);
    stage_give(&s, TCP_ACK, STAGE_RECEIVE_BYTES - 1024, 0, 1400);
    assert_int_equal(tcp_readable(s.tcp, s.h), STAGE_RECEIVE_BYTES);
}

static void an_ack_of_what_was_never_sent_is_challenged(void **state)
{
    stage_give(&s, TCP_ACK, 0, 1, 10);
    struct stage_segment answer = stage_take(&s);
    assert_int_equal(stage_seq(&answer), 0);
    assert_int_equal(tcp_readable(s.tcp, s.h), 0);
    assert_int_equal(stage_refused(&s, REASON_TCP_BAD_ACK), 1);
}

static void an_ack_far_below_una_is_challenged(void **state)
{
    stage_give(&s, TCP_ACK, 0, -70000, 10);
    assert_int_equal(stage_refused(&s, REASON_TCP_BAD_ACK), 1);
    assert_int_equal(tcp_readable(s.tcp, s.h), 0);
}

static void a_segment_without_ack_is_dropped(void **state)
{
    stage_give(&s, 0, 0, 0, 10);
    assert_int_equal(tcp_readable(s.tcp, s.h), 0);
    stage_take_none(&s);
}

static void a_reset_beside_rcv_nxt_is_challenged(void **state)
{
    stage_give(&s, TCP_RST, 1, 0, 0);
    struct stage_segment answer = stage_take(&s);
    assert_int_equal(answer.packet.tcp_flags, TCP_ACK);
    assert_string_equal(stage_state(&s), "ESTABLISHED");
    assert_int_equal(stage_refused(&s, REASON_TCP_CHALLENGED), 1);
}

static void a_reset_outside_the_window_is_dropped(void **state)
{
    stage_give(&s, TCP_RST, -1, 0, 0);
    stage_give(&s, TCP_RST, STAGE_RECEIVE_BYTES + 1, 0, 0);
    stage_take_none(&s);
    assert_string_equal(stage_state(&s), "ESTABLISHED");
}

static void a_reset_at_rcv_nxt_ends_the_connection(void **state)
{
    stage_give(&s, TCP_RST, 0, 0, 0);
    struct tcp_event event;
    assert_true(tcp_event_next(s.tcp, &event));
    assert_int_equal(event.bits, TCP_EVENT_CLOSED);
    assert_int_equal(event.reason, REASON_TCP_RESET_BY_PEER);
    assert_false(tcp_event_next(s.tcp, &event));
    assert_int_equal(tcp_connections(s.tcp), 0);
    stage_take_none(&s);
}

static void a_syn_in_a_connection_is_challenged(void **state)
{
    stage_give(&s, TCP_SYN, 0, 0, 0);
    struct stage_segment answer = stage_take(&s);
    assert_int_equal(answer.packet.tcp_flags, TCP_ACK);
    assert_string_equal(stage_state(&s), "ESTABLISHED");
}

static void challenges_are_few(void **state)
{
    for (int i = 0; i < 100; i++)
        stage_give(&s, TCP_SYN, 0, 0, 0);
    assert_int_equal(s.count, 1);
    stage_wait(&s, TCP_CHALLENGE_MS + 1);
    stage_give(&s, TCP_SYN, 0, 0, 0);
    assert_int_equal(s.count, 2);
}

// A counter that all shared would tell who connects to us: RFC 5961, section 7; CVE-2016-5696.
static void challenges_of_one_connection_say_nothing_of_another(void **state)
{
    handle first = s.h;
    s.base.src_port++;
    stage_accept(&s, true, false);
    for (int i = 0; i < 1000; i++)
        stage_give(&s, i % 2 ? TCP_SYN : TCP_RST, 1 + i % 7, 0, 0);
    assert_int_equal(s.count, 1);
    s.h = first;
    s.base.src_port--;
    stage_give(&s, TCP_RST, 1, 0, 0);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.kept[1].packet.dst_port, s.base.src_port);
}

static void an_old_timestamp_is_refused(void **state)
{
    stage_shut(&s);
    stage_open(&s);
    stage_accept(&s, true, true);
    struct packet p = stage_segment(&s, TCP_ACK, 0, 0);
    p.options.ts_value -= 1000;
    stage_give_packet(&s, &p, span_text("old"));
    assert_int_equal(stage_refused(&s, REASON_TCP_PAWS), 1);
    assert_int_equal(tcp_readable(s.tcp, s.h), 0);
    assert_int_equal(s.count, 1);
}

static void a_missing_timestamp_is_refused(void **state)
{
    stage_shut(&s);
    stage_open(&s);
    stage_accept(&s, true, true);
    struct packet p = stage_segment(&s, TCP_ACK, 0, 0);
    p.options.has_timestamps = false;
    stage_give_packet(&s, &p, span_text("bare"));
    assert_int_equal(tcp_readable(s.tcp, s.h), 0);
    p.tcp_flags = TCP_RST; // but never for a reset: RFC 7323, section 5.2
    stage_give_packet(&s, &p, span_of(NULL, 0));
    assert_int_equal(stage_events(&s), TCP_EVENT_CLOSED);
}

static void urgent_data_is_plain_data(void **state)
{
    stage_give(&s, TCP_ACK | TCP_URG, 0, 0, 10);
    assert_int_equal(tcp_readable(s.tcp, s.h), 10);
}

static void data_is_read_as_sent(void **state)
{
    stage_give(&s, TCP_ACK | TCP_PSH, 0, 0, 100);
    assert_int_equal(stage_events(&s), TCP_EVENT_READABLE);
    struct span span;
    assert_int_equal(tcp_peek(s.tcp, s.h, &span, 1), 1);
    assert_int_equal(span.size, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(span.at[i], i);
    tcp_consume(s.tcp, s.h, 100);
    assert_int_equal(tcp_readable(s.tcp, s.h), 0);
}

static void every_second_segment_is_acknowledged_others_are_later(void **state)
{
    stage_give(&s, TCP_ACK, 0, 0, 1460);
    stage_advance(&s);
    stage_take_none(&s);
    stage_give(&s, TCP_ACK, 1460, 0, 1460);
    stage_advance(&s);
    struct stage_segment ack = stage_take(&s);
    assert_int_equal(stage_acked(&ack), 2920);
    stage_give(&s, TCP_ACK, 2920, 0, 1);
    stage_wait(&s, TCP_DELACK_MS - 1);
    stage_take_none(&s);
    stage_wait(&s, 5);
    ack = stage_take(&s);
    assert_int_equal(stage_acked(&ack), 2921);
    stage_take_none(&s);
}

static void a_repetition_is_acknowledged_at_once_with_dsack(void **state)
{
    stage_give(&s, TCP_ACK, 0, 0, 100);
    stage_wait(&s, 50);
    stage_take_all(&s);
    stage_give(&s, TCP_ACK, 0, 0, 100);
    struct stage_segment ack = stage_take(&s);
    assert_int_equal(stage_acked(&ack), 100);
    assert_int_equal(ack.packet.options.sack_count, 1);
    assert_int_equal(ack.packet.options.sack[0].left, PEER);
    assert_int_equal(ack.packet.options.sack[0].right, PEER + 100);
}

static void the_peers_fin_waits_for_the_data_before_it(void **state)
{
    stage_give(&s, TCP_ACK | TCP_FIN, 100, 0, 100);
    assert_string_equal(stage_state(&s), "ESTABLISHED");
    assert_int_equal(stage_events(&s), 0);
    stage_give(&s, TCP_ACK, 0, 0, 100);
    assert_int_equal(stage_events(&s), TCP_EVENT_READABLE | TCP_EVENT_FINISHED);
    assert_string_equal(stage_state(&s), "CLOSE-WAIT");
    assert_int_equal(tcp_readable(s.tcp, s.h), 200);
}

static void passive_close(void **state)
{
    stage_give(&s, TCP_ACK | TCP_FIN, 0, 0, 0);
    struct stage_segment ack = stage_take(&s);
    assert_int_equal(stage_acked(&ack), 1);
    assert_int_equal(stage_send(&s, 10), 10); // half-closed: we may still speak
    tcp_finish(s.tcp, s.h);
    stage_advance(&s);
    assert_string_equal(stage_state(&s), "LAST-ACK");
    stage_give(&s, TCP_ACK, 1, 11, 0);
    assert_int_equal(stage_events(&s), TCP_EVENT_FINISHED | TCP_EVENT_CLOSED);
    assert_int_equal(s.tcp->waits_tail, 0); // TIME-WAIT is the peer's
}

static void active_close(void **state)
{
    tcp_finish(s.tcp, s.h);
    stage_advance(&s);
    assert_string_equal(stage_state(&s), "FIN-WAIT-1");
    struct stage_segment fin = stage_take(&s);
    assert_int_equal(fin.packet.tcp_flags, TCP_FIN | TCP_ACK);
    stage_give(&s, TCP_ACK, 0, 1, 0);
    assert_string_equal(stage_state(&s), "FIN-WAIT-2");
    stage_give(&s, TCP_ACK, 0, 1, 50);
    stage_give(&s, TCP_ACK | TCP_FIN, 50, 1, 0);
    assert_int_equal(stage_events(&s), TCP_EVENT_READABLE | TCP_EVENT_FINISHED);
    tcp_consume(s.tcp, s.h, 50); // CLOSED comes when all is read
    assert_int_equal(stage_events(&s), TCP_EVENT_CLOSED);
    assert_int_equal(s.tcp->waits_tail, 1);
}

static void simultaneous_close(void **state)
{
    tcp_finish(s.tcp, s.h);
    stage_advance(&s);
    stage_give(&s, TCP_ACK | TCP_FIN, 0, 0, 0);
    assert_string_equal(stage_state(&s), "CLOSING");
    stage_give(&s, TCP_ACK, 1, 1, 0);
    assert_int_equal(stage_events(&s), TCP_EVENT_FINISHED | TCP_EVENT_CLOSED);
    assert_int_equal(s.tcp->waits_tail, 1);
}

static void fin_and_ack_of_ours_in_one_segment_go_to_time_wait(void **state)
{
    tcp_finish(s.tcp, s.h);
    stage_advance(&s);
    stage_give(&s, TCP_ACK | TCP_FIN, 0, 1, 0);
    assert_int_equal(stage_events(&s), TCP_EVENT_FINISHED | TCP_EVENT_CLOSED);
    assert_int_equal(s.tcp->waits_tail, 1);
}

static void a_released_connection_resets_a_peer_that_goes_on(void **state)
{
    tcp_release(s.tcp, s.h);
    stage_advance(&s);
    stage_give(&s, TCP_ACK, 0, 1, 0);
    stage_take_all(&s);
    stage_give(&s, TCP_ACK, 0, 1, 100);
    struct stage_segment reset = stage_take(&s);
    assert_true(reset.packet.tcp_flags & TCP_RST);
    assert_int_equal(tcp_connections(s.tcp), 0);
    assert_int_equal(stage_events(&s), 0);
}

static void a_released_connection_first_delivers_its_last_words(void **state)
{
    stage_send(&s, 100);
    tcp_release(s.tcp, s.h);
    stage_advance(&s);
    stage_give(&s, TCP_ACK, 0, 0, 100); // not yet acknowledged: no reset that would destroy them
    stage_give(&s, TCP_ACK, 100, 100, 100);
    assert_string_equal(stage_state(&s), "FIN-WAIT-1");
    assert_int_equal(tcp_readable(s.tcp, s.h), 0);
    stage_give(&s, TCP_ACK | TCP_FIN, 200, 101, 0);
    assert_int_equal(tcp_connections(s.tcp), 0);
    assert_int_equal(s.tcp->waits_tail, 1);
}

static void a_syn_ack_of_another_syn_is_reset(void **state)
{
    struct packet syn = stage_syn_sent(&s);
    struct packet p = stage_segment(&s, TCP_SYN | TCP_ACK, -1, 0);
    p.ack = syn.seq;
    stage_give_packet(&s, &p, span_of(NULL, 0));
    struct stage_segment reset = stage_take(&s);
    assert_int_equal(reset.packet.tcp_flags, TCP_RST);
    assert_int_equal(reset.packet.seq, syn.seq);
    assert_string_equal(stage_state(&s), "SYN-SENT");
}

static void a_reset_that_acknowledges_our_syn_is_a_refusal(void **state)
{
    struct packet syn = stage_syn_sent(&s);
    struct packet p = stage_segment(&s, TCP_RST, 0, 0);
    p.ack = syn.seq + 1;
    stage_give_packet(&s, &p, span_of(NULL, 0)); // no ACK bit: could be anybody's
    assert_string_equal(stage_state(&s), "SYN-SENT");
    p.tcp_flags |= TCP_ACK;
    stage_give_packet(&s, &p, span_of(NULL, 0));
    struct tcp_event event;
    assert_true(tcp_event_next(s.tcp, &event));
    assert_int_equal(event.reason, REASON_TCP_REFUSED);
}

static void a_simultaneous_open_is_established_by_both_acks(void **state)
{
    struct packet syn = stage_syn_sent(&s);
    struct packet p = stage_segment(&s, TCP_SYN, -1, 0);
    p.options.mss = STAGE_MSS;
    stage_give_packet(&s, &p, span_of(NULL, 0));
    assert_string_equal(stage_state(&s), "SYN-RECEIVED");
    struct stage_segment answer = stage_take(&s);
    assert_int_equal(answer.packet.tcp_flags, TCP_SYN | TCP_ACK);
    assert_int_equal(answer.packet.seq, syn.seq);
    p = stage_segment(&s, TCP_ACK, 0, 0);
    p.ack = syn.seq + 1;
    stage_give_packet(&s, &p, span_of(NULL, 0));
    assert_string_equal(stage_state(&s), "ESTABLISHED");
    assert_int_equal(stage_events(&s), TCP_EVENT_CONNECTED);
}

static void data_may_ride_on_the_syn_ack(void **state)
{
    struct packet syn = stage_syn_sent(&s);
    struct packet p = stage_segment(&s, TCP_SYN | TCP_ACK, -1, 0);
    p.ack = syn.seq + 1;
    stage_give_packet(&s, &p, span_text("220 hello"));
    assert_int_equal(stage_events(&s), TCP_EVENT_CONNECTED | TCP_EVENT_READABLE);
    assert_int_equal(tcp_readable(s.tcp, s.h), 9);
}

static void data_may_ride_on_the_final_ack(void **state)
{
    struct tcp_handshake handshake = {.iss = OURS - 1, .irs = PEER - 1, .peer_mss = 536};
    struct packet p = stage_segment(&s, TCP_ACK, 0, 0);
    s.h = tcp_accept(s.tcp, &p, &handshake, 77, s.now_us);
    stage_give(&s, TCP_ACK | TCP_PSH, 0, 0, 30);
    assert_int_equal(tcp_readable(s.tcp, s.h), 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with(a_segment_beyond_the_window_is_answered_not_taken),
        with(data_beyond_the_window_is_cut_off),
        with(an_ack_of_what_was_never_sent_is_challenged),
        with(an_ack_far_below_una_is_challenged),
        with(a_segment_without_ack_is_dropped),
        with(a_reset_beside_rcv_nxt_is_challenged),
        with(a_reset_outside_the_window_is_dropped),
        with(a_reset_at_rcv_nxt_ends_the_connection),
        with(a_syn_in_a_connection_is_challenged),
        with(challenges_are_few),
        with(challenges_of_one_connection_say_nothing_of_another),
        with(an_old_timestamp_is_refused),
        with(a_missing_timestamp_is_refused),
        with(urgent_data_is_plain_data),
        with(data_is_read_as_sent),
        with(every_second_segment_is_acknowledged_others_are_later),
        with(a_repetition_is_acknowledged_at_once_with_dsack),
        with(the_peers_fin_waits_for_the_data_before_it),
        with(passive_close),
        with(active_close),
        with(simultaneous_close),
        with(fin_and_ack_of_ours_in_one_segment_go_to_time_wait),
        with(a_released_connection_resets_a_peer_that_goes_on),
        with(a_released_connection_first_delivers_its_last_words),
        with_bare(a_syn_ack_of_another_syn_is_reset),
        with_bare(a_reset_that_acknowledges_our_syn_is_a_refusal),
        with_bare(a_simultaneous_open_is_established_by_both_acks),
        with_bare(data_may_ride_on_the_syn_ack),
        with_bare(data_may_ride_on_the_final_ack),
    };
    return stage_run(tests);
}
