// SPDX-License-Identifier: BSD-3-Clause
#include "stage.h"

enum { M = STAGE_MSS, RTT_MS = 20, SEGMENTS = 6 };

static int64_t at;
static uint32_t cwnd_before, ssthresh_before;

static void answer(int64_t ack, uint32_t echo)
{
    struct packet p = stage_segment(&s, TCP_ACK, 0, ack);
    p.options.ts_echo = echo;
    stage_give_packet(&s, &p, span_of(NULL, 0));
    stage_advance(&s);
}

// Some round trips first, so that the RTT is known; then six segments in flight from `at`, and
// `more` bytes that cwnd holds back or that wait behind them.
static void fly(bool sack, bool timestamps)
{
    stage_open(&s);
    stage_accept(&s, sack, timestamps);
    for (at = 0; at < 500; at += 100) {
        stage_send(&s, 100);
        stage_wait(&s, RTT_MS);
        answer(at + 100, (uint32_t)(s.now_us / 1000) - RTT_MS);
    }
    stage_take_all(&s);
    stage_send(&s, SEGMENTS * (size_t)stage_conn(&s)->mss);
    assert_int_equal(s.count, SEGMENTS);
    stage_take_all(&s);
    cwnd_before = stage_conn(&s)->cwnd;
    ssthresh_before = stage_conn(&s)->ssthresh;
}

// Until the time-out; when that repetition went out.
static uint32_t time_out(void)
{
    while (!(stage_conn(&s)->flags & TCP_CONN_LOSS))
        stage_wait(&s, 1);
    stage_take_all(&s);
    return (uint32_t)(s.now_us / 1000);
}

static bool undone(void)
{
    const struct tcp_conn *c = stage_conn(&s);
    return c->cwnd + M >= cwnd_before && c->ssthresh >= ssthresh_before &&
           !(c->flags & (TCP_CONN_LOSS | TCP_CONN_RECOVERY)) && c->lost_bytes == 0;
}

static void an_echo_of_the_repetition_undoes_nothing(void **state)
{
    fly(false, true);
    uint32_t again = time_out();
    stage_wait(&s, RTT_MS);
    answer(at + stage_conn(&s)->mss, again);
    assert_false(undone());
    assert_true(s.count > 0); // goes on with what is lost
}

static void an_echo_of_a_minute_ago_proves_nothing(void **state)
{
    fly(false, true);
    uint32_t again = time_out();
    answer(at + stage_conn(&s)->mss, again - TCP_RTO_MOST_MS - 1);
    assert_false(undone());
}

static void an_echo_of_the_first_copy_undoes_a_time_out(void **state)
{
    fly(false, true);
    uint32_t again = time_out();
    stage_wait(&s, RTT_MS);
    answer(at + stage_conn(&s)->mss, again - 1);
    assert_true(undone());
    stage_wait(&s, RTT_MS);
    stage_take_none(&s); // nothing else is sent again
}

static void after_two_repetitions_an_echo_proves_nothing(void **state)
{
    fly(false, true);
    time_out();
    uint8_t backoff = stage_conn(&s)->backoff;
    while (stage_conn(&s)->backoff == backoff)
        stage_wait(&s, 1);
    stage_take_all(&s);
    answer(at + stage_conn(&s)->mss, (uint32_t)(s.now_us / 1000) - 1);
    assert_false(undone());
}

static void an_early_echo_undoes_a_fast_retransmission_too(void **state)
{
    fly(true, true);
    const struct tcp_conn *c = stage_conn(&s);
    uint32_t sent = (uint32_t)(s.now_us / 1000);
    stage_wait(&s, RTT_MS);
    struct packet p = stage_segment(&s, TCP_ACK, 0, at);
    p.options.sack_count = 1;
    p.options.sack[0] =
        (struct tcp_sack_block){OURS + (uint32_t)at + c->mss, OURS + (uint32_t)at + 4u * c->mss};
    stage_give_packet(&s, &p, span_of(NULL, 0));
    stage_advance(&s);
    assert_true(c->flags & TCP_CONN_RECOVERY);
    answer(at + 4 * c->mss, sent);
    assert_true(undone());
}

static void without_new_data_a_time_out_goes_on_with_old(void **state)
{
    fly(false, false);
    time_out();
    stage_ack(&s, at + M);
    stage_advance(&s);
    assert_int_equal(s.count, 2);
    struct stage_segment again = stage_take(&s);
    assert_int_equal(stage_seq(&again), at + M);
}

static void a_duplicate_after_new_data_goes_on_with_old(void **state)
{
    fly(false, false);
    time_out();
    stage_send(&s, 4 * M);
    stage_take_all(&s);
    stage_ack(&s, at + M);
    stage_advance(&s);
    assert_int_equal(s.count, 2);
    struct stage_segment fresh = stage_take(&s);
    assert_int_equal(stage_seq(&fresh), at + SEGMENTS * M);
    stage_take_all(&s);
    for (int i = 0; i < 2; i++)
        stage_ack(&s, at + M);
    stage_advance(&s);
    assert_false(undone());
    stage_wait(&s, 1000);
    struct stage_segment again = stage_take(&s);
    assert_int_equal(stage_seq(&again), at + M);
}

static void two_acks_that_move_on_undo_a_time_out(void **state)
{
    fly(false, false);
    time_out();
    stage_send(&s, 4 * M);
    stage_take_all(&s);
    stage_ack(&s, at + M);
    stage_advance(&s);
    assert_int_equal(s.count, 2); // new, not old
    stage_take_all(&s);
    stage_ack(&s, at + 2 * M);
    stage_advance(&s);
    assert_true(undone());
    for (unsigned i = 0; i < s.count; i++) // new data only
        assert_true(stage_seq(&s.kept[i]) >= at + (SEGMENTS + 2) * M);
}

static void f_rto_ends_where_all_was_acknowledged(void **state)
{
    fly(false, false);
    time_out();
    stage_send(&s, 4 * M);
    stage_take_all(&s);
    stage_ack(&s, at + SEGMENTS * M); // cannot tell
    stage_advance(&s);
    const struct tcp_conn *c = stage_conn(&s);
    assert_false(c->flags & (TCP_CONN_FRTO | TCP_CONN_FRTO_NEW | TCP_CONN_LOSS));
    assert_true(c->cwnd < cwnd_before);
}

static void repeat(int64_t ack, int64_t left, int64_t size)
{
    struct packet p = stage_segment(&s, TCP_ACK, 0, ack);
    p.options.sack_count = 1;
    p.options.sack[0] =
        (struct tcp_sack_block){OURS + (uint32_t)left, OURS + (uint32_t)(left + size)};
    stage_give_packet(&s, &p, span_of(NULL, 0));
    stage_advance(&s);
}

static void a_duplicate_report_of_each_repetition_undoes(void **state)
{
    fly(true, false);
    stage_wait(&s, RTT_MS);
    repeat(at, at + M, 3 * M); // three are there: the first is sent again
    assert_true(stage_conn(&s)->flags & TCP_CONN_RECOVERY);
    stage_ack(&s, at + SEGMENTS * M);
    assert_false(undone());
    repeat(at + SEGMENTS * M, at, M);
    assert_true(undone());
}

static void fewer_reports_than_repetitions_undo_nothing(void **state)
{
    fly(true, false);
    stage_wait(&s, RTT_MS);
    repeat(at, at + 2 * M, 4 * M); // two are missing
    stage_wait(&s, RTT_MS);
    assert_int_equal(stage_conn(&s)->undo_repeats, 2);
    stage_ack(&s, at + SEGMENTS * M);
    repeat(at + SEGMENTS * M, at, M);
    assert_false(undone());
}

static void a_window_later_nothing_is_undone(void **state)
{
    fly(true, false);
    stage_wait(&s, RTT_MS);
    repeat(at, at + M, 3 * M);
    at += SEGMENTS * M;
    stage_ack(&s, at);
    for (int i = 0; i < 12; i++) {
        stage_send(&s, M);
        stage_ack(&s, at += M);
    }
    repeat(at, at - 15 * M, M);
    assert_false(undone());
}

#define with_own(test) cmocka_unit_test_teardown(test, stage_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_own(an_echo_of_the_repetition_undoes_nothing),
        with_own(an_echo_of_a_minute_ago_proves_nothing),
        with_own(an_echo_of_the_first_copy_undoes_a_time_out),
        with_own(after_two_repetitions_an_echo_proves_nothing),
        with_own(an_early_echo_undoes_a_fast_retransmission_too),
        with_own(without_new_data_a_time_out_goes_on_with_old),
        with_own(a_duplicate_after_new_data_goes_on_with_old),
        with_own(two_acks_that_move_on_undo_a_time_out),
        with_own(f_rto_ends_where_all_was_acknowledged),
        with_own(a_duplicate_report_of_each_repetition_undoes),
        with_own(fewer_reports_than_repetitions_undo_nothing),
        with_own(a_window_later_nothing_is_undone),
    };
    return stage_run(tests);
}
