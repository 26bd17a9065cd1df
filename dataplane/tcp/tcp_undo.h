// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A reduction of cwnd that turns out to have been needless is taken back. What proves that the
 * first copy of a repeated segment had arrived:
 *
 *   - its acknowledgment echoes a time before the repetition (Eifel detection, RFC 3522);
 *   - F-RTO (RFC 5682): after a time-out only the first segment is sent again, then new data; if
 *     the next acknowledgment moves on too, it is for data that was sent once;
 *   - each repetition is reported by D-SACK (RFC 3708).
 *
 * The response is RFC 4015's, in CUBIC's numbers (RFC 9438, section 4.9):
 *
 *   cwnd = max(cwnd, ssthresh / beta), ssthresh = max(ssthresh, the one before)
 *
 * so the one number kept is that ssthresh. It is good until a window's worth was acknowledged
 * behind the episode; D-SACKs come a round trip late.
 */

#include "tcp/tcp_conn.h"

void tcp_undo_begin(struct tcp_conn *c); // before a reduction: from now on repetitions count
void tcp_undo_done(struct tcp_conn *c);  // nothing can be taken back any more
static inline bool tcp_undo_may(const struct tcp_conn *c)
{
    return c->undo_ssthresh != 0;
}

void tcp_undo_repeated(struct tcp_conn *c); // a segment was sent again
bool tcp_undo_dsack(struct tcp_conn *c);    // one repetition was needless. True: that was the last

// For an ACK that moves on, before the queue is touched: Eifel detection.
bool tcp_undo_early(const struct tcp *tcp, const struct tcp_conn *c, const struct packet *ack);

void tcp_undo_frto_begin(struct tcp_conn *c, bool open); // at a time-out; open: no loss was known
// For any ACK, after the queue moved on. True: the time-out was needless.
bool tcp_undo_frto_ack(struct tcp_conn *c, bool progress);

void tcp_undo_window(struct tcp *tcp, struct tcp_conn *c); // the response
