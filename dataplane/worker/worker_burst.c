// SPDX-License-Identifier: BSD-3-Clause
/* Frames come in bursts. A burst is parsed, and the memory that judging will touch is asked for, a
 * few packets at a time; while that is on its way the burst before it is judged, packet by packet
 * in order of arrival: a look-up comes at its packet's turn, so a connection that a packet makes or
 * ends is there or gone for the next one. SYNs that pass are looked up and answered, and what was
 * refused is freed, together at the burst's end. In a flood most SYNs are refused after a glance at
 * their headers, and never parsed. */
#include "worker/worker_internal.h"

enum {
    BURSTS_A_TURN = 4,
    GROUP = 8,     // packets whose memory is asked for at once: more have to wait for one another
    GLANCED = 255, // a kind: a SYN, not parsed yet
};
static_assert((int)BURST == (int)GUARD_BURST && (int)BURST <= (int)TCP_BURST, "one burst for all");

struct burst {
    unsigned count;
    struct rte_mbuf *mbufs[BURST];
    uint8_t kinds[BURST];   // enum net_kind, or GLANCED
    uint8_t reasons[BURST]; // enum reason, of what is refused
    struct packet packets[BURST];
    struct net_icmp icmps[BURST];
    struct guard_look looks[BURST];
    struct tcp_look tcp_looks[BURST]; // of segments and SYNs
    unsigned glanced_count, segments_count, syns_count;
    uint8_t glanced[BURST];
    uint8_t segments[BURST]; // but SYNs from outside
    uint8_t syns[BURST];     // that the guard would answer
    unsigned refused_count;
    struct rte_mbuf *refused[BURST]; // to be freed: whole, of the worker's pool, nobody else's
};

// In one segment, and nobody else's.
static inline bool is_plain(const struct rte_mbuf *m)
{
    const uint64_t mask = UINT64_C(0xffffffff0000), alone = UINT64_C(0x100010000);
    static_assert(offsetof(struct rte_mbuf, refcnt) - offsetof(struct rte_mbuf, rearm_data) == 2 &&
                      offsetof(struct rte_mbuf, nb_segs) - offsetof(struct rte_mbuf, refcnt) == 2,
                  "read at once");
    uint64_t words;
    memcpy(&words, m->rearm_data, sizeof words);
    return (words & mask) == alone && RTE_MBUF_DIRECT(m);
}

// m is freed, at the burst's end if it can go straight back into its pool. A source of zeros is not
// known.
static inline void refuse(struct worker *w, struct burst *b, struct rte_mbuf *m,
                          const struct packet *packet, enum reason reason)
{
    if (packet->leg == LEG_OUTSIDE)
        guard_heavy_note(&w->heavy, TOP_REFUSALS, &packet->src);
    counter_refuse(w->counters, reason);
    if (likely(is_plain(m) && m->pool == w->config.mbufs))
        b->refused[b->refused_count++] = m;
    else
        rte_pktmbuf_free(m);
}

// An ACK, or what else is no SYN, of no connection: the right one becomes a session.
static __attribute__((noinline)) enum reason handshake_end(struct worker *w, struct rte_mbuf *m,
                                                           const struct packet *packet,
                                                           const struct guard_look *look)
{
    struct tcp_handshake handshake;
    bool known = tcp_reopened(w->tcp, packet, &handshake);
    enum reason reason = guard_ack(w->guard, packet, look, w->now_us, known, &handshake);
    if (reason != REASON_NONE)
        return reason;
    if (unlikely(w->draining)) {
        tcp_refuse(w->tcp, packet);
        return REASON_WORKER_DRAINED;
    }
    reason = guard_connection_begun(w->guard, packet, look, w->now_us, &handshake);
    if (reason != REASON_NONE) {
        tcp_refuse(w->tcp, packet);
        return reason;
    }
    handle h = HANDLE_NONE;
    if (unlikely(w->mbufs_low))
        counter_refuse(w->counters, REASON_MBUFS_LOW);
    else
        h = sessions_accept(w->sessions, packet, &handshake, (unsigned)look->service, w->now_us);
    if (h == HANDLE_NONE) { // counted where it was refused
        guard_connection_closed(w->guard, &packet->src, (unsigned)look->service);
        tcp_refuse(w->tcp, packet);
        rte_pktmbuf_free(m);
        return REASON_NONE;
    }
    guard_heavy_note(&w->heavy, TOP_CONNECTIONS, &packet->src);
    tcp_input(w->tcp, h, m, packet, w->now_us);
    return REASON_NONE;
}

// From outside, and not the second step of a handshake that we began.
static inline bool is_syn(const struct packet *packet)
{
    return (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && packet->leg == LEG_OUTSIDE;
}

/* A SYN is judged before anybody asks whether there is a connection of that name: in a flood nearly
 * all are refused, and what a SYN can do to a connection (RFC 5961, section 4) is within the same
 * rates. What passes is looked up at the burst's end, together. */
static inline enum reason syn(struct worker *w, struct burst *b, unsigned i)
{
    const struct packet *packet = &b->packets[i];
    if (b->looks[i].service < 0)
        return REASON_NO_SERVICE;
    if (unlikely(w->mbufs_low))
        return REASON_MBUFS_LOW;
    guard_heavy_note(&w->heavy, TOP_SYNS, &packet->src);
    enum reason reason = guard_syn(w->guard, b->mbufs[i], packet, &b->looks[i], w->now_us);
    if (reason == REASON_NONE)
        b->syns[b->syns_count++] = (uint8_t)i;
    return reason;
}

static inline __attribute__((always_inline)) enum reason segment(struct worker *w, struct burst *b,
                                                                 unsigned i)
{
    const struct packet *packet = &b->packets[i];
    if (is_syn(packet))
        return syn(w, b, i);
    handle h = tcp_lookup_at(w->tcp, packet, &b->tcp_looks[i]);
    if (h != HANDLE_NONE) {
        tcp_input(w->tcp, h, b->mbufs[i], packet, w->now_us);
        return REASON_NONE;
    }
    if (packet->leg != LEG_OUTSIDE)
        return REASON_OUT_OF_STATE;
    if (b->looks[i].service < 0)
        return REASON_NO_SERVICE;
    return handshake_end(w, b->mbufs[i], packet, &b->looks[i]);
}

// REASON_NONE: the packet was taken.
static inline enum reason judge(struct worker *w, struct burst *b, unsigned i)
{
    const struct packet *packet = &b->packets[i];
    if (likely(packet->leg == LEG_OUTSIDE)) {
        guard_heavy_note(&w->heavy, TOP_PACKETS, &packet->src);
        enum reason reason = guard_admit(w->guard, packet, &b->looks[i], w->now_us);
        if (unlikely(reason != REASON_NONE))
            return reason;
    }
    if (likely(b->kinds[i] == NET_TCP))
        return segment(w, b, i);
    net_echo(w->net, b->mbufs[i], packet, w->now_us);
    return REASON_NONE;
}

// What net refused, took, or learnt of a segment of ours.
static __attribute__((noinline)) enum reason judge_other(struct worker *w, struct burst *b,
                                                         unsigned i)
{
    const struct packet *packet = &b->packets[i];
    if (b->kinds[i] == NET_ICMP_ERROR) {
        tcp_icmp(w->tcp, packet, b->icmps[i].next_mtu, b->icmps[i].hard, w->now_us);
        rte_pktmbuf_free(b->mbufs[i]);
    } else if (packet->leg == LEG_OUTSIDE) {
        guard_heavy_note(&w->heavy, TOP_PACKETS, &packet->src);
    }
    return (enum reason)b->reasons[i];
}

static void fetch(struct rte_mbuf **frames, unsigned first, unsigned count)
{
    for (unsigned i = first; i < count && i < first + GROUP; i++)
        rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
}

static inline void parse(struct worker *w, struct burst *b, unsigned i, enum leg leg)
{
    enum reason reason = REASON_NONE;
    b->kinds[i] = (uint8_t)net_input(w->net, b->mbufs[i], leg, w->now_us, &b->packets[i],
                                     &b->icmps[i], &reason);
    b->reasons[i] = (uint8_t)reason;
    b->segments[b->segments_count] = (uint8_t)i;
    b->segments_count += b->kinds[i] == NET_TCP && !is_syn(&b->packets[i]);
}

// Under attack SYNs are not parsed before it is known whether they are refused anyway, as long as
// most are: one that is answered after all was looked at twice.
static void read_headers(struct worker *w, struct burst *b, const uint8_t *legs, unsigned first,
                         unsigned end)
{
    bool glances = w->refuses_most && guard_is_attacked(w->guard);
    for (unsigned i = first; i < end; i++) {
        enum leg leg = (enum leg)legs[i];
        if (glances && leg == LEG_OUTSIDE && net_glance(w->net, b->mbufs[i], leg, &b->packets[i])) {
            b->kinds[i] = GLANCED;
            b->glanced[b->glanced_count++] = (uint8_t)i;
        } else {
            parse(w, b, i, leg);
        }
    }
}

// Parses the frames and asks for the memory that judging them will touch.
static void take(struct worker *w, struct burst *b, struct rte_mbuf **frames, const uint8_t *legs,
                 unsigned count)
{
    fetch(frames, 0, count);
    if (count > 0) // with none, frames are NULL
        memcpy(b->mbufs, frames, count * sizeof *frames);
    b->count = count;
    for (unsigned first = 0; first < count; first += GROUP) {
        unsigned end = RTE_MIN(first + GROUP, count);
        fetch(frames, end, count);
        read_headers(w, b, legs, first, end);
        guard_look(w->guard, b->packets + first, end - first, b->looks + first);
    }
    tcp_look(w->tcp, b->packets, b->segments, b->segments_count, b->tcp_looks);
}

// Those that met a connection are its own, the others get SYN-ACKs.
static void answer(struct worker *w, struct burst *b)
{
    if (b->syns_count == 0)
        return;
    struct rte_mbuf *synacks[GUARD_BURST];
    uint32_t taken = 0;
    tcp_look(w->tcp, b->packets, b->syns, b->syns_count, b->tcp_looks);
    for (unsigned k = 0; k < b->syns_count; k++) {
        unsigned i = b->syns[k];
        handle h = tcp_lookup_at(w->tcp, &b->packets[i], &b->tcp_looks[i]);
        if (likely(h == HANDLE_NONE))
            continue;
        tcp_input(w->tcp, h, b->mbufs[i], &b->packets[i], w->now_us);
        taken |= UINT32_C(1) << k;
    }
    unsigned count = guard_answer(w->guard, taken, synacks, w->now_us);
    net_output(w->net, synacks, count, LEG_OUTSIDE, w->now_us);
}

// At the glanced ones from `first` to the next segment, which may prove its source. Where it ended.
static unsigned glance(struct worker *w, struct burst *b, unsigned first)
{
    unsigned end = b->glanced_count, segment = 0;
    while (segment < b->segments_count && b->segments[segment] < b->glanced[first])
        segment++;
    while (segment < b->segments_count && b->glanced[end - 1] > b->segments[segment])
        end--;
    guard_glance(w->guard, b->packets, b->looks, b->glanced + first, end - first, w->now_us,
                 b->reasons);
    return end;
}

// REASON_NONE: it is parsed now, and to be judged.
static inline enum reason glanced(struct worker *w, struct burst *b, unsigned i)
{
    const struct packet *packet = &b->packets[i];
    if (unlikely(b->reasons[i] == REASON_NONE)) {
        parse(w, b, i, (enum leg)packet->leg);
        return REASON_NONE;
    }
    guard_heavy_note(&w->heavy, TOP_PACKETS, &packet->src);
    guard_heavy_note(&w->heavy, TOP_SYNS, &packet->src);
    return (enum reason)b->reasons[i];
}

static void burst_empty(struct burst *b)
{
    b->count = b->glanced_count = b->segments_count = b->syns_count = b->refused_count = 0;
}

static void judge_all(struct worker *w, struct burst *b)
{
    unsigned seen = b->glanced_count && b->glanced[0] == 0 ? glance(w, b, 0) : 0;
    for (unsigned i = 0; i < b->count; i++) {
        enum reason reason = b->kinds[i] == GLANCED ? glanced(w, b, i) : REASON_NONE;
        if (reason == REASON_NONE) {
            bool is_ours = likely(b->kinds[i] == NET_TCP) || b->kinds[i] == NET_ICMP_ECHO;
            reason = is_ours ? judge(w, b, i) : judge_other(w, b, i);
            if (unlikely(seen < b->glanced_count && b->glanced[seen] == i + 1))
                seen = glance(w, b, seen);
        }
        if (reason != REASON_NONE)
            refuse(w, b, b->mbufs[i], &b->packets[i], reason);
    }
    answer(w, b);
    if (b->count)
        w->refuses_most = b->refused_count > b->count / 2;
    rte_mempool_put_bulk(w->config.mbufs, (void *const *)b->refused, b->refused_count);
    burst_empty(b);
}

struct relay { // the burst that is taken, and the one before it
    struct burst bursts[2];
    unsigned at;
};

static void relay_begin(struct relay *relay)
{
    relay->at = 0;
    for (int i = 0; i < 2; i++)
        burst_empty(&relay->bursts[i]);
}

// With none it judges what is left.
static void relay_frames(struct worker *w, struct relay *relay, struct rte_mbuf **frames,
                         const uint8_t *legs, unsigned count)
{
    take(w, &relay->bursts[relay->at], frames, legs, count);
    relay->at ^= 1;
    judge_all(w, &relay->bursts[relay->at]);
}

unsigned worker_receive(struct worker *w, enum leg leg)
{
    const struct port *port = w->config.ports[leg];
    unsigned all = 0, count = BURST;
    uint64_t bytes = 0;
    if (w->config.index >= port->rx_queues)
        return 0;
    struct relay relay;
    relay_begin(&relay);
    uint8_t legs[BURST];
    memset(legs, leg, sizeof legs);
    for (unsigned i = 0; i < BURSTS_A_TURN && count == BURST; i++) {
        struct rte_mbuf *frames[BURST];
        count = port_receive(port, w->config.index, frames, BURST);
        for (unsigned frame = 0; frame < count; frame++)
            bytes += rte_pktmbuf_pkt_len(frames[frame]);
        unsigned ours = count;
        if (w->config.boot->workers > 1)
            ours = worker_steer(w, frames, count, leg);
        relay_frames(w, &relay, frames, legs, ours);
        all += count;
    }
    relay_frames(w, &relay, NULL, NULL, 0);
    if (all) {
        counter_add(w->counters, COUNTER_RX_PACKETS, all);
        counter_add(w->counters, COUNTER_RX_BYTES, bytes);
    }
    return all;
}

unsigned worker_receive_steered(struct worker *w)
{
    unsigned all = 0, count = BURST;
    struct relay relay;
    relay_begin(&relay);
    for (unsigned i = 0; i < BURSTS_A_TURN && count == BURST; i++) {
        struct rte_mbuf *frames[BURST];
        uint8_t legs[BURST];
        count = worker_steered(w, frames, legs, BURST);
        relay_frames(w, &relay, frames, legs, count);
        all += count;
    }
    relay_frames(w, &relay, NULL, NULL, 0);
    return all;
}
