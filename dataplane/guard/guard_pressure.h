// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Peace or attack, by the rate of SYNs, with two marks so that it does not flap:
 *
 *   peace -> attack   as soon as a window of 100 ms holds more SYNs than the high mark allows
 *   attack -> peace   when no window of the last 5 s was above the low mark
 *
 * The SYNs are those of all workers: each counts its own, and reads the others' whenever it
 * advances. One that sees an attack says until when, and all are under attack until the last of
 * these times; so they are of one mind as soon as each has advanced. One worker writes a part, the
 * others read `syns` and `until_us` at any time.
 */

#include <stdbool.h>
#include <stdint.h>

enum { GUARD_PRESSURE_WINDOW_US = 100000, GUARD_PRESSURE_CALM_US = 5000000 };

struct guard_pressure {
    uint64_t syns;       // own, ever
    uint64_t until_us;   // an attack that this worker saw
    uint64_t others;     // SYNs of the other workers, ever, as it last saw them
    uint64_t high, low;  // SYNs a window, never 0: one SYN alone is no attack
    uint64_t window_us;  // when the window began
    uint64_t begun_with; // SYNs ever, then
    bool attack;
};

// SYNs a second. A low mark above the high one counts as equal.
void guard_pressure_marks(struct guard_pressure *pressure, uint64_t high, uint64_t low);

static inline uint64_t guard_pressure_in_window(const struct guard_pressure *pressure)
{
    return pressure->syns + pressure->others - pressure->begun_with;
}

static inline void guard_pressure_prolong(struct guard_pressure *pressure, uint64_t now_us)
{
    __atomic_store_n(&pressure->until_us, now_us + GUARD_PRESSURE_CALM_US, __ATOMIC_RELAXED);
    pressure->attack = true;
}

void guard_pressure_end_window(struct guard_pressure *pressure, uint64_t now_us); // if it is time

static inline void guard_pressure_count(struct guard_pressure *pressure, unsigned syns,
                                        uint64_t now_us)
{
    if (__builtin_expect(now_us - pressure->window_us >= GUARD_PRESSURE_WINDOW_US, 0))
        guard_pressure_end_window(pressure, now_us);
    __atomic_store_n(&pressure->syns, pressure->syns + syns, __ATOMIC_RELAXED);
    // An attack that goes on is prolonged at the window's end.
    if (!pressure->attack && guard_pressure_in_window(pressure) > pressure->high)
        guard_pressure_prolong(pressure, now_us);
}

// Also to be called when no SYN comes, or an attack that stops would never end. `parts` of all
// workers, its own too; NULL: not there.
void guard_pressure_advance(struct guard_pressure *pressure,
                            const struct guard_pressure *const parts[], unsigned workers,
                            uint64_t now_us);
