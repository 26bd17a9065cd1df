// SPDX-License-Identifier: BSD-3-Clause
#include "script.h"

#include "support/link_sim_packet.h"

#include <rte_mbuf.h>

static void emit(void *context, struct rte_mbuf *m, enum leg leg)
{
    struct play *p = context;
    struct packet packet;
    CHECK(p->kept_count < KEPT_MAX);
    CHECK(link_sim_packet_parse(m, leg, &packet));
    tcp_record_packet(&p->record, p->now_us, ">", m, &packet);
    rte_pktmbuf_free(m);
    p->kept[p->kept_count++] = packet;
    uint32_t end = packet.seq + packet.payload_size + !!(packet.tcp_flags & TCP_SYN) +
                   !!(packet.tcp_flags & TCP_FIN);
    if (packet.tcp_flags & TCP_RST)
        return;
    if (seq_after(end, p->our_next) || packet.tcp_flags & TCP_SYN)
        p->our_next = end;
    if (!(packet.tcp_flags & TCP_ACK))
        return;
    unsigned shift = p->scale && !(packet.tcp_flags & TCP_SYN) ? SCALE : 0;
    uint32_t edge = packet.ack + ((uint32_t)packet.window << shift);
    if (!p->edge_known || seq_after(edge, p->edge))
        p->edge = edge;
    p->edge_known = true;
}

void script_give(struct play *p, const struct packet *packet, size_t size)
{
    static const uint8_t data[1460];
    struct packet parsed;
    struct rte_mbuf *m = link_sim_packet_make(p->mbufs, packet, span_of(data, size));
    CHECK(link_sim_packet_parse(m, packet->leg, &parsed));
    tcp_record_packet(&p->record, p->now_us, "<", m, &parsed);
    if (parsed.options.has_timestamps)
        p->stamp = parsed.options.ts_value;
    handle h = tcp_lookup(p->tcp, &parsed);
    if (h == HANDLE_NONE)
        rte_pktmbuf_free(m);
    else
        tcp_input(p->tcp, h, m, &parsed, p->now_us);
    tcp_advance(p->tcp, p->now_us);
    uint32_t end = packet->seq + (uint32_t)size + !!(packet->tcp_flags & TCP_FIN);
    if (seq_after(end, p->peer_next))
        p->peer_next = end;
}

struct packet script_from_peer(const struct play *p, uint8_t flags)
{
    struct packet packet = p->base;
    packet.tcp_flags = flags;
    packet.seq = p->peer_next;
    packet.ack = flags & TCP_ACK ? p->our_next : 0;
    packet.window = 512;
    packet.options.has_timestamps = p->timestamps && !(flags & TCP_SYN);
    packet.options.ts_value = (uint32_t)(p->now_us / 1000);
    return packet;
}

void script_open(struct play *p)
{
    uint8_t four[2][4] = {{192, 0, 2, 1}, {192, 0, 2, 2}};
    uint8_t six[2][16] = {{0x20, 1, 0xd, 0xb8, [15] = 1}, {0x20, 1, 0xd, 0xb8, [15] = 2}};
    p->now_us = 1000000000;
    p->base = (struct packet){.src = p->v4 ? addr_from_v4(four[0]) : addr_from_v6(six[0]),
                              .dst = p->v4 ? addr_from_v4(four[1]) : addr_from_v6(six[1]),
                              .src_port = 4000,
                              .dst_port = 25};
    struct tcp_config config = {
        .connections = 8,
        .send_bytes = BYTES,
        .receive_bytes = BYTES,
        .mtu = {1500, 1500},
        .workers = 1,
        .key = {{3, 4}},
        .mbufs = p->mbufs,
        .counters = &p->counters,
        .emit = emit,
        .context = p,
    };
    p->tcp = tcp_open(&config);
    CHECK(p->tcp != NULL);
    tcp_advance(p->tcp, p->now_us);
}

static void begin_connect(struct play *p)
{
    enum reason reason;
    p->h = tcp_connect(p->tcp, &p->base.dst, &p->base.src, p->base.src_port, LEG_INSIDE, 1,
                       p->now_us, &reason);
    CHECK(p->h != HANDLE_NONE && p->kept_count == 1);
    p->base.dst_port = p->kept[0].src_port;
    p->base.leg = LEG_INSIDE;
    p->una = p->our_next - 1;
    p->peer_next = 0xffffff00; // wraps soon
}

static void give_syn(struct play *p, uint8_t flags)
{
    struct packet syn = script_from_peer(p, flags);
    syn.options = (struct tcp_option){.mss = p->mss,
                                      .has_window_scale = p->scale,
                                      .window_scale = SCALE,
                                      .sack_permitted = p->sack,
                                      .has_timestamps = p->timestamps,
                                      .ts_value = (uint32_t)(p->now_us / 1000)};
    p->peer_next++;
    p->una = flags & TCP_ACK ? p->our_next : p->una;
    script_give(p, &syn, 0);
}

static void begin_accept(struct play *p)
{
    p->peer_next = 0xffffff01;
    p->our_next = p->una = 0x7fffff01;
    struct tcp_handshake handshake = {.iss = p->our_next - 1,
                                      .irs = p->peer_next - 1,
                                      .ts_recent = (uint32_t)(p->now_us / 1000),
                                      .peer_mss = p->mss,
                                      .peer_window_scale = p->scale ? SCALE : 0,
                                      .window_scaling = p->scale,
                                      .timestamps = p->timestamps,
                                      .sack = p->sack};
    struct packet ack = script_from_peer(p, TCP_ACK);
    p->edge = p->peer_next + BYTES;
    p->edge_known = true;
    p->h = tcp_accept(p->tcp, &ack, &handshake, 1, p->now_us);
    CHECK(p->h != HANDLE_NONE);
    script_give(p, &ack, 0);
}

const char *script_state(struct play *p)
{
    struct tcp_info info;
    struct packet ack = p->base;
    if (tcp_info(p->tcp, p->h, &info) && strcmp(info.state, "CLOSED") != 0)
        return info.state;
    ack.tcp_flags = TCP_ACK;
    return tcp_lookup(p->tcp, &ack) == HANDLE_NONE ? "CLOSED" : "TIME-WAIT";
}

static void peer_sends(struct play *p, uint8_t flags, bool acks_all)
{
    struct packet packet = script_from_peer(p, flags | TCP_ACK);
    packet.ack = acks_all ? p->our_next : p->una;
    p->una = packet.ack;
    script_give(p, &packet, 0);
}

static void finish(struct play *p)
{
    tcp_finish(p->tcp, p->h);
    tcp_advance(p->tcp, p->now_us);
}

unsigned script_events(struct play *p)
{
    struct tcp_event event;
    unsigned bits = 0;
    while (tcp_event_next(p->tcp, &event))
        bits |= event.bits;
    return bits;
}

void script_reach(struct play *p, const char *state)
{
    bool opening = strncmp(state, "SYN-", 4) == 0;
    if (p->connect || opening)
        begin_connect(p);
    else
        begin_accept(p);
    if (strcmp(state, "SYN-RECEIVED") == 0)
        give_syn(p, TCP_SYN);
    else if (p->connect && !opening)
        give_syn(p, TCP_SYN | TCP_ACK);
    bool closing = strcmp(state, "CLOSING") == 0, late = strcmp(state, "TIME-WAIT") == 0;
    bool half = strcmp(state, "FIN-WAIT-2") == 0, last = strcmp(state, "LAST-ACK") == 0;
    if (strcmp(state, "CLOSE-WAIT") == 0 || last)
        peer_sends(p, TCP_FIN, true);
    if (strcmp(state, "FIN-WAIT-1") == 0 || closing || half || late || last)
        finish(p);
    if (half || late)
        peer_sends(p, 0, true);
    if (closing || late)
        peer_sends(p, TCP_FIN, late);
    script_events(p);
    if (strcmp(script_state(p), state) != 0)
        script_failed(p, "the way there leads to ", script_state(p));
    p->kept_count = 0;
    p->peer = p->peer_next;
    p->ours = p->our_next;
    p->before = p->counters;
}
