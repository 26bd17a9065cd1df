// SPDX-License-Identifier: BSD-3-Clause
#include "net/fast.h"

#include "net/ip4.h"
#include "net/ip6.h"
#include "net/segment.h"

#include <smmintrin.h>

enum {
    AT_IP = ETHER_HEADER_SIZE,
    V4_LEAST = AT_IP + IP4_HEADER_SIZE + TCP_HEADER_SIZE,
    V6_LEAST = AT_IP + IP6_HEADER_SIZE + TCP_HEADER_SIZE,
    // Two runs of 16 bytes that are compared: the link header and two bytes more, and
    AT_V4 = AT_IP + 4,  // identification to destination
    AT_V6 = AT_IP + 24, // destination
};

static inline __m128i run_load(const void *at)
{
    return _mm_loadu_si128(at);
}

static inline __m128i differs(const uint8_t *at, const struct fast_run *run)
{
    return _mm_xor_si128(_mm_and_si128(run_load(at), run_load(run->mask)), run_load(run->value));
}

// At both places.
static inline bool agrees(const uint8_t *frame, const struct fast_run *link, size_t at,
                          const struct fast_run *address)
{
    __m128i any = _mm_or_si128(differs(frame, link), differs(frame + at, address));
    return _mm_testz_si128(any, any);
}

static inline void strip(struct rte_mbuf *m, size_t ip_size)
{
    m->data_off = (uint16_t)(m->data_off + AT_IP);
    m->data_len = (uint16_t)ip_size;
    m->pkt_len = (uint32_t)ip_size;
}

// As ip4_is_martian.
static inline bool is_martian(const struct fast_leg *fast, uint32_t from)
{
    __m128i same = _mm_cmpeq_epi32(_mm_set1_epi32((int)from), run_load(fast->own_v4));
    uint8_t first = (uint8_t)from;
    return (uint8_t)(first - 1) >= 223 || first == 127 || !_mm_testz_si128(same, same);
}

static inline bool input_v4(const struct fast_leg *fast, struct rte_mbuf *m, const uint8_t *ip,
                            struct packet *p, enum reason *ret_reason)
{
    size_t total = load_u16(ip + 2);
    uint64_t rx_flags = m->ol_flags;
    uint32_t from;
    memcpy(&from, ip + 12, sizeof from);
    if (total + AT_IP > rte_pktmbuf_data_len(m) || total < IP4_HEADER_SIZE ||
        is_martian(fast, from) || !ip4_checksum_is_right(rx_flags, ip))
        return false;
    p->src = addr_from_v4(&from);
    p->dst = fast->local[FAMILY_V4];
    p->ttl = ip[8];
    p->traffic_class = ip[1];
    p->l4_offset = IP4_HEADER_SIZE;
    strip(m, total);
    *ret_reason = segment_parse(rx_flags, span_of(ip, total), IP4_HEADER_SIZE, p);
    return true;
}

static inline bool input_v6(const struct net *net, enum leg leg, struct rte_mbuf *m,
                            const uint8_t *ip, struct packet *p, enum reason *ret_reason)
{
    size_t total = (size_t)IP6_HEADER_SIZE + load_u16(ip + 4);
    uint64_t rx_flags = m->ol_flags;
    struct addr from = addr_from_v6(ip + 8);
    if (ip[6] != IP_PROTOCOL_TCP || total + AT_IP > rte_pktmbuf_data_len(m) ||
        ip6_is_link_local(&from) || ip6_is_martian(net, leg, &from))
        return false;
    p->src = from;
    p->dst = net->fast[leg].local[FAMILY_V6];
    p->ttl = ip[7];
    p->traffic_class = (uint8_t)(load_u16(ip) >> 4);
    p->l4_offset = IP6_HEADER_SIZE;
    strip(m, total);
    *ret_reason = segment_parse(rx_flags, span_of(ip, total), IP6_HEADER_SIZE, p);
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
    ret_packet->leg = (uint8_t)leg;
    if (likely(agrees(frame, &fast->link[FAMILY_V4], AT_V4, &fast->address[FAMILY_V4])))
        return input_v4(fast, m, frame + AT_IP, ret_packet, ret_reason);
    if (size >= V6_LEAST && agrees(frame, &fast->link[FAMILY_V6], AT_V6, &fast->address[FAMILY_V6]))
        return input_v6(net, leg, m, frame + AT_IP, ret_packet, ret_reason);
    return false;
}

static void demand(struct fast_run *run, size_t at, const void *value, const void *mask,
                   size_t size)
{
    memcpy(run->mask + at, mask, size);
    for (size_t i = 0; i < size; i++)
        run->value[at + i] = ((const uint8_t *)value)[i] & run->mask[at + i];
}

static const uint8_t whole[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct fast_run link_run(const uint8_t mac[6], uint16_t type, uint8_t head, uint8_t mask)
{
    struct fast_run run = {0};
    uint8_t wire_type[2];
    store_u16(wire_type, type);
    demand(&run, 0, mac, whole, 6);
    demand(&run, 12, wire_type, whole, 2);
    demand(&run, AT_IP, &head, &mask, 1); // version, and IPv4's header length
    return run;
}

static struct fast_run address_run_v4(const uint8_t local[4])
{
    static const uint8_t no_fragment[2], fragment_mask[2] = {0x3f, 0xff};
    static const uint8_t protocol = IP_PROTOCOL_TCP;
    struct fast_run run = {0};
    demand(&run, 2, no_fragment, fragment_mask, 2);
    demand(&run, 5, &protocol, whole, 1);
    demand(&run, 12, local, whole, 4);
    return run;
}

// A family that is off, or a link whose tags tell the legs apart, matches nothing.
void fast_init(struct net *net)
{
    static const struct fast_run nothing = {.value = {1}}; // under no mask
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        const struct net_leg *own = &net->legs[leg];
        struct fast_leg *fast = &net->fast[leg];
        *fast = (struct fast_leg){.vlan = own->vlan,
                                  .own_v4 = {own->broadcast_v4, net->legs[LEG_OUTSIDE].local_v4,
                                             net->legs[LEG_INSIDE].local_v4}};
        memcpy(fast->local, own->local, sizeof fast->local);
        fast->link[FAMILY_V4] = link_run(own->mac, ETHER_TYPE_IPV4, 0x45, 0xff);
        fast->link[FAMILY_V6] = link_run(own->mac, ETHER_TYPE_IPV6, 0x60, 0xf0);
        fast->address[FAMILY_V4] = address_run_v4(own->local[FAMILY_V4].bytes + 12);
        fast->address[FAMILY_V6] = (struct fast_run){0};
        demand(&fast->address[FAMILY_V6], 0, own->local[FAMILY_V6].bytes, whole, 16);
        for (int family = 0; family < FAMILY_COUNT; family++)
            if (net->shared_by_vlan || addr_is_zero(&own->local[family]))
                fast->address[family] = nothing;
    }
}
