// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What is known of every source: one theoretical arrival time (GCRA, ITU-T I.371, virtual
 * scheduling), for IPv4 an address, for IPv6 a /64.
 *
 *   debt = max(0, TAT - now);  conforming: debt <= (burst - 1) * T, and then TAT = now + debt + T
 *
 * so `burst` at once and one every T afterwards conform, T = 1 s / rate rounded down to 1 us: never
 * stricter than said. A TAT in the past says nothing, so there is nothing to expire.
 *
 * A bucket is one cache line. A source that finds its bucket full takes the entry with the least
 * debt: overload forgets debt, and no conforming source is ever refused.
 *
 * IPv4 entries are 8 bytes and exact although time has more than 32 bits: the bucket's number is
 * the address's low bits XOR a keyed hash (SipHash) of its high bits, so only the high bits, the
 * tag, need be stored, and what that saves goes to the TAT. With b bucket bits the TAT has 32 + b
 * bits of microseconds; when they are used up (25 days with the smallest table, 17 years with a
 * million sources) the table is cleared, which forgets debt. A plain {address, 32-bit TAT} wraps
 * within hours and then reads entries nobody touched as debt, unless something scans them.
 *
 * Locating and judging are apart, so that a burst can prefetch all its lines first.
 * One worker owns it. No allocation after open.
 */

#include "base/addr.h"
#include "base/siphash.h"

#include <stdbool.h>
#include <stdint.h>

enum { GUARD_SOURCES_MIN = 4096, GUARD_SOURCES_MAX = 1 << 27 };

struct guard_source_rate {
    uint64_t emission_us;  // T
    uint64_t tolerance_us; // (burst - 1) * T
};
struct guard_source_rate guard_source_rate(uint64_t per_second, uint64_t burst);

// The GCRA by itself, for a TAT that is kept elsewhere: charges what conforms.
bool guard_source_judge(uint64_t *tat_us, const struct guard_source_rate *rate, uint64_t now_us);
// The same question without the charge.
static inline bool guard_source_has_room(uint64_t tat_us, const struct guard_source_rate *rate,
                                         uint64_t now_us)
{
    return tat_us <= now_us + rate->tolerance_us;
}

struct guard_source_v6 {
    uint64_t prefix; // the first 64 bits of the address
    uint64_t tat_us;
};

struct guard_source {
    uint64_t *v4;               // tag << (32 + bits) | TAT, eight a bucket
    struct guard_source_v6 *v6; // four a bucket
    size_t v4_size, v6_size;    // bytes
    unsigned v4_bits;           // log2 of the buckets
    unsigned v6_bits;
    uint64_t v4_epoch; // now_us >> (32 + v4_bits), of what the table holds
    struct siphash_key key;
};

// `sources` IPv4 entries (raised to the minimum), half as many for IPv6. 0 or -ENOMEM.
int guard_source_init(struct guard_source *table, uint32_t sources, int numa_node,
                      const struct siphash_key *key) MUST_CHECK;
void guard_source_done(struct guard_source *table);

struct guard_source_slot {
    void *line;   // the bucket
    uint64_t tag; // IPv4: the stored bits of the address; IPv6: the prefix
    bool v4;
};
struct guard_source_slot guard_source_locate(const struct guard_source *table,
                                             const struct addr *source);
static inline void guard_source_prefetch(const struct guard_source_slot *slot)
{
    __builtin_prefetch(slot->line, 1);
}

// True: conforming, and charged. False: over its rate, and charged nothing.
bool guard_source_take(struct guard_source *table, const struct guard_source_slot *slot,
                       const struct guard_source_rate *rate, uint64_t now_us);

// How long until the source's debt is paid, 0 when nothing is known; touches nothing.
uint64_t guard_source_debt(const struct guard_source *table, const struct addr *source,
                           uint64_t now_us);
