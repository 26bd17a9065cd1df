// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_timewait.h"

#include "base/memory.h"
#include "tcp/tcp_header.h"
#include "tcp/tcp_table.h"

#include <errno.h>

enum { EXPIRE_A_CALL = 256, TIME_WAIT_S = TCP_TIME_WAIT_MS / 1000 };

enum { // of a number for a new connection
    OPTION_TIMESTAMPS = 1,
    OPTION_SACK = 2,
    SCALE_SHIFT = 2,
    OPTION_SCALING = 1 << 6,
    MSS_SHIFT = 7,
    MSS_STEP = 8,
    OPTION_BITS = 15,
    MAC_BITS = 15,
};

int tcp_timewait_init(struct tcp *tcp, uint32_t records)
{
    uint64_t slots = 64;
    while (slots < records)
        slots *= 2;
    tcp->waits_mask = (uint32_t)(slots - 1);
    tcp->waits = memory_take(slots * sizeof *tcp->waits, tcp->config.numa_node);
    return tcp->waits ? 0 : -ENOMEM;
}

void tcp_timewait_done(struct tcp *tcp)
{
    memory_give(tcp->waits, (tcp->waits_mask + (size_t)1) * sizeof *tcp->waits);
}

static uint16_t seconds_of(const struct tcp *tcp)
{
    return (uint16_t)(tcp->now_us / 1000000);
}

static struct tcp_timewait *record_of(const struct tcp *tcp, uint32_t ref)
{
    return &tcp->waits[(ref & ~(uint32_t)TCP_TABLE_WAIT) - 1];
}

static uint32_t ref_of(const struct tcp *tcp, uint32_t position)
{
    return TCP_TABLE_WAIT | ((position & tcp->waits_mask) + 1);
}

void tcp_timewait_remove(struct tcp *tcp, uint32_t ref)
{
    struct tcp_timewait *w = record_of(tcp, ref);
    if (!(w->bits & TCP_TIMEWAIT_USED))
        return;
    tcp_table_remove(tcp, ref);
    w->bits = 0; // its slot comes round with the ring
}

// A free slot at the tail; its position.
static uint32_t take_slot(struct tcp *tcp)
{
    if (tcp->waits_tail - tcp->waits_head > tcp->waits_mask) {
        tcp_timewait_remove(tcp, ref_of(tcp, tcp->waits_head));
        tcp->waits_head++;
        counter_add(tcp->config.counters, COUNTER_TIME_WAIT_FORGOTTEN, 1);
    }
    return tcp->waits_tail++;
}

void tcp_timewait_add(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->flags & TCP_CONN_TABLED)
        tcp_table_remove(tcp, tcp_table_ref(tcp, c));
    uint32_t ref = ref_of(tcp, take_slot(tcp));
    *record_of(tcp, ref) = (struct tcp_timewait){
        .remote = c->remote,
        .local_port = c->local_port,
        .remote_port = c->remote_port,
        .local = c->local,
        .bits = (uint8_t)(TCP_TIMEWAIT_USED | (c->leg == LEG_INSIDE ? TCP_TIMEWAIT_LEG : 0) |
                          (c->flags & TCP_CONN_TIMESTAMPS ? TCP_TIMEWAIT_TIMESTAMPS : 0)),
        .expiry_s = (uint16_t)(seconds_of(tcp) + TIME_WAIT_S + 1),
        .snd_nxt = c->snd_nxt,
        .rcv_nxt = c->rcv_nxt,
        .ts_recent = c->ts_recent,
        .ts_offset = c->ts_offset,
    };
    tcp_table_insert(tcp, ref);
}

// 0 also when the clock jumped so far that the end seems ahead again.
static uint16_t left_s(const struct tcp *tcp, const struct tcp_timewait *w)
{
    uint16_t left = (uint16_t)(w->expiry_s - seconds_of(tcp));
    return left <= TIME_WAIT_S + 1 ? left : 0;
}

static bool expired(const struct tcp *tcp, const struct tcp_timewait *w)
{
    return left_s(tcp, w) == 0;
}

void tcp_timewait_expire(struct tcp *tcp)
{
    for (int i = 0; i < EXPIRE_A_CALL && tcp->waits_head != tcp->waits_tail; i++) {
        uint32_t ref = ref_of(tcp, tcp->waits_head);
        struct tcp_timewait *w = record_of(tcp, ref);
        if (w->bits & TCP_TIMEWAIT_USED && !expired(tcp, w)) {
            // A record whose time was started again may keep those behind it for as long as that,
            // at most another 2 MSL.
            return;
        }
        tcp_timewait_remove(tcp, ref);
        tcp->waits_head++;
    }
}

uint64_t tcp_timewait_next_us(const struct tcp *tcp)
{
    if (tcp->waits_head == tcp->waits_tail)
        return UINT64_MAX;
    const struct tcp_timewait *w = record_of(tcp, ref_of(tcp, tcp->waits_head));
    uint16_t left = left_s(tcp, w);
    if (!(w->bits & TCP_TIMEWAIT_USED) || left == 0)
        return tcp->now_us;
    return (tcp->now_us / 1000000 + left) * 1000000;
}

bool tcp_timewait_is(handle h)
{
    return (uint32_t)h & TCP_TABLE_WAIT;
}

handle tcp_timewait_lookup(struct tcp *tcp, uint32_t ref, const struct packet *packet)
{
    struct tcp_handshake handshake;
    return tcp_timewait_reopened(tcp, ref, packet, &handshake) ? HANDLE_NONE : ref;
}

// What a SYN-ACK's number is above snd_nxt + 1.
static uint32_t reopening_of(const struct tcp *tcp, const struct tcp_timewait *w, uint32_t irs,
                             uint32_t options)
{
    struct {
        struct addr remote, local;
        uint16_t remote_port, local_port;
        uint32_t irs, options;
    } key = {w->remote, tcp->locals[w->local], w->remote_port, w->local_port, irs, options};
    static_assert(sizeof key == 44, "no padding");
    return (uint32_t)(siphash(&tcp->config.key, &key, sizeof key) >> (64 - MAC_BITS)
                                                                         << OPTION_BITS) |
           options;
}

bool tcp_timewait_reopened(struct tcp *tcp, uint32_t ref, const struct packet *ack,
                           struct tcp_handshake *ret_handshake)
{
    const struct tcp_timewait *w = record_of(tcp, ref);
    uint32_t above = ack->ack - 1 - w->snd_nxt - 1;
    if ((ack->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK ||
        !(w->bits & TCP_TIMEWAIT_REOPENING) || above >> (MAC_BITS + OPTION_BITS))
        return false;
    uint32_t options = above & ((1u << OPTION_BITS) - 1);
    if (above != reopening_of(tcp, w, ack->seq - 1, options))
        return false;
    *ret_handshake = (struct tcp_handshake){
        .iss = ack->ack - 1,
        .irs = ack->seq - 1,
        .ts_offset = w->ts_offset,
        .ts_recent = ack->options.ts_value,
        .peer_mss = (uint16_t)((options >> MSS_SHIFT) * MSS_STEP),
        .peer_window_scale = options >> SCALE_SHIFT & 15,
        .window_scaling = options & OPTION_SCALING,
        .timestamps = options & OPTION_TIMESTAMPS,
        .sack = options & OPTION_SACK,
    };
    return true;
}

// RFC 6191, section 2; RFC 1122, section 4.2.2.13.
static bool may_reopen(const struct tcp_timewait *w, const struct packet *syn)
{
    uint8_t flags = syn->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
    if (flags != TCP_SYN || w->bits & TCP_TIMEWAIT_LEG) // nobody may connect from inside
        return false;
    bool stamped = w->bits & TCP_TIMEWAIT_TIMESTAMPS && syn->options.has_timestamps;
    return stamped && syn->options.ts_value != w->ts_recent
               ? seq_after(syn->options.ts_value, w->ts_recent)
               : seq_after(syn->seq, w->rcv_nxt);
}

static bool answered_lately(const struct tcp *tcp, const struct tcp_timewait *w)
{
    return w->bits & TCP_TIMEWAIT_ANSWERED && tcp->now_ms - w->answered_ms < TCP_CHALLENGE_MS;
}

static void reopen(struct tcp *tcp, struct tcp_timewait *w, const struct packet *syn)
{
    if (w->bits & TCP_TIMEWAIT_REOPENING && answered_lately(tcp, w))
        return;
    const struct tcp_option *o = &syn->options;
    bool v4 = addr_is_v4(&w->remote);
    uint32_t mss = o->mss ? o->mss : v4 ? TCP_MSS_DEFAULT_V4 : TCP_MSS_DEFAULT_V6;
    uint32_t options = tcp_min(mss / MSS_STEP, UINT8_MAX) << MSS_SHIFT |
                       (uint32_t)(o->window_scale & 15) << SCALE_SHIFT |
                       (o->has_window_scale ? OPTION_SCALING : 0) |
                       (o->sack_permitted ? OPTION_SACK : 0) |
                       (o->has_timestamps ? OPTION_TIMESTAMPS : 0);
    struct tcp_option answer = {
        .mss = (uint16_t)(tcp->config.mtu[LEG_OUTSIDE] - (v4 ? 40 : 60)),
        .has_window_scale = o->has_window_scale,
        .window_scale = TCP_WINDOW_SCALE_OURS,
        .sack_permitted = o->sack_permitted,
        .has_timestamps = o->has_timestamps,
        .ts_value = tcp->now_ms + w->ts_offset,
        .ts_echo = o->ts_value,
    };
    struct tcp_header header = {
        .local = &tcp->locals[w->local],
        .remote = &w->remote,
        .local_port = w->local_port,
        .remote_port = w->remote_port,
        .leg = LEG_OUTSIDE,
        .flags = TCP_SYN | TCP_ACK,
        .seq = w->snd_nxt + 1 + reopening_of(tcp, w, syn->seq, options),
        .ack = syn->seq + 1,
        .window = (uint16_t)tcp_min(tcp->config.receive_bytes, UINT16_MAX),
        .option = &answer,
    };
    if (!tcp_header_emit(tcp, &header))
        return;
    counter_add(tcp->config.counters, COUNTER_SYN_REOPENED, 1);
    w->bits |= TCP_TIMEWAIT_REOPENING | TCP_TIMEWAIT_ANSWERED;
    w->answered_ms = tcp->now_ms;
    w->expiry_s = (uint16_t)(seconds_of(tcp) + TIME_WAIT_S + 1);
}

static void answer(struct tcp *tcp, struct tcp_timewait *w)
{
    struct tcp_option option = {.has_timestamps = w->bits & TCP_TIMEWAIT_TIMESTAMPS,
                                .ts_value = tcp->now_ms + w->ts_offset,
                                .ts_echo = w->ts_recent};
    struct tcp_header header = {
        .local = &tcp->locals[w->local],
        .remote = &w->remote,
        .local_port = w->local_port,
        .remote_port = w->remote_port,
        .leg = w->bits & TCP_TIMEWAIT_LEG ? LEG_INSIDE : LEG_OUTSIDE,
        .flags = TCP_ACK,
        .seq = w->snd_nxt,
        .ack = w->rcv_nxt,
        .option = &option,
    };
    tcp_header_emit(tcp, &header);
    w->bits |= TCP_TIMEWAIT_ANSWERED;
    w->answered_ms = tcp->now_ms;
}

// RFC 9293, section 3.10.7.4, for TIME-WAIT; RFC 1337 and RFC 5961 for RST and SYN.
void tcp_timewait_input(struct tcp *tcp, handle h, const struct packet *packet)
{
    struct tcp_timewait *w = record_of(tcp, (uint32_t)h);
    if (!(w->bits & TCP_TIMEWAIT_USED) || packet->tcp_flags & TCP_RST)
        return;
    if (may_reopen(w, packet)) {
        reopen(tcp, w, packet);
        return;
    }
    bool stamped = w->bits & TCP_TIMEWAIT_TIMESTAMPS && packet->options.has_timestamps;
    bool old = stamped && seq_before(packet->options.ts_value, w->ts_recent);
    uint32_t size =
        packet->payload_size + !!(packet->tcp_flags & TCP_SYN) + !!(packet->tcp_flags & TCP_FIN);
    if (size == 0 && packet->seq == w->rcv_nxt && !old)
        return; // nothing that needs an answer
    bool repeated = packet->tcp_flags & TCP_FIN && !old && packet->seq + size == w->rcv_nxt;
    if (repeated)
        w->expiry_s = (uint16_t)(seconds_of(tcp) + TIME_WAIT_S + 1);
    if (repeated || !answered_lately(tcp, w))
        answer(tcp, w);
}
