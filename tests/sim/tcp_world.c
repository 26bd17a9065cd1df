// SPDX-License-Identifier: BSD-3-Clause
#include "tcp_world_internal.h"

#include "sim/tcp_check.h"
#include "sim/tcp_hostile.h"
#include "support/link_sim_packet.h"
#include "support/work.h"
#include "tcp/tcp_conn.h"

#include <rte_mempool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    STEPS_MAX = 4000000,
    HEADROOM_LEAST = 128,
    STORIES = 4,
    PATIENCE_US = 1800000000,
    // Work (work.h) that a segment may cost: at all, and for each thing that a queue holds.
    WORK_SEGMENT = 300,
    WORK_QUEUED = 40,
    WORK_SENT = 130, // for each segment sent
};

static struct world the_world; // large; one run at a time

_Noreturn void world_fail(struct world *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(w->result.what, sizeof w->result.what, format, arguments);
    va_end(arguments);
    w->result.failed = true;
    w->result.simulated_us = w->now_us - w->start_us;
    longjmp(w->failed, 1);
}

void world_record(struct world *w, bool sent, int from, const struct rte_mbuf *m,
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
        world_fail(w, "flow %d: %s sent %u segments in a millisecond, may %u", index,
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
        world_fail(w, "flow %d: %s sent to %u, window ends at %u", index,
                   from ? "server" : "client", p->seq + p->payload_size, f->end[from].edge);
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

void world_emit(void *context, struct rte_mbuf *m, enum leg leg)
{
    struct side *side = context;
    struct world *w = side->world;
    struct packet p;
    if (!link_sim_packet_parse(m, leg, &p))
        world_fail(w, "an emitted packet has a wrong checksum or length");
    if (rte_pktmbuf_headroom(m) < HEADROOM_LEAST)
        world_fail(w, "no headroom for a link header");
    if (m->data_len > w->mtu)
        world_fail(w, "a packet of %u bytes over the MTU", m->data_len);
    w->segments++;
    world_record(w, true, side->index, m, &p);
    check_emitted(w, side->index, &p);
    if (!link_sim_send(side->out, m, w->now_us) && w->icmp)
        tcp_icmp(side->tcp, &p, (uint16_t)link_sim_mtu(side->out, w->now_us), false, w->now_us);
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
        world_fail(w, "a segment cost %lu steps, %lu are allowed",
                   (unsigned long)(work_done - before), (unsigned long)most);
}

static void lie(struct world *w, struct packet *p)
{
    if (w->lies == LIES)
        tcp_hostile_lie(&w->rng, p);
    else
        p->window = (uint16_t)(world_one_in(w, 2) ? 0 : rng_next(&w->rng));
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
    if (w->lies && to == w->victim && world_one_in(w, 12))
        lie(w, &p);
    world_record(w, false, !to, m, &p);
    handle h = tcp_lookup(side->tcp, &p);
    if (h == HANDLE_NONE && to == SERVER) {
        h = world_server_accept(w, &p);
        if (h == HANDLE_NONE)
            world_server_stray(w, &p);
    }
    note_window(w, to, &p);
    if (h == HANDLE_NONE)
        rte_pktmbuf_free(m);
    else
        give(w, to, h, m, &p);
    if (w->stranger && world_one_in(w, 10))
        forge(w, to, h, &p);
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
        world_fail(w, "%s: %s", s == CLIENT ? "client" : "server", what);
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
        world_fail(w, "flow %u: client has %lu of %lu (%s), server %lu of %lu (%s)", index,
                   (unsigned long)c->received, (unsigned long)s->to_send, reason_name(c->reason),
                   (unsigned long)s->received, (unsigned long)c->to_send, reason_name(s->reason));
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
        world_fail(w, "a turn cost %lu steps, %lu are allowed", (unsigned long)(work_done - before),
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
        world_take_events(w, s);
    world_run_apps(w);
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
                world_let_go(w, &w->flows[i].end[s], s, true);
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
            world_fail(w, "stalled: %u and %u connections after %lu s",
                       tcp_connections(w->sides[CLIENT].tcp), tcp_connections(w->sides[SERVER].tcp),
                       (unsigned long)((w->now_us - w->start_us) / 1000000));
    }
    w->result.simulated_us = w->now_us - w->start_us;
    for (int s = 0; s < 2; s++)
        if (clean(w) && w->sides[s].counters.counters[COUNTER_SEGMENTS_RETRANSMITTED])
            world_fail(
                w, "%lu segments sent again over a perfect link",
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
            world_fail(w, "a TIME-WAIT record stays");
        if (tcp->buffers_send || tcp->buffers_recv)
            world_fail(w, "buffers are counted that nobody holds");
        if (tcp->conns_used || tcp->open)
            world_fail(w, "%u connections stay in the pool", tcp->conns_used);
        const uint32_t *words = (const uint32_t *)(const void *)tcp->buckets;
        for (uint32_t i = 0; i < tcp->buckets_count * 16; i++)
            if (words[i])
                world_fail(w, "the table names what is gone");
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
    world_choose(w);
    tcp_record_begin(&w->record, w->start_us, pcap, trace ? stderr : NULL);
    if (setjmp(w->failed) == 0)
        run(w);
    if (w->result.failed && pcap)
        tell(w);
    for (int s = 0; s < 2; s++) {
        w->sides[s].tcp->config.emit = world_emit;
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
