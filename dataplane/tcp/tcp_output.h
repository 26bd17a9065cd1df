// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What goes out, and when: retransmissions first, then new data as the peer's window and cwnd
 * allow, then an ACK if none rode along. Small writes are held back (Nagle, RFC 9293, section
 * 3.7.4) only where the owner asked for it: else he writes whole replies in a turn. Sender's silly
 * window avoidance (section 3.8.6.2.1): a segment is cut for the window only when that is half of
 * the largest window the peer ever offered, or after the persist time.
 */

#include "tcp/tcp_conn.h"

void tcp_output_want(struct tcp *tcp, struct tcp_conn *c); // at the next tcp_output_turn
bool tcp_output_turn(struct tcp *tcp);                     // bounded; true: more waits

void tcp_output_ack(struct tcp *tcp, struct tcp_conn *c); // now
// An ACK that a stranger's segment provoked, at most one each TCP_CHALLENGE_MS a connection:
// RFC 5961, section 7, without a counter that other connections could watch.
void tcp_output_challenge(struct tcp *tcp, struct tcp_conn *c);
void tcp_output_syn(struct tcp *tcp, struct tcp_conn *c); // SYN or SYN-ACK, by state
void tcp_output_reset(struct tcp *tcp, struct tcp_conn *c);
void tcp_output_probe(struct tcp *tcp, struct tcp_conn *c); // tail-loss probe
void tcp_output_ping(struct tcp *tcp, struct tcp_conn *c);  // an old number: the peer answers
// Sends what part of the next segment fits the peer's small window; false: none.
bool tcp_output_squeeze(struct tcp *tcp, struct tcp_conn *c);
// The owner read: tells the peer when that is worth a segment.
void tcp_output_opened(struct tcp *tcp, struct tcp_conn *c);
