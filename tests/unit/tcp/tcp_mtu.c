// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_mtu.h"
#include "stage.h"

enum { HEADERS = 40, M = STAGE_MSS };

static void time_out(void)
{
    uint8_t backoff = stage_conn(&s)->backoff;
    stage_take_all(&s);
    while (stage_conn(&s)->backoff == backoff)
        stage_wait(&s, 1);
}

static void one_time_out_lowers_nothing(void **state)
{
    stage_send(&s, 4 * M);
    time_out();
    assert_int_equal(stage_conn(&s)->mss, M);
    assert_int_equal(s.counters.counters[COUNTER_PATH_MTU_GUESSED], 0);
}

static void small_segments_lower_nothing(void **state)
{
    stage_send(&s, 500);
    for (int i = 0; i < 4; i++)
        time_out();
    assert_int_equal(stage_conn(&s)->mss, M);
}

static void a_peer_with_small_segments_lowers_nothing(void **state)
{
    stage_conn(&s)->peer_mss = 500;
    tcp_conn_resize(s.tcp, stage_conn(&s), 1500);
    stage_send(&s, 4 * M);
    for (int i = 0; i < 2; i++)
        time_out();
    assert_int_equal(s.counters.counters[COUNTER_PATH_MTU_GUESSED], 0);
}

static void each_further_time_out_goes_a_step_down(void **state)
{
    static const uint16_t sizes[] = {1500, 1280, 1006, 552, 552, 552};
    stage_send(&s, 4 * M);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        time_out();
        assert_int_equal(stage_conn(&s)->mss, sizes[i] - HEADERS);
        assert_int_equal(stage_take(&s).packet.payload_size, sizes[i] - HEADERS);
        stage_take_none(&s);
    }
    assert_int_equal(s.counters.counters[COUNTER_PATH_MTU_GUESSED], 3);
}

static void ipv6_stays_at_1280(void **state)
{
    uint8_t peer[16] = {0x20, 1, 0xd, 0xb8, [15] = 1}, ours[16] = {0x20, 1, 0xd, 0xb8, [15] = 2};
    s.base.src = addr_from_v6(peer);
    s.base.dst = addr_from_v6(ours);
    stage_accept(&s, true, false);
    stage_send(&s, 4 * M);
    for (int i = 0; i < 5; i++)
        time_out();
    assert_int_equal(stage_conn(&s)->mss, 1280 - 60);
    assert_false(tcp_mtu_lower(s.tcp, stage_conn(&s), 600));
}

static void what_got_through_is_not_cut_further(void **state)
{
    stage_send(&s, 4 * M);
    time_out();
    time_out();
    stage_ack(&s, 1240); // 1280 passes
    stage_advance(&s);
    assert_int_equal(stage_conn(&s)->backoff, 0);
    for (unsigned i = 0; i < s.count; i++)
        assert_true(s.kept[i].packet.payload_size <= 1240);
    stage_ack(&s, 4 * M);
    assert_int_equal(stage_conn(&s)->mss, 1240);
}

static void after_ten_minutes_the_legs_mtu_is_tried_again(void **state)
{
    assert_true(tcp_mtu_lower(s.tcp, stage_conn(&s), 1280));
    int64_t at = 0;
    for (int minute = 0; minute < 16; minute++) {
        stage_send(&s, 100);
        stage_ack(&s, at += 100);
        for (int i = 0; i < 60; i++) {
            s.now_us += 1000000;
            stage_advance(&s);
        }
        if (minute < 9)
            assert_int_equal(stage_conn(&s)->mss, 1280 - HEADERS);
    }
    assert_int_equal(stage_conn(&s)->mss, M);
}

static void a_quote_lowers_to_the_least_at_most(void **state)
{
    assert_true(tcp_mtu_lower(s.tcp, stage_conn(&s), 1));
    assert_int_equal(stage_conn(&s)->mss, 552 - HEADERS);
    assert_false(tcp_mtu_lower(s.tcp, stage_conn(&s), 1400)); // never up
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with(one_time_out_lowers_nothing),
        with(small_segments_lower_nothing),
        with(a_peer_with_small_segments_lowers_nothing),
        with(each_further_time_out_goes_a_step_down),
        with(ipv6_stays_at_1280),
        with(what_got_through_is_not_cut_further),
        with(after_ten_minutes_the_legs_mtu_is_tried_again),
        with(a_quote_lowers_to_the_least_at_most),
    };
    return stage_run(tests);
}
