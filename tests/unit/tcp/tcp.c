// SPDX-License-Identifier: BSD-3-Clause
#include "stage.h"

static void a_second_accept_of_one_tuple_is_refused(void **state)
{
    struct tcp_handshake handshake = {.iss = OURS - 1, .irs = PEER - 1, .peer_mss = 536};
    struct packet p = stage_segment(&s, TCP_ACK, 0, 0);
    assert_int_equal(tcp_accept(s.tcp, &p, &handshake, 77, s.now_us), HANDLE_NONE);
}

static void an_exhausted_pool_refuses_an_accept(void **state)
{
    for (int i = 1; i < 64; i++) {
        s.base.src_port++;
        stage_accept(&s, true, false);
    }
    struct tcp_handshake handshake = {.iss = OURS - 1, .irs = PEER - 1, .peer_mss = 536};
    s.base.src_port++;
    struct packet p = stage_segment(&s, TCP_ACK, 0, 0);
    assert_int_equal(tcp_accept(s.tcp, &p, &handshake, 77, s.now_us), HANDLE_NONE);
    assert_int_equal(stage_refused(&s, REASON_TCP_NO_CONNECTION_FREE), 1);
    assert_int_equal(tcp_connections(s.tcp), 64);
}

static void nothing_is_sent_after_finish(void **state)
{
    tcp_finish(s.tcp, s.h);
    tcp_finish(s.tcp, s.h);
    assert_int_equal(tcp_send(s.tcp, s.h, span_text("late")), 0);
    assert_int_equal(tcp_send_room(s.tcp, s.h), 0);
    stage_advance(&s);
    assert_int_equal(s.count, 1);
}

static void an_abort_resets_at_once(void **state)
{
    stage_send(&s, 100);
    stage_take_all(&s);
    tcp_abort(s.tcp, s.h);
    struct stage_segment reset = stage_take(&s);
    assert_true(reset.packet.tcp_flags & TCP_RST);
    assert_int_equal(stage_seq(&reset), 100);
    assert_int_equal(tcp_connections(s.tcp), 0);
}

static void an_aborted_attempt_is_silent(void **state)
{
    stage_syn_sent(&s);
    tcp_abort(s.tcp, s.h);
    stage_take_none(&s);
}

static void shutting_frees_what_is_held(void **state) // stage_shut looks for missing mbufs
{
    stage_send(&s, 30000);
    stage_give(&s, TCP_ACK, 0, 0, 1000);
    stage_give(&s, TCP_ACK, 2000, 0, 1000);
    stage_give(&s, TCP_ACK, 4000, 0, 1000);
    stage_take_all(&s);
}

static void a_connection_says_how_it_is(void **state)
{
    struct tcp_info info;
    assert_true(tcp_info(s.tcp, s.h, &info));
    assert_string_equal(info.state, "ESTABLISHED");
    assert_int_equal(info.local_port, 25);
    assert_int_equal(info.remote_port, 4000);
    assert_true(addr_equal(&info.remote, &s.base.src));
}

static void a_stack_that_never_was_told_the_time_starts_with_it(void **state)
{
    assert_true(tcp_next_us(s.tcp) == UINT64_MAX);
    stage_syn_sent(&s);
    uint64_t next_us = tcp_next_us(s.tcp);
    assert_true(next_us > s.now_us && next_us <= s.now_us + 1100000);
}

static void time_that_goes_back_stands_still(void **state)
{
    stage_send(&s, 100);
    stage_take_all(&s);
    s.now_us -= 500000000;
    stage_give(&s, TCP_ACK, 0, 100, 10);
    stage_wait(&s, 1000);
    stage_take_all(&s);
    assert_string_equal(stage_state(&s), "ESTABLISHED");
    assert_int_equal(tcp_readable(s.tcp, s.h), 10);
    assert_in_range(stage_conn(&s)->srtt_us, 0, 1000);
}

// The milliseconds' 32 bits come round on the way.
static void a_leap_of_weeks_fires_each_deadline_once(void **state)
{
    static const uint64_t days[] = {1, 3, 10, 20, 24, 24};
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        s.base.src_port = (uint16_t)(5000 + i);
        stage_accept(&s, true, false);
        stage_give(&s, TCP_ACK, 0, 0, 10);
        stage_send(&s, 100);
        stage_take_all(&s);
        s.now_us += days[i] * 86400 * 1000000;
        stage_advance(&s);
        assert_true(s.count <= 3); // an ACK, a repetition or the end
        stage_take_all(&s);
        stage_wait(&s, 400000);
        stage_events(&s);
        stage_take_all(&s);
        assert_string_equal(stage_state(&s), "CLOSED");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with(a_second_accept_of_one_tuple_is_refused),
        with(an_exhausted_pool_refuses_an_accept),
        with(nothing_is_sent_after_finish),
        with(an_abort_resets_at_once),
        with_bare(an_aborted_attempt_is_silent),
        with(shutting_frees_what_is_held),
        with(a_connection_says_how_it_is),
        with(time_that_goes_back_stands_still),
        with_bare(a_leap_of_weeks_fires_each_deadline_once),
        with_bare(a_stack_that_never_was_told_the_time_starts_with_it),
    };
    return stage_run(tests);
}
