// SPDX-License-Identifier: BSD-3-Clause
#include "base/wheel.h"

#include "base/memory.h"

#include <errno.h>

enum { LEVEL_BITS = 8, ENTRIES = 14, PLACE_BITS = 4, LINE = 64, LOADED_MOST = 256, FIRE_MOVES = 8 };
static_assert(1 << LEVEL_BITS == WHEEL_SLOTS, "slots are a power of two");
static_assert(LEVEL_BITS * WHEEL_LEVELS == 32, "a tick's low bits tell the slot of each level");

struct wheel_chunk {
    uint32_t below; // in the same slot, and full; or the next free one
    uint16_t slot;  // level * WHEEL_SLOTS + number
    uint16_t count;
    uint32_t entries[ENTRIES]; // indices of objects
};
static_assert(sizeof(struct wheel_chunk) == LINE, "a cache line");
static_assert(ENTRIES < 1 << PLACE_BITS, "an entry's number fits a place");

int wheel_init(struct wheel *wheel, void *objects, uint32_t count, size_t size, size_t offset)
{
    // Only the top chunk of a slot has room; number 0 means none.
    *wheel = (struct wheel){.objects = objects,
                            .size = size,
                            .offset = offset,
                            .chunks_count = count / ENTRIES + WHEEL_LEVELS * WHEEL_SLOTS + 1,
                            .chunks_used = 1};
    wheel->chunks = memory_take(wheel->chunks_count * sizeof *wheel->chunks, -1);
    return wheel->chunks ? 0 : -ENOMEM;
}

void wheel_done(struct wheel *wheel)
{
    memory_give(wheel->chunks, wheel->chunks_count * sizeof *wheel->chunks);
}

static inline struct timer *timer_at(const struct wheel *wheel, uint32_t index)
{
    return (struct timer *)(void *)(wheel->objects + index * wheel->size + wheel->offset);
}

static void set_occupied(struct wheel *wheel, uint32_t slot, bool is)
{
    uint64_t *bits = &wheel->occupied[slot / WHEEL_SLOTS][slot % WHEEL_SLOTS / 64];
    uint64_t bit = (uint64_t)1 << slot % 64;
    *bits = is ? *bits | bit : *bits & ~bit;
}

static uint32_t take_chunk(struct wheel *wheel, uint32_t slot, uint32_t below)
{
    uint32_t number = wheel->chunk_free;
    if (number)
        wheel->chunk_free = wheel->chunks[number].below;
    else
        number = wheel->chunks_used++;
    CHECK(number < wheel->chunks_count);
    wheel->chunks[number].below = below;
    wheel->chunks[number].slot = (uint16_t)slot;
    wheel->chunks[number].count = 0;
    if (!below)
        set_occupied(wheel, slot, true);
    return number;
}

static void give_chunk(struct wheel *wheel, uint32_t number)
{
    struct wheel_chunk *chunk = &wheel->chunks[number];
    wheel->tops[chunk->slot] = chunk->below;
    if (!chunk->below)
        set_occupied(wheel, chunk->slot, false);
    chunk->below = wheel->chunk_free;
    wheel->chunk_free = number;
}

// Times beyond the wheel are cut to its end; none is set into what is firing.
static uint64_t tick_of(const struct wheel *wheel, uint64_t at_us)
{
    uint64_t tick = at_us / WHEEL_TICK_US + (at_us % WHEEL_TICK_US != 0); // up: never early
    if (tick <= wheel->tick)
        return wheel->tick + 1;
    return tick - wheel->tick > UINT32_MAX ? wheel->tick + UINT32_MAX : tick;
}

// The level is that of the highest digit of how far it is away: a level's slots are the next 256 of
// its units, so that what goes round soon is never moved.
static void put(struct wheel *wheel, uint32_t index, struct timer *timer)
{
    uint32_t away = timer->tick - (uint32_t)wheel->tick;
    uint32_t level = (31 - (uint32_t)__builtin_clz(away | 1)) / LEVEL_BITS;
    uint32_t slot = level * WHEEL_SLOTS + (timer->tick >> (LEVEL_BITS * level)) % WHEEL_SLOTS;
    uint32_t top = wheel->tops[slot];
    if (!top || wheel->chunks[top].count == ENTRIES)
        wheel->tops[slot] = top = take_chunk(wheel, slot, top);
    struct wheel_chunk *chunk = &wheel->chunks[top];
    timer->place = top << PLACE_BITS | chunk->count;
    chunk->entries[chunk->count++] = index;
}

// The slot's last entry takes its place.
static void unlink_timer(struct wheel *wheel, struct timer *timer)
{
    struct wheel_chunk *chunk = &wheel->chunks[timer->place >> PLACE_BITS];
    uint32_t number = wheel->tops[chunk->slot];
    struct wheel_chunk *top = &wheel->chunks[number];
    uint32_t last = top->entries[--top->count];
    chunk->entries[timer->place % (1 << PLACE_BITS)] = last;
    timer_at(wheel, last)->place = timer->place;
    timer->place = 0;
    if (!top->count)
        give_chunk(wheel, number);
}

void timer_set(struct wheel *wheel, struct timer *timer, uint64_t at_us)
{
    uint32_t tick = (uint32_t)tick_of(wheel, at_us);
    if (timer_is_running(timer)) {
        if (timer->tick == tick)
            return;
        unlink_timer(wheel, timer);
        wheel->count--;
    }
    timer->tick = tick;
    size_t at = (size_t)((const uint8_t *)timer - wheel->objects);
    put(wheel, (uint32_t)(at / wheel->size), timer);
    wheel->count++;
}

void timer_stop(struct wheel *wheel, struct timer *timer)
{
    if (!timer_is_running(timer))
        return;
    unlink_timer(wheel, timer);
    wheel->count--;
}

bool timer_fires_by(const struct wheel *wheel, const struct timer *timer, uint64_t at_us)
{
    uint32_t now = (uint32_t)wheel->tick;
    return timer_is_running(timer) && timer->tick - now <= (uint32_t)tick_of(wheel, at_us) - now;
}

void timer_prefetch(const struct wheel *wheel, const struct timer *timer)
{
    __builtin_prefetch(&wheel->chunks[timer->place >> PLACE_BITS]);
}

static void load_objects(const struct wheel *wheel, const struct wheel_chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->count; i++) {
        const uint8_t *object = wheel->objects + chunk->entries[i] * wheel->size;
        for (size_t at = 0; at < wheel->size && at < LOADED_MOST; at += LINE)
            __builtin_prefetch(object + at);
    }
}

// A chunk ahead of those that fire.
static void load_ahead(const struct wheel *wheel, uint32_t number, bool first)
{
    const struct wheel_chunk *chunk = &wheel->chunks[number];
    const struct wheel_chunk *next = &wheel->chunks[chunk->below];
    if (first)
        load_objects(wheel, chunk);
    if (!chunk->below)
        return;
    load_objects(wheel, next);
    __builtin_prefetch(&wheel->chunks[next->below]);
}

struct turn {      // of wheel_advance
    uint64_t left; // a move takes 1, a fire FIRE_MOVES
    uint32_t fired;
    void (*fire)(void *context, struct timer *timer);
    void *context;
};

// Fires what the slot of this tick holds, and moves what one of a higher level holds to where it
// belongs now. Nothing is put into it meanwhile. False: there is more.
static bool drain(struct wheel *wheel, uint32_t slot, struct turn *turn)
{
    uint32_t loaded = 0, number;
    while ((number = wheel->tops[slot])) {
        uint32_t takes = slot < WHEEL_SLOTS ? FIRE_MOVES : 1;
        if (turn->left < takes)
            return false;
        turn->left -= takes;
        if (number != loaded)
            load_ahead(wheel, number, !loaded);
        loaded = number;
        const struct wheel_chunk *chunk = &wheel->chunks[number];
        uint32_t index = chunk->entries[chunk->count - 1];
        struct timer *timer = timer_at(wheel, index);
        unlink_timer(wheel, timer);
        if (slot >= WHEEL_SLOTS) {
            put(wheel, index, timer);
            continue;
        }
        wheel->count--;
        turn->fired++;
        turn->fire(turn->context, timer);
    }
    return true;
}

// The slot that comes in at this tick; WHEEL_LEVELS * WHEEL_SLOTS: none of that level does.
static uint32_t slot_now(const struct wheel *wheel, uint32_t level)
{
    uint32_t tick = (uint32_t)wheel->tick, shift = LEVEL_BITS * level;
    if (tick % (1u << shift))
        return WHEEL_LEVELS * WHEEL_SLOTS;
    return level * WHEEL_SLOTS + (tick >> shift) % WHEEL_SLOTS;
}

static bool drain_all(struct wheel *wheel, struct turn *turn)
{
    for (uint32_t level = WHEEL_LEVELS; level-- > 0;) {
        uint32_t slot = slot_now(wheel, level);
        if (slot < WHEEL_LEVELS * WHEEL_SLOTS && !drain(wheel, slot, turn))
            return false;
    }
    return true;
}

// How many slots further on the next occupied one is, counted from `from` on; WHEEL_SLOTS: none.
static uint32_t next_occupied(const uint64_t bits[WHEEL_SLOTS / 64], uint32_t from)
{
    for (uint32_t i = 0; i <= WHEEL_SLOTS / 64; i++) {
        uint32_t word = (from / 64 + i) % (WHEEL_SLOTS / 64);
        uint64_t behind = UINT64_MAX << from % 64;
        uint64_t found = bits[word];
        if (i == 0)
            found &= behind;
        else if (i == WHEEL_SLOTS / 64)
            found &= ~behind;
        if (found)
            return (word * 64 + (uint32_t)__builtin_ctzll(found) - from) % WHEEL_SLOTS;
    }
    return WHEEL_SLOTS;
}

// The next tick at which something may fire or must move, not past `end`.
static uint64_t next_stop(const struct wheel *wheel, uint64_t end)
{
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t unit = (wheel->tick >> (LEVEL_BITS * level)) + 1;
        uint32_t ahead = next_occupied(wheel->occupied[level], (uint32_t)unit % WHEEL_SLOTS);
        uint64_t stop = (unit + ahead) << (LEVEL_BITS * level);
        if (ahead < WHEEL_SLOTS && stop < end)
            end = stop;
    }
    return end;
}

uint32_t wheel_advance(struct wheel *wheel, uint64_t now_us, uint32_t most,
                       void (*fire)(void *context, struct timer *timer), void *context)
{
    uint64_t end = now_us / WHEEL_TICK_US;
    struct turn turn = {.left = (uint64_t)most * FIRE_MOVES, .fire = fire, .context = context};
    while (drain_all(wheel, &turn) && wheel->tick < end)
        wheel->tick = next_stop(wheel, end);
    return turn.fired;
}

uint64_t wheel_next_us(const struct wheel *wheel)
{
    if (wheel->count == 0)
        return UINT64_MAX;
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        uint32_t slot = slot_now(wheel, level);
        if (slot < WHEEL_LEVELS * WHEEL_SLOTS && wheel->tops[slot])
            return wheel->tick * WHEEL_TICK_US; // more than an advance might fire
    }
    return next_stop(wheel, UINT64_MAX / WHEEL_TICK_US) * WHEEL_TICK_US;
}
