// SPDX-License-Identifier: BSD-3-Clause
#include "net/ip6.h"

#include "net/icmp.h"
#include "net/nd.h"
#include "net/segment.h"

static bool is_ours(struct input *in, const struct addr *to);
static enum reason refused_header(uint8_t next_header);

enum reason ip6_input(struct input *in)
{
    const uint8_t *ip = in->ip.at;
    if (in->ip.size < IP6_HEADER_SIZE)
        return REASON_FRAME_TOO_SHORT;
    size_t size = load_u16(ip + 4);
    if (ip[0] >> 4 != 6 || size > in->ip.size - IP6_HEADER_SIZE)
        return REASON_IP_BAD_HEADER;
    struct addr from = addr_from_v6(ip + 8), to = addr_from_v6(ip + 24);
    uint8_t next_header = ip[6];
    bool icmp = next_header == IP_PROTOCOL_ICMP6;
    // What is addressed to a group, or link-locally, can be neighbour discovery only.
    bool discovery = false;
    if (in->group || !is_ours(in, &to)) {
        const struct net_leg *own = &in->net->legs[in->leg];
        bool to_group = in->group && nd_is_group(in->net, in->leg, &to);
        bool to_link_local = !in->group && addr_equal(&to, &own->link_local);
        if (addr_is_zero(&own->link_local) || !(to_group || to_link_local))
            return in->group ? REASON_FRAME_NOT_OURS : REASON_IP_NOT_OURS;
        if (!icmp || size < 8)
            return to_group ? REASON_FRAME_NOT_OURS : REASON_IP_NOT_OURS;
        discovery = true;
    }
    bool probe = discovery && addr_is_zero(&from); // duplicate address detection
    if (!probe && (ip6_is_martian(in->net, in->leg, &from) || (!icmp && ip6_is_link_local(&from))))
        return REASON_IP_MARTIAN;

    in->packet->src = from;
    in->packet->dst = to;
    in->packet->leg = (uint8_t)in->leg;
    in->packet->ttl = ip[7];
    in->packet->traffic_class = (uint8_t)(load_u16(ip) >> 4);
    in->packet->l4_offset = IP6_HEADER_SIZE;
    input_strip(in, IP6_HEADER_SIZE + size);
    struct span l4 = span_of(ip + IP6_HEADER_SIZE, size);
    switch (next_header) {
    case IP_PROTOCOL_TCP:
        in->kind = NET_TCP;
        return segment_read(in->m, in->packet);
    case IP_PROTOCOL_ICMP6:
        return icmp_input_v6(in, l4, discovery);
    default:
        return refused_header(next_header);
    }
}

static bool is_ours(struct input *in, const struct addr *to)
{
    const struct net *net = in->net;
    enum leg other = in->leg == LEG_OUTSIDE ? LEG_INSIDE : LEG_OUTSIDE;
    if (addr_is_zero(to))
        return false;
    if (net->shared_by_address && addr_equal(to, &net->legs[other].local[FAMILY_V6]) &&
        !addr_equal(to, &net->legs[in->leg].local[FAMILY_V6]))
        in->leg = other;
    return addr_equal(to, &net->legs[in->leg].local[FAMILY_V6]);
}

static enum reason refused_header(uint8_t next_header)
{
    switch (next_header) {
    case 44:
        return REASON_IP_FRAGMENT;
    case 0: // hop-by-hop, routing, ESP, AH, destination options, mobility, HIP, shim6, experiments
    case 43:
    case 50:
    case 51:
    case 60:
    case 135:
    case 139:
    case 140:
    case 253:
    case 254:
        return REASON_IP_OPTIONS;
    default:
        return REASON_IP_PROTOCOL;
    }
}

void ip6_write(uint8_t ip[IP6_HEADER_SIZE], const struct addr *from, const struct addr *to,
               uint16_t size, uint8_t hop_limit)
{
    store_u32(ip, 0x60000000);
    store_u16(ip + 4, size);
    ip[6] = IP_PROTOCOL_ICMP6;
    ip[7] = hop_limit;
    memcpy(ip + 8, from->bytes, 16);
    memcpy(ip + 24, to->bytes, 16);
}
