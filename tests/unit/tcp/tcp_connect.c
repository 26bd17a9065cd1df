// SPDX-License-Identifier: BSD-3-Clause
#include "stage.h"

static handle connect_once(enum reason *ret_reason)
{
    return tcp_connect(s.tcp, &s.base.dst, &s.base.src, 25, LEG_INSIDE, 77, s.now_us, ret_reason);
}

static void an_exhausted_pool_is_a_named_refusal(void **state)
{
    enum reason reason;
    for (int i = 0; i < 64; i++)
        assert_true(connect_once(&reason) != HANDLE_NONE);
    assert_int_equal(connect_once(&reason), HANDLE_NONE);
    assert_int_equal(reason, REASON_TCP_NO_CONNECTION_FREE);
    assert_int_equal(stage_refused(&s, REASON_TCP_NO_CONNECTION_FREE), 1);
}

static void exhausted_ports_are_a_named_refusal(void **state)
{
    s.tcp->config.workers = 1000; // leaves 64 or 65 ports
    enum reason reason = REASON_NONE;
    handle h = HANDLE_NONE;
    int made = 0;
    while ((h = connect_once(&reason)) != HANDLE_NONE) {
        tcp_abort(s.tcp, h); // SYN-SENT leaves nothing behind, so the port is free again
        stage_take_all(&s);
        if (++made == 200)
            break;
    }
    assert_int_equal(made, 200);
    made = 0;
    s.tcp->config.workers = 4000; // 16
    while (connect_once(&reason) != HANDLE_NONE)
        made++;
    assert_int_equal(reason, REASON_TCP_NO_PORT_FREE);
    assert_in_range(made, 15, 17);
    assert_int_equal(tcp_connections(s.tcp), made);
}

static void local_ports_belong_to_the_worker(void **state)
{
    s.tcp->config.workers = 7;
    s.tcp->config.worker = 3;
    enum reason reason;
    for (int i = 0; i < 60; i++) {
        assert_true(connect_once(&reason) != HANDLE_NONE);
        struct stage_segment syn = stage_take(&s);
        assert_int_equal(syn.packet.src_port % 7, 3);
        assert_true(syn.packet.src_port >= 1024);
    }
}

static void isns_and_ports_do_not_tell_the_next(void **state)
{
    enum reason reason;
    uint32_t seen[16];
    for (int i = 0; i < 16; i++) {
        connect_once(&reason);
        seen[i] = stage_take(&s).packet.seq;
        for (int k = 0; k < i; k++)
            assert_true(seen[i] - seen[k] > 100000 && seen[k] - seen[i] > 100000);
    }
}

static void a_syn_offers_all_options(void **state)
{
    struct packet syn = stage_syn_sent(&s);
    assert_int_equal(syn.options.mss, 1460);
    assert_true(syn.options.sack_permitted);
    assert_true(syn.options.has_timestamps);
    assert_true(syn.options.has_window_scale);
    assert_int_equal(syn.options.window_scale, TCP_WINDOW_SCALE_OURS);
    assert_int_equal(syn.window, STAGE_RECEIVE_BYTES);
}

static void a_peer_without_options_gets_none(void **state)
{
    struct packet syn = stage_syn_sent(&s);
    struct packet p = stage_segment(&s, TCP_SYN | TCP_ACK, -1, 0);
    p.ack = syn.seq + 1;
    stage_give_packet(&s, &p, span_of(NULL, 0));
    stage_advance(&s);
    struct stage_segment ack = stage_take(&s);
    assert_false(ack.packet.options.has_timestamps);
    assert_int_equal(ack.packet.window, STAGE_RECEIVE_BYTES); // not scaled
    assert_int_equal(stage_conn(&s)->mss, TCP_MSS_DEFAULT_V4);
}

static void a_peer_that_offers_a_tiny_mss_gets_no_tinygrams(void **state)
{
    struct packet syn = stage_syn_sent(&s);
    struct packet p = stage_segment(&s, TCP_SYN | TCP_ACK, -1, 0);
    p.ack = syn.seq + 1;
    p.options.mss = 1;
    stage_give_packet(&s, &p, span_of(NULL, 0));
    assert_int_equal(stage_conn(&s)->mss, TCP_MSS_LEAST);
}

static void a_path_that_loses_syns_begins_with_one_segment(void **state)
{
    for (unsigned seconds = 0; seconds < 4; seconds += 3) {
        struct packet syn = stage_syn_sent(&s);
        stage_wait(&s, seconds * 1000 + 10);
        struct packet p = stage_segment(&s, TCP_SYN | TCP_ACK, -1, 0);
        p.ack = syn.seq + 1;
        p.options.mss = STAGE_MSS;
        stage_give_packet(&s, &p, span_of(NULL, 0));
        stage_advance(&s);
        assert_int_equal(stage_conn(&s)->cwnd, seconds ? STAGE_MSS : 10 * STAGE_MSS);
        tcp_abort(s.tcp, s.h);
        stage_take_all(&s);
    }
}

static void a_hard_icmp_error_ends_an_attempt_only(void **state)
{
    struct packet syn = stage_syn_sent(&s);
    struct packet quoted = {.src = syn.src, .dst = syn.dst, .src_port = syn.src_port};
    quoted.dst_port = syn.dst_port;
    quoted.seq = syn.seq + 5; // a guess
    tcp_icmp(s.tcp, &quoted, 0, true, s.now_us);
    assert_string_equal(stage_state(&s), "SYN-SENT");
    quoted.seq = syn.seq;
    tcp_icmp(s.tcp, &quoted, 0, true, s.now_us);
    assert_int_equal(stage_events(&s), TCP_EVENT_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_bare(an_exhausted_pool_is_a_named_refusal),
        with_bare(exhausted_ports_are_a_named_refusal),
        with_bare(local_ports_belong_to_the_worker),
        with_bare(isns_and_ports_do_not_tell_the_next),
        with_bare(a_syn_offers_all_options),
        with_bare(a_peer_without_options_gets_none),
        with_bare(a_peer_that_offers_a_tiny_mss_gets_no_tinygrams),
        with_bare(a_path_that_loses_syns_begins_with_one_segment),
        with_bare(a_hard_icmp_error_ends_an_attempt_only),
    };
    return stage_run(tests);
}
