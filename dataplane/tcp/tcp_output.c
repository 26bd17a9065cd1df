// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_output.h"

#include "tcp/tcp_cubic.h"
#include "tcp/tcp_header.h"
#include "tcp/tcp_pace.h"
#include "tcp/tcp_queue.h"
#include "tcp/tcp_quota.h"
#include "tcp/tcp_reassembly.h"
#include "tcp/tcp_recovery.h"
#include "tcp/tcp_rtt.h"
#include "tcp/tcp_timer.h"
#include "tcp/tcp_undo.h"

enum { BUFFER_WAIT_MS = 10 };

void tcp_output_want(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->flags & (TCP_CONN_ON_OUTPUT | TCP_CONN_GONE) || c->state == TCP_CLOSED)
        return;
    timer_prefetch(&tcp->wheel, &c->timer); // what goes out sets it
    c->flags |= TCP_CONN_ON_OUTPUT;
    c->next_output = 0;
    uint32_t link = tcp_conn_index(tcp, c) + 1;
    if (tcp->output_tail)
        tcp_conn_at(tcp, tcp->output_tail - 1)->next_output = link;
    else
        tcp->output_head = link;
    tcp->output_tail = link;
}

// The right edge that our free space allows, without silly small steps (RFC 9293, section
// 3.8.6.2.2).
static uint32_t edge_of(const struct tcp *tcp, const struct tcp_conn *c)
{
    uint32_t most = tcp->config.receive_bytes;
    uint32_t room = c->recv_bytes < most ? most - c->recv_bytes : 0;
    if (!(c->flags & TCP_CONN_SCALING))
        room = tcp_min(room, UINT16_MAX);
    uint32_t quota = tcp_quota(tcp->buffers_recv, tcp->buffers_most);
    uint32_t edge = c->rcv_nxt + tcp_min(room, quota * c->mss);
    if (!seq_after(edge, c->rcv_edge) || edge - c->rcv_edge < tcp_min(most / 2, c->mss))
        return c->rcv_edge;
    return edge;
}

// The window field; what it promises becomes rcv_edge.
static uint16_t take_window(const struct tcp *tcp, struct tcp_conn *c)
{
    uint32_t window = edge_of(tcp, c) - c->rcv_nxt;
    if (!(c->flags & TCP_CONN_SCALING)) {
        window = tcp_min(window, UINT16_MAX);
        c->rcv_edge = c->rcv_nxt + window;
        return (uint16_t)window;
    }
    // Rounded down. Where that takes back some bytes, rcv_edge keeps them: what the peer sent on
    // the earlier promise is taken (RFC 7323, section 2.4).
    uint32_t field = tcp_min(window >> TCP_WINDOW_SCALE_OURS, UINT16_MAX);
    uint32_t edge = c->rcv_nxt + (field << TCP_WINDOW_SCALE_OURS);
    if (seq_after(edge, c->rcv_edge))
        c->rcv_edge = edge;
    return (uint16_t)field;
}

static struct tcp_header header_of(struct tcp *tcp, struct tcp_conn *c, uint8_t flags)
{
    return (struct tcp_header){
        .local = &tcp->locals[c->local],
        .remote = &c->remote,
        .local_port = c->local_port,
        .remote_port = c->remote_port,
        .leg = c->leg,
        .flags = flags,
        .seq = c->snd_nxt,
        .ack = c->rcv_nxt,
    };
}

static void stamp(const struct tcp *tcp, const struct tcp_conn *c, struct tcp_option *option)
{
    if (!(c->flags & TCP_CONN_TIMESTAMPS))
        return;
    option->has_timestamps = true;
    option->ts_value = tcp->now_ms + c->ts_offset;
    option->ts_echo = c->ts_recent;
}

static void acked_now(struct tcp_conn *c)
{
    c->flags &= ~(uint32_t)(TCP_CONN_ACK_NOW | TCP_CONN_DELACK);
    c->ack_waiting = 0;
    c->ack_sent = c->rcv_nxt;
}

void tcp_output_ack(struct tcp *tcp, struct tcp_conn *c)
{
    struct tcp_option option = {0};
    stamp(tcp, c, &option);
    if (c->flags & TCP_CONN_SACK)
        option.sack_count = tcp_reassembly_sack(tcp, c, option.sack, option.has_timestamps ? 3 : 4);
    struct tcp_header header = header_of(tcp, c, TCP_ACK);
    header.window = take_window(tcp, c);
    header.option = &option;
    if (tcp_header_emit(tcp, &header)) {
        acked_now(c);
        return;
    }
    acked_now(c); // no buffer: try again a little later, as a delayed one
    tcp_timer_delack(tcp, c);
}

void tcp_output_challenge(struct tcp *tcp, struct tcp_conn *c)
{
    uint16_t since_ms = (uint16_t)(tcp->now_ms - c->challenge_ms);
    if (c->flags & TCP_CONN_CHALLENGED && since_ms < TCP_CHALLENGE_MS)
        return;
    c->flags |= TCP_CONN_CHALLENGED;
    c->challenge_ms = (uint16_t)tcp->now_ms;
    tcp_output_ack(tcp, c);
}

void tcp_output_syn(struct tcp *tcp, struct tcp_conn *c)
{
    bool answer = c->state == TCP_SYN_RECEIVED;
    uint32_t headers = addr_is_v4(&c->remote) ? 40 : 60;
    struct tcp_option option = {
        .mss = (uint16_t)(tcp->config.mtu[c->leg] - headers),
        .has_window_scale = !answer || c->flags & TCP_CONN_SCALING,
        .window_scale = TCP_WINDOW_SCALE_OURS,
        .sack_permitted = !answer || c->flags & TCP_CONN_SACK,
        .has_timestamps = !answer || c->flags & TCP_CONN_TIMESTAMPS,
        .ts_value = tcp->now_ms + c->ts_offset,
        .ts_echo = answer ? c->ts_recent : 0,
    };
    struct tcp_header header = header_of(tcp, c, answer ? TCP_SYN | TCP_ACK : TCP_SYN);
    header.seq = c->snd_una;
    header.window = (uint16_t)tcp_min(tcp->config.receive_bytes, UINT16_MAX);
    header.option = &option;
    tcp_header_emit(tcp, &header);
}

void tcp_output_reset(struct tcp *tcp, struct tcp_conn *c)
{
    struct tcp_header header = header_of(tcp, c, TCP_RST | TCP_ACK);
    tcp_header_emit(tcp, &header);
}

void tcp_output_ping(struct tcp *tcp, struct tcp_conn *c)
{
    struct tcp_option option = {0};
    stamp(tcp, c, &option);
    struct tcp_header header = header_of(tcp, c, TCP_ACK);
    header.seq = c->snd_una - 1;
    header.window = take_window(tcp, c);
    header.option = &option;
    tcp_header_emit(tcp, &header);
}

// The FIN goes out: RFC 9293, section 3.10.4.
static void fin_sent(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->state == TCP_CLOSE_WAIT)
        tcp_conn_enter(tcp, c, TCP_LAST_ACK);
    else if (c->state == TCP_ESTABLISHED || c->state == TCP_SYN_RECEIVED)
        tcp_conn_enter(tcp, c, TCP_FIN_WAIT_1);
}

// Cuts what is longer than the path takes, since that fell. False: no buffer.
static bool fit(struct tcp *tcp, struct tcp_conn *c, struct tcp_segment *s)
{
    return s->size <= c->mss || tcp_queue_split(tcp, c, s, c->mss);
}

static bool send_segment(struct tcp *tcp, struct tcp_conn *c, struct tcp_segment *s)
{
    struct tcp_option option = {0};
    stamp(tcp, c, &option);
    struct tcp_header header = header_of(tcp, c, TCP_ACK);
    if (s->bits & TCP_SEGMENT_FIN)
        header.flags |= TCP_FIN;
    if (s->size && s == c->send_tail)
        header.flags |= TCP_PSH;
    header.seq = s->seq;
    header.window = take_window(tcp, c);
    header.option = &option;
    header.data = span_of(s->bytes + s->start, s->size);
    if (!tcp_header_emit(tcp, &header)) {
        if (c->snd_nxt == c->snd_una)
            tcp_timer_rexmit(tcp, c, TCP_REXMIT_BUFFER, BUFFER_WAIT_MS);
        return false;
    }
    tcp_pace_sent(tcp, c);
    if (s->bits & TCP_SEGMENT_FIN)
        fin_sent(tcp, c);
    bool idle = c->snd_nxt == c->snd_una;
    tcp_recovery_sent(tcp, c, s);
    if (idle)
        tcp_timer_progress(tcp, c);
    acked_now(c);
    return true;
}

static bool synchronized(const struct tcp_conn *c)
{
    return c->state >= TCP_ESTABLISHED;
}

// Sends again what is lost. False: stop here.
static bool send_lost(struct tcp *tcp, struct tcp_conn *c, uint32_t *budget)
{
    struct tcp_segment *s = c->send_head;
    for (; c->lost_bytes > c->again_bytes && s && s != c->send_next; s = s->next) {
        if ((s->bits & (TCP_SEGMENT_LOST | TCP_SEGMENT_AGAIN)) != TCP_SEGMENT_LOST)
            continue;
        if (!fit(tcp, c, s))
            return false;
        uint32_t pipe = tcp_recovery_pipe(c);
        if (pipe && pipe + tcp_segment_span(s) > c->cwnd) {
            c->flags |= TCP_CONN_CWND_LIMITED;
            return false;
        }
        if (*budget == 0 || !send_segment(tcp, c, s))
            return false;
        --*budget;
        if (c->rexmit == TCP_REXMIT_NONE || c->rexmit == TCP_REXMIT_PROBE)
            tcp_timer_flight(tcp, c);
    }
    return true;
}

// How much of the next segment the peer's window takes; 0: nothing yet.
static uint16_t window_takes(const struct tcp_conn *c, const struct tcp_segment *s)
{
    uint32_t used = c->snd_nxt - c->snd_una;
    uint32_t usable = c->snd_wnd > used ? c->snd_wnd - used : 0;
    if (s->size <= usable && (usable || s->size == 0))
        return s->size;
    return usable >= c->snd_wnd_most / 2 && usable ? (uint16_t)usable : 0;
}

// RFC 9293, section 3.7.4: a segment that is not full waits for what is on its way.
static bool nagle_holds(const struct tcp_conn *c, const struct tcp_segment *s)
{
    return c->flags & TCP_CONN_NAGLE && !s->next && s->size < c->mss && c->snd_nxt != c->snd_una &&
           !(s->bits & (TCP_SEGMENT_FIN | TCP_SEGMENT_PUSH));
}

static void send_new(struct tcp *tcp, struct tcp_conn *c, uint32_t *budget)
{
    while (c->send_next) {
        struct tcp_segment *s = c->send_next;
        if (nagle_holds(c, s) || !fit(tcp, c, s))
            return;
        uint32_t pipe = tcp_recovery_pipe(c);
        if (pipe && pipe + tcp_segment_span(s) > tcp_recovery_cwnd(c)) {
            c->flags |= TCP_CONN_CWND_LIMITED;
            return;
        }
        uint16_t takes = window_takes(c, s);
        if (takes == 0 && s->size) {
            if (c->snd_nxt == c->snd_una && c->rexmit == TCP_REXMIT_NONE)
                tcp_timer_rexmit(tcp, c, TCP_REXMIT_PERSIST, tcp_rtt_rto_ms(c));
            return;
        }
        if (takes < s->size && !tcp_queue_split(tcp, c, s, takes))
            return;
        if (*budget == 0 || !send_segment(tcp, c, s))
            return;
        --*budget;
        if (c->rexmit != TCP_REXMIT_RTO && c->rexmit != TCP_REXMIT_REORDER)
            tcp_timer_flight(tcp, c);
    }
}

static void send_all(struct tcp *tcp, struct tcp_conn *c, uint32_t *budget)
{
    if (c->flags & TCP_CONN_FRTO_NEW) { // RFC 5682, section 2.1, step 2b
        uint32_t two = 2;
        if (tcp_recovery_pipe(c) == 0)
            send_new(tcp, c, &two);
        if (tcp_recovery_pipe(c))
            return;
        c->flags &= ~(uint32_t)TCP_CONN_FRTO_NEW; // none may go: old data, as without F-RTO
    }
    if (send_lost(tcp, c, budget))
        send_new(tcp, c, budget);
}

// True: more is to be done in this millisecond.
static bool serve(struct tcp *tcp, struct tcp_conn *c)
{
    bool more = false;
    if (synchronized(c)) {
        if (c->flags & TCP_CONN_FIN_WANTED)
            tcp_queue_finish(tcp, c); // without a buffer: at the next occasion, see below
        if (c->flags & TCP_CONN_ACK_NOW && (c->runs || c->flags & TCP_CONN_DSACK))
            tcp_output_ack(tcp, c); // SACK needs a segment of its own
        if (c->snd_nxt == c->snd_una && c->send_next &&
            tcp->now_ms - c->sent_ms > tcp_rtt_rto_ms(c)) {
            tcp_undo_done(c);
            tcp_cubic_idle(tcp, c);
        }
        c->flags &= ~(uint32_t)TCP_CONN_CWND_LIMITED;
        uint32_t budget = tcp_min(tcp_pace_room(tcp, c), TCP_SEGMENTS_BURST);
        send_all(tcp, c, &budget);
        if (budget == 0 && (c->send_next || c->lost_bytes > c->again_bytes)) {
            more = tcp_pace_room(tcp, c) > 0;
            if (!more)
                tcp_timer_pace(tcp, c);
        }
        bool starving = c->flags & (TCP_CONN_FIN_WANTED | TCP_CONN_WRITE_WANTED) || c->send_next;
        if (starving && c->snd_nxt == c->snd_una && c->rexmit == TCP_REXMIT_NONE)
            tcp_timer_rexmit(tcp, c, TCP_REXMIT_BUFFER, BUFFER_WAIT_MS);
    }
    if (c->flags & TCP_CONN_ACK_NOW)
        tcp_output_ack(tcp, c);
    return more;
}

bool tcp_output_turn(struct tcp *tcp)
{
    uint32_t last = tcp->output_tail; // what is put behind it waits for the next call
    for (int i = 0; i < TCP_OUTPUTS_TURN && tcp->output_head; i++) {
        uint32_t link = tcp->output_head;
        struct tcp_conn *c = tcp_conn_at(tcp, link - 1);
        tcp->output_head = c->next_output;
        if (!tcp->output_head)
            tcp->output_tail = 0;
        c->flags &= ~(uint32_t)TCP_CONN_ON_OUTPUT;
        if (c->flags & TCP_CONN_GONE)
            tcp_conn_unlist(tcp, c);
        else if (c->state != TCP_CLOSED && serve(tcp, c))
            tcp_output_want(tcp, c);
        if (link == last)
            break;
    }
    return tcp->output_head != 0;
}

void tcp_output_probe(struct tcp *tcp, struct tcp_conn *c)
{
    if (!c->send_head || c->snd_nxt == c->snd_una)
        return;
    struct tcp_segment *s = c->send_next;
    bool fresh = s && s->size <= c->mss && window_takes(c, s) == s->size;
    if (!fresh)
        for (s = c->send_head; s->next && s->next != c->send_next;)
            s = s->next;
    if (!fit(tcp, c, s))
        return;
    c->flags |= TCP_CONN_TLP;
    c->flags &= ~(uint32_t)TCP_CONN_TLP_AGAIN;
    if (!fresh)
        c->flags |= TCP_CONN_TLP_AGAIN;
    send_segment(tcp, c, s);
    tcp_conn_cold(tcp, c)->tlp_end = c->snd_nxt;
}

bool tcp_output_squeeze(struct tcp *tcp, struct tcp_conn *c)
{
    struct tcp_segment *s = c->send_next;
    uint32_t used = c->snd_nxt - c->snd_una;
    uint32_t usable = c->snd_wnd > used ? c->snd_wnd - used : 0;
    if (!usable || !synchronized(c))
        return false;
    uint16_t takes = (uint16_t)tcp_min(tcp_min(usable, c->mss), UINT16_MAX);
    if (takes < s->size && !tcp_queue_split(tcp, c, s, takes))
        return false;
    if (!send_segment(tcp, c, s))
        return false;
    tcp_timer_flight(tcp, c);
    return true;
}

void tcp_output_opened(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->state != TCP_ESTABLISHED && c->state != TCP_FIN_WAIT_1 && c->state != TCP_FIN_WAIT_2)
        return;
    uint32_t more = edge_of(tcp, c) - c->rcv_edge;
    uint32_t most = tcp->config.receive_bytes;
    // Worth a segment of its own: two segments' room, or the end of a small window.
    bool small = c->rcv_edge - c->rcv_nxt < tcp_min(2u * c->mss, most / 2);
    if (more && (more >= most / 2 || small)) {
        c->flags |= TCP_CONN_ACK_NOW;
        tcp_output_want(tcp, c);
    }
}
