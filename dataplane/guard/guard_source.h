// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What is known of every source: one theoretical arrival time (guard_rate.h), for IPv4 an address,
 * for IPv6 a /64.
 *
 * A bucket is one cache line. A source that finds no entry of its own takes one that says nothing,
 * or else the one with the least debt: overload forgets debt, and no conforming source is ever
 * refused.
 *
 * IPv4 entries are 8 bytes and exact although time has more than 32 bits: the first b bits of the
 * address's hash choose one of 2^b buckets, and as the hash is one to one, the other 32 - b, the
 * tag, are all that need be stored. What that saves goes to the TAT, which has 32 + b bits of 16 ns
 * from the table's origin on. When half of them are used up (5 hours with the smallest table, 7
 * weeks with a million sources, 2 years with 16 millions), guard_source_advance moves the origin to
 * now, GUARD_SOURCE_SWEEP buckets a call, by taking from each entry what the origin moved: all debt
 * stays what it was. At 100 calls a second it is done in 1/200,000 of the time that is left. A
 * plain {address, 32-bit TAT} wraps within hours and then reads entries nobody touched as debt.
 * Debt that no TAT can hold is cut; so would be all of it without guard_source_advance, but none be
 * made.
 *
 * What is charged is rounded down to 16 ns: never stricter than said, and more lenient by less than
 * the rate times 16 ns: 1.6 % at a million a second, 0.03 % at 20,000.
 *
 * Locating and judging are apart, so that a burst can prefetch all its lines first, or better,
 * while the burst before is judged: as many misses at a time as the CPU can have, and none too
 * early. One worker owns it. No allocation after init.
 */

#include "guard/guard_name.h"
#include "guard/guard_rate.h"

#include <smmintrin.h>

enum { GUARD_SOURCES_MIN = 4096, GUARD_SOURCES_MAX = 1 << 27 };

enum {
    GUARD_SOURCE_V4_WAYS = 8,
    GUARD_SOURCE_V6_WAYS = 4,
    GUARD_SOURCE_TICK_BITS = 4,
    GUARD_SOURCE_SWEEP = 64, // some µs
};

struct guard_source_v4 {                                 // a bucket
    _Alignas(64) uint64_t entries[GUARD_SOURCE_V4_WAYS]; // tag << (32 + bits) | TAT
};
struct guard_source_v6 {
    _Alignas(64) uint64_t numbers[GUARD_SOURCE_V6_WAYS];
    uint64_t tats[GUARD_SOURCE_V6_WAYS]; // in ticks
};
static_assert(sizeof(struct guard_source_v4) == 64, "a cache line");
static_assert(sizeof(struct guard_source_v6) == 64, "a cache line");

struct guard_source_slot {
    void *line;   // the bucket
    uint64_t tag; // IPv4: the stored bits of the hash, in place; IPv6: the number
    bool v4;
};

struct guard_source {
    // By the CPU's vectors (guard_bucket.h).
    unsigned (*way)(const struct guard_source_slot *slot, uint64_t time_mask);
    struct guard_source_v4 *v4;
    struct guard_source_v6 *v6;
    unsigned v4_bits, v6_bits; // log2 of the buckets
    uint64_t v4_time_mask;     // 32 + v4_bits bits
    uint64_t v4_origin;        // in ticks: TATs count from it
    uint64_t v4_next_origin;   // that of the buckets before v4_swept
    struct guard_source_v4 *v4_swept;
};

// `sources` IPv4 entries (raised to the minimum, then to a power of two), half as many for IPv6.
// 0 or -ENOMEM.
int guard_source_init(struct guard_source *table, uint32_t sources, int numa_node) MUST_CHECK;
void guard_source_done(struct guard_source *table);

// To be called some 100 times a second.
void guard_source_advance(struct guard_source *table, uint64_t now_ns);

static inline struct guard_source_slot guard_source_locate(const struct guard_source *table,
                                                           const struct guard_name *name)
{
    if (name->v4)
        return (struct guard_source_slot){&table->v4[name->hash >> (32 - table->v4_bits)],
                                          (uint64_t)name->hash << (32 + table->v4_bits), true};
    return (struct guard_source_slot){&table->v6[name->hash >> (32 - table->v6_bits)], name->number,
                                      false};
}

static inline void guard_source_prefetch(const struct guard_source_slot *slot)
{
    __builtin_prefetch(slot->line, 1);
}

/* Finding and charging are apart too: several tables may be asked before one is charged. Most finds
 * under attack charge nothing, so whom a newcomer would replace is not sought before.
 */
struct guard_source_entry { // good until the table is written
    const struct guard_source_slot *slot;
    unsigned way;      // GUARD_SOURCE_UNKNOWN: none is the source's
    uint64_t tat, now; // in ticks since the line's origin
};
enum { GUARD_SOURCE_UNKNOWN = GUARD_SOURCE_V4_WAYS };

static inline __m128i guard_source_same(__m128i entries, __m128i time_mask, __m128i tag)
{
    return _mm_cmpeq_epi64(_mm_andnot_si128(time_mask, entries), tag);
}

// All ways are compared: the way out of a loop that ends early cannot be predicted.
static inline unsigned guard_source_way_v4(const struct guard_source_slot *slot, uint64_t time_mask)
{
    const __m128i *at = slot->line, tag = _mm_set1_epi64x((long long)slot->tag),
                  mask = _mm_set1_epi64x((long long)time_mask);
    __m128i first = _mm_packs_epi32(guard_source_same(at[0], mask, tag),
                                    guard_source_same(at[1], mask, tag)),
            last = _mm_packs_epi32(guard_source_same(at[2], mask, tag),
                                   guard_source_same(at[3], mask, tag));
    unsigned same = (unsigned)_mm_movemask_epi8(_mm_packs_epi16(first, last)); // two bits a way
    return same ? (unsigned)__builtin_ctz(same) / 2 : GUARD_SOURCE_UNKNOWN;
}

static inline unsigned guard_source_way_v6(const struct guard_source_slot *slot)
{
    const __m128i *at = slot->line, tag = _mm_set1_epi64x((long long)slot->tag);
    __m128i all = _mm_packs_epi32(_mm_cmpeq_epi64(at[0], tag), _mm_cmpeq_epi64(at[1], tag));
    unsigned same = (unsigned)_mm_movemask_epi8(all); // four bits a way
    return same ? (unsigned)__builtin_ctz(same) / 4 : GUARD_SOURCE_UNKNOWN;
}

// A clock that jumped back beyond the origin stands there until guard_source_advance.
static inline uint64_t guard_source_since(uint64_t origin, uint64_t now)
{
    return now > origin ? now - origin : 0;
}

static inline struct guard_source_entry guard_source_find(const struct guard_source *table,
                                                          const struct guard_source_slot *slot,
                                                          uint64_t now_ns)
{
    uint64_t now = now_ns >> GUARD_SOURCE_TICK_BITS, tat = 0;
    unsigned way;
    if (slot->v4) {
        const struct guard_source_v4 *bucket = slot->line;
        now = guard_source_since(
            bucket < table->v4_swept ? table->v4_next_origin : table->v4_origin, now);
        way = guard_source_way_v4(slot, table->v4_time_mask);
        if (way != GUARD_SOURCE_UNKNOWN)
            tat = bucket->entries[way] & table->v4_time_mask;
    } else {
        const struct guard_source_v6 *bucket = slot->line;
        way = guard_source_way_v6(slot);
        if (way != GUARD_SOURCE_UNKNOWN)
            tat = bucket->tats[way];
    }
    return (struct guard_source_entry){slot, way, tat, now};
}

// Nanoseconds until the source's debt is paid, 0 when nothing is known.
static inline uint64_t guard_source_debt(const struct guard_source_entry *entry)
{
    return entry->tat > entry->now ? (entry->tat - entry->now) << GUARD_SOURCE_TICK_BITS : 0;
}

static inline struct guard_rate guard_source_ticks(const struct guard_rate *rate)
{
    return (struct guard_rate){rate->emission >> GUARD_SOURCE_TICK_BITS,
                               rate->tolerance >> GUARD_SOURCE_TICK_BITS};
}

// The way whose entry gives way to the slot's.
unsigned guard_source_make_room(const struct guard_source *table,
                                const struct guard_source_slot *slot);

// `rate` is in ns. True: the source is conforming, and charged. Else it is over its rate, and
// charged nothing.
static inline bool guard_source_charge(struct guard_source *table,
                                       const struct guard_source_entry *entry,
                                       const struct guard_rate *rate)
{
    struct guard_rate ticks = guard_source_ticks(rate);
    uint64_t tat = entry->tat;
    bool conforming = guard_rate_judge(&tat, &ticks, entry->now);
    unsigned way = entry->way;
    if (way == GUARD_SOURCE_UNKNOWN)
        way = guard_source_make_room(table, entry->slot);
    if (entry->slot->v4) {
        struct guard_source_v4 *bucket = entry->slot->line;
        bucket->entries[way] =
            entry->slot->tag | (tat < table->v4_time_mask ? tat : table->v4_time_mask);
    } else {
        struct guard_source_v6 *bucket = entry->slot->line;
        bucket->numbers[way] = entry->slot->tag;
        bucket->tats[way] = tat;
    }
    return conforming;
}

static inline bool guard_source_take(struct guard_source *table,
                                     const struct guard_source_slot *slot,
                                     const struct guard_rate *rate, uint64_t now_ns)
{
    struct guard_source_entry entry = guard_source_find(table, slot, now_ns);
    return guard_source_charge(table, &entry, rate);
}
