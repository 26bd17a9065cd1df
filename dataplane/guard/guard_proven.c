// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_proven.h"

#include "guard/guard_cookie.h"
#include "guard/guard_memory.h"

#include <errno.h>

enum { LOOK_SET = 1u << 31 };

struct guard_proven_print guard_proven_of_syn(const struct packet *syn, uint64_t now_us)
{
    const struct tcp_option *o = &syn->options;
    uint32_t scale = o->has_window_scale ? o->window_scale + 1u : 0;
    return (struct guard_proven_print){
        .look = (uint32_t)LOOK_SET | syn->ttl | (uint32_t)guard_cookie_mss(syn) << 8 | scale << 24 |
                (uint32_t)o->sack_permitted << 28 | (uint32_t)o->has_timestamps << 29,
        .clock = o->has_timestamps ? o->ts_value - (uint32_t)(now_us / 1000) : 0,
    };
}

struct guard_proven_print guard_proven_of_ack(const struct packet *ack,
                                              const struct tcp_handshake *handshake,
                                              uint64_t now_us)
{
    struct packet syn = {.ttl = ack->ttl, .src = ack->src};
    syn.options = (struct tcp_option){
        .mss = handshake->peer_mss,
        .has_window_scale = handshake->window_scaling,
        .window_scale = handshake->peer_window_scale,
        .sack_permitted = handshake->sack,
        .has_timestamps = handshake->timestamps,
        .ts_value = ack->options.ts_value,
    };
    return guard_proven_of_syn(&syn, now_us);
}

int guard_proven_init(struct guard_proven *table, uint32_t sources, int numa_node)
{
    uint32_t slots = GUARD_PROVEN_MIN;
    while (slots < sources && slots < GUARD_PROVEN_MAX)
        slots *= 2;
    unsigned bits = (unsigned)__builtin_ctz(slots / GUARD_PROVEN_WAYS);
    *table = (struct guard_proven){.slots = slots, .bits = bits};
    table->keys = guard_memory_take(slots * sizeof *table->keys, numa_node);
    table->entries = guard_memory_take(slots * sizeof *table->entries, numa_node);
    if (table->keys && table->entries)
        return 0;
    guard_proven_done(table);
    return -ENOMEM;
}

void guard_proven_done(struct guard_proven *table)
{
    guard_memory_give(table->keys, table->slots * sizeof *table->keys);
    guard_memory_give(table->entries, table->slots * sizeof *table->entries);
    memset(table, 0, sizeof *table);
}

// Its slot, or table->slots.
static uint32_t find(const struct guard_proven *table, const struct guard_name *source)
{
    unsigned way = guard_proven_way(table, source);
    return way == GUARD_PROVEN_WAYS ? table->slots : guard_proven_bucket(table, source) + way;
}

static bool clock_agrees(uint32_t expected, uint32_t seen, uint32_t age_s)
{
    int64_t off = (int32_t)(seen - expected);
    int64_t tolerance = (int64_t)GUARD_PROVEN_DRIFT_MS + age_s;
    return off <= tolerance && -off <= tolerance;
}

static enum guard_proven_match compare(const struct guard_proven_print *known,
                                       const struct guard_proven_print *print, uint32_t age_s)
{
    if (known->look != print->look || age_s > GUARD_PROVEN_KEEP_S)
        return GUARD_MATCH_NONE;
    bool clock = known->clock && print->clock && clock_agrees(known->clock, print->clock, age_s);
    return clock ? GUARD_MATCH_CLOCK : GUARD_MATCH_LOOK;
}

// A free slot, or that of the source not seen for longest.
static uint32_t make_room(struct guard_proven *table, uint32_t bucket)
{
    uint32_t oldest = bucket;
    for (uint32_t slot = bucket; slot < bucket + GUARD_PROVEN_WAYS; slot++) {
        if (table->keys[slot] == 0) {
            table->count++;
            return slot;
        }
        if (table->entries[slot].seen_s[0] < table->entries[oldest].seen_s[0])
            oldest = slot;
    }
    return oldest;
}

// The print that this one continues; else the last, which is the one to give up.
static int place_of(const struct guard_proven_entry *entry, const struct guard_proven_print *print,
                    uint32_t now_s)
{
    for (int i = 0; i < GUARD_PROVEN_PRINTS; i++) {
        enum guard_proven_match match = compare(&entry->prints[i], print, now_s - entry->seen_s[i]);
        if (match == GUARD_MATCH_CLOCK || (match == GUARD_MATCH_LOOK && !print->clock))
            return i;
    }
    return GUARD_PROVEN_PRINTS - 1;
}

void guard_proven_learn(struct guard_proven *table, const struct guard_name *source,
                        const struct guard_proven_print *print, uint64_t now_us)
{
    uint32_t slot = find(table, source);
    if (slot == table->slots) {
        slot = make_room(table, guard_proven_bucket(table, source));
        table->keys[slot] = guard_proven_key(source);
        table->entries[slot] = (struct guard_proven_entry){0};
    }
    struct guard_proven_entry *entry = &table->entries[slot];
    uint32_t now_s = (uint32_t)(now_us / 1000000);
    for (int i = place_of(entry, print, now_s); i > 0; i--) {
        entry->prints[i] = entry->prints[i - 1];
        entry->seen_s[i] = entry->seen_s[i - 1];
    }
    entry->prints[0] = *print;
    entry->seen_s[0] = now_s;
}

enum guard_proven_match guard_proven_take(struct guard_proven *table,
                                          const struct guard_name *source, const struct packet *syn,
                                          const struct guard_rate *rate, uint64_t now_us,
                                          bool *ret_conforms)
{
    if (table->count == 0)
        return GUARD_MATCH_NONE;
    uint32_t slot = find(table, source);
    if (slot == table->slots)
        return GUARD_MATCH_NONE;
    struct guard_proven_entry *entry = &table->entries[slot];
    struct guard_proven_print print = guard_proven_of_syn(syn, now_us);
    enum guard_proven_match best = GUARD_MATCH_NONE;
    for (int i = 0; i < GUARD_PROVEN_PRINTS; i++) {
        enum guard_proven_match match =
            compare(&entry->prints[i], &print, (uint32_t)(now_us / 1000000) - entry->seen_s[i]);
        best = match > best ? match : best;
    }
    if (best != GUARD_MATCH_NONE)
        *ret_conforms = guard_rate_judge(&entry->tat_ns[best - 1], rate, now_us * 1000);
    return best;
}

bool guard_proven_knows(const struct guard_proven *table, const struct guard_name *source,
                        uint64_t now_us, uint32_t *ret_ago_s)
{
    uint32_t slot = find(table, source);
    if (slot == table->slots)
        return false;
    uint32_t ago_s = (uint32_t)(now_us / 1000000) - table->entries[slot].seen_s[0];
    if (ago_s > GUARD_PROVEN_KEEP_S)
        return false;
    *ret_ago_s = ago_s;
    return true;
}
