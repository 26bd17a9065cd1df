// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A packet's source as the guard's tables know it: a number and a keyed hash, made once for a burst
 * side by side and used by all of them. A table of 2^b buckets takes the hash's first b bits.
 *
 *   IPv4   the address;           hash = SipHash
 *   IPv6   its first 64 bits;     hash = (SipHash of the /48 | 1) * (subnet + 1)
 *
 * so that the /48 has its hash too, for the same price. Within a /48 that is multiplicative hashing
 * by a secret factor: neighbours lie evenly, and who does not know the key finds no subnets that
 * meet more often than by chance (Dietzfelbinger et al., "A Reliable Randomized Algorithm for the
 * Closest-Pair Problem", 1997).
 */

#include "base/packet.h"
#include "base/siphash_burst.h"

struct guard_name {
    uint64_t hash;
    uint64_t hash_48; // IPv6
    uint64_t number;  // IPv4: 32 bits; IPv6: the first 64
    bool v4;
};

// At most SIPHASH_BURST. One key for all tables.
void guard_name_burst(const struct siphash_key *key, const struct packet *packets, unsigned count,
                      struct guard_name *ret_names);
struct guard_name guard_name_of(const struct siphash_key *key, const struct addr *source);

// Its /24 as the number that its first 24 bits are, so that neighbours fill neighbouring buckets,
// or its /48. The /24 has no hash.
static inline struct guard_name guard_name_prefix(const struct guard_name *name)
{
    if (name->v4)
        return (struct guard_name){.number = name->number >> 8, .v4 = true};
    return (struct guard_name){.hash = name->hash_48, .number = name->number & ~UINT64_C(0xffff)};
}
