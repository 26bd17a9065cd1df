// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_pressure.h"

#include <stddef.h>

void guard_pressure_marks(struct guard_pressure *pressure, uint64_t high, uint64_t low)
{
    pressure->high = high;
    pressure->low = low < high ? low : high;
}

// What a window may hold at that rate; never 0, so that one SYN alone is no attack.
static uint64_t most(uint64_t per_second)
{
    return per_second * GUARD_PRESSURE_WINDOW_US / 1000000 + 1;
}

static uint64_t in_window(const struct guard_pressure *pressure)
{
    return pressure->syns + pressure->others - pressure->begun_with;
}

static void prolong(struct guard_pressure *pressure, uint64_t now_us)
{
    __atomic_store_n(&pressure->until_us, now_us + GUARD_PRESSURE_CALM_US, __ATOMIC_RELAXED);
    pressure->attack = true;
}

static void end_window(struct guard_pressure *pressure, uint64_t now_us)
{
    if (now_us - pressure->window_us < GUARD_PRESSURE_WINDOW_US)
        return;
    if (pressure->attack && in_window(pressure) > most(pressure->low))
        prolong(pressure, now_us);
    pressure->window_us = now_us;
    pressure->begun_with = pressure->syns + pressure->others;
}

void guard_pressure_count(struct guard_pressure *pressure, uint64_t now_us)
{
    end_window(pressure, now_us);
    __atomic_store_n(&pressure->syns, pressure->syns + 1, __ATOMIC_RELAXED);
    if (in_window(pressure) > most(pressure->high))
        prolong(pressure, now_us);
}

void guard_pressure_advance(struct guard_pressure *pressure,
                            const struct guard_pressure *const parts[], unsigned workers,
                            uint64_t now_us)
{
    uint64_t all = 0, until_us = 0;
    for (unsigned i = 0; i < workers; i++) {
        if (!parts[i])
            continue;
        uint64_t part_us = __atomic_load_n(&parts[i]->until_us, __ATOMIC_RELAXED);
        until_us = part_us > until_us ? part_us : until_us;
        all += __atomic_load_n(&parts[i]->syns, __ATOMIC_RELAXED);
    }
    pressure->attack = now_us < until_us;
    pressure->others = all - pressure->syns;
    if (in_window(pressure) > most(pressure->high))
        prolong(pressure, now_us);
    end_window(pressure, now_us);
}
