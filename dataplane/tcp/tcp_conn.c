// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_conn.h"

#include "tcp/tcp_event.h"
#include "tcp/tcp_queue.h"
#include "tcp/tcp_reassembly.h"
#include "tcp/tcp_table.h"
#include "tcp/tcp_timer.h"
#include "tcp/tcp_trace.h"

#include <string.h>

static const char *const state_names[] = {
#define TCP_STATE(name, text, next) text,
#include "contract/tcp_state.def"
#undef TCP_STATE
};

static const uint16_t state_next[] = {
#define TO(name)                    (1u << TCP_##name)
#define TCP_STATE(name, text, next) next,
#include "contract/tcp_state.def"
#undef TCP_STATE
#undef TO
};

const char *tcp_conn_state_name(enum tcp_state state)
{
    CHECK(state < TCP_STATE_COUNT);
    return state_names[state];
}

void tcp_conn_enter(struct tcp *tcp, struct tcp_conn *c, enum tcp_state state)
{
    CHECK(state_next[c->state] & 1u << state);
    c->state = (uint8_t)state;
    if (state != TCP_CLOSED)
        tcp_trace_add(tcp, c, TRACE_STATE, state);
}

void tcp_conn_now(struct tcp *tcp, uint64_t now_us)
{
    if (now_us > tcp->now_us) {
        tcp->now_us = now_us;
        tcp->now_ms = (uint32_t)(now_us / 1000);
    }
}

struct tcp_conn *tcp_conn_take(struct tcp *tcp, uint64_t user)
{
    struct tcp_conn *c;
    if (tcp->conns_free) {
        c = tcp_conn_at(tcp, tcp->conns_free - 1);
        tcp->conns_free = c->next_output;
    } else if (tcp->conns_begun < tcp->config.connections) {
        c = tcp_conn_at(tcp, tcp->conns_begun++);
    } else {
        return NULL;
    }
    uint32_t generation = c->generation + 1;
    memset(c, 0, sizeof *c);
    memset(tcp_conn_cold(tcp, c), 0, sizeof *tcp->cold);
    c->generation = generation;
    c->user = user;
    c->ssthresh = UINT32_MAX;
    c->heard_ms = c->sent_ms = tcp->now_ms;
    tcp->conns_used++;
    tcp->open++;
    tcp_trace_begin(tcp, c);
    return c;
}

int tcp_conn_local(struct tcp *tcp, const struct addr *local)
{
    for (int i = 0; i < tcp->locals_count; i++)
        if (addr_equal(&tcp->locals[i], local))
            return i;
    if (tcp->locals_count == TCP_LOCALS_MAX)
        return -1;
    tcp->locals[tcp->locals_count] = *local;
    return tcp->locals_count++;
}

void tcp_conn_resize(struct tcp *tcp, struct tcp_conn *c, uint16_t mtu)
{
    c->mtu = mtu;
    uint32_t headers = addr_is_v4(&c->remote) ? 40 : 60;
    uint32_t mss = tcp_min(c->peer_mss, mtu > headers ? mtu - headers : 0);
    mss = tcp_min(tcp_max(mss, TCP_MSS_LEAST), tcp->segment_room);
    if (c->flags & TCP_CONN_TIMESTAMPS) // RFC 6691: data shrinks by the options, the MSS does not
        mss -= 12;
    c->mss = (uint16_t)mss;
}

void tcp_conn_establish(struct tcp *tcp, struct tcp_conn *c, const struct tcp_handshake *h)
{
    if (h->timestamps)
        c->flags |= TCP_CONN_TIMESTAMPS;
    if (h->sack)
        c->flags |= TCP_CONN_SACK;
    if (h->window_scaling)
        c->flags |= TCP_CONN_SCALING;
    c->snd_scale = h->window_scaling ? h->peer_window_scale : 0;
    c->ts_offset = h->ts_offset;
    c->ts_recent = h->ts_recent;
    c->peer_mss = h->peer_mss;
    tcp_conn_resize(tcp, c, tcp->config.mtu[c->leg]);

    c->rcv_nxt = c->ack_sent = h->irs + 1;
    c->rcv_edge = c->rcv_nxt + tcp_min(tcp->config.receive_bytes, UINT16_MAX);
    c->snd_una = c->snd_nxt = h->iss + 1;
    c->snd_wl1 = h->irs;
    c->recover = h->iss;
    c->fack = h->iss + 1;
    uint32_t floor = tcp_max(2u * c->mss, 14600); // RFC 6928, section 2
    c->cwnd = tcp_min(TCP_INITIAL_SEGMENTS * c->mss, floor);
    c->heard_ms = tcp->now_ms;
    c->life_ms = tcp->now_ms + TCP_KEEPALIVE_MS;
    tcp_timer_arm(tcp, c);
}

static void drop_all(struct tcp *tcp, struct tcp_conn *c, bool unread)
{
    timer_stop(&tcp->wheel, &c->timer);
    c->rexmit = TCP_REXMIT_NONE;
    if (c->flags & TCP_CONN_TABLED)
        tcp_table_remove(tcp, tcp_table_ref(tcp, c));
    tcp_queue_drop(tcp, c);
    tcp_reassembly_drop_runs(tcp, c);
    if (unread)
        tcp_reassembly_drop_unread(tcp, c);
}

void tcp_conn_close(struct tcp *tcp, struct tcp_conn *c, enum reason reason)
{
    if (c->state == TCP_CLOSED || c->flags & TCP_CONN_GONE)
        return;
    drop_all(tcp, c, false);
    tcp_conn_enter(tcp, c, TCP_CLOSED);
    counter_add(tcp->config.counters, COUNTER_CONNECTIONS_CLOSED, 1);
    if (reason != REASON_NONE) {
        counter_refuse(tcp->config.counters, reason);
        tcp_trace_add(tcp, c, TRACE_ENDED, reason);
        tcp_trace_keep(tcp, c, reason);
    }
    if (c->flags & TCP_CONN_RELEASED) {
        tcp_conn_gone(tcp, c);
        return;
    }
    c->closed_reason = (uint8_t)reason;
    if (reason != REASON_NONE || c->recv_bytes == 0)
        tcp_event_raise(tcp, c, TCP_EVENT_CLOSED);
}

void tcp_conn_gone(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->flags & TCP_CONN_GONE)
        return;
    if (c->state != TCP_CLOSED)
        counter_add(tcp->config.counters, COUNTER_CONNECTIONS_CLOSED, 1);
    drop_all(tcp, c, true);
    if (tcp->closing == tcp_conn_index(tcp, c) + 1)
        tcp->closing = 0;
    c->state = TCP_CLOSED;
    c->flags |= TCP_CONN_GONE;
    c->events = 0;
    tcp->open--;
    tcp_conn_unlist(tcp, c);
}

void tcp_conn_unlist(struct tcp *tcp, struct tcp_conn *c)
{
    if ((c->flags & (TCP_CONN_GONE | TCP_CONN_ON_OUTPUT | TCP_CONN_ON_EVENTS)) != TCP_CONN_GONE)
        return;
    CHECK(c->generation++ & 1);
    c->next_output = tcp->conns_free;
    tcp->conns_free = tcp_conn_index(tcp, c) + 1;
    tcp->conns_used--;
}
