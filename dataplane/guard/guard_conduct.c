// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_conduct.h"

#include "guard/guard_memory.h"

#include <errno.h>

#define HOUR_US UINT64_C(3600000000)

static const uint8_t points[REASON_COUNT] = {
#define OFFENCE(reason, points) [REASON_##reason] = (points),
#include "guard/guard_offence.def"
#undef OFFENCE
};

enum { BUCKET_BITS = 12 };
static_assert(GUARD_CONDUCT_SLOTS == GUARD_CONDUCT_WAYS << BUCKET_BITS, "buckets by the hash");

unsigned guard_conduct_points(enum reason reason)
{
    CHECK(reason < REASON_COUNT);
    return points[reason];
}

int guard_conduct_init(struct guard_conduct *conduct, int numa_node)
{
    conduct->entries = guard_memory_take(GUARD_CONDUCT_SLOTS * sizeof *conduct->entries, numa_node);
    return conduct->entries ? 0 : -ENOMEM;
}

void guard_conduct_done(struct guard_conduct *conduct)
{
    guard_memory_give(conduct->entries, GUARD_CONDUCT_SLOTS * sizeof *conduct->entries);
    conduct->entries = NULL;
}

static struct guard_conduct_entry *bucket_of(const struct guard_conduct *conduct,
                                             const struct guard_name *source)
{
    return &conduct->entries[(source->hash >> (32 - BUCKET_BITS)) * GUARD_CONDUCT_WAYS];
}

static struct guard_conduct_entry *find(const struct guard_conduct *conduct,
                                        const struct guard_name *source)
{
    struct guard_conduct_entry *bucket = bucket_of(conduct, source);
    for (int i = 0; i < GUARD_CONDUCT_WAYS; i++)
        if (bucket[i].used && bucket[i].number == source->number && bucket[i].v4 == source->v4)
            return &bucket[i];
    return NULL;
}

static uint64_t forgotten_us(const struct guard_conduct_entry *entry)
{
    return entry->tat_us > entry->good_us ? entry->tat_us : entry->good_us;
}

static struct guard_conduct_entry *take(struct guard_conduct *conduct,
                                        const struct guard_name *source)
{
    struct guard_conduct_entry *entry = find(conduct, source);
    if (entry)
        return entry;
    entry = bucket_of(conduct, source);
    for (int i = 1; i < GUARD_CONDUCT_WAYS; i++)
        if (forgotten_us(&bucket_of(conduct, source)[i]) < forgotten_us(entry))
            entry = &bucket_of(conduct, source)[i];
    *entry = (struct guard_conduct_entry){.number = source->number, .v4 = source->v4, .used = true};
    return entry;
}

bool guard_conduct_offend(struct guard_conduct *conduct, const struct guard_name *source,
                          enum reason reason, uint64_t limit, uint64_t now_us)
{
    unsigned more = guard_conduct_points(reason);
    CHECK(more > 0 && limit > 0);
    struct guard_conduct_entry *entry = take(conduct, source);
    uint64_t at = entry->tat_us > now_us ? entry->tat_us : now_us;
    entry->good_us = 0;
    entry->tat_us = at + more * (HOUR_US / limit);
    if (entry->tat_us - now_us <= limit * (HOUR_US / limit))
        return false;
    entry->tat_us = 0;
    return true;
}

void guard_conduct_praise(struct guard_conduct *conduct, const struct guard_name *source,
                          uint64_t until_us, uint64_t now_us)
{
    struct guard_conduct_entry *entry = take(conduct, source);
    if (entry->tat_us <= now_us)
        entry->good_us = until_us;
}

bool guard_conduct_is_good(const struct guard_conduct *conduct, const struct guard_name *source,
                           uint64_t now_us)
{
    const struct guard_conduct_entry *entry = find(conduct, source);
    return entry && entry->good_us > now_us;
}

uint32_t guard_conduct_debt(const struct guard_conduct *conduct, const struct guard_name *source,
                            uint64_t limit, uint64_t now_us)
{
    const struct guard_conduct_entry *entry = find(conduct, source);
    uint64_t emission = HOUR_US / limit;
    if (!entry || entry->tat_us <= now_us)
        return 0;
    return (uint32_t)((entry->tat_us - now_us + emission - 1) / emission);
}
