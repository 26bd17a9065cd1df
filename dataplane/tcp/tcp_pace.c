// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_pace.h"

uint32_t tcp_pace_room(const struct tcp *tcp, const struct tcp_conn *c)
{
    uint32_t sent = c->sent_ms == tcp->now_ms ? c->burst : 0;
    uint32_t most = TCP_INITIAL_SEGMENTS;
    if (sent + c->send_segments > most && c->srtt_us) { // seldom: a division
        uint64_t rate = (uint64_t)c->cwnd * 2000 / ((uint64_t)c->srtt_us * c->mss);
        if (c->srtt_us < 2000 || rate >= TCP_PACE_MOST)
            return TCP_SEGMENTS_BURST;
        most = tcp_max(most, (uint32_t)rate);
    }
    return sent < most ? most - sent : 0;
}

void tcp_pace_sent(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->sent_ms != tcp->now_ms)
        c->burst = 0;
    c->burst = (uint8_t)tcp_min(c->burst + 1u, UINT8_MAX);
    c->sent_ms = tcp->now_ms;
}
