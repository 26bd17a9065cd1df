// SPDX-License-Identifier: BSD-3-Clause
#include "base/wheel.h"

#include "base/check.h"

#include <stddef.h>
#include <string.h>

enum { SLOT_BITS = 6, SLOT_MASK = WHEEL_SLOTS - 1 };
static_assert(1 << SLOT_BITS == WHEEL_SLOTS, "slots are a power of two");

static uint64_t tick_of(uint64_t at_us) // rounded up: never early
{
    return at_us / WHEEL_TICK_US + (at_us % WHEEL_TICK_US != 0);
}

void wheel_init(struct wheel *wheel, uint64_t now_us)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->tick = now_us / WHEEL_TICK_US;
    for (int level = 0; level < WHEEL_LEVELS; level++)
        for (int slot = 0; slot < WHEEL_SLOTS; slot++) {
            struct timer *head = &wheel->slots[level][slot];
            head->next = head->prev = head;
        }
}

static void insert(struct wheel *wheel, struct timer *timer)
{
    uint64_t tick = tick_of(timer->at_us);
    if (tick < wheel->tick)
        tick = wheel->tick;
    uint64_t span = (uint64_t)1 << (SLOT_BITS * WHEEL_LEVELS);
    if (tick - wheel->tick >= span)
        tick = wheel->tick + span - 1;

    // The level is that of the highest digit in which the two ticks differ.
    int level = 0;
    for (uint64_t apart = (tick ^ wheel->tick) >> SLOT_BITS; apart; apart >>= SLOT_BITS)
        level++;
    if (level >= WHEEL_LEVELS) // a carry past the last level: park there, put again later
        level = WHEEL_LEVELS - 1;
    unsigned slot = (unsigned)(tick >> (SLOT_BITS * level)) & SLOT_MASK;

    struct timer *head = &wheel->slots[level][slot];
    timer->prev = head->prev;
    timer->next = head;
    head->prev->next = timer;
    head->prev = timer;
    wheel->occupied[level] |= (uint64_t)1 << slot;
}

static void unlink_timer(struct timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->next = timer->prev = NULL;
}

void timer_set(struct wheel *wheel, struct timer *timer, uint64_t at_us)
{
    timer_stop(wheel, timer);
    timer->at_us = at_us;
    insert(wheel, timer);
    wheel->count++;
}

void timer_stop(struct wheel *wheel, struct timer *timer)
{
    if (!timer_is_running(timer))
        return;
    unlink_timer(timer); // the slot's bit may stay set: advance clears it when it finds it empty
    wheel->count--;
}

// Moves all of a slot of a higher level to where they belong now that the wheel has come closer.
static void cascade(struct wheel *wheel, int level)
{
    unsigned slot = (unsigned)(wheel->tick >> (SLOT_BITS * level)) & SLOT_MASK;
    struct timer *head = &wheel->slots[level][slot];
    if (head->next == head) {
        wheel->occupied[level] &= ~((uint64_t)1 << slot);
        return;
    }
    struct timer moved = *head; // detach the list first: insert may use this very slot again
    moved.next->prev = &moved;
    moved.prev->next = &moved;
    head->next = head->prev = head;
    wheel->occupied[level] &= ~((uint64_t)1 << slot);
    while (moved.next != &moved) {
        struct timer *timer = moved.next;
        unlink_timer(timer);
        insert(wheel, timer);
    }
}

// The next tick at which something may fire or must cascade, not past `end`.
static uint64_t next_stop(const struct wheel *wheel, uint64_t end)
{
    uint64_t from = wheel->tick + 1;
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        unsigned shift = (unsigned)(SLOT_BITS * level);
        uint64_t unit = (from + ((uint64_t)1 << shift) - 1) >> shift;
        unsigned slot = (unsigned)unit & SLOT_MASK;
        uint64_t bits = wheel->occupied[level] >> slot;
        uint64_t stop = bits ? (unit + (unsigned)__builtin_ctzll(bits)) << shift
                             : ((unit | SLOT_MASK) + 1) << shift;
        if (bits && stop <= end)
            end = stop;
        else if (!bits && wheel->occupied[level] && stop < end)
            end = stop;
    }
    return end;
}

uint32_t wheel_advance(struct wheel *wheel, uint64_t now_us, uint32_t most,
                       void (*fire)(void *context, struct timer *timer), void *context)
{
    uint64_t end = now_us / WHEEL_TICK_US;
    uint32_t fired = 0;
    for (;;) {
        unsigned slot = (unsigned)wheel->tick & SLOT_MASK;
        struct timer *head = &wheel->slots[0][slot];
        while (head->next != head && head->next->at_us <= now_us) {
            if (fired == most)
                return fired;
            struct timer *timer = head->next;
            unlink_timer(timer);
            wheel->count--;
            fired++;
            fire(context, timer);
        }
        if (wheel->tick >= end)
            return fired;
        if (head->next == head)
            wheel->occupied[0] &= ~((uint64_t)1 << slot);
        wheel->tick = next_stop(wheel, end);
        for (int level = WHEEL_LEVELS - 1; level > 0; level--)
            if ((wheel->tick & (((uint64_t)1 << (SLOT_BITS * level)) - 1)) == 0)
                cascade(wheel, level);
    }
}

uint64_t wheel_next_us(const struct wheel *wheel)
{
    if (wheel->count == 0)
        return UINT64_MAX;
    const struct timer *head = &wheel->slots[0][wheel->tick & SLOT_MASK];
    if (head->next != head)
        return wheel->tick * WHEEL_TICK_US;
    return next_stop(wheel, wheel->tick + ((uint64_t)1 << (SLOT_BITS * WHEEL_LEVELS))) *
           WHEEL_TICK_US;
}
