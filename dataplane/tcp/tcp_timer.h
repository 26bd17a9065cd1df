// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A connection's deadlines behind one wheel timer: what to do about the send queue (send_ms, one
 * kind at a time), the delayed ACK, paced output, and its life (keepalive; the end of a released
 * connection). The wheel's timer is never later than the earliest of them; a deadline that moves on
 * is noticed when the timer fires. Every connection in the table has its life deadline, so none is
 * forgotten.
 */

#include "tcp/tcp_conn.h"

void tcp_timer_rexmit(struct tcp *tcp, struct tcp_conn *c, enum tcp_rexmit kind, uint32_t in_ms);
void tcp_timer_flight(struct tcp *tcp, struct tcp_conn *c); // RTO or tail-loss probe
void tcp_timer_delack(struct tcp *tcp, struct tcp_conn *c);
void tcp_timer_pace(struct tcp *tcp, struct tcp_conn *c); // output goes on in the next millisecond
void tcp_timer_progress(struct tcp *tcp, struct tcp_conn *c); // snd_una moved, or data went out
void tcp_timer_life(struct tcp *tcp, struct tcp_conn *c, uint32_t in_ms);
void tcp_timer_arm(struct tcp *tcp, struct tcp_conn *c);

void tcp_timer_fire(void *tcp,
                    struct timer *timer); // for wheel_advance; the connection may be gone
