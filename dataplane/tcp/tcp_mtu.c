// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_mtu.h"

#include "tcp/tcp_queue.h"
#include "tcp/tcp_trace.h"

enum {
    LEAST_V4 = 552, // smaller offers are forgeries or too odd to serve
    LEAST_V6 = 1280,
    TICK_SHIFT = 24, // 16.8 s
    RAISE_TICKS = 37 // ten minutes, RFC 8899, section 5.1.1; RFC 8201, section 4 asks for five
};

static uint16_t least_of(const struct tcp_conn *c)
{
    return addr_is_v4(&c->remote) ? LEAST_V4 : LEAST_V6;
}

bool tcp_mtu_lower(struct tcp *tcp, struct tcp_conn *c, uint16_t mtu)
{
    struct tcp_cold *cold = tcp_conn_cold(tcp, c);
    if (mtu < least_of(c))
        mtu = least_of(c);
    if (mtu >= c->mtu)
        return false;
    tcp_conn_resize(tcp, c, mtu);
    cold->mtu_tick = (uint8_t)(tcp->now_us >> TICK_SHIFT);
    tcp_trace_add(tcp, c, TRACE_MTU, mtu);
    return true;
}

void tcp_mtu_suspect(struct tcp *tcp, struct tcp_conn *c)
{
    static const uint16_t sizes[] = {1500, LEAST_V6, 1006, LEAST_V4};
    if (c->backoff == 0 || !c->send_head) // the first time-out may be chance
        return;
    uint32_t headers = addr_is_v4(&c->remote) ? 40 : 60;
    headers += c->flags & TCP_CONN_TIMESTAMPS ? 12 : 0;
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0] && sizes[i] >= least_of(c); i++)
        if (c->send_head->size + headers > sizes[i]) {
            if (tcp_mtu_lower(tcp, c, sizes[i]))
                counter_add(tcp->config.counters, COUNTER_PATH_MTU_GUESSED, 1);
            return;
        }
}

void tcp_mtu_raise(struct tcp *tcp, struct tcp_conn *c)
{
    struct tcp_cold *cold = tcp_conn_cold(tcp, c);
    uint8_t ticks = (uint8_t)((tcp->now_us >> TICK_SHIFT) - cold->mtu_tick);
    if (c->mtu < tcp->config.mtu[c->leg] && ticks >= RAISE_TICKS)
        tcp_conn_resize(tcp, c, tcp->config.mtu[c->leg]);
}
