// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_trace.h"

#include "stage.h"

static struct trace_story story(void)
{
    struct trace_story told;
    assert_true(tcp_story(s.tcp, s.h, &told));
    assert_true(trace_story_is_sound(&told));
    return told;
}

static void assert_event(const struct trace_story *told, unsigned i, enum trace_kind kind,
                         uint32_t value)
{
    assert_true(i < told->count);
    assert_int_equal(told->events[i].kind, kind);
    assert_int_equal(told->events[i].value, value);
}

static void an_orderly_end_is_not_kept(void **state)
{
    struct trace_story told;
    stage_accept(&s, true, true);
    stage_give(&s, TCP_ACK | TCP_FIN, 0, 0, 0);
    tcp_finish(s.tcp, s.h);
    stage_advance(&s);
    stage_ack(&s, 1);
    stage_events(&s);
    stage_take_all(&s);
    assert_false(tcp_story(s.tcp, s.h, &told));
    assert_false(tcp_story_ended(s.tcp, 0, &told));
}

static void a_flood_of_refusals_pushes_nothing_out(void **state)
{
    stage_accept(&s, true, true);
    for (int i = 0; i < 300; i++) {
        stage_give(&s, TCP_RST, 1 + i % 7, 0, 0);
        stage_give(&s, TCP_ACK, 40000 + i, 0, 10);
        stage_give(&s, TCP_ACK, 0, 99, 10);
    }
    stage_take_all(&s);
    struct trace_story told = story();
    assert_int_equal(told.count, 4);
    assert_event(&told, 0, TRACE_STATE, TCP_ESTABLISHED);
    assert_event(&told, 1, TRACE_REFUSED, REASON_TCP_CHALLENGED);
    assert_event(&told, 2, TRACE_REFUSED, REASON_TCP_OUT_OF_WINDOW);
    assert_event(&told, 3, TRACE_REFUSED, REASON_TCP_BAD_ACK);
    assert_int_equal(told.events[3].times, UINT8_MAX);
}

static void an_attempt_that_ends_in_a_time_out_is_told_to_its_end(void **state)
{
    struct trace_story told;
    stage_syn_sent(&s);
    stage_wait(&s, 200000);
    stage_take_all(&s);
    stage_events(&s);
    stage_wait(&s, 5000);
    assert_true(tcp_story_ended(s.tcp, 0, &told));
    assert_true(trace_story_is_sound(&told));
    assert_true(told.ended);
    assert_int_equal(told.user, 77);
    assert_int_equal(told.remote_port, 4000);
    assert_int_equal(told.reason, REASON_TCP_UNREACHABLE);
    assert_event(&told, 0, TRACE_STATE, TCP_SYN_SENT);
    for (unsigned i = 1; i <= 5; i++)
        assert_event(&told, i, TRACE_TIME_OUT, 1000u << (i - 1));
    assert_event(&told, told.count - 1u, TRACE_ENDED, REASON_TCP_UNREACHABLE);
    assert_true(told.events[told.count - 1].ago_ms >= 5000);
    uint32_t syn_ms = told.events[0].ago_ms; // times are kept to 12 bits
    assert_in_range(syn_ms, 204800, 205200);
    assert_false(tcp_story_ended(s.tcp, 1, &told));
}

static void a_closed_window_a_hole_and_an_abort_are_told(void **state)
{
    stage_accept(&s, true, true);
    stage_give(&s, TCP_ACK, 10, 0, 10);
    stage_give(&s, TCP_ACK, 0, 0, 10);
    struct packet shut = stage_segment(&s, TCP_ACK, 20, 0);
    shut.window = 0;
    stage_give_packet(&s, &shut, span_of(NULL, 0));
    stage_give(&s, TCP_ACK, 20, 0, 0);
    struct trace_story told = story();
    assert_event(&told, 1, TRACE_HOLE, PEER);
    assert_event(&told, 2, TRACE_FILLED, PEER + 20);
    assert_event(&told, 3, TRACE_WINDOW_CLOSED, OURS);
    assert_event(&told, 4, TRACE_WINDOW_OPENED, 65536);
    tcp_abort(s.tcp, s.h);
    stage_take_all(&s);
    assert_true(tcp_story_ended(s.tcp, 0, &told));
    assert_event(&told, 5, TRACE_ABORTED, 0);
    assert_int_equal(told.count, 6);
}

static void the_ring_holds_the_latest_and_its_next_owner_begins_anew(void **state)
{
    stage_accept(&s, true, true);
    struct tcp_conn *c = stage_conn(&s);
    for (uint32_t i = 0; i < TRACE_EVENTS + 5; i++) {
        s.now_us += 1000;
        stage_advance(&s);
        tcp_trace_add(s.tcp, c, TRACE_AGAIN, i);
    }
    struct trace_story told = story();
    assert_int_equal(told.count, TRACE_EVENTS);
    for (uint32_t i = 0; i < TRACE_EVENTS; i++) {
        assert_event(&told, i, TRACE_AGAIN, i + 5);
        assert_int_equal(told.events[i].ago_ms, TRACE_EVENTS - 1 - i);
    }
    tcp_trace_add(s.tcp, c + s.tcp->trace_mask + 1, TRACE_AGAIN, 3); // shares the ring
    assert_int_equal(story().count, 0);
    tcp_trace_add(s.tcp, c, TRACE_AGAIN, 4);
    told = story();
    assert_int_equal(told.count, 1);
    assert_event(&told, 0, TRACE_AGAIN, 4);
}

static void the_oldest_of_the_kept_is_forgotten(void **state)
{
    struct trace_story told;
    for (uint16_t i = 0; i < TCP_TRACE_KEPT + 1; i++) {
        s.base.src_port = (uint16_t)(4000 + i);
        stage_accept(&s, true, true);
        tcp_abort(s.tcp, s.h);
        stage_advance(&s);
        stage_take_all(&s);
    }
    assert_true(tcp_story_ended(s.tcp, 0, &told));
    assert_int_equal(told.remote_port, 4000 + TCP_TRACE_KEPT);
    assert_true(tcp_story_ended(s.tcp, TCP_TRACE_KEPT - 1, &told));
    assert_int_equal(told.remote_port, 4001);
    assert_false(tcp_story_ended(s.tcp, TCP_TRACE_KEPT, &told));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_bare(an_orderly_end_is_not_kept),
        with_bare(a_flood_of_refusals_pushes_nothing_out),
        with_bare(an_attempt_that_ends_in_a_time_out_is_told_to_its_end),
        with_bare(a_closed_window_a_hole_and_an_abort_are_told),
        with_bare(the_ring_holds_the_latest_and_its_next_owner_begins_anew),
        with_bare(the_oldest_of_the_kept_is_forgotten),
    };
    return stage_run(tests);
}
