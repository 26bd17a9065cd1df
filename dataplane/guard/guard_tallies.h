// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A worker's parts (guard_tally.h) by source or prefix, in bounded memory.
 *
 * An entry stands in one of two buckets of four, each chosen by half of a keyed hash; it never
 * moves, so that other workers may read it. What has open connections stays; of the rest, when both
 * buckets are full, what owes nothing gives way, or else the entry with the least today. So only
 * history can be forgotten, never an open connection, and forgetting only ever lets pass. For
 * `most` entries with open connections there are at least four times as many places, and two full
 * buckets of such entries do not occur in practice (less than 1 in 10^9 fillings); then there is no
 * room.
 *
 * The key is 64 bits of exact address: IPv6 a /64, /56 or /48, IPv4 an address or /24. The length
 * stands in what the prefix leaves free. Other numbers may be keys, too, in a table of their own.
 */

#include "base/addr.h"
#include "base/siphash.h"
#include "guard/guard_tally.h"

struct guard_tallies {
    struct guard_tallies_bucket *buckets;
    size_t size; // bytes
    uint32_t mask;
    struct siphash_key key; // the same for all workers, as is the size
};

int guard_tallies_init(struct guard_tallies *table, uint32_t most, int numa_node,
                       const struct siphash_key *key) MUST_CHECK; // 0 or -ENOMEM
void guard_tallies_done(struct guard_tallies *table);

struct guard_tallies_place { // in the tables of all workers
    uint64_t key;
    uint32_t buckets[2];
};
struct guard_tallies_place guard_tallies_place_of(const struct guard_tallies *table,
                                                  uint64_t number);
// `bits` as in struct prefix: 128 and 120 of IPv4; 64, 56 and 48 of IPv6.
uint64_t guard_tallies_number(const struct addr *addr, uint8_t bits);
static inline struct guard_tallies_place guard_tallies_locate(const struct guard_tallies *table,
                                                              const struct addr *addr, uint8_t bits)
{
    return guard_tallies_place_of(table, guard_tallies_number(addr, bits));
}

// Own entry, or NULL. Stays where it is as long as it has open connections.
struct guard_tally *guard_tallies_find(const struct guard_tallies *table,
                                       const struct guard_tallies_place *place);
// Own entry, made when it was not there; NULL: no room.
struct guard_tally *guard_tallies_take(struct guard_tallies *table,
                                       const struct guard_tallies_place *place, uint64_t now_us);
// Adds the entry, if there is one, of any worker's table.
void guard_tallies_add(const struct guard_tallies *table, const struct guard_tallies_place *place,
                       uint64_t now_us, struct guard_tally_sum *sum);
