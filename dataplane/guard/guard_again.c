// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_again.h"

#include "guard/guard_memory.h"

#include <errno.h>

enum { TICK_MS = 16, TIME_BITS = 12, TIME_MASK = (1 << TIME_BITS) - 1, DOUBLED = 1 << TIME_BITS };

int guard_again_init(struct guard_again *again, int numa_node, const struct siphash_key *key)
{
    *again = (struct guard_again){.share = UINT32_MAX};
    for (uint32_t i = 0; i < GUARD_AGAIN_KEYS; i++) {
        uint32_t label[2] = {i, UINT32_C(0x6e696167)};
        again->keys[i] = siphash(key, label, sizeof label);
    }
    again->cells = guard_memory_take(GUARD_AGAIN_CELLS * sizeof *again->cells, numa_node);
    return again->cells ? 0 : -ENOMEM;
}

void guard_again_done(struct guard_again *again)
{
    guard_memory_give(again->cells, GUARD_AGAIN_CELLS * sizeof *again->cells);
    memset(again, 0, sizeof *again);
}

void guard_again_end_window(struct guard_again *again, uint64_t now_us)
{
    bool all = again->count <= GUARD_AGAIN_WINDOW_MOST;
    again->share = all ? UINT32_MAX
                       : (uint32_t)((uint64_t)UINT32_MAX * GUARD_AGAIN_WINDOW_MOST / again->count);
    again->window_us = now_us;
    again->count = 0;
}

static inline uint64_t pair(const uint64_t keys[2], uint64_t words)
{
    return (keys[0] + (uint32_t)words) * (keys[1] + (words >> 32));
}

// Its first bits count (Thorup, 2015, as guard_name.h). Of our addresses the end tells enough.
static uint64_t hash(const struct guard_again *again, const struct packet *syn)
{
    uint64_t src[2];
    uint32_t dst, ports = (uint32_t)syn->src_port << 16 | syn->dst_port;
    memcpy(src, syn->src.bytes, sizeof src);
    memcpy(&dst, syn->dst.bytes + 12, sizeof dst);
    return pair(again->keys, src[0]) + pair(again->keys + 2, src[1]) +
           pair(again->keys + 4, (uint64_t)ports << 32 | syn->seq) + pair(again->keys + 6, dst);
}

static struct guard_again_cell *cell_of(const struct guard_again *again, uint64_t hash)
{
    return &again->cells[hash >> (64 - GUARD_AGAIN_BITS)];
}

void guard_again_fetch(const struct guard_again *again, const struct packet *syn)
{
    __builtin_prefetch(cell_of(again, hash(again, syn)), 1);
}

static uint32_t clock_of(const struct packet *syn, uint64_t now_us)
{
    return syn->options.ts_value - (uint32_t)(now_us / 1000);
}

// The TSval went on by the time between, give or take a quarter: jitter is less, a replay is not.
static enum guard_again_grade grade(const struct guard_again_cell *cell, const struct packet *syn,
                                    uint32_t age_ms, uint64_t now_us)
{
    uint32_t off = clock_of(syn, now_us) - cell->clock + age_ms / 4;
    bool goes_on = syn->options.has_timestamps && off <= age_ms / 4 * 2;
    return goes_on ? GUARD_AGAIN_CLOCK : GUARD_AGAIN_PLAIN;
}

enum guard_again_grade guard_again_note(struct guard_again *again, const struct packet *syn,
                                        uint64_t now_us)
{
    guard_again_count(again, 1, now_us);
    if (!guard_again_looks_at(again, syn))
        return GUARD_AGAIN_NOT;
    uint64_t h = hash(again, syn);
    struct guard_again_cell *cell = cell_of(again, h);
    uint32_t now = (uint32_t)(now_us / 1000 / TICK_MS) & TIME_MASK;
    uint32_t tag = (uint32_t)(h >> (32 - GUARD_AGAIN_BITS)) & ~(uint32_t)(TIME_MASK | DOUBLED);
    tag += tag == 0 ? (TIME_MASK | DOUBLED) + 1u : 0; // 0 is a free cell
    uint32_t age_ms = ((now - cell->what) & TIME_MASK) * TICK_MS;
    bool same = cell->what && (cell->what & ~(uint32_t)(TIME_MASK | DOUBLED)) == tag;
    uint32_t keep_ms = same ? GUARD_AGAIN_MOST_MS : GUARD_AGAIN_KEEP_MS;
    if (cell->what == 0 || age_ms > keep_ms) {
        *cell = (struct guard_again_cell){tag | now, clock_of(syn, now_us)};
        return GUARD_AGAIN_NOT;
    }
    if (!same || age_ms < GUARD_AGAIN_DOUBLE_MS)
        return GUARD_AGAIN_NOT;
    if (age_ms < GUARD_AGAIN_LEAST_MS || (cell->what & DOUBLED)) {
        cell->what = tag | DOUBLED | now;
        return GUARD_AGAIN_NOT;
    }
    enum guard_again_grade result = grade(cell, syn, age_ms, now_us);
    *cell = (struct guard_again_cell){tag | DOUBLED | now, 0}; // once
    return result;
}
