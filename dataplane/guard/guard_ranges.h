// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The addresses of a family cut into ranges with a value below 16 each, searched a burst at a time.
 *
 * What a search costs is instructions and cache lines, so all there is are lines of 64 bytes and a
 * table at their root. A line has up to eleven numbers, one 32-bit word each of an address, and
 * what is before, between and after them: a value, or a further line. That line goes on in the same
 * word, as in a B-tree, or, where ranges begin within one number of this word, in the next word.
 * The root, by the upper bits of the first word, leads to a run of lines, one for each value of
 * some bits that follow: as many as are worth it. So a random address meets one line; a listed one
 * meets one or two of IPv4, and up to three of IPv6 in a crowded network. All addresses of a burst
 * take each step together, and their misses overlap.
 *
 * Memory: some 10 bytes a range. Steps: at most 7 a word. Immutable once built, any thread may
 * search.
 */

#include "base/addr.h"
#include "contract/policy.h"

enum {
    GUARD_RANGES_BURST = 32,
    GUARD_RANGES_KEYS = 11,
    GUARD_RANGES_VALUES = 16,
    GUARD_RANGES_LINES_MAX = 1 << 22, // 256 MB
};

struct guard_ranges_line {
    int32_t keys[GUARD_RANGES_KEYS];       // less 1 and biased: compared as signed; rising
    uint8_t values[GUARD_RANGES_KEYS + 1]; // or VALUES + which further line
    uint32_t next;                         // from this line to its first further one
    uint32_t word;                         // of the address, that is compared
};

struct guard_ranges {
    uint32_t *root; // for each value of the upper bits: a line, see enter()
    struct guard_ranges_line *lines;
    size_t lines_count;
    uint32_t shift; // of the first word that matters: leaves the root's bits
};

// An IPv6 address, or the 32 bits of an IPv4 one.
typedef unsigned __int128 guard_ranges_number;

// Range i is starts[i]..starts[i + 1] - 1 with values[i]. starts[0] is 0, they rise. 0; -ENOMEM;
// -E2BIG when it would take more than LINES_MAX.
int guard_ranges_build(struct guard_ranges *ranges, enum family_index family,
                       const guard_ranges_number *starts, const uint8_t *values,
                       uint32_t count) MUST_CHECK;
void guard_ranges_done(struct guard_ranges *ranges);
size_t guard_ranges_bytes(const struct guard_ranges *ranges);

// The value of each address, in its family's ranges. n <= GUARD_RANGES_BURST.
void guard_ranges_find(const struct guard_ranges families[FAMILY_COUNT],
                       const struct addr *const *addrs, unsigned n, uint8_t *ret_values);
