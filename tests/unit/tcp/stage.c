// SPDX-License-Identifier: BSD-3-Clause
#include "stage.h"

#include "support/eal_fixture.h"
#include "support/link_sim_packet.h"

#include <rte_mempool.h>

struct stage s;
static struct rte_mempool *the_pool;

static void emit(void *context, struct rte_mbuf *m, enum leg leg)
{
    struct stage *stage = context;
    assert_true(stage->count < STAGE_KEPT);
    struct stage_segment *kept = &stage->kept[stage->count++];
    stage->left_to_port += !!(m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM);
    eal_fixture_complete(m);
    assert_true(link_sim_packet_parse(m, leg, &kept->packet));
    assert_true(rte_pktmbuf_headroom(m) >= 128);
    memcpy(kept->data, rte_pktmbuf_mtod_offset(m, uint8_t *, kept->packet.payload_offset),
           kept->packet.payload_size);
    rte_pktmbuf_free(m);
}

void stage_open(struct stage *stage)
{
    if (!the_pool)
        the_pool = eal_fixture_pool("stage", 4095);
    memset(stage, 0, sizeof *stage);
    stage->mbufs = the_pool;
    stage->now_us = 1000000000;
    struct tcp_config config = {
        .connections = 64,
        .send_bytes = STAGE_SEND_BYTES,
        .receive_bytes = STAGE_RECEIVE_BYTES,
        .mtu = {1500, 1500},
        .workers = 1,
        .key = {{11, 22}},
        .mbufs = stage->mbufs,
        .counters = &stage->counters,
        .emit = emit,
        .context = stage,
    };
    stage->tcp = tcp_open(&config);
    assert_non_null(stage->tcp);
    uint8_t peer[4] = {192, 0, 2, 1}, ours[4] = {192, 0, 2, 2};
    stage->base = (struct packet){
        .src = addr_from_v4(peer), .dst = addr_from_v4(ours), .src_port = 4000, .dst_port = 25};
    stage_advance(stage);
}

void stage_shut(struct stage *stage)
{
    tcp_shut(stage->tcp);
    assert_int_equal(rte_mempool_in_use_count(stage->mbufs), 0);
}

struct packet stage_segment(const struct stage *stage, uint8_t flags, int64_t seq, int64_t ack)
{
    struct packet p = stage->base;
    p.tcp_flags = flags;
    p.seq = PEER + (uint32_t)seq;
    p.ack = OURS + (uint32_t)ack;
    p.window = 512; // 64 KiB when scaled
    struct tcp_conn *c = tcp_conn_of(stage->tcp, stage->h);
    if (c && c->flags & TCP_CONN_TIMESTAMPS) {
        p.options.has_timestamps = true;
        p.options.ts_value = (uint32_t)(stage->now_us / 1000);
        p.options.ts_echo = (uint32_t)(stage->now_us / 1000);
    }
    return p;
}

void stage_give_packet(struct stage *stage, const struct packet *packet, struct span data)
{
    struct rte_mbuf *m = link_sim_packet_make(stage->mbufs, packet, data);
    struct packet parsed;
    assert_true(link_sim_packet_parse(m, packet->leg, &parsed));
    handle h = tcp_lookup(stage->tcp, &parsed);
    if (h == HANDLE_NONE)
        rte_pktmbuf_free(m);
    else
        tcp_input(stage->tcp, h, m, &parsed, stage->now_us);
}

void stage_give(struct stage *stage, uint8_t flags, int64_t seq, int64_t ack, size_t size)
{
    uint8_t data[1500];
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)((size_t)seq + i);
    struct packet p = stage_segment(stage, flags, seq, ack);
    stage_give_packet(stage, &p, span_of(data, size));
}

void stage_ack(struct stage *stage, int64_t ack)
{
    const struct tcp_conn *c = stage_conn(stage);
    stage_give(stage, TCP_ACK, (int64_t)(c->rcv_nxt - PEER), ack, 0);
}

void stage_accept(struct stage *stage, bool sack, bool timestamps)
{
    struct tcp_handshake handshake = {.iss = OURS - 1,
                                      .irs = PEER - 1,
                                      .ts_recent = 1,
                                      .peer_mss = STAGE_MSS,
                                      .peer_window_scale = 7,
                                      .window_scaling = true,
                                      .timestamps = timestamps,
                                      .sack = sack};
    struct packet p = stage_segment(stage, TCP_ACK, 0, 0);
    stage->h = tcp_accept(stage->tcp, &p, &handshake, 77, stage->now_us);
    assert_true(stage->h != HANDLE_NONE);
    stage_give(stage, TCP_ACK, 0, 0, 0);
    stage_advance(stage);
    stage_take_none(stage);
}

struct packet stage_syn_sent(struct stage *stage)
{
    enum reason reason;
    stage->h = tcp_connect(stage->tcp, &stage->base.dst, &stage->base.src, stage->base.src_port,
                           LEG_INSIDE, 77, stage->now_us, &reason);
    assert_true(stage->h != HANDLE_NONE);
    struct packet syn = stage_take(stage).packet;
    assert_int_equal(syn.tcp_flags, TCP_SYN);
    stage->base.dst_port = syn.src_port;
    stage->base.leg = LEG_INSIDE;
    return syn;
}

void stage_connect(struct stage *stage)
{
    struct packet syn = stage_syn_sent(stage);
    struct packet p = stage_segment(stage, TCP_SYN | TCP_ACK, -1, 0);
    p.ack = syn.seq + 1;
    p.window = 65535;
    p.options = (struct tcp_option){.mss = STAGE_MSS, .sack_permitted = true};
    stage_give_packet(stage, &p, span_of(NULL, 0));
    assert_int_equal(stage_events(stage), TCP_EVENT_CONNECTED);
    stage_advance(stage);
    stage_take_all(stage);
}

struct stage_segment stage_take(struct stage *stage)
{
    assert_true(stage->count > 0);
    struct stage_segment first = stage->kept[0];
    stage->count--;
    memmove(&stage->kept[0], &stage->kept[1], stage->count * sizeof stage->kept[0]);
    return first;
}

void stage_take_none(struct stage *stage)
{
    if (stage->count == 0)
        return;
    char text[256];
    fail_msg("emitted: %s", link_sim_packet_text(&stage->kept[0].packet, text));
}

void stage_take_all(struct stage *stage)
{
    stage->count = 0;
}

int64_t stage_seq(const struct stage_segment *segment)
{
    return (int32_t)(segment->packet.seq - OURS);
}

int64_t stage_acked(const struct stage_segment *segment)
{
    return (int32_t)(segment->packet.ack - PEER);
}

void stage_advance(struct stage *stage)
{
    tcp_advance(stage->tcp, stage->now_us);
}

void stage_wait(struct stage *stage, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        stage->now_us += 1000;
        stage_advance(stage);
    }
}

size_t stage_send(struct stage *stage, size_t size)
{
    static uint8_t data[1 << 20];
    assert_true(size <= sizeof data);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)i;
    size_t taken = tcp_send(stage->tcp, stage->h, span_of(data, size));
    stage_advance(stage);
    return taken;
}

uint32_t stage_events(struct stage *stage)
{
    struct tcp_event event;
    uint32_t bits = 0;
    while (tcp_event_next(stage->tcp, &event)) {
        assert_int_equal(event.user, 77);
        bits |= event.bits;
    }
    return bits;
}

uint64_t stage_refused(const struct stage *stage, enum reason reason)
{
    return stage->counters.reasons[reason];
}

struct tcp_conn *stage_conn(const struct stage *stage)
{
    struct tcp_conn *c = tcp_conn_of(stage->tcp, stage->h);
    assert_non_null(c);
    return c;
}

const char *stage_state(const struct stage *stage)
{
    struct tcp_info info;
    return tcp_info(stage->tcp, stage->h, &info) ? info.state : "CLOSED";
}

int stage_bare(void **state)
{
    stage_open(&s);
    return 0;
}

int stage_up(void **state)
{
    stage_open(&s);
    stage_accept(&s, true, false);
    return 0;
}

int stage_down(void **state)
{
    stage_shut(&s);
    return 0;
}
