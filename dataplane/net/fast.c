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

static inline __m128i load_run(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

static inline __m128i differs(__m128i bytes, const struct fast_run *run)
{
    return _mm_xor_si128(_mm_and_si128(bytes, run->mask), run->value);
}

// At both places.
static inline bool agrees(const uint8_t *frame, const struct fast_run *link, size_t at,
                          const struct fast_run *address)
{
    __m128i any =
        _mm_or_si128(differs(load_run(frame), link), differs(load_run(frame + at), address));
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
    __m128i same = _mm_cmpeq_epi32(_mm_set1_epi32((int)from), fast->own_v4);
    uint8_t first = (uint8_t)from;
    return (uint8_t)(first - 1) >= 223 || first == 127 || !_mm_testz_si128(same, same);
}

static inline uint32_t source_v4(const uint8_t *ip)
{
    uint32_t from;
    memcpy(&from, ip + 12, sizeof from);
    return from;
}

// Their sizes, and whom they are from; frames have been compared.
static inline bool is_sound_v4(const struct fast_leg *fast, const uint8_t *ip, size_t room)
{
    size_t total = load_u16(ip + 2);
    return total <= room && total >= IP4_HEADER_SIZE && !is_martian(fast, source_v4(ip));
}

static inline bool is_sound_v6(const struct net *net, enum leg leg, const uint8_t *ip, size_t room)
{
    struct addr from = addr_from_v6(ip + 8);
    return ip[6] == IP_PROTOCOL_TCP && IP6_HEADER_SIZE + (size_t)load_u16(ip + 4) <= room &&
           !ip6_is_link_local(&from) && !ip6_is_martian(net, leg, &from);
}

static inline enum reason input_v4(const struct fast_leg *fast, struct rte_mbuf *m,
                                   const uint8_t *ip, struct packet *p)
{
    size_t total = load_u16(ip + 2);
    uint64_t rx_flags = m->ol_flags;
    p->src = addr_from_v4(ip + 12);
    p->dst = fast->local[FAMILY_V4];
    p->ttl = ip[8];
    p->traffic_class = ip[1];
    p->l4_offset = IP4_HEADER_SIZE;
    strip(m, total);
    return segment_parse(rx_flags, span_of(ip, total), IP4_HEADER_SIZE, p);
}

static inline enum reason input_v6(const struct fast_leg *fast, struct rte_mbuf *m,
                                   const uint8_t *ip, struct packet *p)
{
    size_t total = (size_t)IP6_HEADER_SIZE + load_u16(ip + 4);
    uint64_t rx_flags = m->ol_flags;
    p->src = addr_from_v6(ip + 8);
    p->dst = fast->local[FAMILY_V6];
    p->ttl = ip[7];
    p->traffic_class = (uint8_t)(load_u16(ip) >> 4);
    p->l4_offset = IP6_HEADER_SIZE;
    strip(m, total);
    return segment_parse(rx_flags, span_of(ip, total), IP6_HEADER_SIZE, p);
}

// The family of a frame that is what nearly all are; FAMILY_COUNT: it is something else.
static inline __attribute__((always_inline)) enum family_index
family_of(const struct net *net, const struct rte_mbuf *m, enum leg leg)
{
    const struct fast_leg *fast = &net->fast[leg];
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *), *ip = frame + AT_IP;
    size_t size = rte_pktmbuf_data_len(m), room = size - AT_IP;
    uint16_t vlan = m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED ? m->vlan_tci : 0;
    if (m->nb_segs > 1 || size < V4_LEAST || vlan != fast->vlan)
        return FAMILY_COUNT;
    if (likely(agrees(frame, &fast->link[FAMILY_V4], AT_V4, &fast->address[FAMILY_V4])))
        return is_sound_v4(fast, ip, room) ? FAMILY_V4 : FAMILY_COUNT;
    if (size >= V6_LEAST && agrees(frame, &fast->link[FAMILY_V6], AT_V6, &fast->address[FAMILY_V6]))
        return is_sound_v6(net, leg, ip, room) ? FAMILY_V6 : FAMILY_COUNT;
    return FAMILY_COUNT;
}

bool fast_input(const struct net *net, struct rte_mbuf *m, enum leg leg, struct packet *ret_packet,
                enum reason *ret_reason)
{
    const struct fast_leg *fast = &net->fast[leg];
    const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *) + AT_IP;
    enum family_index family = family_of(net, m, leg);
    if (family == FAMILY_COUNT || (family == FAMILY_V4 && !ip4_checksum_is_right(m->ol_flags, ip)))
        return false;
    ret_packet->leg = (uint8_t)leg;
    *ret_reason =
        family == FAMILY_V4 ? input_v4(fast, m, ip, ret_packet) : input_v6(fast, m, ip, ret_packet);
    return true;
}

bool fast_glance(const struct net *net, const struct rte_mbuf *m, enum leg leg,
                 struct packet *ret_packet)
{
    const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *) + AT_IP;
    enum family_index family = family_of(net, m, leg);
    if (family == FAMILY_COUNT)
        return false;
    bool v4 = family == FAMILY_V4;
    const uint8_t *tcp = ip + (v4 ? IP4_HEADER_SIZE : IP6_HEADER_SIZE);
    size_t size = v4 ? load_u16(ip + 2) - (size_t)IP4_HEADER_SIZE : load_u16(ip + 4);
    size_t header = segment_header(tcp);
    if (header < TCP_HEADER_SIZE || header != size ||
        (tcp[13] & (TCP_SYN | TCP_ACK | TCP_FIN | TCP_RST | TCP_URG)) != TCP_SYN)
        return false;
    ret_packet->src = v4 ? addr_from_v4(ip + 12) : addr_from_v6(ip + 8);
    ret_packet->dst = net->fast[leg].local[family];
    ret_packet->leg = (uint8_t)leg;
    segment_fields(tcp, ret_packet);
    return true;
}

struct demand { // a run in the making
    uint8_t mask[16], value[16];
};

static void demand(struct demand *d, size_t at, const void *value, const void *mask, size_t size)
{
    memcpy(d->mask + at, mask, size);
    for (size_t i = 0; i < size; i++)
        d->value[at + i] = ((const uint8_t *)value)[i] & d->mask[at + i];
}

static struct fast_run run_of(const struct demand *d)
{
    return (struct fast_run){load_run(d->mask), load_run(d->value)};
}

static const uint8_t whole[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct fast_run link_run(const uint8_t mac[6], uint16_t type, uint8_t head, uint8_t mask)
{
    struct demand d = {{0}};
    uint8_t wire_type[2];
    store_u16(wire_type, type);
    demand(&d, 0, mac, whole, 6);
    demand(&d, 12, wire_type, whole, 2);
    demand(&d, AT_IP, &head, &mask, 1); // version, and IPv4's header length
    return run_of(&d);
}

static struct fast_run address_run_v4(const uint8_t local[4])
{
    static const uint8_t no_fragment[2], fragment_mask[2] = {0x3f, 0xff};
    static const uint8_t protocol = IP_PROTOCOL_TCP;
    struct demand d = {{0}};
    demand(&d, 2, no_fragment, fragment_mask, 2);
    demand(&d, 5, &protocol, whole, 1);
    demand(&d, 12, local, whole, 4);
    return run_of(&d);
}

static struct fast_run address_run_v6(const uint8_t local[16])
{
    struct demand d = {{0}};
    demand(&d, 0, local, whole, 16);
    return run_of(&d);
}

// A family that is off, or a link whose tags tell the legs apart, matches nothing.
void fast_init(struct net *net)
{
    const struct fast_run nothing = {_mm_setzero_si128(), _mm_set1_epi8(1)}; // under no mask
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        const struct net_leg *own = &net->legs[leg];
        struct fast_leg *fast = &net->fast[leg];
        fast->vlan = own->vlan;
        fast->own_v4 = _mm_setr_epi32((int)own->broadcast_v4, (int)net->legs[LEG_OUTSIDE].local_v4,
                                      (int)net->legs[LEG_INSIDE].local_v4, 0);
        memcpy(fast->local, own->local, sizeof fast->local);
        fast->link[FAMILY_V4] = link_run(own->mac, ETHER_TYPE_IPV4, 0x45, 0xff);
        fast->link[FAMILY_V6] = link_run(own->mac, ETHER_TYPE_IPV6, 0x60, 0xf0);
        fast->address[FAMILY_V4] = address_run_v4(own->local[FAMILY_V4].bytes + 12);
        fast->address[FAMILY_V6] = address_run_v6(own->local[FAMILY_V6].bytes);
        for (int family = 0; family < FAMILY_COUNT; family++)
            if (net->shared_by_vlan || addr_is_zero(&own->local[family]))
                fast->address[family] = nothing;
    }
}
