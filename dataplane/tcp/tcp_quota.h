// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* How many packet buffers one connection may hold. A worker's buffers are half for what arrives and
 * leaves, ACKs and RSTs among it, a quarter for data to be sent and a quarter for data received
 * (tcp_open): no queue can starve control. Within a quarter the bound follows what is free (dynamic
 * thresholds, Choudhury and Hahne 1998):
 *
 *   quota = max(TCP_QUOTA_LEAST, free / TCP_QUOTA_PART)
 *
 * So nothing changes while there is plenty, n greedy connections leave a share like theirs to the
 * others, and who has little can always have a little more, until really nothing is left.
 */

#include "tcp/tcp_conn.h"

enum { TCP_QUOTA_PART = 4, TCP_QUOTA_LEAST = 2 };

// Of a class of `most` buffers, `held` of them by all connections together; 0: all are held.
uint32_t tcp_quota(uint32_t held, uint32_t most);
