// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_timewait.h"
#include "stage.h"

// We close first, the peer closes: a record with our stream at 1, its at 1.
static void close_first(void)
{
    tcp_finish(s.tcp, s.h);
    stage_advance(&s);
    stage_give(&s, TCP_ACK | TCP_FIN, 0, 1, 0);
    stage_events(&s);
    assert_int_equal(tcp_connections(s.tcp), 0);
    stage_take_all(&s);
}

static handle look(uint8_t flags, int64_t seq, int64_t ack)
{
    struct packet p = stage_segment(&s, flags, seq, ack);
    return tcp_lookup(s.tcp, &p);
}

static void a_reset_ends_no_time_wait(void **state)
{
    close_first();
    stage_give(&s, TCP_RST, 1, 1, 0);
    assert_true(look(TCP_ACK, 1, 1) != HANDLE_NONE);
    stage_take_none(&s);
}

static void a_repeated_fin_is_acknowledged_and_starts_the_time_again(void **state)
{
    close_first();
    stage_wait(&s, TCP_TIME_WAIT_MS - 2000);
    stage_give(&s, TCP_ACK | TCP_FIN, 0, 1, 0);
    struct stage_segment ack = stage_take(&s);
    assert_int_equal(ack.packet.tcp_flags, TCP_ACK);
    assert_int_equal(stage_seq(&ack), 1);
    assert_int_equal(stage_acked(&ack), 1);
    stage_wait(&s, TCP_TIME_WAIT_MS - 2000);
    assert_true(look(TCP_ACK, 1, 1) != HANDLE_NONE);
    stage_wait(&s, 5000);
    assert_int_equal(look(TCP_ACK, 1, 1), HANDLE_NONE);
}

static void a_plain_ack_gets_no_answer(void **state)
{
    close_first();
    stage_give(&s, TCP_ACK, 1, 1, 0); // else two in TIME-WAIT would talk for ever
    stage_take_none(&s);
}

static void an_old_syn_is_answered_by_an_ack(void **state)
{
    close_first();
    stage_give(&s, TCP_SYN, -1000, 0, 0);
    struct stage_segment ack = stage_take(&s);
    assert_int_equal(ack.packet.tcp_flags, TCP_ACK);
}

static void a_later_syn_is_let_through_and_its_final_ack(void **state)
{
    close_first();
    assert_int_equal(look(TCP_SYN, 50000, 0), HANDLE_NONE);
    assert_true(look(TCP_ACK, 1, 1) != HANDLE_NONE); // the old one is still known
    assert_int_equal(look(TCP_ACK, 50001, 123), HANDLE_NONE);
    struct packet p = stage_segment(&s, TCP_ACK, 50001, 123);
    struct tcp_handshake handshake = {.iss = OURS + 122, .irs = PEER + 50000, .peer_mss = 536};
    s.h = tcp_accept(s.tcp, &p, &handshake, 77, s.now_us);
    assert_true(s.h != HANDLE_NONE);
    assert_true(tcp_lookup(s.tcp, &p) == s.h);
    stage_wait(&s, TCP_TIME_WAIT_MS + 2000); // what is left of the record harms nothing
    assert_true(tcp_lookup(s.tcp, &p) == s.h);
}

static void a_forged_syn_ends_nothing(void **state)
{
    close_first();
    assert_int_equal(look(TCP_SYN, 50000, 0), HANDLE_NONE);
    stage_give(&s, TCP_ACK | TCP_FIN, 0, 1, 0);
    assert_int_equal(s.count, 1);
}

static void a_full_ring_forgets_the_oldest(void **state)
{
    close_first();
    uint16_t first = s.base.src_port;
    for (uint16_t i = 1; i <= 64; i++) { // as many as there are records
        s.base.src_port = (uint16_t)(first + i);
        stage_accept(&s, true, false);
        close_first();
    }
    assert_true(look(TCP_ACK, 1, 1) != HANDLE_NONE);
    s.base.src_port = first;
    assert_int_equal(look(TCP_ACK, 1, 1), HANDLE_NONE);
    s.base.src_port = (uint16_t)(first + 1);
    assert_true(look(TCP_ACK, 1, 1) != HANDLE_NONE);
    stage_wait(&s, TCP_TIME_WAIT_MS + 2000);
    assert_int_equal(s.tcp->waits_head, s.tcp->waits_tail);
    assert_true(tcp_next_us(s.tcp) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with(a_reset_ends_no_time_wait),
        with(a_repeated_fin_is_acknowledged_and_starts_the_time_again),
        with(a_plain_ack_gets_no_answer),
        with(an_old_syn_is_answered_by_an_ack),
        with(a_later_syn_is_let_through_and_its_final_ack),
        with(a_forged_syn_ends_nothing),
        with(a_full_ring_forgets_the_oldest),
    };
    return stage_run(tests);
}
