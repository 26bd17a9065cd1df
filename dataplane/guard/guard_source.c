// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_source.h"

#include "guard/guard_bucket.h"
#include "guard/guard_memory.h"

#include <errno.h>

static struct guard_source_rate rate_in(uint64_t second, uint64_t per_second, uint64_t burst)
{
    CHECK(per_second > 0 && burst > 0);
    uint64_t emission = per_second < second ? second / per_second : 1;
    return (struct guard_source_rate){emission, (burst - 1) * emission};
}

struct guard_source_rate guard_source_rate(uint64_t per_second, uint64_t burst)
{
    return rate_in(1000000, per_second, burst);
}

struct guard_source_rate guard_source_rate_ns(uint64_t per_second, uint64_t burst)
{
    return rate_in(1000000000, per_second, burst);
}

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

static void hash_tags(struct guard_source *table, const struct siphash_key *key)
{
    for (uint32_t half = 0; half < 1 << GUARD_SOURCE_HALF_BITS; half++) {
        uint32_t low[2] = {half, 0}, high[2] = {half, 1};
        table->tag_low[half] = (uint32_t)siphash(key, low, sizeof low);
        table->tag_high[half] = (uint32_t)siphash(key, high, sizeof high);
    }
}

int guard_source_init(struct guard_source *table, uint32_t sources, int numa_node,
                      const struct siphash_key *key)
{
    unsigned bits = bucket_bits(sources);
    *table = (struct guard_source){.v4_bits = bits,
                                   .v6_bits = bits,
                                   .v4_time_mask = (UINT64_C(1) << (32 + bits)) - 1,
                                   .ways = __builtin_cpu_supports("avx2") ? &guard_bucket_avx2
                                                                          : &guard_bucket_sse4};
    hash_tags(table, key);
    table->v4 = guard_memory_take(v4_size(table), numa_node);
    table->v6 = guard_memory_take(v6_size(table), numa_node);
    if (table->v4 && table->v6)
        return 0;
    guard_source_done(table);
    return -ENOMEM;
}

void guard_source_done(struct guard_source *table)
{
    guard_memory_give(table->v4, v4_size(table));
    guard_memory_give(table->v6, v6_size(table));
    memset(table, 0, sizeof *table);
}

static void clear_v4(struct guard_source *table, uint64_t epoch)
{
    memset(table->v4, 0, v4_size(table));
    table->v4_epoch = epoch;
}

bool guard_source_take(struct guard_source *table, const struct guard_source_slot *slot,
                       const struct guard_source_rate *rate, uint64_t now_us)
{
    if (!slot->v4)
        return table->ways->take_v6(slot->line, slot->tag, rate, now_us);
    uint64_t time_mask = table->v4_time_mask;
    if (__builtin_expect((now_us & ~time_mask) != table->v4_epoch, 0)) // once in weeks to decades
        clear_v4(table, now_us & ~time_mask);
    return table->ways->take_v4(slot->line, slot->tag, time_mask, rate, now_us & time_mask);
}

uint64_t guard_source_debt(const struct guard_source *table, const struct guard_source_slot *slot,
                           uint64_t now_us)
{
    uint64_t tat_us =
        slot->v4 ? table->v4_epoch | table->ways->tat_v4(slot->line, slot->tag, table->v4_time_mask)
                 : table->ways->tat_v6(slot->line, slot->tag);
    return tat_us > now_us ? tat_us - now_us : 0;
}
