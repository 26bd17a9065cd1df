// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_pressure.h"

#include <stddef.h>

static uint64_t in_a_window(uint64_t per_second)
{
    return per_second * GUARD_PRESSURE_WINDOW_US / 1000000 + 1;
}

void guard_pressure_marks(struct guard_pressure *pressure, uint64_t high, uint64_t low)
{
    pressure->high = in_a_window(high);
    pressure->low = in_a_window(low < high ? low : high);
}

void guard_pressure_end_window(struct guard_pressure *pressure, uint64_t now_us)
{
    if (now_us - pressure->window_us < GUARD_PRESSURE_WINDOW_US)
        return;
    if (pressure->attack && guard_pressure_in_window(pressure) > pressure->low)
        guard_pressure_prolong(pressure, now_us);
    pressure->window_us = now_us;
    pressure->begun_with = pressure->syns + pressure->others;
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
    if (guard_pressure_in_window(pressure) > pressure->high)
        guard_pressure_prolong(pressure, now_us);
    guard_pressure_end_window(pressure, now_us);
}
