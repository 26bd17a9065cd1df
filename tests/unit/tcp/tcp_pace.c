// SPDX-License-Identifier: BSD-3-Clause
#include "stage.h"

#include "tcp/tcp_pace.h"

enum { M = STAGE_MSS };

static int up(void **state)
{
    stage_open(&s);
    stage_accept(&s, true, false);
    s.tcp->config.send_bytes = 1 << 20;
    struct packet p = stage_segment(&s, TCP_ACK, 0, 0);
    p.window = UINT16_MAX;
    stage_give_packet(&s, &p, span_of(NULL, 0));
    stage_conn(&s)->cwnd = 200 * M;
    return 0;
}

static void an_open_window_goes_out_by_and_by(void **state)
{
    stage_conn(&s)->srtt_us = 20000; // 200 segments in 20 ms, twice that
    stage_send(&s, 100 * M);
    assert_int_equal(s.count, 20);
    for (int i = 0; i < 5; i++)
        stage_advance(&s);
    assert_int_equal(s.count, 20); // not before the clock moves
    stage_wait(&s, 2);
    assert_in_range(s.count, 40, 60);
    stage_wait(&s, 10);
    assert_int_equal(s.count, 100);
}

static void ten_may_go_whatever_the_rate(void **state)
{
    stage_conn(&s)->srtt_us = 2000000;
    stage_send(&s, 9 * M);
    assert_int_equal(s.count, 9);
    stage_send(&s, 2 * M);
    assert_int_equal(s.count, 10);
    stage_wait(&s, 2);
    assert_int_equal(s.count, 11);
}

static void without_an_rtt_ten_may_go(void **state)
{
    stage_send(&s, 30 * M);
    assert_int_equal(s.count, 10);
    stage_wait(&s, 2);
    assert_in_range(s.count, 20, 30);
}

static void short_paths_are_not_bound(void **state)
{
    stage_conn(&s)->srtt_us = 1999;
    stage_send(&s, 60 * M);
    assert_int_equal(s.count, 60);
}

static void an_ack_of_much_opens_no_flood(void **state)
{
    struct tcp_conn *c = stage_conn(&s);
    c->srtt_us = 40000;
    stage_send(&s, 400 * M);
    stage_wait(&s, 40);
    s.now_us += 1000;
    stage_take_all(&s);
    struct packet p = stage_segment(&s, TCP_ACK, 0, 180 * M);
    p.window = UINT16_MAX;
    stage_give_packet(&s, &p, span_of(NULL, 0));
    c->srtt_us = 40000;
    stage_advance(&s);
    assert_int_equal(s.count, 2000 * (uint64_t)c->cwnd / c->srtt_us / M);
    assert_in_range(s.count, 10, 20); // cwnd is some 380
}

static void a_burst_is_counted_up_to_its_most(void **state)
{
    struct tcp_conn *c = stage_conn(&s);
    c->srtt_us = 100000;
    for (int i = 0; i < 1000; i++)
        tcp_pace_sent(s.tcp, c);
    assert_int_equal(c->burst, TCP_PACE_MOST);
    assert_int_equal(tcp_pace_room(s.tcp, c), 0);
    s.now_us += 1000;
    stage_advance(&s);
    assert_int_equal(tcp_pace_room(s.tcp, c), TCP_INITIAL_SEGMENTS);
}

#define with_room(test) cmocka_unit_test_setup_teardown(test, up, stage_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_room(an_open_window_goes_out_by_and_by), with_room(ten_may_go_whatever_the_rate),
        with_room(without_an_rtt_ten_may_go),         with_room(short_paths_are_not_bound),
        with_room(an_ack_of_much_opens_no_flood),     with_room(a_burst_is_counted_up_to_its_most),
    };
    return stage_run(tests);
}
