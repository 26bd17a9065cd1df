// SPDX-License-Identifier: BSD-3-Clause
#include "sim/tcp_check.h"

#include "tcp/tcp_conn.h"
#include "tcp/tcp_queue.h"

#include <stdio.h>

static const char *check_queue(const struct tcp *tcp, const struct tcp_conn *c)
{
    uint32_t lost = 0, sacked = 0, again = 0, bytes = 0, segments = 0;
    for (const struct tcp_segment *g = c->send_head; g; g = g->next) {
        uint32_t span = tcp_segment_span(g);
        lost += g->bits & TCP_SEGMENT_LOST ? span : 0;
        sacked += g->bits & TCP_SEGMENT_SACKED ? span : 0;
        again += g->bits & TCP_SEGMENT_AGAIN ? span : 0;
        bytes += g->size;
        segments++;
    }
    if (lost != c->lost_bytes || sacked != c->sacked_bytes || again != c->again_bytes)
        return "the scoreboard's sums are wrong";
    if (bytes != c->send_bytes || segments != c->send_segments)
        return "the send queue's sums are wrong";
    if (c->send_bytes > tcp->config.send_bytes || c->recv_bytes > tcp->config.receive_bytes)
        return "a queue is over its limit";
    return NULL;
}

const char *tcp_check_stack(const struct tcp *tcp)
{
    static char text[128];
    for (uint32_t i = 0; i < tcp->pool.count; i++) {
        if (pool_at(&tcp->pool, i) == HANDLE_NONE)
            continue;
        const struct tcp_conn *c = tcp_conn_at(tcp, i);
        if (c->state == TCP_CLOSED)
            continue;
        const char *what = check_queue(tcp, c);
        if (!timer_is_running(&c->timer))
            what = "no timer";
        else if (c->snd_nxt != c->snd_una && c->rexmit == TCP_REXMIT_NONE)
            what = "data in flight and no retransmission timer";
        if (what) {
            snprintf(text, sizeof text, "%s: %s", tcp_conn_state_name(c->state), what);
            return text;
        }
    }
    return NULL;
}
