// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Which class a source's address has by the longest matching prefix; of equal prefixes the greater
 * class wins, so allow beats deny and both beat named ones (contract/policy.h).
 *
 * The prefixes are flattened into a sorted run of address ranges with one class each, at most two
 * ranges a prefix, and searched by halves below an index over the first bits. A list of a dozen
 * prefixes costs a few hundred bytes, 900,000 some 9 MB. Not DIR24_8 (rte_fib): 64 MB for any
 * list, and an order slower to build; not rte_lpm: it adds prefixes one by one in quadratic time.
 *
 * The families are apart: an IPv6 prefix never matches an IPv4 address, not even ::/0.
 */

#include "base/addr.h"
#include "guard/guard.h"

// CLASS_DEFAULT..CLASS_ALLOW
uint8_t guard_lists_find(const struct guard_lists *lists, const struct addr *addr);
