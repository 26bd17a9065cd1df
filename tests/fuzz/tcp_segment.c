// SPDX-License-Identifier: BSD-3-Clause

/* A connection led through its states by a hostile peer, its owner and time, one step of bytes
 * after the other: {kind, operands}. Numbers are given relative to the connection's own, so that a
 * fuzzer gets past the window without guessing. What must hold: the stack's invariants after every
 * step, packets that are whole, an answer to a segment no longer than its bound, and in the end
 * no packet buffer is missing.
 */

#include "fuzz/fuzz.h"
#include "sim/tcp_check.h"
#include "support/eal_fixture.h"
#include "support/link_sim_packet.h"
#include "tcp/tcp_conn.h"

#include <rte_mempool.h>
#include <stdio.h>

enum {
    MODE_CONNECT = 1,
    MODE_SACK = 2,
    MODE_TIMESTAMPS = 4,
    MODE_SCALING = 8,
    MODE_V6 = 16,
    MODE_SMALL = 32,   // queues of 2,000 bytes
    MODE_STARVED = 64, // few packet buffers
    STEPS_MAX = 200,
    ANSWERS_MAX = 2, // to one segment, before the stack's turn
    TURN_MAX = 2 * TCP_SEGMENTS_BURST + 8,
    MBUFS = 1023,
    MBUFS_STARVED = 40,
};

enum kind { SEGMENT, OPTIONS, PASS, SEND, READ, FINISH, RELEASE, ABORT, ICMP, KINDS };

struct scene {
    struct tcp *tcp;
    struct counter_block counters;
    struct rte_mempool *mbufs;
    uint64_t now_us;
    uint8_t mode;
    handle h;
    struct packet base;
    struct packet last; // that we emitted
    unsigned emitted;
    unsigned held_count;
    struct rte_mbuf *held[MBUFS];
};

static void emit(void *context, struct rte_mbuf *m, enum leg leg)
{
    struct scene *s = context;
    CHECK(link_sim_packet_parse(m, leg, &s->last));
    CHECK(m->data_len <= 1500 && rte_pktmbuf_headroom(m) >= 128);
    s->emitted++;
    rte_pktmbuf_free(m);
}

static void open_stack(struct scene *s)
{
    static struct rte_mempool *mbufs;
    if (!mbufs)
        mbufs = eal_fixture_pool("fuzz", MBUFS);
    s->mbufs = mbufs;
    s->now_us = 1000000000;
    uint32_t bytes = s->mode & MODE_SMALL ? 2000 : 30000;
    struct tcp_config config = {
        .connections = 4,
        .send_bytes = bytes,
        .receive_bytes = bytes,
        .mtu = {1500, 1500},
        .workers = 1,
        .key = {{1, 2}},
        .mbufs = mbufs,
        .counters = &s->counters,
        .emit = emit,
        .context = s,
    };
    s->tcp = tcp_open(&config);
    CHECK(s->tcp != NULL);
    tcp_advance(s->tcp, s->now_us);
    struct addr v6 = {.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
    uint8_t peer[4] = {192, 0, 2, 1}, ours[4] = {192, 0, 2, 2};
    s->base = (struct packet){
        .src = addr_from_v4(peer), .dst = addr_from_v4(ours), .src_port = 4000, .dst_port = 25};
    if (s->mode & MODE_V6) {
        s->base.src = s->base.dst = v6;
        s->base.dst.bytes[15] = 2;
    }
    if (s->mode & MODE_STARVED)
        while (rte_mempool_avail_count(mbufs) > MBUFS_STARVED)
            s->held[s->held_count++] = rte_pktmbuf_alloc(mbufs);
}

static void begin(struct scene *s)
{
    enum reason reason;
    struct packet ack = s->base;
    ack.tcp_flags = TCP_ACK;
    ack.window = 500;
    struct tcp_handshake handshake = {
        .iss = 0xfffffe00, // numbers wrap soon
        .irs = 0x7fffff00,
        .ts_recent = 1000,
        .peer_mss = 1460,
        .peer_window_scale = 7,
        .window_scaling = s->mode & MODE_SCALING,
        .timestamps = s->mode & MODE_TIMESTAMPS,
        .sack = s->mode & MODE_SACK,
    };
    if (s->mode & MODE_CONNECT) {
        s->h = tcp_connect(s->tcp, &s->base.dst, &s->base.src, s->base.src_port, LEG_INSIDE, 1,
                           s->now_us, &reason);
        s->base.dst_port = s->last.src_port;
        s->base.leg = LEG_INSIDE;
    } else {
        s->h = tcp_accept(s->tcp, &ack, &handshake, 1, s->now_us);
    }
}

// A number near one that matters.
static uint32_t number(struct reader *r, uint32_t a, uint32_t b)
{
    uint8_t which = reader_u8(r);
    int8_t near = (int8_t)reader_u8(r);
    uint32_t from = which & 1 ? a : b;
    if (which & 2)
        return reader_u32(r);
    return from + (uint32_t)near * (which & 4 ? 256 : 1);
}

static struct packet segment(struct scene *s, struct reader *r)
{
    static const struct tcp_conn none;
    const struct tcp_conn *c = tcp_conn_of(s->tcp, s->h);
    c = c ? c : &none;
    struct packet p = s->base;
    p.tcp_flags = reader_u8(r) & 0x3f;
    p.seq = number(r, c->rcv_nxt, c->rcv_edge);
    p.ack = number(r, c->snd_nxt, c->snd_una);
    p.window = reader_u16(r);
    p.options.has_timestamps = c->flags & TCP_CONN_TIMESTAMPS;
    p.options.ts_value = c->ts_recent;
    return p;
}

static void give(struct scene *s, struct packet *p, size_t size)
{
    static const uint8_t data[1400];
    struct packet parsed;
    if (rte_mempool_avail_count(s->mbufs) == 0)
        return;
    struct rte_mbuf *m = link_sim_packet_make(s->mbufs, p, span_of(data, size));
    CHECK(link_sim_packet_parse(m, p->leg, &parsed));
    handle h = tcp_lookup(s->tcp, &parsed);
    s->emitted = 0;
    if (h == HANDLE_NONE)
        rte_pktmbuf_free(m);
    else
        tcp_input(s->tcp, h, m, &parsed, s->now_us);
    CHECK(s->emitted <= ANSWERS_MAX);
}

static void give_options(struct scene *s, struct reader *r)
{
    struct packet p = segment(s, r);
    uint8_t bits = reader_u8(r);
    p.options.has_timestamps = bits & 1;
    p.options.ts_value += (uint32_t)(int8_t)reader_u8(r);
    p.options.mss = bits & 2 ? reader_u16(r) : 0;
    p.options.has_window_scale = bits & 4;
    p.options.window_scale = bits >> 4;
    p.options.sack_permitted = bits & 8;
    uint8_t blocks = reader_u8(r) % 4;
    for (uint8_t i = 0; i < blocks; i++) {
        uint32_t left = number(r, p.ack, p.ack + 1448);
        p.options.sack[i] = (struct tcp_sack_block){left, number(r, left, left + 1448)};
    }
    p.options.sack_count = p.tcp_flags & TCP_SYN ? 0 : blocks;
    give(s, &p, reader_u8(r));
}

static void drain_events(struct scene *s)
{
    struct tcp_event event;
    for (int i = 0; tcp_event_next(s->tcp, &event); i++)
        CHECK(i < 16);
}

static void step(struct scene *s, struct reader *r)
{
    static const uint8_t data[4096];
    struct packet p;
    switch ((enum kind)(reader_u8(r) % KINDS)) {
    case SEGMENT:
        p = segment(s, r);
        give(s, &p, (size_t)reader_u8(r) * 5);
        break;
    case OPTIONS:
        give_options(s, r);
        break;
    case PASS:
        s->now_us += (uint64_t)reader_u16(r) * 1000;
        break;
    case SEND:
        tcp_send(s->tcp, s->h, span_of(data, reader_u16(r) % sizeof data));
        break;
    case READ:
        tcp_consume(s->tcp, s->h, reader_u16(r));
        break;
    case FINISH:
        tcp_finish(s->tcp, s->h);
        break;
    case RELEASE:
        tcp_release(s->tcp, s->h);
        break;
    case ABORT:
        tcp_abort(s->tcp, s->h);
        break;
    case ICMP:
        p = s->last;
        p.seq += (uint32_t)(int8_t)reader_u8(r);
        tcp_icmp(s->tcp, &p, reader_u16(r), reader_u8(r) & 1, s->now_us);
        break;
    case KINDS:
        CHECK(false);
    }
    s->emitted = 0;
    tcp_advance(s->tcp, s->now_us);
    CHECK(s->emitted <= TURN_MAX);
    const char *what = tcp_check_stack(s->tcp);
    if (what)
        fprintf(stderr, "%s\n", what);
    CHECK(what == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scene s;
    s = (struct scene){0};
    struct reader r = reader_of(span_of(data, size));
    s.mode = reader_u8(&r);
    open_stack(&s);
    for (int i = 0; i < STEPS_MAX && r.left.size; i++) {
        if (!tcp_conn_of(s.tcp, s.h))
            begin(&s);
        step(&s, &r);
        drain_events(&s);
    }
    tcp_shut(s.tcp);
    for (unsigned i = 0; i < s.held_count; i++)
        rte_pktmbuf_free(s.held[i]);
    CHECK(rte_mempool_in_use_count(s.mbufs) == 0);
    return 0;
}
