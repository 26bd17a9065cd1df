// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A hierarchical timer wheel (Varghese and Lauck, 1987): O(1) to set and to stop, no allocation.
 *
 * Timers are embedded in what they time. Times are absolute microseconds of the caller's clock. A
 * timer fires at its time or up to WHEEL_TICK_US later, never before. One thread owns a wheel.
 * A timer may be set or stopped from the callback of any timer, itself included.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WHEEL_TICK_US = 1024,
    WHEEL_SLOTS = 64,
    WHEEL_LEVELS = 5, // 64^5 ticks: 12 days; later times wait in the last slot and are put again
};

struct timer {
    struct timer *next, *prev; // both NULL while stopped
    uint64_t at_us;
};

struct wheel {
    struct timer slots[WHEEL_LEVELS][WHEEL_SLOTS]; // list heads
    uint64_t occupied[WHEEL_LEVELS];               // a bit a slot
    uint64_t tick;                                 // everything before it has fired
    uint32_t count;                                // timers running
};

void wheel_init(struct wheel *wheel, uint64_t now_us);
void timer_set(struct wheel *wheel, struct timer *timer, uint64_t at_us); // moves a running one
void timer_stop(struct wheel *wheel, struct timer *timer);                // idempotent

static inline bool timer_is_running(const struct timer *timer)
{
    return timer->next != NULL;
}

// Calls fire(context, timer) for due timers, each stopped before its call, at most `most` of them.
// Returns how many fired; the rest stay due for the next call.
uint32_t wheel_advance(struct wheel *wheel, uint64_t now_us, uint32_t most,
                       void (*fire)(void *context, struct timer *timer), void *context);

// No later than when the earliest timer can fire, for loops that sleep; UINT64_MAX when none runs.
uint64_t wheel_next_us(const struct wheel *wheel);
