// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_again.h"

#include "guard/guard_memory.h"

#include <errno.h>

enum { TICK_MS = 16, TIME_BITS = 12, TIME_MASK = (1 << TIME_BITS) - 1 };

int guard_again_init(struct guard_again *again, int numa_node, const struct siphash_key *key)
{
    *again = (struct guard_again){.key = *key, .share = UINT32_MAX};
    again->cells = guard_memory_take(GUARD_AGAIN_CELLS * sizeof *again->cells, numa_node);
    return again->cells ? 0 : -ENOMEM;
}

void guard_again_done(struct guard_again *again)
{
    guard_memory_give(again->cells, GUARD_AGAIN_CELLS * sizeof *again->cells);
    memset(again, 0, sizeof *again);
}

static void count(struct guard_again *again, uint64_t now_us)
{
    if (now_us - again->window_us >= GUARD_AGAIN_WINDOW_US) {
        bool all = again->count <= GUARD_AGAIN_WINDOW_MOST;
        again->share =
            all ? UINT32_MAX
                : (uint32_t)((uint64_t)UINT32_MAX * GUARD_AGAIN_WINDOW_MOST / again->count);
        again->window_us = now_us;
        again->count = 0;
    }
    again->count++;
}

// Mixed just well enough: who aims into the share competes with its own SYNs.
static bool is_in_share(const struct guard_again *again, const struct packet *syn)
{
    uint32_t mixed = (syn->seq ^ (uint32_t)again->key.word[0]) * UINT32_C(0x85ebca6b);
    mixed = (mixed ^ mixed >> 15 ^ syn->src_port) * UINT32_C(0x9e3779b1);
    return mixed <= again->share;
}

static uint64_t hash(const struct guard_again *again, const struct packet *syn)
{
    struct {
        struct addr src, dst;
        uint16_t src_port, dst_port;
        uint32_t seq;
    } flow = {syn->src, syn->dst, syn->src_port, syn->dst_port, syn->seq};
    static_assert(sizeof flow == 40, "hashed as bytes: no padding");
    return siphash(&again->key, &flow, sizeof flow);
}

bool guard_again_note(struct guard_again *again, const struct packet *syn, uint64_t now_us)
{
    count(again, now_us);
    if (!is_in_share(again, syn))
        return false;
    uint64_t h = hash(again, syn);
    uint32_t *cell = &again->cells[h % GUARD_AGAIN_CELLS];
    uint32_t tag = (uint32_t)(h >> 32) | 1u << TIME_BITS; // never 0
    uint32_t now = (uint32_t)(now_us / 1000 / TICK_MS) & TIME_MASK;
    uint32_t age_ms = ((now - *cell) & TIME_MASK) * TICK_MS;
    bool old = *cell == 0 || age_ms > GUARD_AGAIN_MOST_MS;
    if (!old && (*cell ^ tag) >> TIME_BITS == 0 && age_ms >= GUARD_AGAIN_LEAST_MS) {
        *cell = 0;
        return true;
    }
    if (old)
        *cell = (tag & ~(uint32_t)TIME_MASK) | now;
    return false;
}
