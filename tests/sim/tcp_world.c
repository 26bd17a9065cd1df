// SPDX-License-Identifier: BSD-3-Clause
#include "tcp_world.h"

#include "base/rng.h"
#include "sim/tcp_check.h"
#include "sim/tcp_hostile.h"
#include "support/link_sim.h"
#include "support/link_sim_packet.h"
#include "support/tcp_record.h"
#include "support/work.h"
#include "tcp/tcp_conn.h"

#include <rte_mempool.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CLIENT,
    SERVER,
    FLOWS_MAX = 6,
    SERVICE_PORT = 25,
    STEPS_MAX = 4000000,
    HEADROOM_LEAST = 128,
    STORIES = 4,
    PATIENCE_US = 1800000000,
    // Work (work.h) that a segment may cost: at all, and for each thing that a queue holds.
    WORK_SEGMENT = 300,
    WORK_QUEUED = 40,
    WORK_SENT = 130, // for each segment sent
};

enum kind { BULK, TALK, HALF_CLOSE, ABORT, VANISH, RELEASE, KIND_COUNT };

struct end { // of a flow, one of two
    handle h;
    bool open, connected, sent_all, finished, peer_finished, ended, let_go;
    enum reason reason;
    uint64_t to_send, sent, received;
    uint64_t abort_at, release_at; // bytes received; UINT64_MAX: never
    uint64_t read_us, read_most;   // pace of reading; 0: at once
    uint64_t next_read_us;
    bool edge_known;
    uint32_t edge; // right edge of the window that reached this end
    uint64_t burst_ms;
    unsigned burst, burst_most; // data segments sent in that millisecond, and the bound
};

struct flow {
    enum kind kind;
    uint64_t start_us;
    bool started;
    uint32_t turn_bytes; // of a TALK
    struct end end[2];
};

struct pending { // a handshake that the server answers
    bool used, accepted;
    struct packet syn;
    uint32_t iss, ts_offset;
    uint64_t again_us;
    unsigned tries;
};

struct side {
    struct world *world;
    int index;
    struct tcp *tcp;
    struct counter_block counters;
    struct link_sim *out; // towards the other side
};

struct world {
    uint64_t seed, now_us, start_us, limit_us;
    struct rng rng;
    struct rte_mempool *mbufs;
    struct side sides[2];
    struct link_sim links[2];
    struct flow flows[FLOWS_MAX];
    unsigned flow_count;
    struct pending pendings[FLOWS_MAX * 2];
    struct addr addrs[2];
    uint16_t mtu;
    bool sack, timestamps, scaling, icmp;
    uint64_t segments;
    struct tcp_record record;
    enum { HONEST, LIES_OF_WINDOWS, LIES } lies; // what arrives at `victim`
    int victim;
    bool stranger; // forges segments towards both
    bool starved;  // the stacks have few packet buffers
    struct rte_mempool *few;
    uint64_t jump_at_us, jump_us; // the clock leaps once; 0: never, or it has
    struct world_result result;
    jmp_buf failed;
};

static struct world the_world; // large; one run at a time

__attribute__((format(printf, 2, 3))) _Noreturn static void fail(struct world *w,
                                                                 const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(w->result.what, sizeof w->result.what, format, arguments);
    va_end(arguments);
    w->result.failed = true;
    w->result.simulated_us = w->now_us - w->start_us;
    longjmp(w->failed, 1);
}

static uint64_t dice(struct world *w, uint64_t from, uint64_t to) // both included
{
    return from + rng_below(&w->rng, to - from + 1);
}

static bool one_in(struct world *w, uint64_t n)
{
    return rng_below(&w->rng, n) == 0;
}

// The byte at an offset of a flow's stream.
static uint8_t pattern(unsigned flow, int from, uint64_t at)
{
    uint64_t x = (at + 1) * UINT64_C(0x9e3779b97f4a7c15) + flow * 977 + (uint64_t)from * 31;
    return (uint8_t)(x >> 56);
}

static void record(struct world *w, bool sent, int from, const struct rte_mbuf *m,
                   const struct packet *p)
{
    static const char *const whats[2][2] = {{"C>S received", "S>C received"}, {"C>S", "S>C"}};
    tcp_record_packet(&w->record, w->now_us, whats[sent][from], sent ? m : NULL, p);
}

static struct flow *flow_of(struct world *w, const struct packet *p, int *ret_index)
{
    uint16_t port = p->src_port == SERVICE_PORT ? p->dst_port : p->src_port;
    for (unsigned i = 0; i < w->flow_count; i++) {
        struct tcp_info info;
        for (int s = 0; s < 2; s++)
            if (w->flows[i].end[s].open && tcp_info(w->sides[s].tcp, w->flows[i].end[s].h, &info) &&
                (s == CLIENT ? info.local_port : info.remote_port) == port) {
                *ret_index = (int)i;
                return &w->flows[i];
            }
    }
    return NULL;
}

// tcp_pace.h, with what cwnd and RTT were when they allowed most. A probe comes beside them.
static void check_burst(struct world *w, int from, int index, struct end *e)
{
    const struct tcp_conn *c = tcp_conn_of(w->sides[from].tcp, e->h);
    if (!c)
        return;
    if (e->burst_ms != w->now_us / 1000)
        e->burst = e->burst_most = 0;
    e->burst_ms = w->now_us / 1000;
    e->burst++;
    bool bound = c->srtt_us == 0 || c->srtt_us >= 2000;
    uint64_t most = c->srtt_us ? UINT64_C(2000) * c->cwnd / c->srtt_us / c->mss : 0;
    most = !bound || most >= UINT8_MAX ? UINT16_MAX : most < 10 ? 10 : most;
    e->burst_most = most > e->burst_most ? (unsigned)most : e->burst_most;
    if (e->burst > e->burst_most + 1)
        fail(w, "flow %d: %s sent %u segments in a millisecond, may %u", index,
             from ? "server" : "client", e->burst, e->burst_most);
    if (e->burst_most < UINT16_MAX && e->burst > w->result.burst)
        w->result.burst = e->burst;
}

// RFC 9293, section 3.8.6: nothing beyond the window that reached the sender.
static void check_emitted(struct world *w, int from, const struct packet *p)
{
    int index;
    struct flow *f = flow_of(w, p, &index);
    if (!f || !f->end[from].edge_known || p->payload_size == 0 || w->lies == LIES)
        return;
    check_burst(w, from, index, &f->end[from]);
    if (seq_after(p->seq + p->payload_size, f->end[from].edge))
        fail(w, "flow %d: %s sent to %u, window ends at %u", index, from ? "server" : "client",
             p->seq + p->payload_size, f->end[from].edge);
}

static void note_window(struct world *w, int to, const struct packet *p)
{
    int index;
    struct flow *f = flow_of(w, p, &index);
    if (!f || !(p->tcp_flags & TCP_ACK) || p->tcp_flags & TCP_RST)
        return;
    struct end *e = &f->end[to];
    unsigned shift = p->tcp_flags & TCP_SYN || !w->scaling ? 0 : TCP_WINDOW_SCALE_OURS;
    uint32_t edge = p->ack + ((uint32_t)p->window << shift);
    if (!e->edge_known || seq_after(edge, e->edge))
        e->edge = edge;
    e->edge_known = true;
}

static void emit(void *context, struct rte_mbuf *m, enum leg leg)
{
    struct side *side = context;
    struct world *w = side->world;
    struct packet p;
    if (!link_sim_packet_parse(m, leg, &p))
        fail(w, "an emitted packet has a wrong checksum or length");
    if (rte_pktmbuf_headroom(m) < HEADROOM_LEAST)
        fail(w, "no headroom for a link header");
    if (m->data_len > w->mtu)
        fail(w, "a packet of %u bytes over the MTU", m->data_len);
    w->segments++;
    record(w, true, side->index, m, &p);
    check_emitted(w, side->index, &p);
    if (!link_sim_send(side->out, m, w->now_us) && w->icmp)
        tcp_icmp(side->tcp, &p, (uint16_t)link_sim_mtu(side->out, w->now_us), false, w->now_us);
}

// The server's side of a handshake, as the guard does it.
static void send_syn_ack(struct world *w, struct pending *q)
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
    record(w, true, SERVER, m, &p);
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

static void server_stray(struct world *w, const struct packet *p)
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
        send_syn_ack(w, q);
}

static handle server_accept(struct world *w, const struct packet *p)
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

// What its queues hold, which an acknowledgment or an end may have to look through.
static uint64_t queued(const struct tcp *tcp, handle h)
{
    const struct tcp_conn *c = tcp_conn_of(tcp, h);
    uint64_t count = c ? c->send_segments + c->run_mbufs : 0u;
    for (const struct rte_mbuf *m = c ? c->recv_head : NULL; m; m = m->next)
        count++;
    return count;
}

static void give(struct world *w, int to, handle h, struct rte_mbuf *m, const struct packet *p)
{
    struct tcp *tcp = w->sides[to].tcp;
    uint64_t segments = w->segments, before = work_done;
    uint64_t most = WORK_SEGMENT + WORK_QUEUED * queued(tcp, h);
    tcp_input(tcp, h, m, p, w->now_us);
    most += WORK_SENT * (w->segments - segments);
    if (work_done - before > most)
        fail(w, "a segment cost %lu steps, %lu are allowed", (unsigned long)(work_done - before),
             (unsigned long)most);
}

static void lie(struct world *w, struct packet *p)
{
    if (w->lies == LIES)
        tcp_hostile_lie(&w->rng, p);
    else
        p->window = (uint16_t)(one_in(w, 2) ? 0 : rng_next(&w->rng));
}

// Behind a real segment a stranger's comes, of the same connection and direction.
static void forge(struct world *w, int to, handle h, const struct packet *real)
{
    const struct tcp_conn *c = tcp_conn_of(w->sides[to].tcp, h);
    static const uint8_t data[512];
    if (!c || c->state < TCP_ESTABLISHED)
        return;
    struct packet p = tcp_hostile_forge(&w->rng, real, c->rcv_nxt);
    struct rte_mbuf *m = link_sim_packet_make(w->mbufs, &p, span_of(data, p.payload_size));
    struct packet parsed;
    CHECK(link_sim_packet_parse(m, real->leg, &parsed));
    tcp_record_packet(&w->record, w->now_us, "forged", m, &parsed);
    give(w, to, h, m, &parsed);
}

static void deliver(struct world *w, int to, struct rte_mbuf *m)
{
    struct side *side = &w->sides[to];
    struct packet p;
    if (!link_sim_packet_parse(m, to == SERVER ? LEG_OUTSIDE : LEG_INSIDE, &p)) {
        rte_pktmbuf_free(m); // corrupted on the way
        return;
    }
    if (w->lies && to == w->victim && one_in(w, 12))
        lie(w, &p);
    record(w, false, !to, m, &p);
    handle h = tcp_lookup(side->tcp, &p);
    if (h == HANDLE_NONE && to == SERVER) {
        h = server_accept(w, &p);
        if (h == HANDLE_NONE)
            server_stray(w, &p);
    }
    note_window(w, to, &p);
    if (h == HANDLE_NONE)
        rte_pktmbuf_free(m);
    else
        give(w, to, h, m, &p);
    if (w->stranger && one_in(w, 10))
        forge(w, to, h, &p);
}

static void app_send(struct world *w, unsigned index, int s)
{
    struct flow *f = &w->flows[index];
    struct end *e = &f->end[s];
    if (!e->connected || e->ended || e->let_go || e->finished)
        return;
    if (f->kind == HALF_CLOSE && s == SERVER && !e->peer_finished)
        return;
    uint64_t may = e->to_send;
    if (f->kind == TALK) { // a turn is sent when the other side's turn has come in
        uint64_t turns = e->received / f->turn_bytes + (s == CLIENT);
        may = turns * f->turn_bytes < may ? turns * f->turn_bytes : may;
    }
    uint8_t bytes[5000];
    while (e->sent < may) {
        size_t size = dice(w, 1, sizeof bytes);
        size = size < may - e->sent ? size : may - e->sent;
        for (size_t i = 0; i < size; i++)
            bytes[i] = pattern(index, s, e->sent + i);
        size_t room = tcp_send_room(w->sides[s].tcp, e->h);
        size_t taken = tcp_send(w->sides[s].tcp, e->h, span_of(bytes, size));
        if (taken < size && taken < room && !w->starved)
            fail(w, "flow %u: %zu taken of %zu, room was %zu", index, taken, size, room);
        e->sent += taken;
        if (taken < size)
            break;
    }
    if (e->sent == e->to_send) {
        tcp_finish(w->sides[s].tcp, e->h);
        e->finished = true;
    }
}

static void let_go(struct world *w, struct end *e, int s, bool abort)
{
    if (e->ended || e->let_go)
        return;
    if (abort)
        tcp_abort(w->sides[s].tcp, e->h);
    else
        tcp_release(w->sides[s].tcp, e->h);
    e->let_go = true;
}

static void app_read(struct world *w, unsigned index, int s)
{
    struct end *e = &w->flows[index].end[s];
    if (!e->open || e->let_go || e->next_read_us > w->now_us)
        return;
    struct span spans[8];
    size_t most = e->read_most ? dice(w, 1, e->read_most) : SIZE_MAX;
    while (most) {
        unsigned count = tcp_peek(w->sides[s].tcp, e->h, spans, 8);
        size_t taken = 0;
        for (unsigned i = 0; i < count && taken < most; i++)
            for (size_t k = 0; k < spans[i].size && taken < most; k++, taken++)
                if (spans[i].at[k] != pattern(index, !s, e->received + taken) && w->lies != LIES)
                    fail(w, "flow %u: %s read a wrong byte at %lu", index, s ? "server" : "client",
                         (unsigned long)(e->received + taken));
        if (taken == 0)
            break;
        tcp_consume(w->sides[s].tcp, e->h, taken);
        e->received += taken;
        most -= taken;
    }
    if (e->read_us)
        e->next_read_us = w->now_us + dice(w, 1, e->read_us);
    if (e->received >= e->abort_at)
        let_go(w, e, s, true);
    else if (e->received >= e->release_at)
        let_go(w, e, s, false);
    if (e->finished && e->peer_finished && tcp_readable(w->sides[s].tcp, e->h) == 0 &&
        one_in(w, 4)) // or wait for CLOSED
        let_go(w, e, s, false);
}

static void take_events(struct world *w, int s)
{
    struct tcp_event event;
    while (tcp_event_next(w->sides[s].tcp, &event)) {
        struct end *e = &w->flows[event.user].end[s];
        if (e->let_go || e->ended || event.connection != e->h)
            fail(w, "flow %u: an event for a connection that was let go", (unsigned)event.user);
        if (event.bits & TCP_EVENT_CONNECTED)
            e->connected = true;
        if (event.bits & TCP_EVENT_CLOSED) { // the last occasion to read
            e->next_read_us = 0;
            e->read_us = e->read_most = 0;
        }
        app_read(w, (unsigned)event.user, s);
        if (event.bits & TCP_EVENT_FINISHED)
            e->peer_finished = true;
        app_send(w, (unsigned)event.user, s);
        if (event.bits & TCP_EVENT_CLOSED) {
            e->ended = true;
            e->reason = event.reason;
        }
    }
}

static void run_apps(struct world *w)
{
    for (unsigned i = 0; i < w->flow_count; i++) {
        struct flow *f = &w->flows[i];
        if (!f->started && w->now_us >= f->start_us) {
            enum reason reason = REASON_NONE;
            f->started = true;
            f->end[CLIENT].h =
                tcp_connect(w->sides[CLIENT].tcp, &w->addrs[CLIENT], &w->addrs[SERVER],
                            SERVICE_PORT, LEG_INSIDE, i, w->now_us, &reason);
            if (f->end[CLIENT].h == HANDLE_NONE)
                fail(w, "connect: %s", reason_text(reason));
            f->end[CLIENT].open = true;
        }
        for (int s = 0; s < 2; s++) {
            app_read(w, i, s);
            app_send(w, i, s);
        }
    }
    for (size_t i = 0; i < sizeof w->pendings / sizeof w->pendings[0]; i++) {
        struct pending *q = &w->pendings[i];
        if (q->used && !q->accepted && q->again_us <= w->now_us && q->tries < 6)
            send_syn_ack(w, q);
    }
}

static uint64_t next_us(struct world *w)
{
    uint64_t next = UINT64_MAX;
    for (int s = 0; s < 2; s++) {
        uint64_t tcp_us = tcp_next_us(w->sides[s].tcp);
        uint64_t link_us = link_sim_next_us(&w->links[s]);
        next = tcp_us < next ? tcp_us : next;
        next = link_us < next ? link_us : next;
    }
    for (unsigned i = 0; i < w->flow_count; i++) {
        struct flow *f = &w->flows[i];
        if (!f->started && f->start_us < next)
            next = f->start_us;
        for (int s = 0; s < 2; s++) {
            struct end *e = &f->end[s];
            if (e->read_us && e->open && !e->let_go && !e->ended &&
                tcp_readable(w->sides[s].tcp, e->h) && e->next_read_us < next)
                next = e->next_read_us;
        }
    }
    for (size_t i = 0; i < sizeof w->pendings / sizeof w->pendings[0]; i++) {
        struct pending *q = &w->pendings[i];
        if (q->used && !q->accepted && q->tries < 6 && q->again_us < next)
            next = q->again_us;
    }
    return next > w->now_us ? next : w->now_us + 1;
}

static void check_stack(struct world *w, int s)
{
    const char *what = tcp_check_stack(w->sides[s].tcp);
    if (what)
        fail(w, "%s: %s", s == CLIENT ? "client" : "server", what);
}

static bool done(const struct world *w)
{
    for (unsigned i = 0; i < w->flow_count; i++)
        if (!w->flows[i].started)
            return false;
    return tcp_connections(w->sides[CLIENT].tcp) == 0 && tcp_connections(w->sides[SERVER].tcp) == 0;
}

static bool clean(const struct world *w)
{
    uint64_t round_us = 0;
    if (w->lies || w->stranger || w->starved || w->jump_us)
        return false;
    for (int s = 0; s < 2; s++) {
        const struct link_sim_config *l = &w->links[s].config;
        if (l->loss || l->duplicate || l->reorder || l->corrupt || l->rate_bps || l->cut_until_us ||
            l->mtu != w->mtu || l->mtu_later)
            return false;
        round_us += l->delay_us + l->jitter_us;
    }
    if (round_us > TCP_RTO_FIRST_MS * 900) // the first time-out may come before an answer
        return false;
    for (unsigned i = 0; i < w->flow_count; i++)
        if (w->flows[i].kind == ABORT || w->flows[i].kind == RELEASE)
            return false;
    return true;
}

static void check_flow(struct world *w, unsigned index)
{
    struct flow *f = &w->flows[index];
    struct end *c = &f->end[CLIENT], *s = &f->end[SERVER];
    if (f->kind == ABORT || f->kind == VANISH || f->kind == RELEASE || w->lies == LIES)
        return;
    if (c->reason == REASON_TCP_UNREACHABLE && !s->open)
        return; // the handshake never got through
    for (int side = 0; side < 2; side++)
        if (w->sides[side].counters.reasons[REASON_TCP_TIMED_OUT])
            return; // losses in a row or a long cut; who was still there was told
    if (c->received != s->to_send || s->received != c->to_send)
        fail(w, "flow %u: client has %lu of %lu (%s), server %lu of %lu (%s)", index,
             (unsigned long)c->received, (unsigned long)s->to_send, reason_name(c->reason),
             (unsigned long)s->received, (unsigned long)c->to_send, reason_name(s->reason));
}

static void choose_link(struct world *w, struct link_sim_config *l)
{
    static const uint64_t delays[] = {50, 500, 5000, 20000, 100000, 300000};
    *l = (struct link_sim_config){.delay_us = delays[dice(w, 0, 5)], .mtu = w->mtu};
    l->jitter_us = one_in(w, 2) ? dice(w, 0, l->delay_us) : 0;
    l->reorder_us = dice(w, 1, l->delay_us * 2);
    static const uint32_t losses[] = {0, 0, 50, 100, 300, 500, 1000, 2000};
    l->loss = losses[dice(w, 0, 7)];
    l->duplicate = one_in(w, 3) ? (uint32_t)dice(w, 1, 500) : 0;
    l->reorder = one_in(w, 3) ? (uint32_t)dice(w, 1, 1500) : 0;
    l->corrupt = one_in(w, 3) ? (uint32_t)dice(w, 1, 300) : 0;
    if (one_in(w, 2)) {
        l->rate_bps = UINT64_C(1000000) * dice(w, 1, 200);
        l->queue_bytes = (uint32_t)dice(w, 8000, 200000);
    }
    if (one_in(w, 8)) {
        l->cut_from_us = w->start_us + dice(w, 0, 3000000);
        l->cut_until_us = l->cut_from_us + dice(w, 1000, 20000000);
    }
    if (one_in(w, 6)) // without ICMP a black hole
        l->mtu = w->mtu - (uint32_t)dice(w, 1, (uint32_t)w->mtu - 1280);
    if (one_in(w, 6) && w->icmp) {
        l->mtu_later = l->mtu - (uint32_t)dice(w, 0, l->mtu - 1280);
        l->mtu_later_us = w->start_us + dice(w, 0, 5000000);
    }
}

static void choose_flow(struct world *w, struct flow *f)
{
    static const uint64_t sizes[] = {0, 1, 100, 3000, 20000, 100000, 400000};
    f->kind = (enum kind)(one_in(w, 2) ? BULK : dice(w, 0, KIND_COUNT - 1));
    f->start_us = w->start_us + (one_in(w, 2) ? 0 : dice(w, 0, 5000000));
    f->turn_bytes = (uint32_t)dice(w, 1, 3000);
    for (int s = 0; s < 2; s++) {
        struct end *e = &f->end[s];
        e->to_send = dice(w, 0, sizes[dice(w, 0, 6)]);
        e->abort_at = e->release_at = UINT64_MAX;
        if (one_in(w, 4)) {
            e->read_us = dice(w, 1, 2000000);
            e->read_most = dice(w, 1000, 100000);
        }
    }
    struct end *e = &f->end[dice(w, 0, 1)];
    if (f->kind == TALK) {
        uint64_t turns = dice(w, 1, 30);
        f->end[0].to_send = f->end[1].to_send = turns * f->turn_bytes;
    } else if (f->kind == ABORT) {
        e->abort_at = dice(w, 0, f->end[0].to_send + f->end[1].to_send);
    } else if (f->kind == RELEASE) {
        e->release_at = dice(w, 0, 50000);
    } else if (f->kind == VANISH) {
        uint64_t at = f->start_us + dice(w, 0, 2000000);
        for (int s = 0; s < 2; s++) {
            w->links[s].config.cut_from_us = at;
            w->links[s].config.cut_until_us = UINT64_MAX;
        }
    }
}

static void set_up(struct world *w)
{
    w->start_us = w->now_us = dice(w, 1, UINT64_C(1) << 43);
    w->limit_us = w->now_us + UINT64_C(7200) * 1000000;
    bool v4 = one_in(w, 2);
    for (int s = 0; s < 2; s++) {
        uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)(s + 1)};
        uint8_t four[4] = {192, 0, 2, (uint8_t)(s + 1)};
        w->addrs[s] = v4 ? addr_from_v4(four) : addr_from_v6(bytes);
    }
    w->mtu = 1500;
    w->sack = !one_in(w, 4);
    w->timestamps = !one_in(w, 4);
    w->scaling = !one_in(w, 4);
    w->icmp = !one_in(w, 4);
    bool perfect = one_in(w, 10);
    w->starved = one_in(w, 8);
    if (one_in(w, 10)) {
        w->jump_at_us = w->now_us + dice(w, 0, 5000000);
        w->jump_us = dice(w, 1, UINT64_C(8) * 3600 * 1000000);
        w->limit_us += w->jump_us;
    }
    for (int s = 0; s < 2; s++) {
        struct link_sim_config link;
        choose_link(w, &link);
        if (perfect)
            link = (struct link_sim_config){
                .delay_us = link.delay_us, .jitter_us = link.jitter_us, .mtu = w->mtu};
        link.duplicate = w->starved ? 0 : link.duplicate; // a copy needs a buffer
        link_sim_init(&w->links[s], &link, rng_next(&w->rng));
    }
    static const uint32_t windows[] = {2000, 4096, 16384, 65535, 262144, 1048576};
    for (int s = 0; s < 2; s++) {
        struct side *side = &w->sides[s];
        *side = (struct side){.world = w, .index = s, .out = &w->links[s]};
        struct tcp_config config = {
            .connections = FLOWS_MAX * 2,
            .send_bytes = windows[dice(w, 0, 5)],
            .receive_bytes = windows[dice(w, 0, 5)],
            .mtu = {w->mtu, w->mtu},
            .worker = (uint16_t)dice(w, 0, 3),
            .workers = 4,
            .key = {{rng_next(&w->rng), rng_next(&w->rng)}},
            .mbufs = w->starved ? w->few : w->mbufs,
            .counters = &side->counters,
            .emit = emit,
            .context = side,
        };
        side->tcp = tcp_open(&config);
        CHECK(side->tcp != NULL);
        tcp_advance(side->tcp, w->now_us);
    }
    w->flow_count = (unsigned)(one_in(w, 2) ? 1 : dice(w, 1, FLOWS_MAX));
    for (unsigned i = 0; i < w->flow_count; i++)
        choose_flow(w, &w->flows[i]);
    w->stranger = one_in(w, 6);
    w->lies = one_in(w, 6) ? LIES : one_in(w, 6) ? LIES_OF_WINDOWS : HONEST;
    w->victim = (int)dice(w, CLIENT, SERVER);
}

static void advance(struct world *w, int s)
{
    struct tcp *tcp = w->sides[s].tcp;
    uint64_t segments = w->segments, before = work_done, most = WORK_SEGMENT * (tcp->open + 1u);
    for (uint32_t i = 0; i < tcp->conns_begun; i++)
        most += 2 * WORK_QUEUED * queued(tcp, tcp_conn_handle(tcp, tcp_conn_at(tcp, i)));
    tcp_advance(tcp, w->now_us);
    most += WORK_SENT * (w->segments - segments);
    if (work_done - before > most)
        fail(w, "a turn cost %lu steps, %lu are allowed", (unsigned long)(work_done - before),
             (unsigned long)most);
}

static void step(struct world *w)
{
    for (int s = 0; s < 2; s++) {
        struct rte_mbuf *m;
        for (int burst = 0; burst < 32 && (m = link_sim_take(&w->links[!s], w->now_us)); burst++)
            deliver(w, s, m);
    }
    for (int s = 0; s < 2; s++)
        take_events(w, s);
    run_apps(w);
    for (int s = 0; s < 2; s++) {
        advance(w, s);
        check_stack(w, s);
    }
}

// A liar can keep his window shut, or make us believe so, for as long as he answers: the owner's
// own clocks end that.
static void lose_patience(struct world *w)
{
    for (unsigned i = 0; i < w->flow_count; i++)
        for (int s = 0; s < 2; s++)
            if (w->flows[i].end[s].open)
                let_go(w, &w->flows[i].end[s], s, true);
}

static void run(struct world *w)
{
    for (uint64_t steps = 0; !done(w); steps++) {
        if (w->lies == LIES && w->now_us - w->start_us > PATIENCE_US)
            lose_patience(w);
        step(w);
        if (done(w))
            break;
        w->now_us = next_us(w);
        if (w->jump_at_us && w->now_us >= w->jump_at_us) {
            w->now_us += w->jump_us;
            w->jump_at_us = 0;
        }
        if (w->now_us > w->limit_us || steps > STEPS_MAX)
            fail(w, "stalled: %u and %u connections after %lu s",
                 tcp_connections(w->sides[CLIENT].tcp), tcp_connections(w->sides[SERVER].tcp),
                 (unsigned long)((w->now_us - w->start_us) / 1000000));
    }
    w->result.simulated_us = w->now_us - w->start_us;
    for (int s = 0; s < 2; s++)
        if (clean(w) && w->sides[s].counters.counters[COUNTER_SEGMENTS_RETRANSMITTED])
            fail(w, "%lu segments sent again over a perfect link",
                 (unsigned long)w->sides[s].counters.counters[COUNTER_SEGMENTS_RETRANSMITTED]);
    for (unsigned i = 0; i < w->flow_count; i++)
        check_flow(w, i);
    for (int s = 0; s < 2; s++) // TIME-WAIT and late packets
        for (int minute = 0; minute < 4; minute++) {
            w->now_us += 60 * 1000000;
            step(w);
        }
    for (int s = 0; s < 2; s++) {
        struct tcp *tcp = w->sides[s].tcp;
        if (tcp->waits_head != tcp->waits_tail)
            fail(w, "a TIME-WAIT record stays");
        if (tcp->buffers_send || tcp->buffers_recv)
            fail(w, "buffers are counted that nobody holds");
        if (tcp->conns_used || tcp->open)
            fail(w, "%u connections stay in the pool", tcp->conns_used);
        const uint32_t *words = (const uint32_t *)(const void *)tcp->buckets;
        for (uint32_t i = 0; i < tcp->buckets_count * 16; i++)
            if (words[i])
                fail(w, "the table names what is gone");
        w->result.retransmitted += w->sides[s].counters.counters[COUNTER_SEGMENTS_RETRANSMITTED];
    }
}

static void tell(const struct world *w)
{
    tcp_record_tell(&w->record, stdout);
    for (int s = 0; s < 2; s++) {
        printf("%s:\n", s == CLIENT ? "client" : "server");
        tcp_record_stories(w->sides[s].tcp, STORIES, stdout);
    }
}

struct world_result tcp_world_run(uint64_t seed, const struct world_pools *pools, bool trace,
                                  const char *pcap)
{
    struct world *w = &the_world;
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->mbufs = pools->many;
    w->few = pools->few;
    rng_seed(&w->rng, seed);
    set_up(w);
    tcp_record_begin(&w->record, w->start_us, pcap, trace ? stderr : NULL);
    if (setjmp(w->failed) == 0)
        run(w);
    if (w->result.failed && pcap)
        tell(w);
    for (int s = 0; s < 2; s++) {
        w->sides[s].tcp->config.emit = emit;
        tcp_shut(w->sides[s].tcp);
        link_sim_done(&w->links[s]);
    }
    unsigned held = rte_mempool_in_use_count(w->mbufs) + rte_mempool_in_use_count(w->few);
    if (!w->result.failed && held != 0) {
        w->result.failed = true;
        snprintf(w->result.what, sizeof w->result.what, "%u mbufs are missing", held);
    }
    tcp_record_end(&w->record);
    w->result.segments = w->segments;
    return w->result;
}
