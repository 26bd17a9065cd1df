// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The frame that nearly all are, told by a few masked compares: to our link address, without a tag
 * in it, IPv4 without options and not a fragment or IPv6 without extension headers, to our address,
 * TCP, from a source that can be. Whatever is anything else goes the long way (ether.c, ip4.c,
 * ip6.c), which knows the reason; so a frame that passes here passes there, with the same result.
 */

#include "net/net_state.h"

// What the frames of each leg and family are compared with; after the legs are known.
void fast_init(struct net *net);

// True: m starts at the IP header, without padding, and *ret_reason says what is wrong with the TCP
// header or that *ret_packet is filled. False: m is as it was.
bool fast_input(const struct net *net, struct rte_mbuf *m, enum leg leg, struct packet *ret_packet,
                enum reason *ret_reason) MUST_CHECK;

bool fast_glance(const struct net *net, const struct rte_mbuf *m, enum leg leg,
                 struct packet *ret_packet) MUST_CHECK; // net_glance
