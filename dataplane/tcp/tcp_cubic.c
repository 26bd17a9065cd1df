// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_cubic.h"

enum { CWND_MOST = 1 << 28, APART_MS_MOST = 100000 };

uint32_t tcp_cubic_root(uint64_t value)
{
    uint64_t root = 0;
    for (int bit = 20; bit >= 0; bit--) {
        uint64_t next = root | (uint64_t)1 << bit;
        if (next * next * next <= value)
            root = next;
    }
    return (uint32_t)root;
}

static void begin_epoch(struct tcp *tcp, struct tcp_conn *c, struct tcp_cold *cold)
{
    cold->epoch_ms = tcp->now_ms ? tcp->now_ms : UINT32_MAX; // 0 is none; never ahead
    cold->w_est = c->cwnd;
    cold->k_ms = 0;
    if (c->cwnd < cold->w_max) // K in ms: cbrt(bytes / (0.4 * mss)) * 1000
        cold->k_ms = tcp_cubic_root((uint64_t)(cold->w_max - c->cwnd) * 10000000 / c->mss * 250);
    else
        cold->w_max = c->cwnd;
}

// W(t) one RTT ahead, RFC 9438, section 4.2.
static uint32_t target_of(struct tcp *tcp, struct tcp_conn *c, const struct tcp_cold *cold)
{
    int64_t t = (int64_t)(tcp->now_ms - cold->epoch_ms) + c->srtt_us / 1000 - cold->k_ms;
    t = t > APART_MS_MOST ? APART_MS_MOST : t < -APART_MS_MOST ? -APART_MS_MOST : t;
    int64_t more = t * t * t / 1000000 * c->mss * 4 / 10000;
    int64_t target = (int64_t)cold->w_max + more;
    int64_t most = c->cwnd + (int64_t)c->cwnd / 2;
    return (uint32_t)(target < c->cwnd ? c->cwnd : target > most ? most : target);
}

void tcp_cubic_acked(struct tcp *tcp, struct tcp_conn *c, uint32_t acked)
{
    if (!(c->flags & TCP_CONN_CWND_LIMITED) || acked == 0)
        return;
    if (c->cwnd < c->ssthresh) {
        c->cwnd = tcp_min(c->cwnd + acked, CWND_MOST);
        return;
    }
    struct tcp_cold *cold = tcp_conn_cold(tcp, c);
    if (!cold->epoch_ms)
        begin_epoch(tcp, c, cold);
    // Reno-friendly region: alpha = 3 * (1 - beta) / (1 + beta) = 9/17 until the window is reached
    // that the last loss ended.
    uint64_t reno = (uint64_t)acked * c->mss / c->cwnd;
    bool below = cold->w_est < (uint64_t)c->ssthresh * 10 / 7;
    cold->w_est += (uint32_t)(below ? reno * 9 / 17 : reno);
    uint32_t target = target_of(tcp, c, cold);
    uint64_t grown = c->cwnd + (uint64_t)(target - c->cwnd) * acked / c->cwnd;
    if (grown < cold->w_est)
        grown = cold->w_est;
    c->cwnd = grown < CWND_MOST ? (uint32_t)grown : CWND_MOST;
}

void tcp_cubic_lost(struct tcp *tcp, struct tcp_conn *c)
{
    struct tcp_cold *cold = tcp_conn_cold(tcp, c);
    uint32_t w = c->cwnd;
    // Fast convergence, RFC 9438, section 4.7: a flow that lost earlier than last time gives room.
    cold->w_max = w < cold->w_max ? (uint32_t)((uint64_t)w * 17 / 20) : w;
    cold->epoch_ms = 0;
    c->ssthresh = tcp_max((uint32_t)((uint64_t)w * 7 / 10), 2u * c->mss);
}

void tcp_cubic_restored(struct tcp *tcp, struct tcp_conn *c)
{
    struct tcp_cold *cold = tcp_conn_cold(tcp, c);
    c->cwnd = tcp_max(c->cwnd, (uint32_t)((uint64_t)c->ssthresh * 10 / 7));
    cold->w_max = tcp_max(cold->w_max, c->cwnd);
    cold->epoch_ms = 0;
}

void tcp_cubic_idle(struct tcp *tcp, struct tcp_conn *c)
{
    uint32_t initial = TCP_INITIAL_SEGMENTS * (uint32_t)c->mss;
    if (c->cwnd > initial) {
        c->ssthresh = tcp_max(c->ssthresh, c->cwnd - c->cwnd / 4); // RFC 7661's memory, in short
        c->cwnd = initial;
    }
    if (c->ssthresh != UINT32_MAX) // no epoch began in the first slow start
        tcp_conn_cold(tcp, c)->epoch_ms = 0;
}
