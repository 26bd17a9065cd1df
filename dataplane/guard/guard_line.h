// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Lines of guard_ranges: up to 20 numbers of 16 bits of an IPv4 address, or 10 of 32 of an IPv6
 * one, and what is before, between and after them: a value, or a further line. All are compared at
 * once.
 *
 * guard_line.c is compiled once for each instruction set; the best that the CPU has is chosen at
 * run time. They find the same.
 */

#include "base/addr.h"
#include "contract/policy.h"

enum {
    GUARD_LINE_BURST = 32,
    GUARD_LINE_KEYS_V4 = 20,
    GUARD_LINE_KEYS_V6 = 10,
    GUARD_LINE_PLACES = GUARD_LINE_KEYS_V4 + 1,
    // A place's value that is none: the number of a further line, counted from `next`, and with
    // what that one goes on.
    GUARD_LINE_FURTHER = 16,
    GUARD_LINE_SAME_WORD = 32,
    GUARD_LINE_NEXT_WORD = 64,
    GUARD_LINE_INDEX = 31,
};

struct guard_line {
    union { // rising; those without use are the greatest number
        uint16_t halves[GUARD_LINE_KEYS_V4];
        uint32_t words[GUARD_LINE_KEYS_V6];
    };
    uint8_t values[GUARD_LINE_PLACES]; // those without use are like the last
    uint8_t next[3];
};

/* The values of a burst's addresses: each begins in its line, which tells the word that begins at
 * byte `at`, and goes on in those of `all`. All are of the family; n <= BURST; `lines` are spent.
 */
typedef void guard_line_find(const struct guard_line *all, enum family_index family, unsigned at,
                             const struct addr *const *addrs, unsigned n,
                             const struct guard_line **lines, uint8_t *ret_values);
extern guard_line_find guard_line_find_sse4, guard_line_find_avx2;
