// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_ranges.h"

#include "guard/guard_memory.h"

#include <assert.h>
#include <errno.h>
#include <nmmintrin.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEYS = GUARD_RANGES_KEYS,
    CROWD = 4, // a node has no more lines than this many times ranges / KEYS, or lines not empty
    STEPS_MOST = UINT16_MAX - 1,
};

static_assert(sizeof(struct guard_ranges_line) == 64, "a cache line");

struct part { // ranges that a node is to be made of
    uint32_t first, end;
    uint32_t line; // the node's own
};

struct build {
    const uint64_t *starts;
    const uint8_t *values;
    struct guard_ranges_line *lines;
    size_t lines_count, lines_room;
    struct part *parts; // taken in order
    size_t parts_count, parts_room;
    int error;
};

static bool room_for(void **items, size_t *room, size_t needed, size_t size)
{
    if (needed <= *room)
        return true;
    size_t wanted = *room * 2 > needed ? *room * 2 : needed;
    void *grown = realloc(*items, wanted * size);
    if (!grown)
        return false;
    *items = grown;
    *room = wanted;
    return true;
}

// The first of them, or 0 after an error.
static uint32_t lines_take(struct build *b, size_t count)
{
    size_t first = b->lines_count;
    if (count > GUARD_RANGES_LINES_MAX - first)
        b->error = -E2BIG;
    else if (!room_for((void **)&b->lines, &b->lines_room, first + count, sizeof *b->lines))
        b->error = -ENOMEM;
    if (b->error)
        return 0;
    b->lines_count += count;
    return (uint32_t)first;
}

static void part_add(struct build *b, struct part part)
{
    if (room_for((void **)&b->parts, &b->parts_room, b->parts_count + 1, sizeof *b->parts))
        b->parts[b->parts_count++] = part;
    else
        b->error = -ENOMEM;
}

static uint64_t steps(const struct guard_ranges_line *line, uint64_t number)
{
    return (number - line->base) >> line->shift;
}

// The first range that begins in another line of the node than `first`.
static uint32_t line_end(const struct build *b, const struct guard_ranges_line *node,
                         uint32_t first, uint32_t end)
{
    uint32_t i = first + 1;
    while (i < end && steps(node, b->starts[i]) == steps(node, b->starts[first]))
        i++;
    return i;
}

static uint64_t lines_used(const struct build *b, const struct guard_ranges_line *node,
                           uint32_t first, uint32_t end)
{
    uint64_t used = 1;
    for (uint32_t i = first + 1; i < end; i++)
        used += steps(node, b->starts[i]) != steps(node, b->starts[i - 1]);
    return used;
}

// As many lines as are worth it; two at least, so that the parts are smaller.
static struct guard_ranges_line node_plan(const struct build *b, uint32_t first, uint32_t end)
{
    struct guard_ranges_line node = {.base = b->starts[first], .values = {GUARD_RANGES_NODE}};
    uint64_t span = b->starts[end - 1] - node.base;
    uint64_t most = (uint64_t)(end - first) * CROWD / KEYS;
    for (int shift = span ? 63 - __builtin_clzll(span) : 0; shift >= 0; shift--) {
        struct guard_ranges_line finer = node;
        finer.shift = (uint8_t)shift;
        uint64_t last = span >> shift;
        if (node.last > 0 && (last >= most || last >= CROWD * lines_used(b, &finer, first, end)))
            break;
        finer.last = (uint32_t)last;
        node = finer;
    }
    return node;
}

static uint8_t common_shift(const struct build *b, uint32_t first, uint32_t end)
{
    uint64_t distances = 0;
    for (uint32_t i = first + 1; i < end; i++)
        distances |= b->starts[i] - b->starts[first];
    return distances ? (uint8_t)__builtin_ctzll(distances) : 0;
}

static bool leaf_holds(const struct build *b, uint32_t first, uint32_t end)
{
    if (end - first <= 1 || end - first > KEYS)
        return end - first <= 1;
    uint64_t span = b->starts[end - 1] - b->starts[first];
    return span >> common_shift(b, first, end) < STEPS_MOST;
}

static int16_t biased(uint64_t steps_and_one) // SSE compares signed numbers only
{
    return (int16_t)(steps_and_one ^ 0x8000);
}

static void leaf_fill(const struct build *b, struct guard_ranges_line *line, uint32_t first,
                      uint32_t end)
{
    *line = (struct guard_ranges_line){.values = {b->values[first - 1]}};
    if (first < end) {
        line->base = b->starts[first];
        line->shift = common_shift(b, first, end);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        bool used = first + i < end;
        uint64_t distance = used ? steps(line, b->starts[first + i]) : STEPS_MOST;
        line->keys[i] = biased(distance + 1);
        line->values[i + 1] = used ? b->values[first + i] : line->values[i];
    }
}

static struct guard_ranges_line node_make(struct build *b, uint32_t first, uint32_t end)
{
    struct guard_ranges_line node = node_plan(b, first, end);
    node.first = lines_take(b, (size_t)node.last + 1);
    for (uint32_t line = 0; line <= node.last && !b->error; line++) {
        uint32_t part = first;
        if (first < end && steps(&node, b->starts[first]) == line)
            first = line_end(b, &node, first, end);
        if (leaf_holds(b, part, first))
            leaf_fill(b, &b->lines[node.first + line], part, first);
        else
            part_add(b, (struct part){part, first, node.first + line});
    }
    return node;
}

static struct guard_ranges_line root_make(struct build *b, uint32_t count)
{
    if (count > 1)
        return node_make(b, 1, count);
    lines_take(b, 1);
    if (!b->error)
        leaf_fill(b, b->lines, 1, 1);
    return (struct guard_ranges_line){0}; // all numbers to line 0
}

static int keep(struct guard_ranges *ranges, const struct build *b)
{
    ranges->count = b->lines_count;
    ranges->lines = guard_memory_take(guard_ranges_bytes(ranges), -1);
    if (!ranges->lines)
        return -ENOMEM;
    memcpy(ranges->lines, b->lines, guard_ranges_bytes(ranges));
    return 0;
}

int guard_ranges_build(struct guard_ranges *ranges, const uint64_t *starts, const uint8_t *values,
                       uint32_t count)
{
    CHECK(count > 0 && starts[0] == 0);
    struct build b = {.starts = starts, .values = values};
    *ranges = (struct guard_ranges){.root = root_make(&b, count)};
    for (size_t i = 0; i < b.parts_count && !b.error; i++) {
        struct part part = b.parts[i];
        struct guard_ranges_line node = node_make(&b, part.first, part.end);
        if (!b.error)
            b.lines[part.line] = node;
    }
    int error = b.error ? b.error : keep(ranges, &b);
    free(b.lines);
    free(b.parts);
    return error;
}

void guard_ranges_done(struct guard_ranges *ranges)
{
    guard_memory_give(ranges->lines, guard_ranges_bytes(ranges));
    *ranges = (struct guard_ranges){0};
}

size_t guard_ranges_bytes(const struct guard_ranges *ranges)
{
    return ranges->count * sizeof *ranges->lines;
}

/* What follows has no branches: whether a number is before a base, has found its leaf or goes on is
 * chance, and a wrong guess costs as much as all else. Hence conditions as masks.
 */
static inline uint64_t mask(bool condition)
{
    return -(uint64_t)condition;
}

static inline uint32_t line_of(const struct guard_ranges_line *node, uint64_t number)
{
    uint64_t distance = (number - node->base) >> (node->shift & 63);
    distance = distance < node->last ? distance : node->last;
    return node->first + (uint32_t)(distance & mask(number >= node->base));
}

// How many of a leaf's keys are at or before `number`: the value's index.
static inline unsigned keys_passed(const struct guard_ranges_line *leaf, uint64_t number)
{
    uint64_t distance = (number - leaf->base) >> (leaf->shift & 63);
    distance = distance < STEPS_MOST ? distance : STEPS_MOST;
    __m128i wanted = _mm_set1_epi16(biased((distance + 1) & mask(number >= leaf->base)));
    const __m128i *keys = (const __m128i *)(const void *)leaf->keys;
    __m128i low = _mm_cmpgt_epi16(_mm_load_si128(keys), wanted);
    __m128i high = _mm_cmpgt_epi16(_mm_load_si128(keys + 1), wanted);
    unsigned not_passed = (unsigned)_mm_movemask_epi8(_mm_packs_epi16(low, high));
    return KEYS - (unsigned)__builtin_popcount(not_passed);
}

// One step down for those that walk; they are fewer from step to step.
static inline unsigned step(const struct guard_ranges_line *lines, const uint64_t *numbers,
                            uint32_t *at, uint8_t *walking, unsigned count)
{
    unsigned on = 0;
    for (unsigned j = 0; j < count; j++) {
        unsigned i = walking[j];
        const struct guard_ranges_line *line = &lines[at[i]];
        bool is_node = line->values[0] == GUARD_RANGES_NODE;
        at[i] ^= (at[i] ^ line_of(line, numbers[i])) & (uint32_t)mask(is_node);
        __builtin_prefetch(&lines[at[i]]);
        walking[on] = (uint8_t)i;
        on += is_node;
    }
    return on;
}

void guard_ranges_find(const struct guard_ranges *ranges, const uint64_t *numbers, unsigned n,
                       uint32_t *ret_places)
{
    const struct guard_ranges_line *lines = ranges->lines;
    uint32_t at[GUARD_RANGES_BURST];
    uint8_t walking[GUARD_RANGES_BURST];
    for (unsigned i = 0; i < n; i++) {
        at[i] = line_of(&ranges->root, numbers[i]);
        __builtin_prefetch(&lines[at[i]]);
        walking[i] = (uint8_t)i;
    }
    for (unsigned count = n; count > 0;) // a level's span is at most half of the one above: ends
        count = step(lines, numbers, at, walking, count);
    for (unsigned i = 0; i < n; i++)
        ret_places[i] = at[i] * GUARD_RANGES_PLACES + keys_passed(&lines[at[i]], numbers[i]);
}
