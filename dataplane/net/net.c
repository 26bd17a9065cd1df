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

bool net_glance(const struct net *net, const struct rte_mbuf *m, enum leg leg,
                struct packet *ret_packet)
{
    return fast_glance(net, m, leg, ret_packet);
}

static enum net_kind any_input(struct input *in, enum reason *ret_reason)
{
    in->kind = NET_DONE;
    *in->packet = (struct packet){.leg = (uint8_t)in->leg};
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
        net_drop(net, m, REASON_ICMP_RATE);
        return;
    }
    icmp_make_reply(m, packet);
    net_output(net, &m, 1, (enum leg)packet->leg, now_us);
}

static inline struct neighbor *next_hop(struct net *net, const struct rte_mbuf *m, enum leg leg,
                                        uint64_t now_us, enum reason *ret_reason)
{
    const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
    const struct route_list *list = net->routes.lists[leg];
    size_t least = IP4_HEADER_SIZE;
    struct addr to;
    if (ip[0] >> 4 == 4) {
        to = addr_from_v4(ip + 16);
    } else {
        to = addr_from_v6(ip + 24);
        list += FAMILY_V6;
        least = IP6_HEADER_SIZE;
    }
    CHECK(rte_pktmbuf_data_len(m) >= least);
    const struct route *route = route_find(list, &to);
    if (unlikely(!route)) {
        *ret_reason = REASON_NO_ROUTE;
        return NULL;
    }
    if (likely(route->neighbor))
        return route->neighbor;
    *ret_reason = REASON_NEIGHBOR_UNKNOWN;
    return neighbor_want(net, leg, route->on_link ? &to : &route->via, now_us);
}

// A burst's packets mostly have one next hop: it is made ready once.
void net_output(struct net *net, struct rte_mbuf *const *mbufs, unsigned count, enum leg leg,
                uint64_t now_us)
{
    struct rte_mbuf *frames[NET_BURST];
    struct neighbor *ready = NULL;
    bool known = false;
    struct ether_header header;
    unsigned sent = 0;
    CHECK(count <= NET_BURST);
    for (unsigned i = 0; i < count; i++) {
        struct rte_mbuf *m = mbufs[i];
        enum reason reason = REASON_NONE;
        struct neighbor *neighbor = next_hop(net, m, leg, now_us, &reason);
        if (unlikely(neighbor != ready) && neighbor) {
            known = neighbor_use(net, neighbor, leg, now_us);
            header = neighbor_header(net, neighbor);
            ready = neighbor;
        }
        if (unlikely(!neighbor))
            net_drop(net, m, reason);
        else if (unlikely(!known))
            neighbor_wait(net, neighbor, m);
        else if (likely(ether_prepend(net, &header, m)))
            frames[sent++] = m;
    }
    if (sent > 0)
        net->config.transmit(net->config.context, frames, sent, leg);
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
    memcpy(leg->local, from->addr, sizeof leg->local);
    if (!addr_is_zero(&leg->local[FAMILY_V6]))
        leg->link_local = nd_link_local(mac);
    if (addr_is_zero(&leg->local[FAMILY_V4]))
        return;
    memcpy(&leg->local_v4, leg->local[FAMILY_V4].bytes + 12, 4);
    if (from->bits[FAMILY_V4] < 127) { // RFC 3021: a /31 has no broadcast address
        struct subnet on_link =
            subnet_of(&(struct prefix){from->addr[FAMILY_V4], from->bits[FAMILY_V4]});
        leg->broadcast_v4 = leg->local_v4 | ~(uint32_t)_mm_extract_epi32(on_link.mask, 3);
    }
}

void net_shut(struct net *net)
{
    if (!net)
        return;
    neighbor_done(net);
    free(net);
}

static enum family_index family_of(const struct addr *addr)
{
    return addr_is_v4(addr) ? FAMILY_V4 : FAMILY_V6;
}

static void pin_server(struct net *net, const struct addr *addr)
{
    const struct route *route = route_find(&net->routes.lists[LEG_INSIDE][family_of(addr)], addr);
    if (route && route->on_link)
        (void)neighbor_pin(net, LEG_INSIDE, addr);
}

// Next hops of routes, and backends on a link of ours, are asked for ahead and kept.
void net_policy(struct net *net, const struct policy *policy)
{
    neighbor_unpin_all(net);
    route_build(&net->routes, net->config.boot->legs, policy);
    for (int leg = 0; leg < LEG_COUNT; leg++)
        for (int family = 0; family < FAMILY_COUNT; family++) {
            struct route_list *list = &net->routes.lists[leg][family];
            for (unsigned i = 0; i < list->count; i++)
                if (!list->routes[i].on_link)
                    list->routes[i].neighbor =
                        neighbor_pin(net, (enum leg)leg, &list->routes[i].via);
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
    const struct addr *local = &net->legs[leg].local[family_of(towards)];
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
