// SPDX-License-Identifier: BSD-3-Clause

// Active open: RFC 9293, section 3.10.1; ports by RFC 6056, algorithm 4; ISNs by RFC 6528.

#include "tcp/tcp_conn.h"
#include "tcp/tcp_output.h"
#include "tcp/tcp_rtt.h"
#include "tcp/tcp_table.h"
#include "tcp/tcp_timer.h"

enum { PORT_LEAST = 1024, PORT_TRIES = 256, PURPOSE_PORT = 1, PURPOSE_ISS, PURPOSE_STAMP };

static uint64_t keyed(const struct tcp *tcp, const struct tcp_conn *c, uint8_t purpose,
                      uint16_t local_port, uint16_t remote_port)
{
    uint8_t key[37];
    memcpy(key, tcp->locals[c->local].bytes, 16);
    memcpy(key + 16, c->remote.bytes, 16);
    memcpy(key + 32, &local_port, 2);
    memcpy(key + 34, &remote_port, 2);
    key[36] = purpose;
    return siphash(&tcp->config.key, key, sizeof key);
}

// 0: none of the ports tried is free.
static uint16_t choose_port(struct tcp *tcp, const struct tcp_conn *c)
{
    uint32_t step = tcp_max(tcp->config.workers, 1);
    uint32_t first = (PORT_LEAST + step - 1) / step * step + tcp->config.worker % step;
    uint32_t count = (UINT16_MAX - first) / step + 1;
    uint64_t hash = keyed(tcp, c, PURPOSE_PORT, 0, c->remote_port);
    uint32_t *next = &tcp->ports[hash >> 58];
    static_assert(sizeof tcp->ports / sizeof tcp->ports[0] == 64, "six bits choose");
    for (uint32_t i = 0; i < count && i < PORT_TRIES; i++) {
        uint32_t at = (uint32_t)(((uint32_t)hash + (uint64_t)(*next)++) % count);
        uint16_t port = (uint16_t)(first + at * step);
        if (!tcp_table_find(tcp, &tcp->locals[c->local], port, &c->remote, c->remote_port))
            return port;
    }
    return 0;
}

static handle refuse(struct tcp *tcp, struct tcp_conn *c, enum reason reason,
                     enum reason *ret_reason)
{
    counter_refuse(tcp->config.counters, reason);
    if (c) {
        c->flags |= TCP_CONN_GONE; // never lived
        tcp->open--;
        tcp_conn_unlist(tcp, c);
    }
    *ret_reason = reason;
    return HANDLE_NONE;
}

handle tcp_connect(struct tcp *tcp, const struct addr *local, const struct addr *remote,
                   uint16_t remote_port, enum leg leg, uint64_t user, uint64_t now_us,
                   enum reason *ret_reason)
{
    tcp_conn_now(tcp, now_us);
    struct tcp_conn *c = tcp_conn_take(tcp, user);
    int index = tcp_conn_local(tcp, local);
    if (!c || index < 0)
        return refuse(tcp, c, REASON_TCP_NO_CONNECTION_FREE, ret_reason);
    c->remote = *remote;
    c->remote_port = remote_port;
    c->local = (uint8_t)index;
    c->leg = (uint8_t)leg;
    c->local_port = choose_port(tcp, c);
    if (!c->local_port)
        return refuse(tcp, c, REASON_TCP_NO_PORT_FREE, ret_reason);

    c->snd_una =
        (uint32_t)(tcp->now_us / 4 + keyed(tcp, c, PURPOSE_ISS, c->local_port, c->remote_port));
    c->snd_nxt = c->snd_una + 1;
    c->ts_offset = (uint32_t)keyed(tcp, c, PURPOSE_STAMP, 0, 0);
    tcp_table_insert(tcp, tcp_table_ref(tcp, c));
    tcp_conn_enter(tcp, c, TCP_SYN_SENT);
    tcp_timer_life(tcp, c, TCP_KEEPALIVE_MS);
    tcp_output_syn(tcp, c);
    tcp_timer_rexmit(tcp, c, TCP_REXMIT_RTO, tcp_rtt_rto_ms(c));
    counter_add(tcp->config.counters, COUNTER_CONNECTIONS_TO_BACKENDS, 1);
    return tcp_conn_handle(tcp, c);
}
