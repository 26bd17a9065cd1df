// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The path's MTU: from the leg's downwards by ICMP (RFC 1191, RFC 8201), and where that is filtered
 * by what time-outs tell (in the manner of RFC 4821 and RFC 8899): when the first unacknowledged
 * segment was sent again in vain and a smaller packet size of the table would cut it, that size is
 * taken, one step for each further time-out. An outage looks the same; what it costs is smaller
 * packets for ten minutes, after which the leg's MTU is tried again. Never below 552 and 1280
 * bytes. The sizes:
 *
 *   1500, 1280, and for IPv4 1006 and 552
 */

#include "tcp/tcp_conn.h"

// Below what the path takes now, or nothing happens. True: segments are to be sent again in parts.
bool tcp_mtu_lower(struct tcp *tcp, struct tcp_conn *c, uint16_t mtu);
void tcp_mtu_suspect(struct tcp *tcp, struct tcp_conn *c); // a time-out, before all is marked lost
void tcp_mtu_raise(struct tcp *tcp, struct tcp_conn *c);   // now and then
