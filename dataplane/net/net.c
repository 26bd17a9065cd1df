// SPDX-License-Identifier: BSD-3-Clause
#include "net/net.h"

#include "net/arp.h"
#include "net/ether.h"
#include "net/fast.h"
#include "net/icmp.h"
#include "net/ip4.h"
#include "net/ip6.h"
#include "net/nd.h"
#include "net/net_state.h"

#include <stdlib.h>

static void leg_init(struct net_leg *leg, const struct policy_interface *from,
                     const uint8_t mac[6]);
static enum net_kind any_input(struct input *in, enum reason *ret_reason) __attribute__((noinline));
static enum reason frame_input(struct input *in);
static struct neighbor *next_hop(struct net *net, enum leg leg, const struct addr *to,
                                 uint64_t now_us, enum reason *ret_reason);

enum net_kind net_input(struct net *net, struct rte_mbuf *m, enum leg leg, uint64_t now_us,
                        struct packet *ret_packet, struct net_icmp *ret_icmp,
                        enum reason *ret_reason)
{
    enum reason reason = REASON_NONE;
    if (unlikely(!fast_input(net, m, leg, ret_packet, &reason)))
        return any_input(&(struct input){.net = net,
                                         .m = m,
                                         .now_us = now_us,
                                         .leg = leg,
                                         .packet = ret_packet,
                                         .icmp = ret_icmp},
                         ret_reason);
    if (reason == REASON_NONE)
        return NET_TCP;
    *ret_reason = reason;
    return NET_REFUSED;
}

static enum net_kind any_input(struct input *in, enum reason *ret_reason)
{
    in->kind = NET_DONE;
    in->packet->src = (struct addr){0};
    in->packet->leg = (uint8_t)in->leg;
    enum reason reason = frame_input(in);
    if (reason == REASON_NONE)
        return in->kind;
    *ret_reason = reason;
    return NET_REFUSED;
}

static enum reason frame_input(struct input *in)
{
    uint16_t type = 0;
    enum reason reason = ether_parse(in, &type);
    if (reason != REASON_NONE)
        return reason;
    switch (type) {
    case ETHER_TYPE_IPV4:
        return ip4_input(in);
    case ETHER_TYPE_IPV6:
        return ip6_input(in);
    case ETHER_TYPE_ARP:
        return arp_input(in);
    default:
        return REASON_FRAME_UNKNOWN_TYPE;
    }
}

void net_echo(struct net *net, struct rte_mbuf *m, const struct packet *packet, uint64_t now_us)
{
    if (!pace_allows(&net->echo_pace, ICMP_INTERVAL_US, ICMP_BURST, now_us)) {
        counter_refuse(net->config.counters, REASON_ICMP_RATE);
        rte_pktmbuf_free(m);
        return;
    }
    icmp_make_reply(m, packet);
    net_output(net, m, (enum leg)packet->leg, now_us);
}

void net_output(struct net *net, struct rte_mbuf *m, enum leg leg, uint64_t now_us)
{
    const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
    bool v4 = ip[0] >> 4 == 4;
    CHECK(rte_pktmbuf_data_len(m) >= (v4 ? IP4_HEADER_SIZE : IP6_HEADER_SIZE));
    struct addr to = v4 ? addr_from_v4(ip + 16) : addr_from_v6(ip + 24);
    enum reason reason = REASON_NONE;
    struct neighbor *neighbor = next_hop(net, leg, &to, now_us, &reason);
    if (neighbor) {
        neighbor_send(net, neighbor, m, leg, now_us);
        return;
    }
    counter_refuse(net->config.counters, reason);
    rte_pktmbuf_free(m);
}

static struct neighbor *next_hop(struct net *net, enum leg leg, const struct addr *to,
                                 uint64_t now_us, enum reason *ret_reason)
{
    const struct net_leg *own = &net->legs[leg];
    enum family_index family = addr_is_v4(to) ? FAMILY_V4 : FAMILY_V6;
    const struct addr *via = to;
    if (addr_is_zero(&own->local[family])) {
        *ret_reason = REASON_NO_ROUTE;
        return NULL;
    }
    if (!subnet_contains(&own->on_link[family], to) && !ip6_is_link_local(to)) {
        const struct route *route = route_find(&net->routes, leg, to);
        if (!route) {
            *ret_reason = REASON_NO_ROUTE;
            return NULL;
        }
        if (route->neighbor)
            return route->neighbor;
        via = &route->via;
    }
    *ret_reason = REASON_NEIGHBOR_UNKNOWN;
    return neighbor_want(net, leg, via, now_us);
}

struct net *net_open(const struct net_config *config)
{
    struct net *net = aligned_alloc(64, (sizeof *net + 63) / 64 * 64);
    if (!net)
        return NULL;
    memset(net, 0, sizeof *net);
    net->config = *config;
    const struct policy_interface *legs = config->boot->legs;
    for (int leg = 0; leg < LEG_COUNT; leg++)
        leg_init(&net->legs[leg], &legs[leg], config->mac[leg]);
    bool shared = strcmp(legs[LEG_OUTSIDE].device, legs[LEG_INSIDE].device) == 0;
    net->shared_by_vlan = shared && legs[LEG_OUTSIDE].vlan != legs[LEG_INSIDE].vlan;
    net->shared_by_address = shared && !net->shared_by_vlan;
    net->legs[LEG_INSIDE].link = net->shared_by_address ? 0 : 1;
    fast_init(net);
    if (neighbor_init(&net->neighbors) < 0) {
        free(net);
        return NULL;
    }
    return net;
}

static void leg_init(struct net_leg *leg, const struct policy_interface *from, const uint8_t mac[6])
{
    memcpy(leg->mac, mac, sizeof leg->mac);
    leg->vlan = from->vlan;
    for (int family = 0; family < FAMILY_COUNT; family++) {
        struct prefix on_link = {from->addr[family], from->bits[family]};
        leg->local[family] = from->addr[family];
        leg->on_link[family] = subnet_of(&on_link);
    }
    if (!addr_is_zero(&leg->local[FAMILY_V6]))
        leg->link_local = nd_link_local(mac);
    if (addr_is_zero(&leg->local[FAMILY_V4]))
        return;
    memcpy(&leg->local_v4, leg->local[FAMILY_V4].bytes + 12, 4);
    if (from->bits[FAMILY_V4] < 127) { // RFC 3021: a /31 has no broadcast address
        uint32_t mask;
        memcpy(&mask, (const uint8_t *)leg->on_link[FAMILY_V4].mask + 12, sizeof mask);
        leg->broadcast_v4 = leg->local_v4 | ~mask;
    }
}

void net_shut(struct net *net)
{
    if (!net)
        return;
    neighbor_done(net);
    free(net);
}

static void pin_server(struct net *net, const struct addr *addr)
{
    enum family_index family = addr_is_v4(addr) ? FAMILY_V4 : FAMILY_V6;
    const struct net_leg *inside = &net->legs[LEG_INSIDE];
    if (!addr_is_zero(&inside->local[family]) && subnet_contains(&inside->on_link[family], addr))
        (void)neighbor_pin(net, LEG_INSIDE, addr);
}

// Next hops of routes, and backends on a link of ours, are asked for ahead and kept.
void net_policy(struct net *net, const struct policy *policy)
{
    neighbor_unpin_all(net);
    route_build(&net->routes, policy);
    for (int leg = 0; leg < LEG_COUNT; leg++)
        for (int family = 0; family < FAMILY_COUNT; family++) {
            struct route_list *list = &net->routes.lists[leg][family];
            if (addr_is_zero(&net->legs[leg].local[family]))
                list->count = 0;
            for (unsigned i = 0; i < list->count; i++)
                list->routes[i].neighbor = neighbor_pin(net, (enum leg)leg, &list->routes[i].via);
        }
    for (unsigned i = 0; i < policy->backends_count; i++)
        for (unsigned k = 0; k < policy->backends[i].servers_count; k++)
            pin_server(net, &policy->backends[i].servers[k].addr);
}

void net_advance(struct net *net, uint64_t now_us)
{
    neighbor_advance(net, now_us);
}

const struct addr *net_local(const struct net *net, enum leg leg, const struct addr *towards)
{
    const struct addr *local = &net->legs[leg].local[addr_is_v4(towards) ? FAMILY_V4 : FAMILY_V6];
    return addr_is_zero(local) ? NULL : local;
}

bool net_is_neighbor_frame(const struct rte_mbuf *m)
{
    enum { NEXT_HEADER = 6, ICMP_TYPE = IP6_HEADER_SIZE };
    size_t size = rte_pktmbuf_data_len(m), header = ETHER_HEADER_SIZE;
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    if (size < header)
        return false;
    uint16_t type = load_u16(frame + 12);
    if (type == ETHER_TYPE_VLAN && size >= header + ETHER_VLAN_SIZE) {
        header += ETHER_VLAN_SIZE;
        type = load_u16(frame + 16);
    }
    if (type == ETHER_TYPE_ARP)
        return true;
    if (type != ETHER_TYPE_IPV6 || size <= header + ICMP_TYPE)
        return false;
    const uint8_t *ip = frame + header;
    return ip[NEXT_HEADER] == IP_PROTOCOL_ICMP6 &&
           (ip[ICMP_TYPE] == ND_SOLICITATION || ip[ICMP_TYPE] == ND_ADVERTISEMENT);
}
