// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One address type for both families: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291,
 * section 2.5.5.2). A prefix counts its bits on those 128, so 192.0.2.0/24 has 120.
 */

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct addr {
    uint8_t bytes[16];
};

struct prefix {
    struct addr addr; // host bits are zero
    uint8_t bits;     // 0..128
};

enum {
    ADDR_TEXT_SIZE = 46,   // longest text and its NUL
    PREFIX_TEXT_SIZE = 50, // with "/128"
    ADDR_V4_BITS = 96,     // what the mapping adds to an IPv4 prefix length
};

// By words: memcmp of a few bytes is a call.
static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
    uint64_t x[2], y[2];
    memcpy(x, a->bytes, sizeof x);
    memcpy(y, b->bytes, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

// Bits that an IPv4 address has not.
static inline uint64_t addr_v6_bits(const struct addr *a)
{
    uint64_t zeros;
    uint32_t mapped;
    memcpy(&zeros, a->bytes, sizeof zeros);
    memcpy(&mapped, a->bytes + 8, sizeof mapped);
    return zeros | (mapped ^ __builtin_bswap32(0xffff));
}

static inline bool addr_is_v4(const struct addr *a)
{
    return addr_v6_bits(a) == 0;
}

// `v4` points to 4 bytes in network order. (Made in a register: 16 bytes read back right after they
// were written in parts wait for all of the parts to be stored.)
static inline struct addr addr_from_v4(const void *v4)
{
    uint32_t word;
    memcpy(&word, v4, sizeof word);
    uint32_t words __attribute__((vector_size(16))) = {0, 0, __builtin_bswap32(0xffff), word};
    struct addr a;
    memcpy(a.bytes, &words, sizeof a.bytes);
    return a;
}

static inline struct addr addr_from_v6(const void *v6)
{
    struct addr a;
    memcpy(a.bytes, v6, sizeof a.bytes);
    return a;
}

bool addr_is_zero(const struct addr *a); // all 16 bytes zero: "not given"

// Text of either family, as inet_pton(3) takes it; false leaves *ret_addr alone.
bool addr_parse(const char *text, struct addr *ret_addr) MUST_CHECK;
const char *addr_format(const struct addr *a, char text[ADDR_TEXT_SIZE]);

// "192.0.2.0/24", "2001:db8::/32" or a bare address; host bits that are set are an error.
bool prefix_parse(const char *text, struct prefix *ret_prefix) MUST_CHECK;
const char *prefix_format(const struct prefix *p, char text[PREFIX_TEXT_SIZE]);
// Within a family only: ::/0 is all of IPv6 and nothing of IPv4.
bool prefix_contains(const struct prefix *p, const struct addr *a);
bool prefix_equal(const struct prefix *a, const struct prefix *b);

// The address with all bits after the first `bits` cleared.
struct addr addr_mask(const struct addr *a, uint8_t bits);
