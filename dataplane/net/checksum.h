// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The Internet checksum (RFC 1071), eight bytes a step. Sums are in the byte order of the wire, so
 * a folded sum is stored as it is. Data with its right checksum inside sums up to 0xffff.
 *
 * Not rte_ip.h's: that goes by two bytes, and its IPv6 check is not in the stable interface.
 */

#include "base/span.h"

// One's complement: the carry comes round.
static inline uint64_t checksum_add_u64(uint64_t sum, const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    sum += word;
    return sum + (sum < word);
}

static inline uint64_t checksum_add_u32(uint64_t sum, const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return sum + word;
}

// The result is below 2^34, so that some more words may be added to it as they are.
static inline uint64_t checksum_add(uint64_t sum, const uint8_t *at, size_t size)
{
    for (; size >= 16; at += 16, size -= 16)
        sum = checksum_add_u64(checksum_add_u64(sum, at), at + 8);
    if (size & 8) {
        sum = checksum_add_u64(sum, at);
        at += 8;
    }
    sum = (uint32_t)sum + (sum >> 32);
    if (size & 4) {
        sum = checksum_add_u32(sum, at);
        at += 4;
    }
    if (size & 2) {
        uint16_t quarter;
        memcpy(&quarter, at, sizeof quarter);
        sum += quarter;
        at += sizeof quarter;
    }
    if (size & 1) // the padding behind it is zero
        sum += *at;
    return sum;
}

static inline uint16_t checksum_fold(uint64_t sum)
{
    sum += sum << 32 | sum >> 32; // both halves' sum is in the upper one, carry and all
    uint32_t half = (uint32_t)(sum >> 32);
    half += half << 16 | half >> 16;
    return (uint16_t)(half >> 16);
}

// Whether a sum of more than zeros would be folded to 0xffff.
static inline bool checksum_agrees(uint64_t sum)
{
    return sum % 0xffff == 0; // a multiplication and a compare
}

static inline bool checksum_is_right(struct span data)
{
    uint64_t sum = checksum_add(0, data.at, data.size);
    return sum && checksum_agrees(sum);
}

// With the pseudo-header of the IP header `ip` (RFC 9293, section 3.1; RFC 8200, section 8.1).
static inline uint64_t checksum_add_v4(const uint8_t *ip, uint8_t protocol, struct span l4)
{
    uint64_t sum = __builtin_bswap16(protocol) + (uint64_t)__builtin_bswap16((uint16_t)l4.size);
    return checksum_add(checksum_add(sum, ip + 12, 8), l4.at, l4.size);
}

static inline uint64_t checksum_add_v6(const uint8_t *ip, uint8_t protocol, struct span l4)
{
    uint64_t sum = __builtin_bswap16(protocol) + (uint64_t)__builtin_bswap16((uint16_t)l4.size);
    return checksum_add(checksum_add(sum, ip + 8, 32), l4.at, l4.size);
}
