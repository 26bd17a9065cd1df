// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_undo.h"

#include "tcp/tcp_cubic.h"
#include "tcp/tcp_queue.h"

void tcp_undo_begin(struct tcp_conn *c)
{
    c->undo_ssthresh = c->ssthresh;
    c->undo_repeats = 0;
}

void tcp_undo_done(struct tcp_conn *c)
{
    c->undo_ssthresh = 0;
    c->flags &= ~(uint32_t)(TCP_CONN_FRTO | TCP_CONN_FRTO_NEW);
}

void tcp_undo_repeated(struct tcp_conn *c)
{
    if (tcp_undo_may(c) && c->undo_repeats < UINT8_MAX)
        c->undo_repeats++;
}

bool tcp_undo_dsack(struct tcp_conn *c)
{
    if (!tcp_undo_may(c) || c->undo_repeats == 0 || c->undo_repeats == UINT8_MAX)
        return false; // of something else, or more than were counted
    return --c->undo_repeats == 0;
}

bool tcp_undo_early(const struct tcp *tcp, const struct tcp_conn *c, const struct packet *ack)
{
    const struct tcp_segment *s = c->send_head;
    // The echo is of the first segment that this acknowledges (RFC 7323, section 4.2). Of several
    // repetitions it would not tell which.
    if (!tcp_undo_may(c) || !(c->flags & TCP_CONN_TIMESTAMPS) || !ack->options.has_timestamps ||
        (s->bits & (TCP_SEGMENT_REPEATED | TCP_SEGMENT_TWICE)) != TCP_SEGMENT_REPEATED)
        return false;
    uint64_t sent_us = tcp->now_us - ((uint32_t)tcp->now_us - s->sent_us);
    uint32_t earlier_ms = (uint32_t)(sent_us / 1000) - (ack->options.ts_echo - c->ts_offset);
    return earlier_ms > 0 && earlier_ms <= TCP_RTO_MOST_MS;
}

void tcp_undo_frto_begin(struct tcp_conn *c, bool open)
{
    c->flags &= ~(uint32_t)(TCP_CONN_FRTO | TCP_CONN_FRTO_NEW);
    c->flags |= open ? TCP_CONN_FRTO : 0;
}

// RFC 5682, section 2.1, steps 2 and 3.
bool tcp_undo_frto_ack(struct tcp_conn *c, bool progress)
{
    uint32_t step = c->flags & (TCP_CONN_FRTO | TCP_CONN_FRTO_NEW);
    c->flags &= ~(uint32_t)(TCP_CONN_FRTO | TCP_CONN_FRTO_NEW);
    if (step == 0 || !progress)
        return false;
    if (step == TCP_CONN_FRTO_NEW)
        return true;
    bool all = !seq_before(c->snd_una, c->recover);
    if (!all && c->send_next && !(c->send_head->bits & TCP_SEGMENT_AGAIN))
        c->flags |= TCP_CONN_FRTO_NEW; // tcp_output sends new data instead of old
    return false;
}

void tcp_undo_window(struct tcp *tcp, struct tcp_conn *c)
{
    tcp_cubic_restored(tcp, c);
    c->ssthresh = tcp_max(c->ssthresh, c->undo_ssthresh);
    tcp_undo_done(c);
}
