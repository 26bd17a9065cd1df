// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The 64-bit numbers cut into ranges with a small value each, searched a burst at a time.
 *
 * What a search costs is cache lines, so all there is are lines of 64 bytes: a leaf has up to
 * sixteen numbers at which ranges begin and the values before, between and after them; a node says
 * which of the lines that follow each other from `first` on goes on for a number. Both know numbers
 * by their distance from a base in steps of 2^shift: that makes two bytes of a number in a leaf.
 * The root is a node, beside the lines. A node has a line for some six ranges where they lie
 * evenly, and fewer where they do not, so that crowded parts get nodes of their own: a random
 * number meets one line, a listed one two or three. All numbers of a burst take each step together,
 * and their misses overlap.
 *
 * Memory: some 15 bytes a range. A level has at most half of its parent's span: at most 64 levels,
 * whatever the ranges. Immutable once built, any thread may search.
 */

#include "base/check.h"

#include <stddef.h>
#include <stdint.h>

enum {
    GUARD_RANGES_BURST = 32,
    GUARD_RANGES_KEYS = 16,
    GUARD_RANGES_PLACES = 32,         // of a line
    GUARD_RANGES_LINES_MAX = 1 << 22, // 256 MB
    GUARD_RANGES_NODE = 0xff,
};

struct guard_ranges_line {
    union {
        int16_t keys[GUARD_RANGES_KEYS]; // of a leaf: steps + 1, rising; biased: compared as signed
        struct {
            uint32_t first, last; // of a node: a line, and how many are behind it
        };
    };
    uint64_t base;                         // the first number at which a range begins
    uint8_t shift;                         // steps = (number - base) >> shift
    uint8_t values[GUARD_RANGES_KEYS + 1]; // of a leaf; NODE in the first: it is a node
    uint8_t pad[2];
    uint32_t mark; // of a leaf: the owner's
};

struct guard_ranges {
    struct guard_ranges_line root;
    struct guard_ranges_line *lines;
    size_t count;
};

// Range i is starts[i]..starts[i + 1] - 1 with values[i], which is not NODE. starts[0] is 0, they
// rise. 0; -ENOMEM; -E2BIG when it would take more than LINES_MAX.
int guard_ranges_build(struct guard_ranges *ranges, const uint64_t *starts, const uint8_t *values,
                       uint32_t count) MUST_CHECK;
void guard_ranges_done(struct guard_ranges *ranges);
size_t guard_ranges_bytes(const struct guard_ranges *ranges);

// The place of each number's value, n <= GUARD_RANGES_BURST. A range may have several places; a
// number has one, and shares it with no number of a range that is not next to its own.
void guard_ranges_find(const struct guard_ranges *ranges, const uint64_t *numbers, unsigned n,
                       uint32_t *ret_places);

static inline uint8_t guard_ranges_value(const struct guard_ranges *ranges, uint32_t place)
{
    return ranges->lines[place / GUARD_RANGES_PLACES].values[place % GUARD_RANGES_PLACES];
}
