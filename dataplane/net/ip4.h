// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* IPv4 (RFC 791, 1122): the header's checks, then TCP or ICMP. */

#include "net/checksum.h"
#include "net/net_state.h"

enum reason ip4_input(struct input *in);

// RFC 1122, section 3.2.1.3: unspecified, loopback, multicast, reserved, broadcast; and our own.
// `from` in network order, like the addresses it is compared with.
static inline bool ip4_is_martian(const struct net *net, enum leg leg, uint32_t from)
{
    uint8_t first = (uint8_t)from;
    return first == 0 || first == 127 || first >= 224 || from == net->legs[leg].broadcast_v4 ||
           from == net->legs[LEG_OUTSIDE].local_v4 || from == net->legs[LEG_INSIDE].local_v4;
}

// `ip` has no options. What the port says of it is believed; NONE means that a peer on the same
// host left the sum out and no wire was passed.
static inline bool ip4_checksum_is_right(uint64_t rx_flags, const uint8_t *ip)
{
    uint64_t said = rx_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
    if (said != RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN)
        return said != RTE_MBUF_F_RX_IP_CKSUM_BAD;
    return checksum_agrees(checksum_add(0, ip, IP4_HEADER_SIZE)); // which says 4 and 5
}
