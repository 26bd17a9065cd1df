// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_quota.h"
#include "tcp/tcp_queue.h"

#include "stage.h"

enum { M = STAGE_MSS, MOST = 256 };

static int up(void **state)
{
    stage_open(&s);
    s.tcp->buffers_most = MOST;
    return 0;
}

static void when_all_are_held_nobody_gets_one(void **state)
{
    assert_int_equal(tcp_quota(MOST, MOST), 0);
    assert_int_equal(tcp_quota(MOST + 1, MOST), 0);
    assert_int_equal(tcp_quota(MOST - 1, MOST), TCP_QUOTA_LEAST);
    assert_int_equal(tcp_quota(0, MOST), MOST / TCP_QUOTA_PART);
}

static void the_last_of_many_senders_can_send_too(void **state)
{
    for (unsigned i = 0; i < 15; i++) { // peers that never acknowledge
        s.base.src_port = (uint16_t)(5000 + i);
        stage_accept(&s, true, false);
        stage_send(&s, 60000);
        assert_true(stage_conn(&s)->send_segments >= TCP_QUOTA_LEAST);
        assert_true(stage_conn(&s)->send_segments <= MOST / TCP_QUOTA_PART + 1);
        stage_take_all(&s);
    }
    assert_true(s.tcp->buffers_send < MOST);
}

static void a_fin_needs_no_quota(void **state)
{
    stage_accept(&s, true, false);
    stage_send(&s, 60000);
    struct tcp_conn *c = stage_conn(&s);
    while (c->send_next) {
        stage_take_all(&s);
        stage_wait(&s, 1);
        stage_ack(&s, (int64_t)(c->snd_una - OURS) + M);
    }
    s.tcp->buffers_most = s.tcp->buffers_send + 1;
    tcp_finish(s.tcp, s.h);
    assert_true(tcp_queue_finish(s.tcp, c));
}

static void windows_shrink_with_what_is_free(void **state)
{
    stage_accept(&s, true, false);
    struct tcp_conn *c = stage_conn(&s);
    s.tcp->buffers_recv = MOST - 10;
    uint32_t edge = c->rcv_edge;
    for (int i = 0; i < 6; i++) {
        stage_give(&s, TCP_ACK, i * 1000, 0, 1000);
        tcp_consume(s.tcp, s.h, 1000);
        stage_advance(&s);
    }
    assert_int_equal(c->rcv_edge, edge); // kept, never taken back, not moved on
    s.tcp->buffers_recv = 0;
    stage_give(&s, TCP_ACK, 6000, 0, 1000);
    tcp_consume(s.tcp, s.h, 1000);
    stage_wait(&s, 50);
    assert_true(seq_after(c->rcv_edge, edge));
}

static void out_of_order_data_is_refused_by_quota_and_counted(void **state)
{
    stage_accept(&s, true, false);
    s.tcp->buffers_recv = MOST / 2 - 1;
    for (int i = 1; i <= 4; i++)
        stage_give(&s, TCP_ACK, i * 2000, 0, 1000);
    assert_int_equal(stage_conn(&s)->run_mbufs, 1);
    assert_int_equal(stage_refused(&s, REASON_TCP_REASSEMBLY_FULL), 3);
    s.tcp->buffers_recv = 1;
}

#define with_few(test) cmocka_unit_test_setup_teardown(test, up, stage_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_few(when_all_are_held_nobody_gets_one),
        with_few(the_last_of_many_senders_can_send_too),
        with_few(a_fin_needs_no_quota),
        with_few(windows_shrink_with_what_is_free),
        with_few(out_of_order_data_is_refused_by_quota_and_counted),
    };
    return stage_run(tests);
}
