// SPDX-License-Identifier: BSD-3-Clause

/* Every pool of a stack, run dry: the refusal has its name, what went on before goes on, and once
 * there is room again all ends well. Each row dries one pool up; `dry_packet_buffers` goes through
 * a connection's life with ever more buffers, so that each allocation once is the one that fails.
 * What was not given back fails stage_shut and the checks behind the row.
 */

#include "tcp/tcp_timewait.h"
#include "unit/tcp/stage.h"

#include "support/eal_fixture.h"

enum {
    FEW = 63, // buffers of `few`
    ALL = 64, // connections of a stage
    SENT = 20000,
};

static struct rte_mempool *few; // of what the stack takes; what arrives has its own

static handle accept_next(void)
{
    struct tcp_handshake handshake = {.iss = OURS - 1, .irs = PEER - 1, .peer_mss = 536};
    s.base.src_port++;
    struct packet p = stage_segment(&s, TCP_ACK, 0, 0);
    return tcp_accept(s.tcp, &p, &handshake, 77, s.now_us);
}

static handle connect_next(enum reason *ret_reason)
{
    return tcp_connect(s.tcp, &s.base.dst, &s.base.src, 25, LEG_INSIDE, 77, s.now_us, ret_reason);
}

static void dry_connections(void)
{
    handle last = HANDLE_NONE, h;
    enum reason reason;
    while ((h = accept_next()) != HANDLE_NONE)
        last = h;
    assert_int_equal(tcp_connections(s.tcp), ALL);
    assert_int_equal(connect_next(&reason), HANDLE_NONE);
    assert_int_equal(reason, REASON_TCP_NO_CONNECTION_FREE);
    tcp_abort(s.tcp, last);
    assert_true(accept_next() != HANDLE_NONE);
}

static void dry_local_addresses(void)
{
    uint32_t many = s.tcp->locals_count;
    s.tcp->locals_count = TCP_LOCALS_MAX; // none of them this one
    memset(s.tcp->locals, 1, sizeof s.tcp->locals);
    assert_int_equal(accept_next(), HANDLE_NONE);
    s.tcp->locals_count = (uint16_t)many;
    assert_true(accept_next() != HANDLE_NONE);
}

static void dry_ports(void)
{
    enum reason reason = REASON_NONE;
    handle last = HANDLE_NONE, h;
    s.tcp->config.workers = 4000; // leaves 16 to this one
    while ((h = connect_next(&reason)) != HANDLE_NONE)
        last = h;
    assert_int_equal(reason, REASON_TCP_NO_PORT_FREE);
    tcp_abort(s.tcp, last);
    assert_true(connect_next(&reason) != HANDLE_NONE);
}

static void dry_islands(void)
{
    s.h = accept_next();
    for (int64_t i = 1; i <= TCP_RUNS_MAX + 1; i++)
        stage_give(&s, TCP_ACK, i * 200, 0, 100);
    for (int64_t i = 0; i <= TCP_RUNS_MAX; i++)
        stage_give(&s, TCP_ACK, i * 200, 0, 200);
    assert_int_equal(tcp_readable(s.tcp, s.h), (TCP_RUNS_MAX + 1) * 200);
}

static void dry_receive_queues(void)
{
    s.h = accept_next();
    s.tcp->buffers_most = 4;
    for (int64_t i = 0; i < 8; i++)
        stage_give(&s, TCP_ACK, i * 1400, 0, 1400);
    size_t held = tcp_readable(s.tcp, s.h);
    assert_in_range(held, 1400, 4 * 1400);
    tcp_consume(s.tcp, s.h, held);
    stage_give(&s, TCP_ACK, (int64_t)held, 0, 1400);
    assert_int_equal(tcp_readable(s.tcp, s.h), 1400);
}

// One after the other ends as the one that closed first.
static void dry_time_waits(void)
{
    for (uint32_t i = 0; i < s.tcp->waits_mask + 2; i++) {
        s.h = accept_next();
        assert_true(s.h != HANDLE_NONE);
        tcp_finish(s.tcp, s.h);
        stage_advance(&s);
        stage_give(&s, TCP_FIN | TCP_ACK, 0, 1, 0);
        stage_take_all(&s);
        stage_events(&s);
        assert_int_equal(tcp_connections(s.tcp), 0);
    }
    stage_wait(&s, TCP_TIME_WAIT_MS + 2000);
    assert_int_equal(s.tcp->waits_head, s.tcp->waits_tail);
}

// Takes all but `left` of the stack's buffers; how many.
static unsigned hold(struct rte_mbuf **held, unsigned left)
{
    assert_int_equal(rte_pktmbuf_alloc_bulk(few, held, FEW - left), 0);
    return FEW - left;
}

// Acknowledges whatever comes until SENT bytes and the FIN behind them are there.
static void receive_to_the_end(void)
{
    int64_t acked = 0;
    for (int turn = 0; turn < 3000 && acked <= SENT; turn++) {
        stage_wait(&s, 10);
        while (s.count) {
            struct stage_segment out = stage_take(&s);
            int64_t end =
                stage_seq(&out) + out.packet.payload_size + !!(out.packet.tcp_flags & TCP_FIN);
            if (out.packet.dst_port == s.base.src_port && stage_seq(&out) <= acked && end > acked)
                acked = end;
        }
        stage_ack(&s, acked);
    }
    assert_int_equal(acked, SENT + 1);
}

static void live_with(unsigned buffers)
{
    struct rte_mbuf *held[FEW];
    unsigned count = hold(held, buffers);
    static const uint8_t data[SENT];
    enum reason reason;
    s.h = accept_next();
    stage_give(&s, TCP_ACK | TCP_PSH, 0, 0, 100);
    stage_give(&s, TCP_ACK, 1000, 0, 100); // asks for an ACK at once
    size_t taken = tcp_send(s.tcp, s.h, span_of(data, SENT));
    stage_advance(&s);
    struct packet quoted = {.src = s.base.dst,
                            .dst = s.base.src,
                            .src_port = s.base.dst_port,
                            .dst_port = s.base.src_port,
                            .seq = OURS};
    tcp_icmp(s.tcp, &quoted, 576, false, s.now_us); // what is queued no longer fits
    stage_wait(&s, 50);
    handle other = connect_next(&reason);
    assert_true(other != HANDLE_NONE); // its SYN is sent again
    struct packet stranger = stage_segment(&s, TCP_ACK, 0, 0);
    tcp_refuse(s.tcp, &stranger);
    stage_wait(&s, 500);
    tcp_abort(s.tcp, other);

    rte_pktmbuf_free_bulk(held, count);
    for (int turn = 0; turn < 1000 && taken < SENT; turn++) {
        taken += tcp_send(s.tcp, s.h, span_of(data, SENT - taken));
        stage_wait(&s, 1);
    }
    tcp_finish(s.tcp, s.h);
    stage_take_all(&s); // lost, as all that could be sent before
    receive_to_the_end();
    tcp_abort(s.tcp, s.h);
    stage_take_all(&s);
    stage_events(&s);
    assert_int_equal(tcp_connections(s.tcp), 0);
    assert_int_equal(rte_mempool_in_use_count(few), 0);
}

static void dry_packet_buffers(void)
{
    s.tcp->config.mbufs = few;
    for (unsigned buffers = 0; buffers < 48; buffers++)
        live_with(buffers);
    uint64_t refused = stage_refused(&s, REASON_TCP_NO_BUFFER);
    assert_true(refused > 40);
    live_with(FEW - 1);
    assert_int_equal(stage_refused(&s, REASON_TCP_NO_BUFFER), refused);
}

static const struct row {
    const char *name;
    void (*dry)(void);
    enum reason reason;   // that is counted; or
    enum counter counter; // this
} rows[] = {
    {"connections", dry_connections, REASON_TCP_NO_CONNECTION_FREE, 0},
    {"local addresses", dry_local_addresses, REASON_TCP_NO_CONNECTION_FREE, 0},
    {"ports", dry_ports, REASON_TCP_NO_PORT_FREE, 0},
    {"islands", dry_islands, REASON_TCP_REASSEMBLY_FULL, 0},
    {"receive queues", dry_receive_queues, REASON_TCP_NO_BUFFER, 0},
    {"TIME-WAIT records", dry_time_waits, REASON_NONE, COUNTER_TIME_WAIT_FORGOTTEN},
    {"packet buffers", dry_packet_buffers, REASON_TCP_NO_BUFFER, 0},
};

static void every_pool_runs_dry_by_name_and_recovers(void **state)
{
    few = eal_fixture_pool("exhaustion", FEW);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        stage_open(&s);
        print_message("%s\n", row->name);
        row->dry();
        uint64_t told = row->reason != REASON_NONE ? stage_refused(&s, row->reason)
                                                   : s.counters.counters[row->counter];
        assert_true(told >= 1);
        stage_shut(&s);
        assert_int_equal(rte_mempool_in_use_count(few), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pool_runs_dry_by_name_and_recovers)};
    return stage_run(tests);
}
