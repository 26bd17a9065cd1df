// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What the files of this station share: the struct behind net.h, and one frame's way through
 * net_input. Private to net/.
 *
 * A link is a broadcast domain. Legs on ports of their own, or told apart by VLAN, are links of
 * their own; two legs on one port and one VLAN are one link, and then the destination address
 * names the leg.
 */

#include "net/neighbor.h"
#include "net/net.h"
#include "net/pace.h"
#include "net/route.h"

#include <emmintrin.h>
#include <rte_mbuf.h>

enum {
    ETHER_TYPE_IPV4 = 0x0800,
    ETHER_TYPE_ARP = 0x0806,
    ETHER_TYPE_VLAN = 0x8100,
    ETHER_TYPE_IPV6 = 0x86dd,
    ETHER_HEADER_SIZE = 14,
    ETHER_VLAN_SIZE = 4, // what a tag adds
    IP4_HEADER_SIZE = 20,
    IP6_HEADER_SIZE = 40,
    TCP_HEADER_SIZE = 20,
    IP_PROTOCOL_ICMP = 1,
    IP_PROTOCOL_TCP = 6,
    IP_PROTOCOL_ICMP6 = 58,
    IP_TTL = 64,            // RFC 1700's recommendation
    ICMP_INTERVAL_US = 500, // 2,000 echo replies a second a worker, in the long run
    ICMP_BURST = 200,
};

struct net_leg {
    struct addr local[FAMILY_COUNT]; // zero: the family is off
    struct addr link_local;          // RFC 4291, appendix A; zero when IPv6 is off
    uint32_t local_v4, broadcast_v4; // network order; broadcast 0: the prefix has none
    uint16_t vlan;                   // 0: untagged
    uint8_t mac[6];
    uint8_t link; // index of the broadcast domain
};

struct fast_run { // 16 bytes of a frame: (bytes & mask) is value
    __m128i mask, value;
};

struct fast_leg { // what fast.c compares frames with
    struct fast_run link[FAMILY_COUNT], address[FAMILY_COUNT];
    struct addr local[FAMILY_COUNT];
    __m128i own_v4; // network order: broadcast, both legs', 0
    uint16_t vlan;
};

struct net {
    struct net_leg legs[LEG_COUNT];
    struct fast_leg fast[LEG_COUNT];
    bool shared_by_address; // one link: the destination address names the leg
    bool shared_by_vlan;    // one port, two links: the tag names the leg
    struct net_config config;
    struct pace echo_pace;
    struct route_table routes;
    struct neighbor_table neighbors;
};

struct input { // one frame in net_input
    struct net *net;
    struct rte_mbuf *m;
    uint64_t now_us;
    const uint8_t *frame; // Ethernet header, before whatever was cut from m
    struct span ip;       // what stands behind the link header; padding still on it
    bool group;           // the frame was sent to a broadcast or multicast address
    enum leg leg;
    enum net_kind kind; // the verdict when no reason speaks against it
    struct packet *packet;
    struct net_icmp *icmp;
};

static inline const uint8_t *input_source_mac(const struct input *in)
{
    return in->frame + 6;
}

// Leaves m with its data at the IP header and without the frame's padding.
static inline void input_strip(struct input *in, size_t ip_size)
{
    struct rte_mbuf *m = in->m;
    m->data_off = (uint16_t)(m->data_off + (in->ip.at - in->frame));
    m->data_len = (uint16_t)ip_size;
    m->pkt_len = (uint32_t)ip_size;
}

static inline void net_drop(struct net *net, struct rte_mbuf *m, enum reason reason)
{
    counter_refuse(net->config.counters, reason);
    rte_pktmbuf_free(m);
}

static inline uint16_t load_u16(const void *at) // network order
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap16(value);
}

static inline uint32_t load_u32(const void *at) // network order
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap32(value);
}

static inline void store_u16(void *at, uint16_t value) // network order
{
    value = __builtin_bswap16(value);
    memcpy(at, &value, sizeof value);
}

static inline void store_u32(void *at, uint32_t value) // network order
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof value);
}
