// SPDX-License-Identifier: BSD-3-Clause
#include "sim/tcp_check.h"

#include "tcp/tcp_conn.h"
#include "tcp/tcp_queue.h"
#include "tcp/tcp_reassembly.h"

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

static const char *check_received(const struct tcp *tcp, const struct tcp_conn *c, uint32_t *mbufs)
{
    uint32_t bytes = 0, runs = 0, ahead = 0;
    for (const struct rte_mbuf *m = c->recv_head; m; m = m->next, ++*mbufs)
        bytes += m->data_len;
    for (const struct tcp_run *run = c->runs; run; run = run->next, runs++) {
        if (!seq_after(run->right, run->left) || seq_after(run->right, c->rcv_edge) ||
            !seq_after(run->left, c->rcv_nxt) ||
            (run->next && !seq_before(run->right, run->next->left)))
            return "the islands are out of order";
        for (const struct rte_mbuf *m = run->first; m; m = m == run->last ? NULL : m->next)
            ahead++;
    }
    *mbufs += ahead;
    if (bytes != c->recv_bytes || runs != c->run_count || ahead != c->run_mbufs)
        return "the receive queue's sums are wrong";
    if (runs > TCP_RUNS_MAX || ahead > tcp->config.receive_bytes / 512 + 8)
        return "the receive queue is over its limit";
    return NULL;
}

static const char *check_timers(const struct tcp_conn *c)
{
    if (!timer_is_running(&c->timer))
        return "no timer";
    if (c->snd_nxt != c->snd_una && c->rexmit == TCP_REXMIT_NONE)
        return "data in flight and no retransmission timer";
    return NULL;
}

const char *tcp_check_stack(const struct tcp *tcp)
{
    static char text[128];
    uint32_t sent = 0, received = 0;
    for (uint32_t i = 0; i < tcp->conns_begun; i++) {
        const struct tcp_conn *c = tcp_conn_at(tcp, i);
        if (!(c->generation & 1))
            continue;
        sent += c->send_segments;
        const char *what = check_received(tcp, c, &received);
        if (!what && c->state != TCP_CLOSED) {
            what = check_queue(tcp, c);
            what = what ? what : check_timers(c);
        }
        if (what) {
            snprintf(text, sizeof text, "%s: %s", tcp_conn_state_name(c->state), what);
            return text;
        }
    }
    if (sent != tcp->buffers_send || received != tcp->buffers_recv)
        return "buffers are counted wrong";
    return NULL;
}
