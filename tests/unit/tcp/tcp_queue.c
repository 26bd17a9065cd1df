// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_queue.h"
#include "stage.h"

static void no_more_is_taken_than_there_is_room(void **state)
{
    size_t room = tcp_send_room(s.tcp, s.h);
    assert_int_equal(room, STAGE_SEND_BYTES);
    assert_int_equal(stage_send(&s, STAGE_SEND_BYTES + 1), STAGE_SEND_BYTES);
    assert_int_equal(tcp_send_room(s.tcp, s.h), 0);
    assert_int_equal(stage_send(&s, 1), 0);
    assert_int_equal(tcp_unsent(s.tcp, s.h), STAGE_SEND_BYTES);
}

static void tiny_writes_cost_no_more_buffers_than_the_bound(void **state)
{
    size_t taken = 0;
    for (int i = 0; i < 1000; i++)
        taken += stage_send(&s, 1);
    assert_true(s.tcp->buffers_send <= STAGE_SEND_BYTES / 512 + 4);
    assert_true(taken >= STAGE_SEND_BYTES / 512);
}

static void without_buffers_there_is_no_room_and_the_owner_is_told_later(void **state)
{
    uint32_t most = s.tcp->buffers_most;
    s.tcp->buffers_most = 0;
    assert_int_equal(tcp_send_room(s.tcp, s.h), 0);
    assert_int_equal(stage_send(&s, 10), 0);
    stage_wait(&s, 50);
    assert_int_equal(stage_events(&s), 0);
    s.tcp->buffers_most = most;
    stage_wait(&s, 50);
    assert_int_equal(stage_events(&s), TCP_EVENT_WRITABLE);
}

static void room_is_told_when_a_send_was_cut_short(void **state)
{
    stage_send(&s, 2 * STAGE_SEND_BYTES);
    int64_t at = 0;
    uint32_t events = 0;
    while (at < STAGE_SEND_BYTES && !events) {
        stage_wait(&s, 5);
        at = (int64_t)(stage_conn(&s)->snd_nxt - OURS);
        stage_ack(&s, at);
        events = stage_events(&s);
    }
    assert_int_equal(events, TCP_EVENT_WRITABLE);
    assert_true(tcp_send_room(s.tcp, s.h) >= STAGE_SEND_BYTES / 16);
    stage_take_all(&s);
}

static void an_acknowledged_connection_holds_no_buffer(void **state)
{
    stage_send(&s, 5000);
    assert_int_equal(s.tcp->buffers_send, 4);
    stage_ack(&s, 2000); // in the midst of the second
    assert_int_equal(s.tcp->buffers_send, 3);
    assert_int_equal(tcp_unsent(s.tcp, s.h), 3000);
    stage_ack(&s, 5000);
    assert_int_equal(s.tcp->buffers_send, 0);
    assert_null(stage_conn(&s)->send_head);
}

static void a_split_segment_says_the_same(void **state)
{
    struct tcp_conn *c = stage_conn(&s);
    uint8_t data[1000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    tcp_send(s.tcp, s.h, span_of(data, sizeof data));
    tcp_finish(s.tcp, s.h);
    assert_true(tcp_queue_finish(s.tcp, c));
    assert_true(tcp_queue_split(s.tcp, c, c->send_head, 300));
    assert_int_equal(c->send_head->bits, 0);
    assert_int_equal(c->send_tail->bits, TCP_SEGMENT_FIN);
    stage_advance(&s);
    struct stage_segment first = stage_take(&s), second = stage_take(&s);
    assert_memory_equal(first.data, data, 300);
    assert_memory_equal(second.data, data + 300, 700);
    assert_int_equal(stage_seq(&second), 300);
    assert_true(second.packet.tcp_flags & TCP_FIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with(no_more_is_taken_than_there_is_room),
        with(tiny_writes_cost_no_more_buffers_than_the_bound),
        with(without_buffers_there_is_no_room_and_the_owner_is_told_later),
        with(room_is_told_when_a_send_was_cut_short),
        with(an_acknowledged_connection_holds_no_buffer),
        with(a_split_segment_says_the_same),
    };
    return stage_run(tests);
}
