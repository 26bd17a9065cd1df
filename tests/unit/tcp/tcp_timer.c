// SPDX-License-Identifier: BSD-3-Clause
#include "stage.h"

static enum reason closed_reason(void)
{
    struct tcp_event event;
    while (tcp_event_next(s.tcp, &event))
        if (event.bits & TCP_EVENT_CLOSED)
            return event.reason;
    return REASON_NONE;
}

static void an_unanswered_syn_is_sent_seven_times_more_and_given_up(void **state)
{
    stage_syn_sent(&s);
    uint64_t start_us = s.now_us;
    unsigned sent = 0;
    for (int i = 0; i < 200000 && tcp_connections(s.tcp); i++) {
        stage_wait(&s, 1);
        sent += s.count;
        stage_take_all(&s);
        if (stage_events(&s) & TCP_EVENT_CLOSED)
            break;
    }
    assert_int_equal(sent, 7);
    assert_true(s.now_us - start_us >= 180000000); // RFC 9293, section 3.8.3
    assert_int_equal(stage_refused(&s, REASON_TCP_UNREACHABLE), 1);
}

static void repetitions_back_off_and_the_peer_is_given_up(void **state)
{
    stage_send(&s, 10);
    stage_take_all(&s);
    uint64_t last_us = s.now_us, apart_us = 0;
    while (stage_refused(&s, REASON_TCP_TIMED_OUT) == 0) {
        stage_wait(&s, 1);
        assert_true(s.now_us - last_us < UINT64_C(130) * 1000000);
        if (s.count == 0 || s.kept[0].packet.tcp_flags & TCP_RST)
            continue;
        assert_true(s.now_us - last_us + 3000 > 2 * apart_us || apart_us > 30 * 1000000);
        apart_us = s.now_us - last_us;
        last_us = s.now_us;
        stage_take_all(&s);
    }
    assert_true(s.kept[0].packet.tcp_flags & TCP_RST);
    assert_int_equal(closed_reason(), REASON_TCP_TIMED_OUT);
}

static void a_silent_peer_is_asked_and_given_up(void **state)
{
    stage_wait(&s, TCP_KEEPALIVE_MS - 1000);
    stage_take_none(&s);
    stage_wait(&s, 2000);
    struct stage_segment probe = stage_take(&s);
    assert_int_equal(stage_seq(&probe), -1);
    assert_int_equal(probe.packet.payload_size, 0);
    stage_wait(&s, TCP_KEEPALIVE_PROBES * TCP_KEEPALIVE_PROBE_MS + 1000);
    assert_int_equal(s.count, TCP_KEEPALIVE_PROBES); // four more and the RST
    assert_int_equal(closed_reason(), REASON_TCP_TIMED_OUT);
}

static void a_peer_that_answers_is_kept(void **state)
{
    for (int i = 0; i < 20; i++) {
        stage_wait(&s, TCP_KEEPALIVE_MS / 2);
        if (s.count)
            stage_ack(&s, 0);
        stage_take_all(&s);
    }
    assert_string_equal(stage_state(&s), "ESTABLISHED");
}

static void a_released_half_closed_connection_ends(void **state)
{
    tcp_release(s.tcp, s.h);
    stage_advance(&s);
    stage_ack(&s, 1);
    stage_wait(&s, TCP_FIN_WAIT_2_MS - 1000);
    assert_int_equal(tcp_connections(s.tcp), 1);
    stage_wait(&s, 2000);
    assert_int_equal(tcp_connections(s.tcp), 0);
}

static void a_half_closed_connection_that_is_not_released_stays(void **state)
{
    tcp_finish(s.tcp, s.h);
    stage_advance(&s);
    stage_ack(&s, 1);
    stage_wait(&s, TCP_FIN_WAIT_2_MS + 60000);
    assert_string_equal(stage_state(&s), "FIN-WAIT-2");
}

static void the_next_time_is_never_behind_a_deadline(void **state)
{
    stage_send(&s, 10);
    stage_take_all(&s);
    for (int i = 0; i < 4; i++) { // as a loop that sleeps
        uint64_t next_us = tcp_next_us(s.tcp);
        assert_true(next_us > s.now_us && next_us <= s.now_us + UINT64_C(16) * 1000000);
        s.now_us = next_us;
        stage_advance(&s);
    }
    assert_true(s.count > 0);
}

static const uint64_t jumps_s[] = {3600, 86400 * 20, 86400 * 25, 86400 * 40, 86400 * 49};

static void data_in_flight_is_given_up_after_a_jump_of_the_clock(void **state)
{
    for (unsigned i = 0; i < sizeof jumps_s / sizeof jumps_s[0]; i++) {
        s.base.src_port = (uint16_t)(5000 + i);
        stage_accept(&s, true, false);
        stage_send(&s, 10);
        stage_take_all(&s);
        s.now_us += jumps_s[i] * 1000000;
        stage_wait(&s, 3);
        stage_take_all(&s);
        assert_int_equal(closed_reason(), REASON_TCP_TIMED_OUT);
    }
}

static void an_idle_peer_is_asked_after_a_jump_of_the_clock(void **state)
{
    for (unsigned i = 0; i < sizeof jumps_s / sizeof jumps_s[0]; i++) {
        s.now_us += jumps_s[i] * 1000000;
        stage_wait(&s, 3);
        struct stage_segment ping = stage_take(&s);
        assert_int_equal(stage_seq(&ping), -1);
        stage_take_none(&s);
        stage_ack(&s, 0);
        assert_string_equal(stage_state(&s), "ESTABLISHED");
        stage_wait(&s, 1000);
        stage_take_none(&s);
    }
}

static void a_clock_that_goes_back_stands_still(void **state)
{
    uint64_t before_us = s.now_us;
    s.now_us -= 500000000;
    stage_send(&s, 10);
    assert_int_equal(s.tcp->now_us, before_us);
    stage_take(&s);
    s.now_us = before_us;
    stage_wait(&s, 1100);
    assert_true(s.count >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_bare(an_unanswered_syn_is_sent_seven_times_more_and_given_up),
        with(repetitions_back_off_and_the_peer_is_given_up),
        with(a_silent_peer_is_asked_and_given_up),
        with(a_peer_that_answers_is_kept),
        with(a_released_half_closed_connection_ends),
        with(a_half_closed_connection_that_is_not_released_stays),
        with(the_next_time_is_never_behind_a_deadline),
        with_bare(data_in_flight_is_given_up_after_a_jump_of_the_clock),
        with(an_idle_peer_is_asked_after_a_jump_of_the_clock),
        with(a_clock_that_goes_back_stands_still),
    };
    return stage_run(tests);
}
