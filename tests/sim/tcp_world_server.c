// SPDX-License-Identifier: BSD-3-Clause
#include "tcp_world_internal.h"

#include "support/link_sim_packet.h"
#include "tcp/tcp_conn.h"

void world_server_answer(struct world *w, struct pending *q)
{
    bool stamped = w->timestamps && q->syn.options.has_timestamps;
    struct packet p = {
        .src = q->syn.dst,
        .dst = q->syn.src,
        .src_port = q->syn.dst_port,
        .dst_port = q->syn.src_port,
        .tcp_flags = TCP_SYN | TCP_ACK,
        .seq = q->iss,
        .ack = q->syn.seq + 1,
        .window = (uint16_t)tcp_min(w->sides[SERVER].tcp->config.receive_bytes, UINT16_MAX),
        .options = {.mss = (uint16_t)(w->mtu - (addr_is_v4(&q->syn.src) ? 40 : 60)),
                    .has_window_scale = w->scaling,
                    .window_scale = TCP_WINDOW_SCALE_OURS,
                    .sack_permitted = w->sack,
                    .has_timestamps = stamped,
                    .ts_value = (uint32_t)(w->now_us / 1000) + q->ts_offset,
                    .ts_echo = q->syn.options.ts_value},
    };
    struct rte_mbuf *m = link_sim_packet_make(w->mbufs, &p, span_of(NULL, 0));
    world_record(w, true, SERVER, m, &p);
    link_sim_send(w->sides[SERVER].out, m, w->now_us);
    q->again_us = w->now_us + (UINT64_C(1000000) << q->tries);
    q->tries++;
}

static struct pending *pending_of(struct world *w, const struct packet *p)
{
    for (size_t i = 0; i < sizeof w->pendings / sizeof w->pendings[0]; i++)
        if (w->pendings[i].used && w->pendings[i].syn.src_port == p->src_port)
            return &w->pendings[i];
    return NULL;
}

void world_server_stray(struct world *w, const struct packet *p)
{
    struct pending *q = pending_of(w, p);
    if ((p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return;
    if (q && q->syn.seq != p->seq)
        q->used = false;
    if (!q || !q->used) {
        for (q = w->pendings; q->used && !q->accepted; q++)
            continue;
        *q = (struct pending){.used = true,
                              .syn = *p,
                              .iss = (uint32_t)rng_next(&w->rng),
                              .ts_offset = (uint32_t)rng_next(&w->rng)};
    }
    if (!q->accepted)
        world_server_answer(w, q);
}

handle world_server_accept(struct world *w, const struct packet *p)
{
    struct pending *q = pending_of(w, p);
    if (!q || q->accepted || (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_ACK ||
        p->ack != q->iss + 1 || p->seq - q->syn.seq - 1 > UINT16_MAX)
        return HANDLE_NONE;
    const struct tcp_option *o = &q->syn.options;
    bool stamped = w->timestamps && o->has_timestamps;
    struct tcp_handshake handshake = {.iss = q->iss,
                                      .irs = q->syn.seq,
                                      .ts_offset = q->ts_offset,
                                      .ts_recent = stamped ? p->options.ts_value : 0,
                                      .peer_mss = o->mss,
                                      .peer_window_scale = w->scaling ? o->window_scale : 0,
                                      .window_scaling = w->scaling,
                                      .timestamps = stamped,
                                      .sack = w->sack};
    for (unsigned i = 0; i < w->flow_count; i++) {
        struct flow *f = &w->flows[i];
        struct tcp_info info;
        if (f->end[SERVER].open || !f->end[CLIENT].open)
            continue;
        bool lives = tcp_info(w->sides[CLIENT].tcp, f->end[CLIENT].h, &info);
        if (!lives || info.local_port != p->src_port)
            continue;
        q->accepted = true;
        handle h = tcp_accept(w->sides[SERVER].tcp, p, &handshake, i, w->now_us);
        f->end[SERVER].h = h;
        f->end[SERVER].open = f->end[SERVER].connected = h != HANDLE_NONE;
        return h;
    }
    return HANDLE_NONE;
}
