// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_source.h"

#include "guard/guard_bucket.h"
#include "guard/guard_memory.h"

#include <errno.h>

// log2 of the IPv4 buckets, which are as many as the IPv6 ones: half the entries, four a bucket.
static unsigned bucket_bits(uint32_t sources)
{
    CHECK(sources <= GUARD_SOURCES_MAX);
    unsigned bits = 0;
    while ((UINT32_C(1) << bits) * GUARD_SOURCE_V4_WAYS < sources ||
           (UINT32_C(1) << bits) * GUARD_SOURCE_V4_WAYS < GUARD_SOURCES_MIN)
        bits++;
    return bits;
}

static size_t v4_size(const struct guard_source *table)
{
    return sizeof *table->v4 << table->v4_bits;
}

static size_t v6_size(const struct guard_source *table)
{
    return sizeof *table->v6 << table->v6_bits;
}

// Entries that say nothing, of a bucket no two the same source's.
static void clear_v4(struct guard_source *table)
{
    for (size_t i = 0; i < (size_t)1 << table->v4_bits; i++)
        for (uint64_t way = 0; way < GUARD_SOURCE_V4_WAYS; way++)
            table->v4[i].entries[way] = way << (32 + table->v4_bits);
}

static void clear_v6(struct guard_source *table)
{
    for (size_t i = 0; i < (size_t)1 << table->v6_bits; i++)
        for (uint64_t way = 0; way < GUARD_SOURCE_V6_WAYS; way++)
            table->v6[i].numbers[way] = way;
}

int guard_source_init(struct guard_source *table, uint32_t sources, int numa_node)
{
    unsigned bits = bucket_bits(sources);
    *table = (struct guard_source){.v4_bits = bits,
                                   .v6_bits = bits,
                                   .v4_time_mask = (UINT64_C(1) << (32 + bits)) - 1,
                                   .way = __builtin_cpu_supports("avx2") ? guard_bucket_way_avx2
                                                                         : guard_bucket_way_sse4};
    table->v4 = guard_memory_take(v4_size(table), numa_node);
    table->v6 = guard_memory_take(v6_size(table), numa_node);
    if (!table->v4 || !table->v6) {
        guard_source_done(table);
        return -ENOMEM;
    }
    clear_v4(table);
    clear_v6(table);
    table->v4_swept = table->v4;
    return 0;
}

void guard_source_done(struct guard_source *table)
{
    guard_memory_give(table->v4, v4_size(table));
    guard_memory_give(table->v6, v6_size(table));
    memset(table, 0, sizeof *table);
}

static void rebase(struct guard_source_v4 *bucket, uint64_t time_mask, uint64_t moved)
{
    for (unsigned way = 0; way < GUARD_SOURCE_V4_WAYS; way++) {
        uint64_t entry = bucket->entries[way], tat = entry & time_mask;
        bucket->entries[way] = (entry & ~time_mask) | guard_source_since(moved, tat);
    }
}

void guard_source_advance(struct guard_source *table, uint64_t now_ns)
{
    uint64_t now = now_ns >> GUARD_SOURCE_TICK_BITS;
    struct guard_source_v4 *end = table->v4 + ((size_t)1 << table->v4_bits);
    if (now < table->v4_origin || now < table->v4_next_origin) {
        table->v4_origin = table->v4_next_origin = now;
        table->v4_swept = table->v4;
    }
    if (table->v4_origin == table->v4_next_origin) {
        if (now - table->v4_origin <= table->v4_time_mask / 2)
            return;
        table->v4_next_origin = now;
    }
    uint64_t moved = table->v4_next_origin - table->v4_origin;
    for (unsigned i = 0; i < GUARD_SOURCE_SWEEP && table->v4_swept < end; i++)
        rebase(table->v4_swept++, table->v4_time_mask, moved);
    if (table->v4_swept == end) {
        table->v4_origin = table->v4_next_origin;
        table->v4_swept = table->v4;
    }
}

unsigned guard_source_make_room(const struct guard_source *table,
                                const struct guard_source_slot *slot)
{
    return table->way(slot, table->v4_time_mask);
}
