// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Where packets go: a list a leg and family of what is on its link, then static routes, longest
 * prefix first; none where the leg has no address of the family. At most ROUTES_MAX routes, so a
 * walk is short and needs no tree. Built by net_policy; a route remembers its next hop's entry in
 * the neighbour cache, which is pinned there for as long as the route stands.
 */

#include "base/packet.h"
#include "contract/policy.h"

#include <smmintrin.h>

struct neighbor;

struct subnet { // a prefix, ready to compare
    __m128i base, mask;
};

struct subnet subnet_of(const struct prefix *prefix);

static inline bool subnet_contains(const struct subnet *subnet, const struct addr *addr)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)addr->bytes);
    __m128i differs = _mm_xor_si128(_mm_and_si128(bytes, subnet->mask), subnet->base);
    return _mm_testz_si128(differs, differs);
}

struct route {
    struct subnet to;
    uint8_t rank; // bits of the prefix, or that of what is on the link: highest first
    bool on_link; // the next hop is the destination itself
    struct addr via;
    struct neighbor *neighbor; // of via; NULL: the cache had no room
};

struct route_list {
    uint16_t count;
    struct route routes[ROUTES_MAX + 2]; // the leg's prefix, and IPv6's link-local addresses
};

struct route_table {
    struct route_list lists[LEG_COUNT][FAMILY_COUNT];
};

// Replaces all of them. A route whose next hop is of another family is left out.
void route_build(struct route_table *table, const struct policy_interface legs[LEG_COUNT],
                 const struct policy *policy);

// Of the leg's list of that family. NULL: none.
static inline const struct route *route_find(const struct route_list *list, const struct addr *to)
{
    for (const struct route *route = list->routes; route < list->routes + list->count; route++)
        if (subnet_contains(&route->to, to))
            return route;
    return NULL;
}
