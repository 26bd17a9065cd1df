// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* ICMP (RFC 792, 1122) and ICMPv6 (RFC 4443): echo requests to us, errors that quote a TCP segment
 * of ours, neighbour discovery (nd.h). Nothing else is served; no error is ever sent.
 */

#include "net/net_state.h"

enum reason icmp_input_v4(struct input *in, struct span icmp);
// `discovery`: the packet was sent to a group or link-locally, so it can be nothing else.
enum reason icmp_input_v6(struct input *in, struct span icmp, bool discovery);

// Makes the request that m holds into its reply; checksums complete.
void icmp_make_reply(struct rte_mbuf *m, const struct packet *packet);
