// SPDX-License-Identifier: BSD-3-Clause
#include "stage.h"

static void a_released_connection_tells_nothing(void **state)
{
    stage_give(&s, TCP_ACK, 0, 0, 10);
    tcp_release(s.tcp, s.h); // READABLE waited
    stage_give(&s, TCP_ACK | TCP_FIN, 10, 0, 10);
    struct tcp_event event;
    assert_false(tcp_event_next(s.tcp, &event));
}

static void an_aborted_connection_tells_nothing_and_is_unknown(void **state)
{
    stage_give(&s, TCP_ACK, 0, 0, 10);
    tcp_abort(s.tcp, s.h);
    struct tcp_event event;
    assert_int_equal(tcp_readable(s.tcp, s.h), 0);
    assert_int_equal(tcp_connections(s.tcp), 0);
    assert_false(tcp_event_next(s.tcp, &event));
    assert_int_equal(s.tcp->conns_used, 0);
}

static void several_happenings_are_one_event(void **state)
{
    stage_give(&s, TCP_ACK, 0, 0, 10);
    stage_give(&s, TCP_ACK | TCP_FIN, 10, 0, 10);
    struct tcp_event event;
    assert_true(tcp_event_next(s.tcp, &event));
    assert_int_equal(event.bits, TCP_EVENT_READABLE | TCP_EVENT_FINISHED);
    assert_true(event.connection == s.h);
    assert_false(tcp_event_next(s.tcp, &event));
}

static void what_came_before_a_reset_can_be_read_until_the_next_event(void **state)
{
    stage_give(&s, TCP_ACK, 0, 0, 10);
    stage_give(&s, TCP_RST, 10, 0, 0);
    struct tcp_event event;
    assert_true(tcp_event_next(s.tcp, &event));
    assert_int_equal(event.bits, TCP_EVENT_READABLE | TCP_EVENT_CLOSED);
    assert_int_equal(tcp_readable(s.tcp, s.h), 10);
    assert_false(tcp_event_next(s.tcp, &event));
    assert_int_equal(tcp_readable(s.tcp, s.h), 0);
    assert_int_equal(s.tcp->conns_used, 0);
}

static void closing_may_be_answered_by_letting_go(void **state)
{
    for (int way = 0; way < 2; way++) {
        stage_give(&s, TCP_RST, 0, 0, 0);
        struct tcp_event event;
        assert_true(tcp_event_next(s.tcp, &event));
        if (way)
            tcp_abort(s.tcp, s.h);
        else
            tcp_release(s.tcp, s.h);
        stage_accept(&s, true, false); // may get the same object
        assert_false(tcp_event_next(s.tcp, &event));
        assert_string_equal(stage_state(&s), "ESTABLISHED");
    }
    stage_take_all(&s);
}

static void a_dead_handle_does_nothing(void **state)
{
    handle dead = s.h;
    tcp_abort(s.tcp, dead);
    stage_take_all(&s);
    struct tcp_info info;
    struct span span;
    tcp_consume(s.tcp, dead, 10);
    tcp_finish(s.tcp, dead);
    tcp_abort(s.tcp, dead);
    tcp_release(s.tcp, dead);
    assert_int_equal(tcp_peek(s.tcp, dead, &span, 1), 0);
    assert_int_equal(tcp_send(s.tcp, dead, span_text("x")), 0);
    assert_int_equal(tcp_send_room(s.tcp, dead), 0);
    assert_int_equal(tcp_unsent(s.tcp, dead), 0);
    assert_false(tcp_info(s.tcp, dead, &info));
    assert_int_equal(tcp_readable(s.tcp, HANDLE_NONE), 0);
    stage_advance(&s);
    stage_take_none(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with(a_released_connection_tells_nothing),
        with(an_aborted_connection_tells_nothing_and_is_unknown),
        with(several_happenings_are_one_event),
        with(what_came_before_a_reset_can_be_read_until_the_next_event),
        with(closing_may_be_answered_by_letting_go),
        with(a_dead_handle_does_nothing),
    };
    return stage_run(tests);
}
