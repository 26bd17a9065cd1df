// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_source.h"

#include "guard/guard_memory.h"

#include <errno.h>

enum { V4_WAYS = 8, V6_WAYS = 4, LINE = 64 };
static_assert(V4_WAYS * sizeof(uint64_t) == LINE, "a bucket is a cache line");
static_assert(V6_WAYS * sizeof(struct guard_source_v6) == LINE, "a bucket is a cache line");

struct guard_source_rate guard_source_rate(uint64_t per_second, uint64_t burst)
{
    CHECK(per_second > 0 && burst > 0);
    uint64_t emission_us = per_second < 1000000 ? 1000000 / per_second : 1;
    return (struct guard_source_rate){emission_us, (burst - 1) * emission_us};
}

static unsigned log2_up(uint32_t value)
{
    unsigned bits = 0;
    while (bits < 31 && (UINT32_C(1) << bits) < value)
        bits++;
    return bits;
}

int guard_source_init(struct guard_source *table, uint32_t sources, int numa_node,
                      const struct siphash_key *key)
{
    CHECK(sources <= GUARD_SOURCES_MAX);
    unsigned bits = log2_up(sources < GUARD_SOURCES_MIN ? GUARD_SOURCES_MIN : sources);
    *table = (struct guard_source){
        .v4_bits = bits - 3, // eight a bucket
        .v6_bits = bits - 3, // half as many, four a bucket
        .v4_size = sizeof(uint64_t) << bits,
        .v6_size = sizeof(struct guard_source_v6) << (bits - 1),
        .key = *key,
    };
    table->v4 = guard_memory_take(table->v4_size, numa_node);
    table->v6 = guard_memory_take(table->v6_size, numa_node);
    if (table->v4 && table->v6)
        return 0;
    guard_source_done(table);
    return -ENOMEM;
}

void guard_source_done(struct guard_source *table)
{
    guard_memory_give(table->v4, table->v4_size);
    guard_memory_give(table->v6, table->v6_size);
    memset(table, 0, sizeof *table);
}

static uint64_t big_endian(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

struct guard_source_slot guard_source_locate(const struct guard_source *table,
                                             const struct addr *source)
{
    if (addr_is_v4(source)) {
        uint32_t address = (uint32_t)big_endian(source->bytes + 12, 4);
        uint32_t tag = address >> table->v4_bits;
        uint64_t bucket = (address ^ siphash(&table->key, &tag, sizeof tag)) &
                          ((UINT64_C(1) << table->v4_bits) - 1);
        return (struct guard_source_slot){table->v4 + bucket * V4_WAYS, tag, true};
    }
    uint64_t prefix = big_endian(source->bytes, 8);
    uint64_t bucket =
        siphash(&table->key, &prefix, sizeof prefix) & ((UINT64_C(1) << table->v6_bits) - 1);
    return (struct guard_source_slot){table->v6 + bucket * V6_WAYS, prefix, false};
}

/* The debt is cut at the most that this rate can run up, so that a policy with a shorter burst is
 * not haunted by what an older one allowed. */
bool guard_source_judge(uint64_t *tat_us, const struct guard_source_rate *rate, uint64_t now_us)
{
    uint64_t debt_us = *tat_us > now_us ? *tat_us - now_us : 0;
    uint64_t most_us = rate->tolerance_us + rate->emission_us;
    if (debt_us > most_us)
        debt_us = most_us;
    bool conforming = debt_us <= rate->tolerance_us;
    *tat_us = now_us + debt_us + (conforming ? rate->emission_us : 0);
    return conforming;
}

static unsigned least_v4(const uint64_t *line, uint64_t time_mask)
{
    unsigned least = 0;
    for (unsigned i = 1; i < V4_WAYS; i++)
        least = (line[i] & time_mask) < (line[least] & time_mask) ? i : least;
    return least;
}

static unsigned least_v6(const struct guard_source_v6 *line)
{
    unsigned least = 0;
    for (unsigned i = 1; i < V6_WAYS; i++)
        least = line[i].tat_us < line[least].tat_us ? i : least;
    return least;
}

static bool take_v4(struct guard_source *table, uint64_t *line, uint64_t tag,
                    const struct guard_source_rate *rate, uint64_t now_us)
{
    unsigned time_bits = 32 + table->v4_bits;
    uint64_t time_mask = (UINT64_C(1) << time_bits) - 1;
    if (now_us >> time_bits != table->v4_epoch) { // once in weeks to decades
        memset(table->v4, 0, table->v4_size);
        table->v4_epoch = now_us >> time_bits;
    }
    now_us &= time_mask;

    // All ways at once: which one it is cannot be predicted, so a loop that leaves early costs
    // more.
    unsigned hits = 0;
    for (unsigned i = 0; i < V4_WAYS; i++)
        hits |= (unsigned)(line[i] >> time_bits == tag) << i;
    unsigned at = hits ? (unsigned)__builtin_ctz(hits) : least_v4(line, time_mask);
    uint64_t tat_us = hits ? line[at] & time_mask : 0;
    bool conforming = guard_source_judge(&tat_us, rate, now_us);
    line[at] = tag << time_bits | (tat_us < time_mask ? tat_us : time_mask);
    return conforming;
}

static bool take_v6(struct guard_source_v6 *line, uint64_t prefix,
                    const struct guard_source_rate *rate, uint64_t now_us)
{
    unsigned hits = 0;
    for (unsigned i = 0; i < V6_WAYS; i++)
        hits |= (unsigned)(line[i].prefix == prefix) << i;
    unsigned at = hits ? (unsigned)__builtin_ctz(hits) : least_v6(line);
    uint64_t tat_us = hits ? line[at].tat_us : 0;
    bool conforming = guard_source_judge(&tat_us, rate, now_us);
    line[at] = (struct guard_source_v6){prefix, tat_us};
    return conforming;
}

bool guard_source_take(struct guard_source *table, const struct guard_source_slot *slot,
                       const struct guard_source_rate *rate, uint64_t now_us)
{
    return slot->v4 ? take_v4(table, slot->line, slot->tag, rate, now_us)
                    : take_v6(slot->line, slot->tag, rate, now_us);
}

uint64_t guard_source_debt(const struct guard_source *table, const struct addr *source,
                           uint64_t now_us)
{
    struct guard_source_slot slot = guard_source_locate(table, source);
    unsigned time_bits = 32 + table->v4_bits;
    uint64_t time_mask = (UINT64_C(1) << time_bits) - 1, tat_us = 0;
    if (slot.v4) {
        const uint64_t *line = slot.line;
        if (now_us >> time_bits != table->v4_epoch)
            return 0;
        now_us &= time_mask;
        for (unsigned i = 0; i < V4_WAYS; i++)
            if (line[i] >> time_bits == slot.tag)
                tat_us = line[i] & time_mask;
    } else {
        const struct guard_source_v6 *line = slot.line;
        for (unsigned i = 0; i < V6_WAYS; i++)
            if (line[i].prefix == slot.tag)
                tat_us = line[i].tat_us;
    }
    return tat_us > now_us ? tat_us - now_us : 0;
}
