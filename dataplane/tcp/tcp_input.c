// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_input.h"

#include "tcp/tcp_event.h"
#include "tcp/tcp_header.h"
#include "tcp/tcp_output.h"
#include "tcp/tcp_queue.h"
#include "tcp/tcp_reassembly.h"
#include "tcp/tcp_recovery.h"
#include "tcp/tcp_rtt.h"
#include "tcp/tcp_timer.h"
#include "tcp/tcp_timewait.h"
#include "tcp/tcp_trace.h"

static void refuse(struct tcp *tcp, const struct tcp_conn *c, enum reason reason)
{
    counter_refuse(tcp->config.counters, reason);
    tcp_trace_add(tcp, c, TRACE_REFUSED, reason);
}

// SEG.LEN of RFC 9293: data, SYN and FIN.
static uint32_t span_of_packet(const struct packet *p)
{
    return p->payload_size + !!(p->tcp_flags & TCP_SYN) + !!(p->tcp_flags & TCP_FIN);
}

static struct tcp_handshake handshake_of(const struct tcp_conn *c, const struct packet *p)
{
    const struct tcp_option *o = &p->options;
    uint16_t mss = addr_is_v4(&p->src) ? TCP_MSS_DEFAULT_V4 : TCP_MSS_DEFAULT_V6;
    return (struct tcp_handshake){
        .iss = c->snd_una,
        .irs = p->seq,
        .ts_offset = c->ts_offset,
        .ts_recent = o->ts_value,
        .peer_mss = o->mss ? o->mss : mss,
        .peer_window_scale = o->window_scale,
        .window_scaling = o->has_window_scale,
        .timestamps = o->has_timestamps,
        .sack = o->sack_permitted,
    };
}

static void become_established(struct tcp *tcp, struct tcp_conn *c)
{
    tcp_conn_enter(tcp, c, TCP_ESTABLISHED);
    if (c->backoff > 1) // RFC 6928, section 2: the path loses
        c->cwnd = c->mss;
    c->backoff = 0;
    c->rexmit = TCP_REXMIT_NONE;
    if (!(c->flags & TCP_CONN_SYN_AGAIN))
        tcp_rtt_sample(c, (tcp->now_ms - c->sent_ms) * 1000);
    tcp_event_raise(tcp, c, TCP_EVENT_CONNECTED);
    tcp_output_want(tcp, c);
}

// Section 3.10.7.3. True: the segment's data is to be looked at.
static bool in_syn_sent(struct tcp *tcp, struct tcp_conn *c, const struct packet *p)
{
    bool acks = p->tcp_flags & TCP_ACK;
    if (acks && p->ack != c->snd_nxt) {
        refuse(tcp, c, REASON_TCP_BAD_ACK);
        tcp_header_reset(tcp, p);
        return false;
    }
    if (p->tcp_flags & TCP_RST) {
        if (acks)
            tcp_conn_close(tcp, c, REASON_TCP_REFUSED);
        return false;
    }
    if (!(p->tcp_flags & TCP_SYN))
        return false;

    struct tcp_handshake h = handshake_of(c, p);
    uint32_t iss = c->snd_una;
    tcp_conn_establish(tcp, c, &h);
    c->snd_wnd = c->snd_wnd_most = p->window; // never scaled in a SYN: RFC 7323, section 2.2
    if (acks) {
        c->flags |= TCP_CONN_ACK_NOW;
        become_established(tcp, c);
        return true;
    }
    c->snd_una = iss; // simultaneous open
    tcp_conn_enter(tcp, c, TCP_SYN_RECEIVED);
    tcp_output_syn(tcp, c);
    tcp_timer_rexmit(tcp, c, TCP_REXMIT_RTO, tcp_rtt_rto_ms(c));
    return false;
}

// RFC 7323, section 5.3: R1 and what a missing option means. False: dropped.
static bool check_timestamp(struct tcp *tcp, struct tcp_conn *c, const struct packet *p)
{
    if (!(c->flags & TCP_CONN_TIMESTAMPS) || p->tcp_flags & TCP_RST)
        return true;
    if (p->options.has_timestamps && !seq_before(p->options.ts_value, c->ts_recent))
        return true;
    if (p->options.has_timestamps && tcp->now_ms - c->heard_ms > TCP_PAWS_IDLE_MS)
        return true; // ts_recent is too old to judge by
    refuse(tcp, c, REASON_TCP_PAWS);
    if (p->options.has_timestamps && span_of_packet(p))
        tcp_output_ack(tcp, c);
    else if (p->options.has_timestamps)
        tcp_output_challenge(tcp, c);
    return false;
}

// First: is any of it in the window? Section 3.10.7.4.
static bool check_sequence(struct tcp *tcp, struct tcp_conn *c, const struct packet *p)
{
    uint32_t size = span_of_packet(p);
    uint32_t window = c->rcv_edge - c->rcv_nxt;
    uint32_t first = p->seq - c->rcv_nxt; // on the circle: below `window` is inside
    uint32_t last = p->seq + size - 1 - c->rcv_nxt;
    if (size == 0 && (first < window || first == 0))
        return true;
    if (size && window && (first < window || last < window))
        return true;
    if (size && window && seq_before(p->seq, c->rcv_nxt) && !seq_before(p->seq + size, c->rcv_edge))
        return true; // covers the window from both sides
    // Its data cannot be taken, but a full window must not deafen us to ACK and RST.
    if (window == 0 && first == 0)
        return true;

    refuse(tcp, c, REASON_TCP_OUT_OF_WINDOW);
    if (p->tcp_flags & TCP_RST)
        return false;
    if (p->payload_size || p->tcp_flags & TCP_FIN) { // a repetition whose ACK was lost
        if (c->flags & TCP_CONN_SACK && seq_before(p->seq, c->rcv_nxt)) {
            struct tcp_cold *cold = tcp_conn_cold(tcp, c); // RFC 2883, section 4
            cold->dsack_left = p->seq;
            cold->dsack_size = p->payload_size;
            if (p->payload_size)
                c->flags |= TCP_CONN_DSACK;
        }
        tcp_output_ack(tcp, c);
    } else {
        tcp_output_challenge(tcp, c);
    }
    return false;
}

// Second: RST, RFC 5961, section 3.
static bool check_reset(struct tcp *tcp, struct tcp_conn *c, const struct packet *p)
{
    if (!(p->tcp_flags & TCP_RST))
        return true;
    if (p->seq != c->rcv_nxt) {
        refuse(tcp, c, REASON_TCP_CHALLENGED);
        tcp_output_challenge(tcp, c);
        return false;
    }
    enum reason reason =
        c->state == TCP_SYN_RECEIVED ? REASON_TCP_REFUSED : REASON_TCP_RESET_BY_PEER;
    // Both sides have finished and only our FIN is not acknowledged: nothing is lost.
    if ((c->state == TCP_CLOSING || c->state == TCP_LAST_ACK) && c->send_bytes == 0)
        reason = REASON_NONE;
    tcp_conn_close(tcp, c, reason);
    return false;
}

// Fourth: SYN, RFC 5961, section 4.
static bool check_syn(struct tcp *tcp, struct tcp_conn *c, const struct packet *p)
{
    if (!(p->tcp_flags & TCP_SYN))
        return true;
    refuse(tcp, c, REASON_TCP_CHALLENGED);
    tcp_output_challenge(tcp, c);
    return false;
}

// RFC 7323, section 4.3.
static void take_timestamp(struct tcp *tcp, struct tcp_conn *c, const struct packet *p)
{
    if (!(c->flags & TCP_CONN_TIMESTAMPS) || !p->options.has_timestamps ||
        seq_after(p->seq, c->ack_sent))
        return;
    c->ts_recent = p->options.ts_value;
}

static void note_window(struct tcp *tcp, const struct tcp_conn *c, uint32_t ack, uint32_t window)
{
    if (window)
        tcp_trace_add(tcp, c, TRACE_WINDOW_OPENED, window);
    else
        tcp_trace_add(tcp, c, TRACE_WINDOW_CLOSED, ack);
}

// RFC 9293, section 3.10.7.4. What moves snd_una always brings its window too, even in a repeated
// segment with an old number: the window that we have counts from the old snd_una.
static bool take_window(struct tcp *tcp, struct tcp_conn *c, const struct packet *p)
{
    if (seq_before(p->seq, c->snd_wl1) && !seq_after(p->ack, c->snd_una))
        return false;
    uint32_t window = (uint32_t)p->window << c->snd_scale;
    bool moved = window != c->snd_wnd;
    if (moved && (window == 0 || c->snd_wnd == 0))
        note_window(tcp, c, p->ack, window);
    c->snd_wnd = window;
    c->snd_wl1 = p->seq;
    c->snd_wnd_most = tcp_max(c->snd_wnd_most, window);
    return moved;
}

static void told_room(struct tcp *tcp, struct tcp_conn *c, size_t room_before)
{
    size_t half = tcp->config.send_bytes / 2, little = tcp->config.send_bytes / 16;
    size_t room = tcp_queue_room(tcp, c);
    // Soon, so that the queue never limits what is in flight; not for every acknowledgment.
    bool wanted = c->flags & TCP_CONN_WRITE_WANTED && (room >= little || !c->send_head);
    if (room > room_before && room && (wanted || (room_before < half && room >= half))) {
        c->flags &= ~(uint32_t)TCP_CONN_WRITE_WANTED;
        tcp_event_raise(tcp, c, TCP_EVENT_WRITABLE);
    }
}

// Our FIN is acknowledged. False: the connection has ended.
static bool take_fin_ack(struct tcp *tcp, struct tcp_conn *c)
{
    if (!(c->flags & TCP_CONN_FIN_QUEUED) || c->send_head)
        return true;
    switch ((enum tcp_state)c->state) {
    case TCP_FIN_WAIT_1:
        tcp_conn_enter(tcp, c, TCP_FIN_WAIT_2);
        if (c->flags & TCP_CONN_RELEASED)
            tcp_timer_life(tcp, c, TCP_FIN_WAIT_2_MS);
        return true;
    case TCP_CLOSING:
        tcp_conn_enter(tcp, c, TCP_TIME_WAIT);
        tcp_timewait_add(tcp, c);
        tcp_conn_close(tcp, c, REASON_NONE);
        return false;
    case TCP_LAST_ACK:
        tcp_conn_close(tcp, c, REASON_NONE);
        return false;
    default:
        return true;
    }
}

// Fifth: ACK. False: the segment or the connection ends here.
static bool take_ack(struct tcp *tcp, struct tcp_conn *c, const struct packet *p)
{
    if (!(p->tcp_flags & TCP_ACK))
        return false;
    if (c->state == TCP_SYN_RECEIVED) {
        if (p->ack != c->snd_nxt) {
            refuse(tcp, c, REASON_TCP_BAD_ACK);
            tcp_header_reset(tcp, p);
            return false;
        }
        c->snd_una = c->snd_nxt;
        c->snd_wl1 = p->seq - 1;
        become_established(tcp, c);
    }
    if (seq_after(p->ack, c->snd_nxt) || seq_before(p->ack, c->snd_una - c->snd_wnd_most)) {
        refuse(tcp, c, REASON_TCP_BAD_ACK); // RFC 5961, section 5
        tcp_output_challenge(tcp, c);
        return false;
    }
    take_timestamp(tcp, c, p);
    if (seq_before(p->ack, c->snd_una)) // old, but its data may be new
        return true;

    size_t room = tcp_queue_room(tcp, c);
    bool moved = take_window(tcp, c, p);
    bool waits = c->send_next || c->lost_bytes;
    if (c->snd_nxt == c->snd_una && !(c->flags & TCP_CONN_RELEASED))
        c->flags &= ~(uint32_t)TCP_CONN_PROGRESS; // an answer to a probe: it is alive
    tcp_recovery_ack(tcp, c, p, moved);
    if (waits || c->lost_bytes)
        tcp_output_want(tcp, c);
    told_room(tcp, c, room);
    return take_fin_ack(tcp, c);
}

// Cuts m to its data within the window; false: none is left.
static bool trim_payload(const struct tcp_conn *c, struct rte_mbuf *m, const struct packet *p)
{
    if (rte_pktmbuf_linearize(m) != 0)
        return false;
    rte_pktmbuf_adj(m, p->payload_offset);
    if (m->data_len > p->payload_size)
        rte_pktmbuf_trim(m, (uint16_t)(m->data_len - p->payload_size));
    if (seq_after(p->seq + m->data_len, c->rcv_edge)) {
        uint32_t beyond = p->seq + m->data_len - c->rcv_edge;
        if (beyond >= m->data_len)
            return false;
        rte_pktmbuf_trim(m, (uint16_t)beyond);
    }
    return m->data_len > 0;
}

static bool may_receive(const struct tcp_conn *c)
{
    return c->state == TCP_ESTABLISHED || c->state == TCP_FIN_WAIT_1 || c->state == TCP_FIN_WAIT_2;
}

// When an ACK is due: RFC 5681, section 4.2; RFC 9293, section 3.8.6.3.
static void plan_ack(struct tcp *tcp, struct tcp_conn *c, uint16_t size,
                     enum tcp_reassembly_result result, bool filled)
{
    if (result != TCP_REASSEMBLY_NEXT || c->runs || filled) {
        tcp_output_ack(tcp, c); // the sender counts duplicates: each goes out at once
        return;
    }
    if (size >= c->mss / 2 && c->ack_waiting < UINT8_MAX)
        c->ack_waiting++;
    if (c->ack_waiting >= 2) {
        c->flags |= TCP_CONN_ACK_NOW;
        tcp_output_want(tcp, c);
    } else {
        tcp_timer_delack(tcp, c);
    }
}

static bool fin_is_next(const struct tcp *tcp, const struct tcp_conn *c, const struct packet *p)
{
    if (c->flags & TCP_CONN_FIN_SEEN)
        return c->rcv_nxt == tcp_conn_cold(tcp, c)->fin_seq;
    return p->tcp_flags & TCP_FIN && c->rcv_nxt == p->seq + p->payload_size;
}

// Seventh: data. Takes m. False: the connection has ended.
static bool take_data(struct tcp *tcp, struct tcp_conn *c, struct rte_mbuf *m,
                      const struct packet *p)
{
    if (!may_receive(c) || p->payload_size == 0) {
        rte_pktmbuf_free(m);
        return true;
    }
    bool released = c->flags & TCP_CONN_RELEASED;
    if (released && !c->send_head && c->flags & TCP_CONN_FIN_QUEUED &&
        seq_after(p->seq + p->payload_size, c->rcv_nxt)) {
        // Nobody will read it, and the peer has all that we had to say (RFC 9293, section 3.6.1).
        rte_pktmbuf_free(m);
        tcp_output_reset(tcp, c);
        tcp_conn_close(tcp, c, REASON_NONE);
        return false;
    }
    if (!trim_payload(c, m, p)) {
        rte_pktmbuf_free(m);
        tcp_output_ack(tcp, c); // the window's edge again
        return true;
    }
    uint16_t size = m->data_len;
    bool gaps = c->runs;
    enum tcp_reassembly_result result = tcp_reassembly_take(tcp, c, m, p->seq);
    if (gaps != (c->runs != NULL))
        tcp_trace_add(tcp, c, gaps ? TRACE_FILLED : TRACE_HOLE, c->rcv_nxt);
    if (result == TCP_REASSEMBLY_AGAIN && c->flags & TCP_CONN_SACK) {
        struct tcp_cold *cold = tcp_conn_cold(tcp, c);
        cold->dsack_left = p->seq;
        cold->dsack_size = size;
        c->flags |= TCP_CONN_DSACK;
    }
    if (result == TCP_REASSEMBLY_NEXT) {
        if (released)
            tcp_reassembly_drop_unread(tcp, c);
        else
            tcp_event_raise(tcp, c, TCP_EVENT_READABLE);
    }
    if (!fin_is_next(tcp, c, p)) // whose ACK tells of the data too
        plan_ack(tcp, c, size, result, gaps);
    return true;
}

// Eighth: FIN, once all before it is here.
static void take_fin(struct tcp *tcp, struct tcp_conn *c, const struct packet *p)
{
    struct tcp_cold *cold = tcp_conn_cold(tcp, c);
    uint32_t seq = p->seq + p->payload_size;
    if (p->tcp_flags & TCP_FIN && !(c->flags & TCP_CONN_FIN_SEEN) && may_receive(c) &&
        !seq_before(seq, c->rcv_nxt) && !seq_after(seq, c->rcv_edge)) {
        c->flags |= TCP_CONN_FIN_SEEN;
        cold->fin_seq = seq;
    }
    if (!(c->flags & TCP_CONN_FIN_SEEN) || c->rcv_nxt != cold->fin_seq || !may_receive(c)) {
        if (p->tcp_flags & TCP_FIN && (p->payload_size == 0 || !may_receive(c)))
            tcp_output_ack(tcp, c); // repeated, or ahead of data; its own data was answered
        return;
    }
    c->rcv_nxt++;
    c->rcv_edge = seq_after(c->rcv_nxt, c->rcv_edge) ? c->rcv_nxt : c->rcv_edge;
    c->flags |= TCP_CONN_FIN_RECEIVED;
    tcp_event_raise(tcp, c, TCP_EVENT_FINISHED);
    tcp_output_ack(tcp, c);
    switch ((enum tcp_state)c->state) {
    case TCP_ESTABLISHED:
        tcp_conn_enter(tcp, c, TCP_CLOSE_WAIT);
        return;
    case TCP_FIN_WAIT_1: // its FIN came before the ACK of ours
        tcp_conn_enter(tcp, c, TCP_CLOSING);
        return;
    case TCP_FIN_WAIT_2:
        tcp_conn_enter(tcp, c, TCP_TIME_WAIT);
        tcp_timewait_add(tcp, c);
        tcp_conn_close(tcp, c, REASON_NONE);
        return;
    default:
        CHECK(false); // may_receive
    }
}

void tcp_input_segment(struct tcp *tcp, struct tcp_conn *c, struct rte_mbuf *m,
                       const struct packet *p)
{
    struct packet behind_syn;
    if (c->state == TCP_SYN_SENT) {
        if (!in_syn_sent(tcp, c, p) || p->payload_size == 0) {
            rte_pktmbuf_free(m);
            return;
        }
        behind_syn = *p; // data on a SYN-ACK begins behind its SYN
        behind_syn.seq++;
        behind_syn.tcp_flags &= (uint8_t)~TCP_SYN;
        p = &behind_syn;
    }
    if (c->state == TCP_CLOSED || !check_timestamp(tcp, c, p) || !check_sequence(tcp, c, p) ||
        !check_reset(tcp, c, p) || !check_syn(tcp, c, p)) {
        rte_pktmbuf_free(m);
        return;
    }
    c->heard_ms = tcp->now_ms;
    c->keep_probes = 0;
    if (!take_ack(tcp, c, p)) {
        rte_pktmbuf_free(m);
        return;
    }
    if (take_data(tcp, c, m, p))
        take_fin(tcp, c, p);
}
