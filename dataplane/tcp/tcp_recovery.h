// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What an acknowledgment says about the send queue, and what is lost: RACK (RFC 8985) where the
 * peer sends SACK, NewReno (RFC 6582) where it does not, PRR (RFC 6937) for the sending rate
 * meanwhile, limited transmit (RFC 3042) before it. The scoreboard are bits on the queue's
 * segments, so it needs no memory of its own:
 *
 *   pipe = (snd_nxt - snd_una) - sacked_bytes - lost_bytes + again_bytes
 *
 * where lost_bytes are those marked LOST and again_bytes the ones of them sent AGAIN since. Work
 * per acknowledgment is bounded by the segments of a queue.
 */

#include "tcp/tcp_conn.h"

struct tcp_segment;

static inline uint32_t tcp_recovery_pipe(const struct tcp_conn *c)
{
    return c->snd_nxt - c->snd_una - c->sacked_bytes - c->lost_bytes + c->again_bytes;
}

// What new data may fill: cwnd; before recovery without SACK, a segment more for each duplicate,
// since that left the network (RFC 3042). With SACK the pipe tells.
static inline uint32_t tcp_recovery_cwnd(const struct tcp_conn *c)
{
    bool limited = c->dupacks < TCP_DUPTHRESH && !(c->flags & (TCP_CONN_RECOVERY | TCP_CONN_LOSS));
    return c->cwnd + (limited ? (uint32_t)c->dupacks * c->mss : 0);
}

// An acceptable ACK (snd_una <= ack <= snd_nxt) of an established connection. Moves snd_una, frees
// what is acknowledged, keeps cwnd.
void tcp_recovery_ack(struct tcp *tcp, struct tcp_conn *c, const struct packet *packet,
                      bool window_moved);
void tcp_recovery_timeout(struct tcp *tcp, struct tcp_conn *c); // the RTO: all is lost
void tcp_recovery_reorder(struct tcp *tcp, struct tcp_conn *c); // RACK's reordering timer
void tcp_recovery_shrink(struct tcp *tcp,
                         struct tcp_conn *c); // mss fell: send again what is longer
// Books a transmission of s.
void tcp_recovery_sent(struct tcp *tcp, struct tcp_conn *c, struct tcp_segment *s);
