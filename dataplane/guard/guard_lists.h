// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Which class a source's address has by the longest matching prefix; of equal prefixes the greater
 * class wins, so allow beats deny, both beat named ones, and those martian (contract/policy.h).
 *
 * The prefixes are flattened into address ranges with one class each, at most two ranges a prefix
 * and one more, and searched by bursts (guard_ranges.h). A dozen prefixes cost some KB,
 * 900,000 of IPv4 some 6 MB.
 *
 * Not DIR24_8 (rte_fib): 16 to 64 MB for any list, and 256 bytes for each lone /32; not rte_lpm: it
 * adds prefixes in quadratic time; not rte_fib6: 2 GiB for 500,000 prefixes.
 *
 * The families are apart: an IPv6 prefix never matches an IPv4 address, not even ::/0.
 */

#include "base/addr.h"
#include "guard/guard.h"

enum { GUARD_LISTS_BURST = 32 };

struct guard_line;

struct guard_lists_burst {
    const struct addr *addrs[GUARD_LISTS_BURST]; // the caller's, and n; once located, spent
    unsigned n;
    unsigned v4; // of these, in front
    bool is_parted;
    uint8_t order[GUARD_LISTS_BURST]; // which each was, if so
    const struct guard_line *lines[GUARD_LISTS_BURST];
};

/* In two steps, between which the caller does something else while memory comes: where the classes
 * stand, and what they are, CLASS_DEFAULT..CLASS_ALLOW, in the order that the addresses had. Cache
 * misses overlap within a burst, and with those of another that is located before this one is
 * found.
 */
void guard_lists_locate(const struct guard_lists *lists, struct guard_lists_burst *burst);
void guard_lists_find(const struct guard_lists *lists, struct guard_lists_burst *burst,
                      uint8_t *ret_classes);
uint8_t guard_lists_class(const struct guard_lists *lists, const struct addr *addr); // of one

size_t guard_lists_bytes(const struct guard_lists *lists); // memory
