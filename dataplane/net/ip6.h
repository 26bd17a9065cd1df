// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* IPv6 (RFC 8200) without extension headers: the header's checks, then TCP or ICMPv6. */

#include "net/net_state.h"

enum reason ip6_input(struct input *in);

// A header for ICMPv6; `size` counts the bytes after it.
void ip6_write(uint8_t ip[IP6_HEADER_SIZE], const struct addr *from, const struct addr *to,
               uint16_t size, uint8_t hop_limit);

static inline bool ip6_is_link_local(const struct addr *addr)
{
    return addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}

/* Multicast, our own, and ::/96 and ::ffff:0:0/96, which hold the unspecified and the loopback
 * address and everything that stands for an IPv4 address: on the wire they are forgeries, and the
 * mapped ones would pass for IPv4 sources in every table. */
static inline bool ip6_is_martian(const struct net *net, enum leg leg, const struct addr *from)
{
    uint64_t high;
    uint32_t low; // the four bytes before the last four
    memcpy(&high, from->bytes, sizeof high);
    memcpy(&low, from->bytes + 8, sizeof low);
    bool embeds_v4 = high == 0 && (low == 0 || low == __builtin_bswap32(0xffff));
    return from->bytes[0] == 0xff || embeds_v4 ||
           addr_equal(from, &net->legs[LEG_OUTSIDE].local[FAMILY_V6]) ||
           addr_equal(from, &net->legs[LEG_INSIDE].local[FAMILY_V6]) ||
           addr_equal(from, &net->legs[leg].link_local);
}
