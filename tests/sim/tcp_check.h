// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What holds of a stack between any two calls: a connection that lives has its timer, data in
 * flight has a retransmission to come, the scoreboard's sums are those of its segments, islands
 * are apart and within the window, no queue is over its limit, every buffer held is counted.
 */

struct tcp;

// NULL, or what does not hold: static text, good until the next call.
const char *tcp_check_stack(const struct tcp *tcp);
