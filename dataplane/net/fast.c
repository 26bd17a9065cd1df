// SPDX-License-Identifier: BSD-3-Clause
#include "net/fast.h"

#include "net/ip4.h"
#include "net/ip6.h"
#include "net/segment.h"

enum {
    AT_IP = ETHER_HEADER_SIZE,
    V4_LEAST = AT_IP + IP4_HEADER_SIZE + TCP_HEADER_SIZE,
    V6_LEAST = AT_IP + IP6_HEADER_SIZE + TCP_HEADER_SIZE,
    // Two runs of 16 bytes that are compared: the link header and two bytes more, and
    AT_V4 = AT_IP + 4,  // identification to destination
    AT_V6 = AT_IP + 24, // destination
};

static inline uint64_t differs(const uint8_t *at, const struct fast_run *run)
{
    uint64_t word[2];
    memcpy(word, at, sizeof word);
    return ((word[0] & run->mask[0]) ^ run->value[0]) | ((word[1] & run->mask[1]) ^ run->value[1]);
}

static inline void strip(struct rte_mbuf *m, size_t ip_size)
{
    m->data_off = (uint16_t)(m->data_off + AT_IP);
    m->data_len = (uint16_t)ip_size;
    m->pkt_len = (uint32_t)ip_size;
}

static inline bool input_v4(const struct net *net, struct rte_mbuf *m, enum leg leg,
                            struct packet *p, enum reason *ret_reason)
{
    const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, AT_IP);
    size_t total = load_u16(ip + 2);
    uint32_t from;
    memcpy(&from, ip + 12, sizeof from);
    if (total + AT_IP > rte_pktmbuf_data_len(m) || total < IP4_HEADER_SIZE ||
        ip4_is_martian(net, leg, from) || !ip4_checksum_is_right(m, ip))
        return false;
    p->src = addr_from_v4(&from);
    p->dst = net->legs[leg].local[FAMILY_V4];
    p->leg = (uint8_t)leg;
    p->ttl = ip[8];
    p->traffic_class = ip[1];
    p->l4_offset = IP4_HEADER_SIZE;
    strip(m, total);
    *ret_reason = segment_parse(m, IP4_HEADER_SIZE, p);
    return true;
}

static inline bool input_v6(const struct net *net, struct rte_mbuf *m, enum leg leg,
                            struct packet *p, enum reason *ret_reason)
{
    const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, AT_IP);
    size_t total = (size_t)IP6_HEADER_SIZE + load_u16(ip + 4);
    struct addr from = addr_from_v6(ip + 8);
    if (ip[6] != IP_PROTOCOL_TCP || total + AT_IP > rte_pktmbuf_data_len(m) ||
        ip6_is_link_local(&from) || ip6_is_martian(net, leg, &from))
        return false;
    p->src = from;
    p->dst = net->legs[leg].local[FAMILY_V6];
    p->leg = (uint8_t)leg;
    p->ttl = ip[7];
    p->traffic_class = (uint8_t)(load_u16(ip) >> 4);
    p->l4_offset = IP6_HEADER_SIZE;
    strip(m, total);
    *ret_reason = segment_parse(m, IP6_HEADER_SIZE, p);
    return true;
}

bool fast_input(const struct net *net, struct rte_mbuf *m, enum leg leg, struct packet *ret_packet,
                enum reason *ret_reason)
{
    const struct fast_leg *fast = &net->fast[leg];
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    size_t size = rte_pktmbuf_data_len(m);
    uint16_t vlan = m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED ? m->vlan_tci : 0;
    if (m->nb_segs > 1 || size < V4_LEAST || vlan != fast->vlan)
        return false;
    if (likely((differs(frame, &fast->link[FAMILY_V4]) |
                differs(frame + AT_V4, &fast->address[FAMILY_V4])) == 0))
        return input_v4(net, m, leg, ret_packet, ret_reason);
    if (size >= V6_LEAST && (differs(frame, &fast->link[FAMILY_V6]) |
                             differs(frame + AT_V6, &fast->address[FAMILY_V6])) == 0)
        return input_v6(net, m, leg, ret_packet, ret_reason);
    return false;
}

struct run { // to fill in
    uint8_t value[16], mask[16];
};

static void demand(struct run *run, size_t at, const void *value, const void *mask, size_t size)
{
    memcpy(run->value + at, value, size);
    memcpy(run->mask + at, mask, size);
}

static struct fast_run finish(const struct run *run)
{
    struct fast_run fast;
    memcpy(fast.value, run->value, sizeof fast.value);
    memcpy(fast.mask, run->mask, sizeof fast.mask);
    for (int i = 0; i < 2; i++)
        fast.value[i] &= fast.mask[i];
    return fast;
}

static const uint8_t whole[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct fast_run link_run(const uint8_t mac[6], uint16_t type, uint8_t head, uint8_t mask)
{
    struct run run = {0};
    uint8_t wire_type[2];
    store_u16(wire_type, type);
    demand(&run, 0, mac, whole, 6);
    demand(&run, 12, wire_type, whole, 2);
    demand(&run, AT_IP, &head, &mask, 1); // version, and IPv4's header length
    return finish(&run);
}

static struct fast_run address_run_v4(const uint8_t local[4])
{
    static const uint8_t no_fragment[2], fragment_mask[2] = {0x3f, 0xff};
    static const uint8_t protocol = IP_PROTOCOL_TCP;
    struct run run = {0};
    demand(&run, 2, no_fragment, fragment_mask, 2);
    demand(&run, 5, &protocol, whole, 1);
    demand(&run, 12, local, whole, 4);
    return finish(&run);
}

// A family that is off, or a link whose tags tell the legs apart, matches nothing.
void fast_init(struct net *net)
{
    static const struct fast_run nothing = {.value = {1}}; // under no mask
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        const struct net_leg *own = &net->legs[leg];
        struct fast_leg *fast = &net->fast[leg];
        *fast = (struct fast_leg){.vlan = own->vlan};
        fast->link[FAMILY_V4] = link_run(own->mac, ETHER_TYPE_IPV4, 0x45, 0xff);
        fast->link[FAMILY_V6] = link_run(own->mac, ETHER_TYPE_IPV6, 0x60, 0xf0);
        fast->address[FAMILY_V4] = address_run_v4(own->local[FAMILY_V4].bytes + 12);
        struct run v6 = {0};
        demand(&v6, 0, own->local[FAMILY_V6].bytes, whole, 16);
        fast->address[FAMILY_V6] = finish(&v6);
        for (int family = 0; family < FAMILY_COUNT; family++)
            if (net->shared_by_vlan || addr_is_zero(&own->local[family]))
                fast->address[family] = nothing;
    }
}
