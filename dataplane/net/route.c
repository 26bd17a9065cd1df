// SPDX-License-Identifier: BSD-3-Clause
#include "net/route.h"

struct subnet subnet_of(const struct prefix *prefix)
{
    static const struct addr ones = {.bytes = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                               0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    struct addr mask = addr_mask(&ones, prefix->bits);
    struct addr base = addr_mask(&prefix->addr, prefix->bits);
    struct subnet subnet;
    memcpy(&subnet.mask, mask.bytes, sizeof subnet.mask);
    memcpy(&subnet.base, base.bytes, sizeof subnet.base);
    return subnet;
}

// Behind those of the same rank, so that of two equal prefixes the first one named serves.
static void insert(struct route_list *list, const struct route *route)
{
    unsigned at = list->count++;
    for (; at > 0 && list->routes[at - 1].rank < route->rank; at--)
        list->routes[at] = list->routes[at - 1];
    list->routes[at] = *route;
}

static void add_on_link(struct route_list *list, const struct prefix *prefix)
{
    enum { FIRST = UINT8_MAX };
    insert(list, &(struct route){.to = subnet_of(prefix), .rank = FIRST, .on_link = true});
}

static void add_legs(struct route_table *table, const struct policy_interface legs[LEG_COUNT])
{
    static const struct prefix link_local = {{{0xfe, 0x80}}, 10}; // RFC 4291, section 2.4
    for (int leg = 0; leg < LEG_COUNT; leg++)
        for (int family = 0; family < FAMILY_COUNT; family++) {
            const struct policy_interface *own = &legs[leg];
            if (addr_is_zero(&own->addr[family]))
                continue;
            struct route_list *list = &table->lists[leg][family];
            add_on_link(list, &(struct prefix){own->addr[family], own->bits[family]});
            if (family == FAMILY_V6)
                add_on_link(list, &link_local);
        }
}

void route_build(struct route_table *table, const struct policy_interface legs[LEG_COUNT],
                 const struct policy *policy)
{
    *table = (struct route_table){0};
    add_legs(table, legs);
    for (unsigned i = 0; i < policy->routes_count && i < ROUTES_MAX; i++) {
        const struct policy_route *from = &policy->routes[i];
        // ::/0 would cover the mapped IPv4 addresses too: the family is the next hop's.
        enum family_index family = addr_is_v4(&from->via) ? FAMILY_V4 : FAMILY_V6;
        bool to_v4 = addr_is_v4(&from->to.addr) && from->to.bits >= ADDR_V4_BITS;
        struct route_list *list = &table->lists[from->leg][family];
        if (to_v4 == (family == FAMILY_V4) && !addr_is_zero(&legs[from->leg].addr[family]))
            insert(list, &(struct route){
                             .to = subnet_of(&from->to), .rank = from->to.bits, .via = from->via});
    }
}
