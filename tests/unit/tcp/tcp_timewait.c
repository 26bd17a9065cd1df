// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_timewait.h"
#include "stage.h"

// We close first, the peer closes: a record with our stream at 1, its at 1.
static void close_first(void)
{
    tcp_finish(s.tcp, s.h);
    stage_advance(&s);
    stage_give(&s, TCP_ACK | TCP_FIN, 0, 1, 0);
    stage_events(&s);
    assert_int_equal(tcp_connections(s.tcp), 0);
    stage_take_all(&s);
}

static handle look(uint8_t flags, int64_t seq, int64_t ack)
{
    struct packet p = stage_segment(&s, flags, seq, ack);
    return tcp_lookup(s.tcp, &p);
}

static void a_reset_ends_no_time_wait(void **state)
{
    close_first();
    stage_give(&s, TCP_RST, 1, 1, 0);
    assert_true(look(TCP_ACK, 1, 1) != HANDLE_NONE);
    stage_take_none(&s);
}

static void a_repeated_fin_is_acknowledged_and_starts_the_time_again(void **state)
{
    close_first();
    stage_wait(&s, TCP_TIME_WAIT_MS - 2000);
    stage_give(&s, TCP_ACK | TCP_FIN, 0, 1, 0);
    struct stage_segment ack = stage_take(&s);
    assert_int_equal(ack.packet.tcp_flags, TCP_ACK);
    assert_int_equal(stage_seq(&ack), 1);
    assert_int_equal(stage_acked(&ack), 1);
    stage_wait(&s, TCP_TIME_WAIT_MS - 2000);
    assert_true(look(TCP_ACK, 1, 1) != HANDLE_NONE);
    stage_wait(&s, 5000);
    assert_int_equal(look(TCP_ACK, 1, 1), HANDLE_NONE);
}

static void a_plain_ack_gets_no_answer(void **state)
{
    close_first();
    stage_give(&s, TCP_ACK, 1, 1, 0); // else two in TIME-WAIT would talk for ever
    stage_take_none(&s);
}

static void an_old_syn_is_answered_by_an_ack(void **state)
{
    close_first();
    stage_give(&s, TCP_SYN, -1000, 0, 0);
    struct stage_segment ack = stage_take(&s);
    assert_int_equal(ack.packet.tcp_flags, TCP_ACK);
}

static void a_flood_of_old_segments_gets_few_answers(void **state)
{
    close_first();
    unsigned answers = 0;
    for (int i = 0; i < 500; i++) { // a second of each
        stage_give(&s, TCP_SYN, -1000 - i, 0, 0);
        stage_give(&s, TCP_ACK, -1000 - i, 1, 100);
        stage_give(&s, TCP_ACK, 5000 + i, 1, 0);
        answers += s.count;
        stage_take_all(&s);
        stage_wait(&s, 2);
    }
    assert_true(answers > 0 && answers <= 1000 / TCP_CHALLENGE_MS + 1);
    stage_give(&s, TCP_ACK | TCP_FIN, 0, 1, 0); // the peer's own still finds an ear
    assert_int_equal(stage_take(&s).packet.tcp_flags, TCP_ACK);
}

static struct packet syn_of(int64_t seq)
{
    struct packet p = stage_segment(&s, TCP_SYN, seq, 0);
    p.options = (struct tcp_option){.mss = 1452,
                                    .has_window_scale = true,
                                    .window_scale = 9,
                                    .sack_permitted = true,
                                    .has_timestamps = true,
                                    .ts_value = 4711};
    return p;
}

static void a_later_syn_is_answered_with_a_larger_number(void **state)
{
    close_first();
    struct packet syn = syn_of(50000);
    stage_give_packet(&s, &syn, span_of(NULL, 0));
    struct stage_segment answer = stage_take(&s);
    assert_int_equal(answer.packet.tcp_flags, TCP_SYN | TCP_ACK);
    assert_true(stage_seq(&answer) > 1);
    assert_true(stage_seq(&answer) < INT64_C(1) << 31);
    assert_int_equal(stage_acked(&answer), 50001);
    assert_int_equal(answer.packet.options.mss, 1460);
    assert_int_equal(answer.packet.options.ts_echo, 4711);
    assert_int_equal(s.counters.counters[COUNTER_SYN_REOPENED], 1);
    assert_true(look(TCP_ACK, 1, 1) != HANDLE_NONE); // the old one is still known

    struct tcp_handshake handshake;
    struct packet p = stage_segment(&s, TCP_ACK, 50001, stage_seq(&answer) + 1);
    assert_int_equal(tcp_lookup(s.tcp, &p), HANDLE_NONE);
    assert_true(tcp_reopened(s.tcp, &p, &handshake));
    assert_int_equal(handshake.iss, answer.packet.seq);
    assert_int_equal(handshake.irs, syn.seq);
    assert_int_equal(handshake.peer_mss, 1448); // in steps of eight
    assert_int_equal(handshake.peer_window_scale, 9);
    assert_true(handshake.window_scaling && handshake.sack && handshake.timestamps);
    s.h = tcp_accept(s.tcp, &p, &handshake, 77, s.now_us);
    assert_true(s.h != HANDLE_NONE);
    assert_true(tcp_lookup(s.tcp, &p) == s.h);
    assert_false(tcp_reopened(s.tcp, &p, &handshake));
    stage_wait(&s, TCP_TIME_WAIT_MS + 2000); // what is left of the record harms nothing
    assert_true(tcp_lookup(s.tcp, &p) == s.h);
}

static void only_the_answers_acknowledgment_reopens(void **state)
{
    close_first();
    struct tcp_handshake handshake;
    struct packet p = stage_segment(&s, TCP_ACK, 50001, 2000);
    assert_false(tcp_reopened(s.tcp, &p, &handshake)); // no SYN came
    struct packet syn = syn_of(50000);
    stage_give_packet(&s, &syn, span_of(NULL, 0));
    struct stage_segment answer = stage_take(&s);
    for (int64_t wrong = -3; wrong <= 3; wrong++) {
        p = stage_segment(&s, TCP_ACK, 50001 + wrong, stage_seq(&answer) + 1);
        assert_true(tcp_reopened(s.tcp, &p, &handshake) == (wrong == 0));
        p = stage_segment(&s, TCP_ACK, 50001, stage_seq(&answer) + 1 + wrong);
        assert_true(tcp_reopened(s.tcp, &p, &handshake) == (wrong == 0));
    }
    p = stage_segment(&s, TCP_ACK | TCP_RST, 50001, stage_seq(&answer) + 1);
    assert_false(tcp_reopened(s.tcp, &p, &handshake));
}

static void a_forged_syn_ends_nothing(void **state)
{
    close_first();
    struct packet syn = syn_of(50000), forged = syn_of(90000);
    stage_give_packet(&s, &syn, span_of(NULL, 0));
    struct stage_segment answer = stage_take(&s);
    stage_give_packet(&s, &forged, span_of(NULL, 0));
    stage_take_none(&s); // too soon
    stage_wait(&s, TCP_CHALLENGE_MS);
    stage_give_packet(&s, &forged, span_of(NULL, 0));
    stage_take(&s);
    stage_give(&s, TCP_ACK | TCP_FIN, 0, 1, 0);
    assert_int_equal(stage_take(&s).packet.tcp_flags, TCP_ACK); // the old one
    struct tcp_handshake handshake;
    struct packet p = stage_segment(&s, TCP_ACK, 50001, stage_seq(&answer) + 1);
    assert_true(tcp_reopened(s.tcp, &p, &handshake));
}

static void a_syn_from_inside_reopens_nothing(void **state)
{
    close_first();
    s.base.leg = LEG_INSIDE;
    s.base.src_port++;
    stage_accept(&s, true, false);
    close_first();
    struct packet syn = syn_of(50000);
    stage_give_packet(&s, &syn, span_of(NULL, 0));
    assert_int_equal(stage_take(&s).packet.tcp_flags, TCP_ACK);
}

static void a_jump_of_the_clock_ends_records(void **state)
{
    close_first();
    static const uint64_t jumps_s[] = {62, 3600, 36000, 60000, 86400 * 30};
    for (unsigned i = 0; i < sizeof jumps_s / sizeof jumps_s[0]; i++) {
        s.base.src_port = (uint16_t)(5000 + i);
        stage_accept(&s, true, false);
        close_first();
        s.now_us += jumps_s[i] * 1000000;
        stage_wait(&s, 1);
        assert_int_equal(look(TCP_ACK, 1, 1), HANDLE_NONE);
        assert_int_equal(s.tcp->waits_head, s.tcp->waits_tail);
        stage_take_all(&s);
    }
}

static void a_full_ring_forgets_the_oldest(void **state)
{
    close_first();
    uint16_t first = s.base.src_port;
    for (uint16_t i = 1; i <= 64; i++) { // as many as there are records
        s.base.src_port = (uint16_t)(first + i);
        stage_accept(&s, true, false);
        close_first();
    }
    assert_int_equal(s.counters.counters[COUNTER_TIME_WAIT_FORGOTTEN], 1);
    assert_true(look(TCP_ACK, 1, 1) != HANDLE_NONE);
    s.base.src_port = first;
    assert_int_equal(look(TCP_ACK, 1, 1), HANDLE_NONE);
    s.base.src_port = (uint16_t)(first + 1);
    assert_true(look(TCP_ACK, 1, 1) != HANDLE_NONE);
    stage_wait(&s, TCP_TIME_WAIT_MS + 2000);
    assert_int_equal(s.tcp->waits_head, s.tcp->waits_tail);
    assert_true(tcp_next_us(s.tcp) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with(a_reset_ends_no_time_wait),
        with(a_repeated_fin_is_acknowledged_and_starts_the_time_again),
        with(a_plain_ack_gets_no_answer),
        with(an_old_syn_is_answered_by_an_ack),
        with(a_flood_of_old_segments_gets_few_answers),
        with(a_later_syn_is_answered_with_a_larger_number),
        with(only_the_answers_acknowledgment_reopens),
        with(a_forged_syn_ends_nothing),
        with(a_syn_from_inside_reopens_nothing),
        with(a_jump_of_the_clock_ends_records),
        with(a_full_ring_forgets_the_oldest),
    };
    return stage_run(tests);
}
