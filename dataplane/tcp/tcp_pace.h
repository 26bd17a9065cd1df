// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A bound on bursts. Within one millisecond a connection sends at most
 *
 *   max(TCP_INITIAL_SEGMENTS, 2 * cwnd / mss * 1 ms / srtt)
 *
 * segments, new or again, so that a window which opens at once (after idleness, an acknowledgment
 * of much, an undone reduction) is spread over half a round trip or more. What waits goes on a
 * millisecond later by the connection's timer. Not bound: paths below 2 ms, where it would be more
 * than a window, and rates over TCP_PACE_MOST segments a millisecond. Tail-loss probes do not wait.
 *
 * Slow start doubles the rate in a round trip, hence the 2. After idleness of an RTO cwnd falls to
 * the initial window (RFC 5681, section 4.1), with ssthresh as memory (RFC 7661).
 */

#include "tcp/tcp_conn.h"

enum { TCP_PACE_MOST = UINT8_MAX };

uint32_t tcp_pace_room(const struct tcp *tcp, const struct tcp_conn *c); // segments, now
void tcp_pace_sent(struct tcp *tcp, struct tcp_conn *c); // one went out: sets sent_ms
