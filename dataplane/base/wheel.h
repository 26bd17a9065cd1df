// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A hierarchical timer wheel (Varghese and Lauck, 1987): O(1) to set and to stop, all memory taken
 * at start.
 *
 * Timers are embedded in what they time: the objects of one array, a timer each. A slot is not a
 * list through them, which would lead from one object that waits for memory to the next, but
 * chunks of their indices: stopping a timer reads no other object, and those that are about to
 * fire are loaded ahead.
 *
 * Times are absolute microseconds of the caller's clock. A timer fires at its time or up to
 * WHEEL_TICK_US later, never before; one that is set more than 50 days ahead fires after 50. One
 * thread owns a wheel. A timer may be set or stopped from the callback of any timer, itself
 * included.
 */

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WHEEL_TICK_US = 1024, WHEEL_SLOTS = 256, WHEEL_LEVELS = 4 };

struct timer {
    uint32_t place; // chunk and entry, 0 while stopped
    uint32_t tick;  // when it fires, low bits
};

struct wheel_chunk;

struct wheel {
    uint8_t *objects;
    size_t size, offset; // bytes of an object; where in it the timer is
    struct wheel_chunk *chunks;
    uint32_t chunks_count, chunks_used;                // in all; those before it were in use once
    uint32_t chunk_free;                               // of those, the first that is free again
    uint32_t count;                                    // timers running
    uint64_t tick;                                     // everything before it has fired
    uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64]; // a bit a slot
    uint32_t tops[WHEEL_LEVELS * WHEEL_SLOTS];         // the chunk of a slot that may have room
};

// `count` objects of `size` bytes, a stopped (zeroed) timer `offset` bytes into each. 0 or -ENOMEM.
int wheel_init(struct wheel *wheel, void *objects, uint32_t count, size_t size,
               size_t offset) MUST_CHECK;
void wheel_done(struct wheel *wheel);

void timer_set(struct wheel *wheel, struct timer *timer, uint64_t at_us); // moves a running one
void timer_stop(struct wheel *wheel, struct timer *timer);                // idempotent

static inline bool timer_is_running(const struct timer *timer)
{
    return timer->place != 0;
}
// Whether it runs and fires no later than one that is set to at_us.
bool timer_fires_by(const struct wheel *wheel, const struct timer *timer, uint64_t at_us);
// Begins to load what timer_set and timer_stop will read of a running one.
void timer_prefetch(const struct wheel *wheel, const struct timer *timer);

// Calls fire(context, timer) for due timers, each stopped before its call. At most `most` of
// them fire, or eight times as many are moved closer; the rest stay due for the next call. Returns
// how many fired.
uint32_t wheel_advance(struct wheel *wheel, uint64_t now_us, uint32_t most,
                       void (*fire)(void *context, struct timer *timer), void *context);

// No later than when the earliest timer can fire, for loops that sleep; UINT64_MAX when none runs.
uint64_t wheel_next_us(const struct wheel *wheel);
