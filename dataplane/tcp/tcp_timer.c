// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_timer.h"

#include "tcp/tcp_event.h"
#include "tcp/tcp_mtu.h"
#include "tcp/tcp_output.h"
#include "tcp/tcp_queue.h"
#include "tcp/tcp_recovery.h"
#include "tcp/tcp_rtt.h"
#include "tcp/tcp_trace.h"

enum {
    BUFFER_WAIT_MS = 10,
    PROBE_PEER_DELAY_MS = 100, // the ACK of less than two full segments may be delayed:
                               // RFC 8985, section 7.2
};

// No deadline is further ahead than TCP_KEEPALIVE_MS: what seems so on the circle is long past, as
// the clock jumped.
static uint32_t left_ms(const struct tcp *tcp, uint32_t at_ms)
{
    uint32_t left = at_ms - tcp->now_ms;
    return left <= TCP_KEEPALIVE_MS ? left : 0;
}
static_assert((int)TCP_RTO_MOST_MS <= (int)TCP_KEEPALIVE_MS &&
                  (int)TCP_FIN_WAIT_2_MS <= (int)TCP_KEEPALIVE_MS &&
                  (int)TCP_LINGER_MS <= (int)TCP_KEEPALIVE_MS,
              "nothing waits longer");

void tcp_timer_arm(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->flags & TCP_CONN_GONE || c->state == TCP_CLOSED)
        return;
    uint32_t left = left_ms(tcp, c->life_ms);
    if (c->rexmit != TCP_REXMIT_NONE)
        left = tcp_min(left, left_ms(tcp, c->send_ms));
    if (c->flags & TCP_CONN_DELACK)
        left = tcp_min(left, left_ms(tcp, c->delack_ms));
    if (c->flags & TCP_CONN_PACED)
        left = tcp_min(left, left_ms(tcp, c->sent_ms + 1));
    uint64_t at_us = (tcp->now_us / 1000 + left) * 1000;
    if (!timer_fires_by(&tcp->wheel, &c->timer, at_us))
        timer_set(&tcp->wheel, &c->timer, at_us);
}

void tcp_timer_rexmit(struct tcp *tcp, struct tcp_conn *c, enum tcp_rexmit kind, uint32_t in_ms)
{
    c->rexmit = (uint8_t)kind;
    c->send_ms = tcp->now_ms + in_ms;
    if (kind != TCP_REXMIT_NONE)
        tcp_timer_arm(tcp, c);
}

void tcp_timer_flight(struct tcp *tcp, struct tcp_conn *c)
{
    uint32_t rto_ms = tcp_rtt_rto_ms(c);
    uint32_t must_not = TCP_CONN_RECOVERY | TCP_CONN_LOSS | TCP_CONN_TLP;
    if ((c->flags & (TCP_CONN_SACK | must_not)) == TCP_CONN_SACK && c->srtt_us &&
        !c->sacked_bytes && !c->backoff) {
        uint32_t probe_ms = c->srtt_us / 500 + 2;
        if (c->snd_nxt - c->snd_una < 2u * c->mss)
            probe_ms += PROBE_PEER_DELAY_MS;
        if (probe_ms < rto_ms) {
            tcp_timer_rexmit(tcp, c, TCP_REXMIT_PROBE, probe_ms);
            return;
        }
    }
    tcp_timer_rexmit(tcp, c, TCP_REXMIT_RTO, rto_ms);
}

void tcp_timer_delack(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->flags & TCP_CONN_DELACK)
        return;
    c->flags |= TCP_CONN_DELACK;
    c->delack_ms = tcp->now_ms + TCP_DELACK_MS;
    tcp_timer_arm(tcp, c);
}

void tcp_timer_pace(struct tcp *tcp, struct tcp_conn *c)
{
    c->flags |= TCP_CONN_PACED;
    tcp_timer_arm(tcp, c);
}

void tcp_timer_progress(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->snd_nxt == c->snd_una) {
        c->flags &= ~(uint32_t)TCP_CONN_PROGRESS;
        return;
    }
    c->flags |= TCP_CONN_PROGRESS;
    c->progress_ms = tcp->now_ms;
}

void tcp_timer_life(struct tcp *tcp, struct tcp_conn *c, uint32_t in_ms)
{
    c->life_ms = tcp->now_ms + in_ms;
    tcp_timer_arm(tcp, c);
}

static bool given_up(struct tcp *tcp, struct tcp_conn *c)
{
    if (!(c->flags & TCP_CONN_PROGRESS) || tcp->now_ms - c->progress_ms < TCP_USER_TIMEOUT_MS)
        return false;
    tcp_output_reset(tcp, c);
    tcp_conn_close(tcp, c, REASON_TCP_TIMED_OUT);
    return true;
}

static void fire_handshake(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->backoff >= TCP_SYN_RETRIES) {
        tcp_conn_close(tcp, c, REASON_TCP_UNREACHABLE);
        return;
    }
    tcp_trace_add(tcp, c, TRACE_TIME_OUT, tcp_rtt_rto_ms(c));
    c->backoff++;
    c->flags |= TCP_CONN_SYN_AGAIN;
    tcp_output_syn(tcp, c);
    tcp_timer_rexmit(tcp, c, TCP_REXMIT_RTO, tcp_rtt_rto_ms(c));
}

static void fire_rto(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED) {
        fire_handshake(tcp, c);
        return;
    }
    if (given_up(tcp, c))
        return;
    tcp_trace_add(tcp, c, TRACE_TIME_OUT, tcp_rtt_rto_ms(c));
    tcp_mtu_suspect(tcp, c);
    tcp_recovery_timeout(tcp, c);
    if (c->backoff < UINT8_MAX)
        c->backoff++;
    tcp_timer_rexmit(tcp, c, TCP_REXMIT_RTO, tcp_rtt_rto_ms(c));
    tcp_output_want(tcp, c);
}

// RFC 8985, section 7.3: new data if there is any that may go, else the last again.
static void fire_probe(struct tcp *tcp, struct tcp_conn *c)
{
    if (!(c->flags & (TCP_CONN_RECOVERY | TCP_CONN_LOSS)))
        tcp_output_probe(tcp, c);
    tcp_trace_add(tcp, c, TRACE_PROBE, c->snd_nxt);
    tcp_timer_rexmit(tcp, c, TCP_REXMIT_RTO, tcp_rtt_rto_ms(c));
}

static void fire_persist(struct tcp *tcp, struct tcp_conn *c)
{
    if (given_up(tcp, c) || !c->send_next)
        return;
    if (!(c->flags & TCP_CONN_PROGRESS)) {
        c->flags |= TCP_CONN_PROGRESS;
        c->progress_ms = tcp->now_ms;
    }
    if (tcp_output_squeeze(tcp, c)) // a part fits: its acknowledgment is what we wait for now
        return;
    tcp_trace_add(tcp, c, TRACE_PERSIST, tcp_rtt_rto_ms(c));
    tcp_output_ping(tcp, c);
    if (c->backoff < UINT8_MAX)
        c->backoff++;
    tcp_timer_rexmit(tcp, c, TCP_REXMIT_PERSIST, tcp_rtt_rto_ms(c));
}

static void fire_buffer(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->flags & TCP_CONN_WRITE_WANTED && tcp_queue_room(tcp, c)) {
        c->flags &= ~(uint32_t)TCP_CONN_WRITE_WANTED;
        tcp_event_raise(tcp, c, TCP_EVENT_WRITABLE);
    }
    tcp_output_want(tcp, c);
    if (c->snd_nxt != c->snd_una)
        tcp_timer_flight(tcp, c);
    else if (c->flags & TCP_CONN_WRITE_WANTED)
        tcp_timer_rexmit(tcp, c, TCP_REXMIT_BUFFER, BUFFER_WAIT_MS);
}

static void fire_rexmit(struct tcp *tcp, struct tcp_conn *c)
{
    enum tcp_rexmit kind = c->rexmit;
    c->rexmit = TCP_REXMIT_NONE;
    switch (kind) {
    case TCP_REXMIT_RTO:
        fire_rto(tcp, c);
        return;
    case TCP_REXMIT_PROBE:
        fire_probe(tcp, c);
        return;
    case TCP_REXMIT_REORDER:
        tcp_recovery_reorder(tcp, c);
        tcp_output_want(tcp, c);
        return;
    case TCP_REXMIT_PERSIST:
        fire_persist(tcp, c);
        return;
    case TCP_REXMIT_BUFFER:
        fire_buffer(tcp, c);
        return;
    case TCP_REXMIT_NONE:
        break;
    }
    CHECK(false);
}

// A peer that reads drop by drop makes progress for ever, and no owner watches it any more.
static void end_released(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->state == TCP_FIN_WAIT_2) {
        tcp_conn_close(tcp, c, REASON_NONE);
        return;
    }
    tcp_output_reset(tcp, c);
    tcp_conn_close(tcp, c, REASON_TCP_TIMED_OUT);
}

// RFC 9293, section 3.8.4, but on for all: nobody else finds a peer that vanished.
static void fire_life(struct tcp *tcp, struct tcp_conn *c)
{
    if (given_up(tcp, c))
        return;
    if (c->flags & TCP_CONN_RELEASED) {
        end_released(tcp, c);
        return;
    }
    uint32_t quiet_ms = tcp->now_ms - c->heard_ms;
    if (quiet_ms < TCP_KEEPALIVE_MS) {
        tcp_mtu_raise(tcp, c);
        tcp_timer_life(tcp, c, TCP_KEEPALIVE_MS - quiet_ms);
        return;
    }
    if (c->keep_probes >= TCP_KEEPALIVE_PROBES) {
        tcp_output_reset(tcp, c);
        tcp_conn_close(tcp, c, REASON_TCP_TIMED_OUT);
        return;
    }
    c->keep_probes++;
    tcp_trace_add(tcp, c, TRACE_KEEPALIVE, c->keep_probes);
    if (c->state != TCP_SYN_SENT && c->state != TCP_SYN_RECEIVED)
        tcp_output_ping(tcp, c);
    tcp_timer_life(tcp, c, TCP_KEEPALIVE_PROBE_MS);
}

void tcp_timer_fire(void *context, struct timer *timer)
{
    struct tcp *tcp = context;
    struct tcp_conn *c =
        (struct tcp_conn *)(void *)((uint8_t *)timer - offsetof(struct tcp_conn, timer));
    if (c->flags & TCP_CONN_DELACK && left_ms(tcp, c->delack_ms) == 0) {
        c->flags &= ~(uint32_t)TCP_CONN_DELACK;
        c->flags |= TCP_CONN_ACK_NOW;
        tcp_output_want(tcp, c);
    }
    if (c->flags & TCP_CONN_PACED && tcp->now_ms != c->sent_ms) {
        c->flags &= ~(uint32_t)TCP_CONN_PACED;
        tcp_output_want(tcp, c);
    }
    if (c->rexmit != TCP_REXMIT_NONE && left_ms(tcp, c->send_ms) == 0)
        fire_rexmit(tcp, c);
    if (c->state != TCP_CLOSED && left_ms(tcp, c->life_ms) == 0)
        fire_life(tcp, c);
    tcp_timer_arm(tcp, c);
}
