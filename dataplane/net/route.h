// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Static routes of both legs, a list a leg and family, longest prefix first. At most ROUTES_MAX, so
 * a walk is short and needs no tree. Built by net_policy; a route remembers its next hop's entry in
 * the neighbour cache, which is pinned there for as long as the route stands.
 */

#include "base/packet.h"
#include "contract/policy.h"

struct neighbor;

struct subnet { // a prefix, ready to compare
    uint64_t base[2], mask[2];
};

struct subnet subnet_of(const struct prefix *prefix);

static inline bool subnet_contains(const struct subnet *subnet, const struct addr *addr)
{
    uint64_t word[2];
    memcpy(word, addr->bytes, sizeof word);
    return (((word[0] & subnet->mask[0]) ^ subnet->base[0]) |
            ((word[1] & subnet->mask[1]) ^ subnet->base[1])) == 0;
}

struct route {
    struct subnet to;
    uint8_t bits; // of the prefix
    struct addr via;
    struct neighbor *neighbor; // of via; NULL: the cache had no room
};

struct route_list {
    uint16_t count;
    struct route routes[ROUTES_MAX];
};

struct route_table {
    struct route_list lists[LEG_COUNT][FAMILY_COUNT];
};

// Replaces all of them. A route whose next hop is of another family is left out.
void route_build(struct route_table *table, const struct policy *policy);
const struct route *route_find(const struct route_table *table, enum leg leg,
                               const struct addr *to); // NULL: none
