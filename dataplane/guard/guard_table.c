// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_table.h"

#include "guard/guard_memory.h"
#include "guard/guard_name.h"

#include <errno.h>

int guard_table_init(struct guard_table *table, uint32_t most, int numa_node,
                     const struct siphash_key *key)
{
    CHECK(most > 0 && most <= UINT32_C(1) << 28);
    uint32_t slots = 64;
    while (slots < most * 2)
        slots *= 2;
    *table = (struct guard_table){.slots = slots, .most = most, .key = *key};
    table->entries = guard_memory_take(slots * sizeof *table->entries, numa_node);
    return table->entries ? 0 : -ENOMEM;
}

void guard_table_done(struct guard_table *table)
{
    guard_memory_give(table->entries, table->slots * sizeof *table->entries);
    memset(table, 0, sizeof *table);
}

// The key that stands for an address.
static struct addr source_of(const struct addr *addr)
{
    struct addr source = *addr;
    if (!addr_is_v4(addr))
        memset(source.bytes + 8, 0, 8);
    return source;
}

static uint32_t home(const struct guard_table *table, const struct addr *source)
{
    struct guard_name name = guard_name_of(&table->key, source);
    return (uint32_t)((uint64_t)name.hash * table->slots >> 32); // the hash's first bits
}

// The source's slot, or the free one where it would go: half of them are free, so there is one.
static uint32_t probe(const struct guard_table *table, const struct addr *source)
{
    uint32_t slot = home(table, source);
    while (table->entries[slot].used && !addr_equal(&table->entries[slot].source, source))
        slot = (slot + 1) & (table->slots - 1);
    return slot;
}

struct guard_table_entry *guard_table_find(const struct guard_table *table, const struct addr *addr)
{
    struct addr source = source_of(addr);
    struct guard_table_entry *entry = &table->entries[probe(table, &source)];
    return entry->used ? entry : NULL;
}

struct guard_table_entry *guard_table_take(struct guard_table *table, const struct addr *addr)
{
    struct addr source = source_of(addr);
    struct guard_table_entry *entry = &table->entries[probe(table, &source)];
    if (entry->used)
        return entry;
    if (table->count == table->most)
        return NULL;
    table->count++;
    *entry = (struct guard_table_entry){.source = source, .used = 1};
    return entry;
}

void guard_table_give(struct guard_table *table, struct guard_table_entry *entry)
{
    CHECK(entry->used && table->count > 0);
    uint32_t mask = table->slots - 1;
    uint32_t gap = (uint32_t)(entry - table->entries);
    for (uint32_t slot = (gap + 1) & mask; table->entries[slot].used; slot = (slot + 1) & mask) {
        uint32_t want = home(table, &table->entries[slot].source);
        // It may move back into the gap unless its home lies between the gap and itself.
        if (((slot - want) & mask) >= ((slot - gap) & mask)) {
            table->entries[gap] = table->entries[slot];
            gap = slot;
        }
    }
    table->entries[gap].used = 0;
    table->count--;
}
