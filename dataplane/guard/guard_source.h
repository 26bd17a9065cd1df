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
 * A bucket is one cache line. A source that finds no entry of its own takes one that says nothing,
 * or else the one with the least debt: overload forgets debt, and no conforming source is ever
 * refused.
 *
 * IPv4 entries are 8 bytes and exact although time has more than 32 bits: the first b bits of the
 * address's hash choose one of 2^b buckets, and as the hash is one to one, the other 32 - b, the
 * tag, are all that need be stored. What that saves goes to the TAT, which has 32 + b bits of
 * microseconds; when they are used up (25 days with the smallest table, 17 years with a million
 * sources) the table is cleared, which forgets debt. A plain {address, 32-bit TAT} wraps within
 * hours and then reads entries nobody touched as debt, unless something scans them.
 *
 * Locating and judging are apart, so that a burst can prefetch all its lines first, or better,
 * while the burst before is judged: as many misses at a time as the CPU can have, and none too
 * early. One worker owns it. No allocation after init.
 */

#include "guard/guard_name.h"

enum { GUARD_SOURCES_MIN = 4096, GUARD_SOURCES_MAX = 1 << 27 };

struct guard_source_rate {
    uint64_t emission_us;  // T; both in ns when they are guard_source_rate_ns's
    uint64_t tolerance_us; // (burst - 1) * T
};
struct guard_source_rate guard_source_rate(uint64_t per_second, uint64_t burst);
// The same in ns, for a clock that runs in ns; more than a million a second need it.
struct guard_source_rate guard_source_rate_ns(uint64_t per_second, uint64_t burst);

// The GCRA by itself, for a TAT that is kept elsewhere: charges what conforms. The debt is cut at
// the most that this rate can run up, so that a policy with a shorter burst is not haunted by what
// an older one allowed.
static inline bool guard_source_judge(uint64_t *tat_us, const struct guard_source_rate *rate,
                                      uint64_t now_us)
{
    uint64_t last_us = now_us + rate->tolerance_us, most_us = last_us + rate->emission_us;
    uint64_t at_us = *tat_us > now_us ? *tat_us : now_us;
    at_us = at_us < most_us ? at_us : most_us;
    bool conforming = at_us <= last_us;
    *tat_us = at_us + (conforming ? rate->emission_us : 0);
    return conforming;
}

// The same question without the charge.
static inline bool guard_source_has_room(uint64_t tat_us, const struct guard_source_rate *rate,
                                         uint64_t now_us)
{
    return tat_us <= now_us + rate->tolerance_us;
}

enum { GUARD_SOURCE_V4_WAYS = 8, GUARD_SOURCE_V6_WAYS = 4, GUARD_SOURCE_BURST = 32 };

struct guard_source_v4 {                                 // a bucket
    _Alignas(64) uint64_t entries[GUARD_SOURCE_V4_WAYS]; // tag << (32 + bits) | TAT
};
struct guard_source_v6 {
    _Alignas(64) uint64_t numbers[GUARD_SOURCE_V6_WAYS];
    uint64_t tats_us[GUARD_SOURCE_V6_WAYS];
};
static_assert(sizeof(struct guard_source_v4) == 64, "a cache line");
static_assert(sizeof(struct guard_source_v6) == 64, "a cache line");

struct guard_bucket_ways; // the CPU's vectors: guard_bucket.h

struct guard_source {
    const struct guard_bucket_ways *ways;
    struct guard_source_v4 *v4;
    struct guard_source_v6 *v6;
    unsigned v4_bits, v6_bits; // log2 of the buckets
    uint64_t v4_time_mask;     // 32 + v4_bits bits
    uint64_t v4_epoch;         // now_us beyond the mask, of what the table holds
};

// `sources` IPv4 entries (raised to the minimum, then to a power of two), half as many for IPv6.
// 0 or -ENOMEM.
int guard_source_init(struct guard_source *table, uint32_t sources, int numa_node) MUST_CHECK;
void guard_source_done(struct guard_source *table);

struct guard_source_slot {
    void *line;   // the bucket
    uint64_t tag; // IPv4: the stored bits of the hash, in place; IPv6: the number
    bool v4;
};

static inline struct guard_source_slot guard_source_locate(const struct guard_source *table,
                                                           const struct guard_name *name)
{
    if (name->v4)
        return (struct guard_source_slot){&table->v4[name->hash >> (64 - table->v4_bits)],
                                          name->hash << table->v4_bits, true};
    return (struct guard_source_slot){&table->v6[name->hash >> (64 - table->v6_bits)], name->number,
                                      false};
}

static inline void guard_source_prefetch(const struct guard_source_slot *slot)
{
    __builtin_prefetch(slot->line, 1);
}

// Bit i: slots[i] is conforming, and charged. Else it is over its rate, and charged nothing. As if
// one came after the other; the lines of as many slots of `ahead` (NULL: none) are fetched
// meanwhile.
uint32_t guard_source_take_burst(struct guard_source *table, const struct guard_source_slot *slots,
                                 unsigned count, const struct guard_source_rate *rate,
                                 uint64_t now_us, const struct guard_source_slot *ahead);
static inline bool guard_source_take(struct guard_source *table,
                                     const struct guard_source_slot *slot,
                                     const struct guard_source_rate *rate, uint64_t now_us)
{
    return guard_source_take_burst(table, slot, 1, rate, now_us, NULL);
}

// How long until the source's debt is paid, 0 when nothing is known; touches nothing.
uint64_t guard_source_debt(const struct guard_source *table, const struct guard_source_slot *slot,
                           uint64_t now_us);
