// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A bounded map from a source to a few words, for what must not be forgotten: bans. Open addressing
 * with linear probing at most half full, the name's hash (guard_name.h), and removal that closes
 * the gap (Knuth, TAOCP 3, 6.4, algorithm R), so there are no tombstones to sweep.
 *
 * The key is an IPv4 address or an IPv6 /64. Pointers to entries hold until the next take or give.
 */

#include "base/addr.h"
#include "base/siphash.h"

#include <stdint.h>

struct guard_table_entry {
    struct addr source; // masked
    uint64_t value;     // the owner's
    uint32_t used;      // 0 or 1
    uint32_t extra;     // the owner's
};
static_assert(sizeof(struct guard_table_entry) == 32, "two a cache line");

struct guard_table {
    struct guard_table_entry *entries;
    uint32_t slots; // a power of two, at least twice `most`
    uint32_t count, most;
    struct siphash_key key;
};

int guard_table_init(struct guard_table *table, uint32_t most, int numa_node,
                     const struct siphash_key *key) MUST_CHECK; // 0 or -ENOMEM
void guard_table_done(struct guard_table *table);

struct guard_table_entry *guard_table_find(const struct guard_table *table,
                                           const struct addr *addr); // or NULL
// The entry, made with zeros when it was not there; NULL when the table is full.
struct guard_table_entry *guard_table_take(struct guard_table *table, const struct addr *addr);
void guard_table_give(struct guard_table *table, struct guard_table_entry *entry);
