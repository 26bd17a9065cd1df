// SPDX-License-Identifier: BSD-3-Clause
#include "net/route.h"

struct subnet subnet_of(const struct prefix *prefix)
{
    static const struct addr ones = {.bytes = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                               0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    struct addr mask = addr_mask(&ones, prefix->bits);
    struct addr base = addr_mask(&prefix->addr, prefix->bits);
    struct subnet subnet;
    memcpy(subnet.mask, mask.bytes, sizeof subnet.mask);
    memcpy(subnet.base, base.bytes, sizeof subnet.base);
    return subnet;
}

static enum family_index family_of(const struct addr *addr)
{
    return addr_is_v4(addr) ? FAMILY_V4 : FAMILY_V6;
}

// Behind those of the same length, so that of two equal prefixes the first one named serves.
static void insert(struct route_list *list, const struct policy_route *from)
{
    unsigned at = list->count++;
    for (; at > 0 && list->routes[at - 1].bits < from->to.bits; at--)
        list->routes[at] = list->routes[at - 1];
    list->routes[at] =
        (struct route){.to = subnet_of(&from->to), .bits = from->to.bits, .via = from->via};
}

void route_build(struct route_table *table, const struct policy *policy)
{
    *table = (struct route_table){0};
    for (unsigned i = 0; i < policy->routes_count && i < ROUTES_MAX; i++) {
        const struct policy_route *from = &policy->routes[i];
        // ::/0 would cover the mapped IPv4 addresses too: the family is the next hop's.
        bool to_v4 = addr_is_v4(&from->to.addr) && from->to.bits >= ADDR_V4_BITS;
        if (to_v4 == addr_is_v4(&from->via))
            insert(&table->lists[from->leg][family_of(&from->via)], from);
    }
}

const struct route *route_find(const struct route_table *table, enum leg leg, const struct addr *to)
{
    const struct route_list *list = &table->lists[leg][family_of(to)];
    for (unsigned i = 0; i < list->count; i++)
        if (subnet_contains(&list->routes[i].to, to))
            return &list->routes[i];
    return NULL;
}
