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
