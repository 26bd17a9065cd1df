// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_ban.h"

#include "contract/reason.h"

enum {
    LOOKS_A_PAGE = 1024, // at the table of bans
    SWEEP = 64,          // slots a call
};

int guard_ban_init(struct guard_ban *bans, int numa_node, const struct siphash_key *key)
{
    *bans = (struct guard_ban){.earliest_us = UINT64_MAX};
    return guard_table_init(&bans->table, GUARD_BANS_MAX, numa_node, key);
}

void guard_ban_done(struct guard_ban *bans)
{
    guard_table_done(&bans->table);
}

static void give(struct guard_ban *bans, struct guard_table_entry *entry)
{
    bans->by_operator -= entry->extra == REASON_NONE;
    guard_table_give(&bans->table, entry);
}

static void sweep_slot(struct guard_ban *bans, uint64_t now_us)
{
    struct guard_table_entry *entry = &bans->table.entries[bans->sweep];
    if (entry->used && entry->value <= now_us)
        give(bans, entry); // another may have moved here: look again
    else
        bans->sweep = (bans->sweep + 1) & (bans->table.slots - 1);
}

/* Only when the table is full and a ban has certainly had time to end: 0.1 ms, at most once for
 * each time that `earliest_us` passes. Twice the slots, because a removal looks at its slot again.
 */
static void sweep_all(struct guard_ban *bans, uint64_t now_us)
{
    if (bans->earliest_us > now_us)
        return;
    for (uint32_t i = 0; i < bans->table.slots * 2; i++)
        sweep_slot(bans, now_us);
    bans->earliest_us = UINT64_MAX;
    for (uint32_t i = 0; i < bans->table.slots; i++) {
        const struct guard_table_entry *entry = &bans->table.entries[i];
        if (entry->used && entry->value < bans->earliest_us)
            bans->earliest_us = entry->value;
    }
}

void guard_ban_advance(struct guard_ban *bans, uint64_t now_us)
{
    for (int i = 0; i < SWEEP && bans->table.count; i++)
        sweep_slot(bans, now_us);
}

bool guard_ban_holds(const struct guard_ban *bans, const struct addr *addr, uint64_t now_us)
{
    if (bans->table.count == 0)
        return false;
    const struct guard_table_entry *entry = guard_table_find(&bans->table, addr);
    return entry && entry->value > now_us;
}

bool guard_ban_set(struct guard_ban *bans, const struct ban *ban, uint64_t now_us)
{
    if (ban->seconds == 0)
        return false;
    if (bans->table.count == bans->table.most)
        sweep_all(bans, now_us);
    struct guard_table_entry *entry = guard_table_take(&bans->table, &ban->addr);
    if (!entry)
        return false;
    bans->by_operator -= entry->value && entry->extra == REASON_NONE; // it replaces that one
    entry->value = now_us + ban->seconds * UINT64_C(1000000);
    entry->extra = ban->reason;
    bans->by_operator += entry->extra == REASON_NONE;
    if (entry->value < bans->earliest_us)
        bans->earliest_us = entry->value;
    return true;
}

bool guard_ban_lift(struct guard_ban *bans, const struct addr *addr)
{
    struct guard_table_entry *entry = guard_table_find(&bans->table, addr);
    if (!entry)
        return false;
    give(bans, entry);
    return true;
}

static struct ban ban_of(const struct guard_table_entry *entry, uint64_t now_us)
{
    return (struct ban){
        .addr = entry->source,
        .seconds = (uint32_t)((entry->value - now_us + 999999) / 1000000),
        .reason = (uint16_t)entry->extra,
    };
}

bool guard_ban_find(const struct guard_ban *bans, const struct addr *addr, uint64_t now_us,
                    struct ban *ret_ban)
{
    const struct guard_table_entry *entry = guard_table_find(&bans->table, addr);
    if (!entry || entry->value <= now_us)
        return false;
    *ret_ban = ban_of(entry, now_us);
    return true;
}

void guard_ban_page(const struct guard_ban *bans, uint32_t cursor, uint64_t now_us,
                    struct ban_page *ret_page)
{
    *ret_page = (struct ban_page){0};
    for (uint32_t slot = cursor; slot < bans->table.slots; slot++) {
        if (ret_page->count == BANS_PER_MESSAGE || slot - cursor == LOOKS_A_PAGE) {
            ret_page->next = slot;
            return;
        }
        const struct guard_table_entry *entry = &bans->table.entries[slot];
        if (entry->used && entry->value > now_us)
            ret_page->bans[ret_page->count++] = ban_of(entry, now_us);
    }
}
