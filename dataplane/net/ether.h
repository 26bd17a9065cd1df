// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Ethernet II and one 802.1Q tag, inside or stripped by the port (RTE_MBUF_F_RX_VLAN_STRIPPED). */

#include "contract/reason.h"
#include "net/net_state.h"

// Fills in->frame, ip, group, and leg where the tag decides it. *ret_type is what follows the tag.
enum reason ether_parse(struct input *in, uint16_t *ret_type);

struct ether_header { // of all frames that go there
    uint8_t bytes[ETHER_HEADER_SIZE + ETHER_VLAN_SIZE];
    uint8_t size;
};
struct ether_header ether_header_make(const struct net *net, enum leg leg, const uint8_t to[6],
                                      uint16_t type);

// Puts it before the packet, also for the port that completes a checksum. False: there was no room,
// m is dropped.
static inline bool ether_prepend(struct net *net, const struct ether_header *header,
                                 struct rte_mbuf *m)
{
    uint8_t *frame = (uint8_t *)rte_pktmbuf_prepend(m, header->size);
    if (unlikely(!frame)) {
        net_drop(net, m, REASON_NO_MBUF);
        return false;
    }
    if (likely(header->size == ETHER_HEADER_SIZE)) // of a size that the compiler knows
        memcpy(frame, header->bytes, ETHER_HEADER_SIZE);
    else
        memcpy(frame, header->bytes, sizeof header->bytes);
    if (m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM)
        m->l2_len = header->size;
    return true;
}

// One frame of a kind of its own. Takes m.
void ether_send(struct net *net, struct rte_mbuf *m, enum leg leg, const uint8_t to[6],
                uint16_t type);
