// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_cubic.h"
#include "stage.h"

#include <math.h>

enum { M = STAGE_MSS };

static void the_root_is_the_floor_of_the_cube_root(void **state)
{
    assert_int_equal(tcp_cubic_root(0), 0);
    assert_int_equal(tcp_cubic_root(7), 1);
    assert_int_equal(tcp_cubic_root(8), 2);
    assert_int_equal(tcp_cubic_root(26), 2);
    for (uint64_t root = 1; root < 2000000; root = root * 3 + 1) {
        assert_int_equal(tcp_cubic_root(root * root * root), root);
        assert_int_equal(tcp_cubic_root(root * root * root - 1), root - 1);
    }
}

static void an_owner_with_little_to_say_grows_no_window(void **state)
{
    struct tcp_conn *c = stage_conn(&s);
    uint32_t before = c->cwnd;
    tcp_cubic_acked(s.tcp, c, 10 * M);
    assert_int_equal(c->cwnd, before);
}

static void a_loss_leaves_seven_tenths(void **state)
{
    struct tcp_conn *c = stage_conn(&s);
    c->cwnd = 100 * M;
    tcp_cubic_lost(s.tcp, c);
    assert_int_equal(c->ssthresh, 70 * M);
    assert_int_equal(tcp_conn_cold(s.tcp, c)->w_max, 100 * M);
    c->cwnd = M;
    tcp_cubic_lost(s.tcp, c);
    assert_int_equal(c->ssthresh, 2 * M); // never less
}

static void an_epoch_begins_without_a_leap_at_any_time(void **state)
{
    struct tcp_conn *c = stage_conn(&s);
    c->srtt_us = 20000;
    c->flags |= TCP_CONN_CWND_LIMITED;
    for (int ms = 0; ms < 4; ms++) {
        s.now_us += 1000;
        tcp_conn_now(s.tcp, s.now_us);
        c->cwnd = 100 * M;
        tcp_cubic_lost(s.tcp, c);
        c->cwnd = c->ssthresh;
        tcp_cubic_acked(s.tcp, c, M);
        assert_in_range(c->cwnd, 70 * M, 70 * M + M / 20);
    }
}

// RFC 9438, section 4.3: 9/17 of a segment a round up to the window before the loss.
static void a_flow_that_gave_room_grows_slowly_up_to_its_last_window(void **state)
{
    struct tcp_conn *c = stage_conn(&s);
    struct tcp_cold *cold = tcp_conn_cold(s.tcp, c);
    c->srtt_us = 1000;
    c->flags |= TCP_CONN_CWND_LIMITED;
    cold->w_max = 30 * M;
    c->cwnd = 20 * M;
    tcp_cubic_lost(s.tcp, c);
    assert_int_equal(cold->w_max, 17 * M);
    c->cwnd = c->ssthresh;
    for (int round = 0; round < 9; round++)
        tcp_cubic_acked(s.tcp, c, c->cwnd);
    assert_in_range(cold->w_est, 18 * M, 19 * M); // 14 + 9 * 9/17
}

// W(t) of RFC 9438, figure 1, with a window acknowledged every RTT.
static void growth_follows_the_cubic(void **state)
{
    struct tcp_conn *c = stage_conn(&s);
    const double w_max = 1000, rtt = 0.1;
    c->cwnd = (uint32_t)(w_max * M);
    tcp_cubic_lost(s.tcp, c);
    c->cwnd = c->ssthresh;
    c->srtt_us = (uint32_t)(rtt * 1e6);
    c->flags |= TCP_CONN_CWND_LIMITED;
    double k = cbrt(w_max * 0.3 / 0.4);
    for (int round = 1; round <= 150; round++) {
        for (int part = 0; part < 50; part++) {
            tcp_cubic_acked(s.tcp, c, c->cwnd / 50);
            s.now_us += 2000;
            tcp_conn_now(s.tcp, s.now_us);
        }
        double t = round * rtt;
        double want = 0.4 * pow(t - k, 3) + w_max;
        double is = (double)c->cwnd / M;
        if (t > 1)
            assert_true(fabs(is - want) < want * 0.03 + 5);
    }
}

static void a_small_window_grows_as_reno_would(void **state)
{
    struct tcp_conn *c = stage_conn(&s);
    c->cwnd = 10 * M;
    tcp_cubic_lost(s.tcp, c);
    c->cwnd = c->ssthresh;
    c->srtt_us = 1000; // so short that the cubic hardly moves
    c->flags |= TCP_CONN_CWND_LIMITED;
    for (int round = 0; round < 20; round++) {
        tcp_cubic_acked(s.tcp, c, c->cwnd);
        s.now_us += 1000;
        tcp_conn_now(s.tcp, s.now_us);
    }
    assert_in_range(c->cwnd / M, 15, 24); // 7 + 6 * 9/17 … then a segment a round
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_is_the_floor_of_the_cube_root),
        with(an_owner_with_little_to_say_grows_no_window),
        with(a_loss_leaves_seven_tenths),
        with(an_epoch_begins_without_a_leap_at_any_time),
        with(a_flow_that_gave_room_grows_slowly_up_to_its_last_window),
        with(growth_follows_the_cubic),
        with(a_small_window_grows_as_reno_would),
    };
    return stage_run(tests);
}
