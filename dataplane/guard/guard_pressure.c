// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_pressure.h"

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

void guard_pressure_advance(struct guard_pressure *pressure, uint64_t now_us)
{
    if (now_us - pressure->window_us >= GUARD_PRESSURE_WINDOW_US) {
        if (pressure->count > most(pressure->low))
            pressure->loud_us = now_us;
        pressure->window_us = now_us;
        pressure->count = 0;
    }
    if (pressure->attack && now_us - pressure->loud_us >= GUARD_PRESSURE_CALM_US)
        pressure->attack = false;
}

void guard_pressure_count(struct guard_pressure *pressure, uint64_t now_us)
{
    guard_pressure_advance(pressure, now_us);
    if (++pressure->count <= most(pressure->high))
        return;
    pressure->attack = true;
    pressure->loud_us = now_us;
}
