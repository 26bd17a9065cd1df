// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_reassembly.h"
#include "base/rng.h"
#include "stage.h"

// The bytes that stage_give puts at an offset.
static void read_all(int64_t from)
{
    struct span span;
    while (tcp_peek(s.tcp, s.h, &span, 1)) {
        for (size_t i = 0; i < span.size; i++)
            assert_int_equal(span.at[i], (uint8_t)((size_t)from + i));
        from += (int64_t)span.size;
        tcp_consume(s.tcp, s.h, span.size);
    }
}

static void more_islands_than_the_bound_are_refused(void **state)
{
    for (int64_t i = 1; i <= TCP_RUNS_MAX + 5; i++)
        stage_give(&s, TCP_ACK, i * 100, 0, 10);
    assert_int_equal(stage_conn(&s)->run_count, TCP_RUNS_MAX);
    assert_int_equal(stage_refused(&s, REASON_TCP_REASSEMBLY_FULL), 5);
    stage_give(&s, TCP_ACK, 110, 0, 90); // what joins two islands needs no new one
    assert_int_equal(stage_conn(&s)->run_count, TCP_RUNS_MAX - 1);
}

static void tiny_segments_hold_few_buffers(void **state)
{
    for (int64_t i = 0; i < 10000; i++)
        stage_give(&s, TCP_ACK, i, 0, 1);
    assert_true(s.tcp->buffers_recv <= 10);
    read_all(0);
    assert_int_equal(s.tcp->buffers_recv, 0);
    stage_take_all(&s);
}

static void tiny_segments_ahead_of_a_gap_hold_few_buffers(void **state)
{
    for (int64_t i = 1; i < 5000; i++) {
        stage_give(&s, TCP_ACK, i, 0, 1);
        stage_take_all(&s);
    }
    assert_true(s.tcp->buffers_recv <= 5);
    stage_give(&s, TCP_ACK, 0, 0, 1);
    assert_int_equal(tcp_readable(s.tcp, s.h), 5000);
    read_all(0);
}

static void every_second_byte_ahead_holds_few_buffers(void **state)
{
    for (int64_t from = 0; from < 16000; from += 40) { // nobody reads
        for (int64_t at = 1; at < 40; at += 2)
            stage_give(&s, TCP_ACK, from + at, 0, 1);
        for (int64_t at = 0; at < 40; at += 2)
            stage_give(&s, TCP_ACK, from + at, 0, 1);
        stage_take_all(&s);
    }
    assert_int_equal(tcp_readable(s.tcp, s.h), 16000);
    assert_true(s.tcp->buffers_recv <= 16000 / 512 + 2);
    read_all(0);
    assert_int_equal(s.tcp->buffers_recv, 0);
}

static void the_latest_island_is_told_first(void **state)
{
    stage_give(&s, TCP_ACK, 300, 0, 10);
    stage_give(&s, TCP_ACK, 100, 0, 10);
    stage_give(&s, TCP_ACK, 200, 0, 10);
    stage_give(&s, TCP_ACK, 310, 0, 10); // grows the first
    struct stage_segment ack = s.kept[s.count - 1];
    assert_int_equal(ack.packet.options.sack_count, 3);
    assert_int_equal(ack.packet.options.sack[0].left, PEER + 300);
    assert_int_equal(ack.packet.options.sack[0].right, PEER + 320);
    assert_int_equal(ack.packet.options.sack[1].left, PEER + 200);
    assert_int_equal(ack.packet.options.sack[2].left, PEER + 100);
}

static void any_overlap_gives_the_same_bytes(void **state)
{
    struct rng rng;
    rng_seed(&rng, 5);
    int64_t read = 0;
    for (int i = 0; i < 20000; i++) {
        int64_t at = read + (int64_t)rng_below(&rng, 12000) - 2000;
        size_t size = 1 + rng_below(&rng, rng_below(&rng, 4) ? 1400 : 40);
        stage_give(&s, TCP_ACK, at, 0, size);
        stage_take_all(&s);
        if (rng_below(&rng, 3) == 0) {
            int64_t more = (int64_t)tcp_readable(s.tcp, s.h);
            read_all(read);
            read += more;
        }
        struct tcp_conn *c = stage_conn(&s);
        uint32_t right = c->rcv_nxt, count = 0;
        for (struct tcp_run *run = c->runs; run; run = run->next, count++) {
            assert_true(seq_after(run->left, right)); // in order, apart from one another
            right = run->right;
        }
        assert_int_equal(count, c->run_count);
        assert_false(seq_after(right, c->rcv_edge));
    }
    assert_true(read > 1000000);
}

static void without_buffers_data_is_left_to_be_sent_again(void **state)
{
    s.tcp->buffers_most = 4;
    for (int64_t i = 0; i < 8; i++)
        stage_give(&s, TCP_ACK, i * 1400, 0, 1400);
    assert_int_equal(tcp_readable(s.tcp, s.h), 4 * 1400);
    assert_true(stage_refused(&s, REASON_TCP_NO_BUFFER) >= 1);
    read_all(0);
    stage_give(&s, TCP_ACK, 4 * 1400, 0, 1400);
    assert_int_equal(tcp_readable(s.tcp, s.h), 1400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with(more_islands_than_the_bound_are_refused),
        with(tiny_segments_hold_few_buffers),
        with(tiny_segments_ahead_of_a_gap_hold_few_buffers),
        with(every_second_byte_ahead_holds_few_buffers),
        with(the_latest_island_is_told_first),
        with(any_overlap_gives_the_same_bytes),
        with(without_buffers_data_is_left_to_be_sent_again),
    };
    return stage_run(tests);
}
