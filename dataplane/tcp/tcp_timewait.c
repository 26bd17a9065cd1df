// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_timewait.h"

#include "base/memory.h"
#include "tcp/tcp_header.h"
#include "tcp/tcp_table.h"

#include <errno.h>

enum { EXPIRE_A_CALL = 256, TIME_WAIT_S = TCP_TIME_WAIT_MS / 1000 };

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
    struct tcp_timewait *w = record_of(tcp, ref);
    uint8_t flags = packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
    if (flags == TCP_SYN) {
        bool stamped = w->bits & TCP_TIMEWAIT_TIMESTAMPS && packet->options.has_timestamps;
        bool later = stamped && packet->options.ts_value != w->ts_recent
                         ? seq_after(packet->options.ts_value, w->ts_recent)
                         : seq_after(packet->seq, w->rcv_nxt);
        if (later) {
            w->bits |= TCP_TIMEWAIT_REOPENING;
            w->reopen_seq = packet->seq;
            return HANDLE_NONE;
        }
    }
    if (w->bits & TCP_TIMEWAIT_REOPENING && !(packet->tcp_flags & (TCP_SYN | TCP_RST)) &&
        packet->seq == w->reopen_seq + 1)
        return HANDLE_NONE;
    return ref;
}

static void answer(struct tcp *tcp, struct tcp_timewait *w, const struct packet *packet)
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
}

// RFC 9293, section 3.10.7.4, for TIME-WAIT; RFC 1337 and RFC 5961 for RST and SYN.
void tcp_timewait_input(struct tcp *tcp, handle h, const struct packet *packet)
{
    struct tcp_timewait *w = record_of(tcp, (uint32_t)h);
    if (!(w->bits & TCP_TIMEWAIT_USED) || packet->tcp_flags & TCP_RST)
        return;
    bool stamped = w->bits & TCP_TIMEWAIT_TIMESTAMPS && packet->options.has_timestamps;
    bool old = stamped && seq_before(packet->options.ts_value, w->ts_recent);
    uint32_t size =
        packet->payload_size + !!(packet->tcp_flags & TCP_SYN) + !!(packet->tcp_flags & TCP_FIN);
    if (size == 0 && packet->seq == w->rcv_nxt && !old)
        return; // nothing that needs an answer
    if (packet->tcp_flags & TCP_FIN && !old && packet->seq + size == w->rcv_nxt)
        w->expiry_s = (uint16_t)(seconds_of(tcp) + TIME_WAIT_S + 1);
    answer(tcp, w, packet);
}
