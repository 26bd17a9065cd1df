// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The addresses of one family cut into ranges with a value below 16 each, searched a burst at a
 * time: in two steps, so that the lines of one group of packets are on their way from memory while
 * another's are read.
 *
 * What a search costs is lines from far away, then instructions. So the first half of an IPv4
 * address is looked up in a table of slots. The first 32 bits of an IPv6 one are counted in
 * bitmaps, which are small and stay near: a fork has a bit for each of 32 parts of the addresses,
 * set where a part begins that is not like the one before, and the number of the first of them; two
 * forks lead to a slot. Few ranges have one slot alone, and no table. A slot has up to five lines
 * (guard_line.h), side by side, and where between them the addresses are cut, by nine of the bits
 * that follow. Lines go on with the same bits, as in a B-tree, where a slot is crowded, and with
 * the next ones where ranges begin within one number of these.
 *
 * So an address meets one line where a slot has no more than 100 beginnings of ranges (IPv6: 50)
 * and they do not crowd in a 512th of it, else two or three; and one or two more of IPv6 where a
 * /64 is cut into parts. All that go on take each step together, and their misses overlap.
 *
 * Memory: 512 KB and some 5 bytes a range of IPv4; 16 KB and some 30 bytes a range of IPv6, 200
 * where each has a /32 of its own. A few hundred bytes a dozen ranges, if they are no more than
 * that. Immutable once built, any thread may search.
 */

#include "guard/guard_line.h"

enum {
    GUARD_RANGES_BURST = GUARD_LINE_BURST,
    GUARD_RANGES_VALUES = GUARD_LINE_FURTHER,
    GUARD_RANGES_FEW = 64, // need no table
    GUARD_RANGES_CUTS = 4,
    GUARD_RANGES_BYTES_MAX = 256 << 20,
};

struct guard_ranges_fork {
    uint32_t bits;
    uint32_t before; // the number of the first set bit's part, less one
};

struct guard_ranges {
    enum family_index family;
    bool is_few;
    struct guard_ranges_fork *forks; // and behind them, in the same memory, the other two
    uint64_t *slots;                 // see chosen_line()
    struct guard_line *lines;
    size_t bytes;
    guard_line_find *find; // of the best instruction set
};

// An IPv6 address, or the 32 bits of an IPv4 one.
typedef unsigned __int128 guard_ranges_number;

// Range i is starts[i]..starts[i + 1] - 1 with values[i]. starts[0] is 0, they rise. 0; -ENOMEM;
// -E2BIG when it would take more than BYTES_MAX.
int guard_ranges_build(struct guard_ranges *ranges, enum family_index family,
                       const guard_ranges_number *starts, const uint8_t *values,
                       uint32_t count) MUST_CHECK;
void guard_ranges_done(struct guard_ranges *ranges);

// Where each address's value stands, on its way to the cache. All are of the family; n <= BURST.
void guard_ranges_locate(const struct guard_ranges *ranges, const struct addr *const *addrs,
                         unsigned n, const struct guard_line **ret_lines);
// The values of the same addresses. `lines` are spent.
void guard_ranges_find(const struct guard_ranges *ranges, const struct addr *const *addrs,
                       unsigned n, const struct guard_line **lines, uint8_t *ret_values);
