// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* ARP for IPv4 over Ethernet (RFC 826; the sanity of RFC 5227). Requests for our addresses are
 * answered whoever asks; nothing is learnt that neighbor.h does not believe.
 */

#include "net/net_state.h"

enum reason arp_input(struct input *in); // REASON_NONE: in->m was taken

// Asks for `target`; `to` is NULL for a broadcast, or the link address to probe.
void arp_ask(struct net *net, enum leg leg, const struct addr *target, const uint8_t *to);
