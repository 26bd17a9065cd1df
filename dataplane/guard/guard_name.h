// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A packet's source as the guard's tables know it: a number and a keyed hash, used by all of them.
 * A table of 2^b buckets takes the hash's first b bits.
 *
 *   number   IPv4: the address; IPv6: its first 64 bits
 *   hash     32 bits of (key + number's upper half) * (key' + its lower half), mixed:
 *            IPv6 the product's bits 32 to 63, IPv4 its lowest
 *
 * Two multiplications for one of SipHash's rounds: the key is secret and nothing of the hash ever
 * leaves, so that any two numbers meet by chance only (Thorup, "High Speed Hashing for Integers and
 * Strings", 2015, pair-multiply-shift) is nearly all that is asked of it. The mixing is one to one
 * and breaks up progressions, which a product alone may heap. The key is made by SipHash.
 *
 * IPv4 is hashed one to one, since the key is made odd: what of the hash does not choose the bucket
 * tells the address from all others there.
 */

#include "base/addr.h"
#include "base/siphash.h"

#include <string.h>

enum { GUARD_NAME_HOST_BITS_V4 = 8, GUARD_NAME_SUBNETS_V6 = 0xffff }; // of a prefix

// Of a burst's names hashed side by side, four at a time, nothing was gained: two multiplications
// are too little.
struct guard_name {
    uint64_t number;
    uint32_t hash;
    bool v4;
};

static inline uint32_t guard_name_hash(const struct siphash_key *key, uint64_t number, bool v4)
{
    uint64_t product = ((key->word[0] | 1) + (number >> 32)) * (key->word[1] + (uint32_t)number);
    uint32_t hash = (uint32_t)(v4 ? product : product >> 32);
    hash = (hash ^ hash >> 16) * 0x7feb352d; // Wellons, "Prospecting for Hash Functions", 2018
    return (hash ^ hash >> 15) * 0x846ca68b;
}

// One key for all tables. An IPv4 address is read alone, as it was just written: a wider load
// waits.
static inline struct guard_name guard_name_of(const struct siphash_key *key,
                                              const struct addr *source)
{
    uint64_t head;
    uint32_t tail;
    memcpy(&head, source->bytes, sizeof head);
    memcpy(&tail, source->bytes + 12, sizeof tail);
    bool v4 = addr_is_v4(source);
    uint64_t number = v4 ? __builtin_bswap32(tail) : __builtin_bswap64(head);
    return (struct guard_name){number, guard_name_hash(key, number, v4), v4};
}

// Its /24 as the number that its first 24 bits are, or its /48.
static inline struct guard_name guard_name_prefix(const struct siphash_key *key,
                                                  const struct guard_name *name)
{
    uint64_t number = name->v4 ? name->number >> GUARD_NAME_HOST_BITS_V4
                               : name->number & ~(uint64_t)GUARD_NAME_SUBNETS_V6;
    return (struct guard_name){number, guard_name_hash(key, number, name->v4), name->v4};
}
