// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Neighbour discovery (RFC 4861): solicitations for our global and link-local addresses are
 * answered, advertisements go to the neighbour cache. Routes and prefixes are configured, so router
 * advertisements and redirects are ignored (icmp.c); no duplicate address detection.
 */

#include "net/net_state.h"

enum { ND_SOLICITATION = 135, ND_ADVERTISEMENT = 136, ND_HOP_LIMIT = 255 };

// True when `to` is the solicited-node group of an address of that leg, or all nodes.
bool nd_is_group(const struct net *net, enum leg leg, const struct addr *to);

// `icmp` is the checked ICMPv6 message, addresses and hop limit are in in->packet. REASON_NONE:
// in->m was taken.
enum reason nd_input(struct input *in, struct span icmp);

// Asks for `target`; `to` is NULL for the solicited-node group, or the link address to probe.
void nd_ask(struct net *net, enum leg leg, const struct addr *target, const uint8_t *to);

struct addr nd_link_local(const uint8_t mac[6]); // RFC 4291, appendix A
