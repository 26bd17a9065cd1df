// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Round-trip time and retransmission time-out (RFC 6298):
 *
 *   RTO = SRTT + max(TCP_RTO_LEAST_MS, 4 * RTTVAR), doubled `backoff` times, at most
 * TCP_RTO_MOST_MS
 *
 * The least is not RFC 6298's 1 s but 200 ms, as in all common stacks: tail-loss probes come before
 * it, and a needless time-out is undone (tcp_undo.h).
 */

#include "tcp/tcp_conn.h"

void tcp_rtt_sample(struct tcp_conn *c, uint32_t rtt_us); // never of a repeated segment (Karn)
uint32_t tcp_rtt_rto_ms(const struct tcp_conn *c);
