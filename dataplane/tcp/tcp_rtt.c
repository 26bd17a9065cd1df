// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_rtt.h"

void tcp_rtt_sample(struct tcp_conn *c, uint32_t rtt_us)
{
    rtt_us = tcp_max(rtt_us, 1);
    if (c->srtt_us == 0) {
        c->srtt_us = rtt_us;
        c->rttvar_us = rtt_us / 2;
        c->rtt_min_us = rtt_us;
        return;
    }
    uint32_t apart = rtt_us > c->srtt_us ? rtt_us - c->srtt_us : c->srtt_us - rtt_us;
    c->rttvar_us = c->rttvar_us - c->rttvar_us / 4 + apart / 4;
    c->srtt_us = c->srtt_us - c->srtt_us / 8 + rtt_us / 8;
    c->rtt_min_us = tcp_min(c->rtt_min_us, rtt_us);
}

uint32_t tcp_rtt_rto_ms(const struct tcp_conn *c)
{
    bool lossy = c->flags & TCP_CONN_SYN_AGAIN && c->state >= TCP_ESTABLISHED;
    uint64_t rto = lossy ? TCP_RTO_SYN_MS : TCP_RTO_FIRST_MS;
    if (c->srtt_us)
        rto = c->srtt_us / 1000 + tcp_max(TCP_RTO_LEAST_MS, c->rttvar_us / 250);
    rto <<= c->backoff < 16 ? c->backoff : 16;
    return rto < TCP_RTO_MOST_MS ? (uint32_t)rto : TCP_RTO_MOST_MS;
}
