// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_recovery.h"

#include "tcp/tcp_cubic.h"
#include "tcp/tcp_queue.h"
#include "tcp/tcp_rtt.h"
#include "tcp/tcp_timer.h"
#include "tcp/tcp_trace.h"
#include "tcp/tcp_undo.h"

enum { REORDER_STEPS_MOST = 20 };

struct ack_work {       // what one acknowledgment did
    uint32_t acked;     // bytes below the new snd_una
    uint32_t delivered; // bytes newly known to have arrived
    uint32_t rtt_us;    // smallest of what it acknowledged, UINT32_MAX: none
    bool dsack;
};

static bool sent_after(uint32_t a_us, uint32_t a_end, uint32_t b_us, uint32_t b_end)
{
    return (int32_t)(a_us - b_us) > 0 || (a_us == b_us && seq_after(a_end, b_end));
}

static void mark_lost(struct tcp_conn *c, struct tcp_segment *s)
{
    if (s->bits & TCP_SEGMENT_AGAIN) {
        s->bits &= (uint8_t)~TCP_SEGMENT_AGAIN;
        c->again_bytes -= tcp_segment_span(s);
    }
    if (!(s->bits & TCP_SEGMENT_LOST)) {
        s->bits |= TCP_SEGMENT_LOST;
        c->lost_bytes += tcp_segment_span(s);
    }
}

static void clear_lost(struct tcp_conn *c, struct tcp_segment *s)
{
    if (s->bits & TCP_SEGMENT_LOST)
        c->lost_bytes -= tcp_segment_span(s);
    if (s->bits & TCP_SEGMENT_AGAIN)
        c->again_bytes -= tcp_segment_span(s);
    s->bits &= (uint8_t) ~(TCP_SEGMENT_LOST | TCP_SEGMENT_AGAIN);
}

// RFC 8985, section 6.2, steps 1 to 3, for a segment that has arrived.
static void rack_update(struct tcp *tcp, struct tcp_conn *c, const struct tcp_segment *s,
                        struct ack_work *work)
{
    uint32_t rtt_us = (uint32_t)tcp->now_us - s->sent_us;
    uint32_t end = tcp_segment_end(s);
    if (s->bits & TCP_SEGMENT_REPEATED) {
        if (c->srtt_us && rtt_us < c->rtt_min_us)
            return; // the first copy must have arrived, not this one
    } else {
        work->rtt_us = tcp_min(work->rtt_us, rtt_us);
        if (seq_before(end, c->fack))
            c->flags |= TCP_CONN_REORDERING;
    }
    if (seq_after(end, c->fack))
        c->fack = end;
    if (!(c->flags & TCP_CONN_RACK) || sent_after(s->sent_us, end, c->rack_us, c->rack_end)) {
        c->flags |= TCP_CONN_RACK;
        c->rack_us = s->sent_us;
        c->rack_end = end;
        c->rack_rtt_us = rtt_us;
    }
}

static void take_cumulative(struct tcp *tcp, struct tcp_conn *c, uint32_t ack,
                            struct ack_work *work)
{
    work->acked = ack - c->snd_una;
    bool repeated = false;
    while (c->send_head && c->send_head != c->send_next) {
        struct tcp_segment *s = c->send_head;
        if (!seq_after(ack, s->seq))
            break;
        bool sacked = s->bits & TCP_SEGMENT_SACKED;
        if (!seq_before(ack, tcp_segment_end(s))) {
            repeated |= s->bits & TCP_SEGMENT_REPEATED;
            if (!sacked) {
                rack_update(tcp, c, s, work);
                work->delivered += tcp_segment_span(s);
            } else {
                c->sacked_bytes -= tcp_segment_span(s);
            }
            clear_lost(c, s);
            tcp_queue_pop(tcp, c);
            continue;
        }
        uint32_t part = ack - s->seq; // never the FIN: that is its last number
        if (sacked)
            c->sacked_bytes -= part;
        else
            work->delivered += part;
        if (s->bits & TCP_SEGMENT_LOST)
            c->lost_bytes -= part;
        if (s->bits & TCP_SEGMENT_AGAIN)
            c->again_bytes -= part;
        tcp_queue_trim(c, s, (uint16_t)part);
        break;
    }
    // Behind a segment that was sent again others may have waited at the peer: no RTT from them.
    if (repeated)
        work->rtt_us = UINT32_MAX;
    c->snd_una = ack;
}

static bool within(const struct tcp_segment *s, const struct tcp_sack_block *blocks, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!seq_before(s->seq, blocks[i].left) && !seq_after(tcp_segment_end(s), blocks[i].right))
            return true;
    return false;
}

// One walk for all blocks: what they can cost is one queue's length.
static void take_blocks(struct tcp *tcp, struct tcp_conn *c, const struct tcp_sack_block *blocks,
                        unsigned count, struct ack_work *work)
{
    uint32_t end = c->snd_una;
    for (unsigned i = 0; i < count; i++)
        end = seq_after(blocks[i].right, end) ? blocks[i].right : end;
    for (struct tcp_segment *s = c->send_head; s && s != c->send_next; s = s->next) {
        if (!seq_before(s->seq, end))
            return;
        if (s->bits & TCP_SEGMENT_SACKED || !within(s, blocks, count))
            continue;
        rack_update(tcp, c, s, work);
        clear_lost(c, s);
        s->bits |= TCP_SEGMENT_SACKED;
        c->sacked_bytes += tcp_segment_span(s);
        work->delivered += tcp_segment_span(s);
    }
}

// RFC 2018, section 5; RFC 2883, section 4: the first block may tell of a duplicate.
static void take_sack(struct tcp *tcp, struct tcp_conn *c, const struct packet *packet,
                      struct ack_work *work)
{
    const struct tcp_option *o = &packet->options;
    struct tcp_sack_block blocks[TCP_SACK_BLOCKS_MAX];
    unsigned count = 0;
    for (uint8_t i = 0; i < o->sack_count; i++) {
        const struct tcp_sack_block *b = &o->sack[i];
        if (!seq_before(b->left, b->right) || seq_after(b->right, c->snd_nxt))
            continue;
        bool within_second = i == 0 && o->sack_count > 1 && !seq_before(b->left, o->sack[1].left) &&
                             !seq_after(b->right, o->sack[1].right);
        if (i == 0 && (!seq_after(b->right, packet->ack) || within_second))
            work->dsack = true;
        else if (seq_after(b->left, c->snd_una))
            blocks[count++] = *b;
    }
    if (count)
        take_blocks(tcp, c, blocks, count, work);
    if (work->dsack) {
        struct tcp_cold *cold = tcp_conn_cold(tcp, c);
        if (cold->reorder_steps < REORDER_STEPS_MOST)
            cold->reorder_steps++;
    }
}

static uint32_t reorder_window_us(const struct tcp *tcp, const struct tcp_conn *c)
{
    bool many = c->sacked_bytes >= TCP_DUPTHRESH * (uint32_t)c->mss;
    if (!(c->flags & TCP_CONN_REORDERING) &&
        (many || c->flags & (TCP_CONN_RECOVERY | TCP_CONN_LOSS)))
        return 0;
    uint32_t steps = tcp_conn_cold(tcp, c)->reorder_steps + 1u;
    return tcp_min(c->rtt_min_us / 4 * steps, c->srtt_us);
}

// RFC 8985, section 6.2, step 5.
static void rack_detect(struct tcp *tcp, struct tcp_conn *c)
{
    if (!(c->flags & TCP_CONN_RACK))
        return;
    uint32_t window_us = reorder_window_us(tcp, c);
    uint32_t wait_us = 0;
    for (struct tcp_segment *s = c->send_head; s && s != c->send_next; s = s->next) {
        if (s->bits & TCP_SEGMENT_SACKED)
            continue;
        if ((s->bits & (TCP_SEGMENT_LOST | TCP_SEGMENT_AGAIN)) == TCP_SEGMENT_LOST)
            continue;
        if (!sent_after(c->rack_us, c->rack_end, s->sent_us, tcp_segment_end(s)))
            continue;
        uint32_t age_us = (uint32_t)tcp->now_us - s->sent_us;
        if (age_us >= c->rack_rtt_us + window_us)
            mark_lost(c, s);
        else
            wait_us = tcp_max(wait_us, c->rack_rtt_us + window_us - age_us);
    }
    if (wait_us)
        tcp_timer_rexmit(tcp, c, TCP_REXMIT_REORDER, wait_us / 1000 + 1);
}

static void prr_begin(struct tcp *tcp, struct tcp_conn *c)
{
    struct tcp_cold *cold = tcp_conn_cold(tcp, c);
    cold->prr_delivered = cold->prr_out = 0;
    cold->prr_flight = tcp_max(c->snd_nxt - c->snd_una, 1);
}

static void enter_recovery(struct tcp *tcp, struct tcp_conn *c)
{
    tcp_undo_begin(c);
    tcp_cubic_lost(tcp, c);
    c->flags |= TCP_CONN_RECOVERY;
    c->flags &= ~(uint32_t)TCP_CONN_TLP;
    c->recover = c->snd_nxt;
    tcp_trace_add(tcp, c, TRACE_RECOVERY, c->recover);
    prr_begin(tcp, c);
}

// RFC 6937, section 3, with the slow-start reduction bound.
static void prr_step(struct tcp *tcp, struct tcp_conn *c, uint32_t delivered)
{
    struct tcp_cold *cold = tcp_conn_cold(tcp, c);
    cold->prr_delivered += delivered;
    uint32_t pipe = tcp_recovery_pipe(c);
    int64_t send;
    if (pipe > c->ssthresh) {
        send = (int64_t)(((uint64_t)cold->prr_delivered * c->ssthresh + cold->prr_flight - 1) /
                         cold->prr_flight) -
               cold->prr_out;
    } else {
        int64_t owed = (int64_t)cold->prr_delivered - cold->prr_out;
        send = (owed > delivered ? owed : delivered) + c->mss;
        int64_t room = (int64_t)c->ssthresh - pipe;
        send = send < room ? send : room;
    }
    if (cold->prr_out == 0 && send < c->mss)
        send = c->mss; // the first retransmission goes at once
    c->cwnd = pipe + (uint32_t)(send > 0 ? send : 0);
    c->cwnd = tcp_max(c->cwnd, c->mss);
}

// Without SACK a duplicate stands for a segment that arrived (RFC 5681, section 3.2).
static void count_duplicate(struct tcp *tcp, struct tcp_conn *c, struct ack_work *work)
{
    work->delivered = c->mss;
    if (c->dupacks < UINT8_MAX)
        c->dupacks++;
    // Duplicates of what a time-out repeated ask for nothing (RFC 6582, section 3.2, step 2).
    if (c->dupacks == TCP_DUPTHRESH && !(c->flags & (TCP_CONN_RECOVERY | TCP_CONN_LOSS)) &&
        seq_after(c->snd_una, c->recover))
        mark_lost(c, c->send_head);
}

static void end_recovery(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->flags & TCP_CONN_RECOVERY) {
        c->cwnd = c->ssthresh;
        tcp_conn_cold(tcp, c)->epoch_ms = 0; // PRR's counts stood there
    }
    c->flags &= ~(uint32_t)(TCP_CONN_RECOVERY | TCP_CONN_LOSS);
    c->dupacks = 0;
}

// Nothing was lost: what was marked so and is not there yet is under way.
static void undo(struct tcp *tcp, struct tcp_conn *c)
{
    for (struct tcp_segment *s = c->send_head; s && s != c->send_next && c->lost_bytes; s = s->next)
        clear_lost(c, s);
    end_recovery(tcp, c);
    tcp_undo_window(tcp, c);
    tcp_trace_add(tcp, c, TRACE_UNDONE, c->cwnd);
}

// RFC 8985, section 7.4.2: a probe with old data that was needed hid a loss.
static void judge_probe(struct tcp *tcp, struct tcp_conn *c, uint32_t ack, bool dsack)
{
    if (!(c->flags & TCP_CONN_TLP))
        return;
    uint32_t end = tcp_conn_cold(tcp, c)->tlp_end;
    if (seq_before(ack, end))
        return;
    if (c->flags & TCP_CONN_TLP_AGAIN && !dsack && seq_after(ack, end)) {
        tcp_cubic_lost(tcp, c);
        c->cwnd = c->ssthresh;
    }
    if (!(c->flags & TCP_CONN_TLP_AGAIN) || dsack || seq_after(ack, end))
        c->flags &= ~(uint32_t)TCP_CONN_TLP;
}

static void judge(struct tcp *tcp, struct tcp_conn *c, const struct ack_work *work)
{
    bool sack = c->flags & TCP_CONN_SACK;
    if (c->flags & (TCP_CONN_RECOVERY | TCP_CONN_LOSS) && !seq_before(c->snd_una, c->recover))
        end_recovery(tcp, c);
    // A partial acknowledgment without SACK: the next hole is what now stands first (RFC 6582).
    bool partial =
        !sack && work->acked && c->flags & TCP_CONN_RECOVERY && c->send_head != c->send_next;
    if (partial)
        mark_lost(c, c->send_head);
    if (sack && (c->sacked_bytes || c->again_bytes || c->flags & TCP_CONN_RECOVERY))
        rack_detect(tcp, c);
    if (c->lost_bytes > c->again_bytes && !(c->flags & (TCP_CONN_RECOVERY | TCP_CONN_LOSS)))
        enter_recovery(tcp, c);

    if (c->flags & TCP_CONN_RECOVERY)
        prr_step(tcp, c, work->delivered);
    else if (work->acked || c->flags & TCP_CONN_REORDERING)
        tcp_cubic_acked(tcp, c, work->delivered); // once, also of what SACK told before
    if (partial)                                  // it goes out whatever the rate
        c->cwnd = tcp_max(c->cwnd, tcp_recovery_pipe(c) + c->mss);
}

// Past an episode `recover` is kept near, so that it never looks ahead on the circle.
static void pass_recover(struct tcp_conn *c)
{
    if (tcp_undo_may(c) && seq_after(c->snd_una, c->recover + c->cwnd))
        tcp_undo_done(c);
    if (!tcp_undo_may(c) && seq_after(c->snd_una, c->recover))
        c->recover = c->snd_una - 1;
}

void tcp_recovery_ack(struct tcp *tcp, struct tcp_conn *c, const struct packet *packet,
                      bool window_moved)
{
    bool flight = c->snd_nxt != c->snd_una;
    struct ack_work work = {.rtt_us = UINT32_MAX};
    bool progress = packet->ack != c->snd_una;
    bool needless = progress && tcp_undo_early(tcp, c, packet);
    if (progress)
        take_cumulative(tcp, c, packet->ack, &work);
    if (progress) { // its duplicates have told of so much already: RFC 6937, section 3
        work.delivered -= tcp_min(work.delivered, (uint32_t)c->dupacks * c->mss);
        c->dupacks = 0;
    }
    if (needless) // the echo is the first copy's: RFC 4015, section 3.2
        work.rtt_us = (tcp->now_ms + c->ts_offset - packet->options.ts_echo) * 1000;
    if (c->flags & TCP_CONN_SACK && packet->options.sack_count)
        take_sack(tcp, c, packet, &work);
    else if (!progress && flight && packet->payload_size == 0 && !window_moved &&
             !(packet->tcp_flags & (TCP_SYN | TCP_FIN)) && !(c->flags & TCP_CONN_SACK))
        count_duplicate(tcp, c, &work);
    if (work.rtt_us != UINT32_MAX)
        tcp_rtt_sample(c, work.rtt_us);
    needless |= work.dsack && tcp_undo_dsack(c);
    needless |= tcp_undo_frto_ack(c, progress);
    if (needless)
        undo(tcp, c);
    if (!flight)
        return;

    if (progress) {
        c->backoff = 0;
        if (!(c->flags & (TCP_CONN_RECOVERY | TCP_CONN_LOSS)))
            pass_recover(c);
        tcp_timer_progress(tcp, c);
        tcp_timer_rexmit(tcp, c, TCP_REXMIT_NONE, 0); // whatever follows arms it anew
    }
    judge_probe(tcp, c, packet->ack, work.dsack);
    judge(tcp, c, &work);
    if (c->snd_nxt == c->snd_una) {
        c->flags &= ~(uint32_t)TCP_CONN_RACK;
        CHECK(c->lost_bytes == 0 && c->sacked_bytes == 0 && c->again_bytes == 0);
    } else if (c->rexmit == TCP_REXMIT_NONE || (progress && c->rexmit != TCP_REXMIT_REORDER)) {
        tcp_timer_flight(tcp, c);
    }
}

void tcp_recovery_reorder(struct tcp *tcp, struct tcp_conn *c)
{
    rack_detect(tcp, c);
    if (c->lost_bytes > c->again_bytes && !(c->flags & (TCP_CONN_RECOVERY | TCP_CONN_LOSS)))
        enter_recovery(tcp, c);
    if (c->flags & TCP_CONN_RECOVERY)
        prr_step(tcp, c, 0);
    if (c->rexmit == TCP_REXMIT_NONE)
        tcp_timer_flight(tcp, c);
}

void tcp_recovery_timeout(struct tcp *tcp, struct tcp_conn *c)
{
    bool reneged = c->send_head && c->send_head->bits & TCP_SEGMENT_SACKED; // RFC 2018, section 8
    for (struct tcp_segment *s = c->send_head; s && s != c->send_next; s = s->next) {
        if (reneged && s->bits & TCP_SEGMENT_SACKED) {
            s->bits &= (uint8_t)~TCP_SEGMENT_SACKED;
            c->sacked_bytes -= tcp_segment_span(s);
        }
        if (!(s->bits & TCP_SEGMENT_SACKED))
            mark_lost(c, s);
    }
    if (!(c->flags & TCP_CONN_LOSS)) { // only the first of a row halves: RFC 5681, section 3.1
        tcp_undo_begin(c);
        tcp_cubic_lost(tcp, c);
    }
    tcp_undo_frto_begin(c, !(c->flags & (TCP_CONN_LOSS | TCP_CONN_RECOVERY)));
    c->cwnd = c->mss;
    c->flags &= ~(uint32_t)(TCP_CONN_RECOVERY | TCP_CONN_TLP | TCP_CONN_RACK);
    c->flags |= TCP_CONN_LOSS;
    c->recover = c->snd_nxt;
    c->dupacks = 0;
}

void tcp_recovery_shrink(struct tcp *tcp, struct tcp_conn *c)
{
    for (struct tcp_segment *s = c->send_head; s && s != c->send_next; s = s->next)
        if (s->size > c->mss && !(s->bits & TCP_SEGMENT_SACKED))
            mark_lost(c, s);
    if (c->lost_bytes > c->again_bytes && !(c->flags & (TCP_CONN_RECOVERY | TCP_CONN_LOSS))) {
        // Not congestion: the same window, RFC 1191, section 6.5.
        tcp_undo_done(c);
        c->flags |= TCP_CONN_LOSS;
        c->recover = c->snd_nxt;
    }
}

void tcp_recovery_sent(struct tcp *tcp, struct tcp_conn *c, struct tcp_segment *s)
{
    uint32_t span = tcp_segment_span(s);
    if (s == c->send_next) {
        c->snd_nxt = tcp_segment_end(s);
        c->send_next = s->next;
    } else {
        s->bits |= s->bits & TCP_SEGMENT_REPEATED ? TCP_SEGMENT_TWICE : TCP_SEGMENT_REPEATED;
        c->retransmitted = (uint16_t)tcp_min(c->retransmitted + 1u, UINT16_MAX);
        tcp_undo_repeated(c);
        tcp_trace_add(tcp, c, TRACE_AGAIN, s->seq);
        counter_add(tcp->config.counters, COUNTER_SEGMENTS_RETRANSMITTED, 1);
        if ((s->bits & (TCP_SEGMENT_LOST | TCP_SEGMENT_AGAIN)) == TCP_SEGMENT_LOST) {
            s->bits |= TCP_SEGMENT_AGAIN;
            c->again_bytes += span;
        }
    }
    s->sent_us = (uint32_t)tcp->now_us;
    if (c->flags & TCP_CONN_RECOVERY)
        tcp_conn_cold(tcp, c)->prr_out += span;
}
