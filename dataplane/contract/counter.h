// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Counters in shared memory: one block a worker, written by that worker alone with plain stores
 * (NIC_* and MBUFS_IN_USE by the main lcore), read by anybody at any time. A 64-bit counter never
 * wraps in practice and is never reset. Version and sizes are checked by whoever maps it
 * (contract/attach.h).
 */

#include "base/limits.h"
#include "contract/reason.h"
#include "contract/version.h"

#include <stdbool.h>
#include <stdint.h>

enum counter {
#define COUNTER(name, text) COUNTER_##name,
#include "contract/counter.def"
#undef COUNTER
    COUNTER_COUNT,
};

enum { COUNTER_SLOTS = 64, REASON_SLOTS = 192 };
static_assert((int)COUNTER_COUNT <= COUNTER_SLOTS, "a slot each");
static_assert((int)REASON_COUNT <= REASON_SLOTS, "a slot each");

struct counter_block { // of one worker
    uint64_t counters[COUNTER_SLOTS];
    uint64_t reasons[REASON_SLOTS];
    // By limits in shadow mode and checks whose action is shadow: what would have been refused but
    // was not, and how many of these logged in later.
    uint64_t shadows[REASON_SLOTS], shadow_logins[REASON_SLOTS];
};

struct counter_area { // the whole memfd
    uint32_t version; // contract_version
    uint32_t workers;
    uint32_t pad[14];
    struct counter_block blocks[WORKERS_MAX];
};

const char *counter_name(enum counter counter); // lower case
const char *counter_text(enum counter counter);
bool counter_may_shadow(enum reason reason); // can anything that refuses with it be in shadow

static inline void counter_add(struct counter_block *block, enum counter counter, uint64_t more)
{
    __atomic_store_n(&block->counters[counter], block->counters[counter] + more, __ATOMIC_RELAXED);
}

static inline void counter_set(struct counter_block *block, enum counter counter, uint64_t value)
{
    __atomic_store_n(&block->counters[counter], value, __ATOMIC_RELAXED);
}

static inline void counter_shadow(struct counter_block *block, enum reason reason)
{
    __atomic_store_n(&block->shadows[reason], block->shadows[reason] + 1, __ATOMIC_RELAXED);
}

static inline void counter_shadow_login(struct counter_block *block, enum reason reason)
{
    __atomic_store_n(&block->shadow_logins[reason], block->shadow_logins[reason] + 1,
                     __ATOMIC_RELAXED);
}

static inline void counter_refuse(struct counter_block *block, enum reason reason)
{
    __atomic_store_n(&block->reasons[reason], block->reasons[reason] + 1, __ATOMIC_RELAXED);
}
