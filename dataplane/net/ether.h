// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Ethernet II and one 802.1Q tag, inside or stripped by the port (RTE_MBUF_F_RX_VLAN_STRIPPED). */

#include "contract/reason.h"
#include "net/net_state.h"

// Fills in->frame, ip, group, and leg where the tag decides it. *ret_type is what follows the tag.
enum reason ether_parse(struct input *in, uint16_t *ret_type);

// Prepends the link header, also for the port that completes a checksum, and transmits. Takes m.
void ether_send(struct net *net, struct rte_mbuf *m, enum leg leg, const uint8_t to[6],
                uint16_t type);
