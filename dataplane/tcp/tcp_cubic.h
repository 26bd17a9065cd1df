// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* CUBIC (RFC 9438), the one congestion control, in bytes:
 *
 *   W(t) = w_max + C * (t - K)^3 * mss,  K = cbrt((w_max - cwnd) / (C * mss)),  C = 0.4, beta = 0.7
 *
 * and never below what Reno would have (w_est). Slow start below ssthresh by bytes acknowledged, so
 * acknowledgments cut small gain nothing (RFC 3465). The window grows only while it is what limits
 * sending.
 */

#include "tcp/tcp_conn.h"

void tcp_cubic_acked(struct tcp *tcp, struct tcp_conn *c, uint32_t acked); // bytes, no loss about
void tcp_cubic_lost(struct tcp *tcp, struct tcp_conn *c);     // sets ssthresh; cwnd is recovery's
void tcp_cubic_restored(struct tcp *tcp, struct tcp_conn *c); // that was for nothing: cwnd again
void tcp_cubic_idle(struct tcp *tcp, struct tcp_conn *c); // restart after idleness: RFC 5681, 4.1

uint32_t tcp_cubic_root(uint64_t value); // floor of the cube root
