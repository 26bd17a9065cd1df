// SPDX-License-Identifier: BSD-3-Clause
#include "net/ip4.h"

#include "net/icmp.h"
#include "net/segment.h"

enum { VERSION_AND_SIZE = 0x45, FRAGMENT_BITS = 0x3fff }; // more fragments, and the offset

static bool is_ours(struct input *in, uint32_t to);

enum reason ip4_input(struct input *in)
{
    const uint8_t *ip = in->ip.at;
    if (in->ip.size < IP4_HEADER_SIZE)
        return REASON_FRAME_TOO_SHORT;
    uint16_t total = load_u16(ip + 2);
    if (ip[0] != VERSION_AND_SIZE)
        return ip[0] >> 4 == 4 && (ip[0] & 0xf) > 5 ? REASON_IP_OPTIONS : REASON_IP_BAD_HEADER;
    if (total < IP4_HEADER_SIZE || total > in->ip.size)
        return REASON_IP_BAD_HEADER;
    if (!ip4_checksum_is_right(in->m->ol_flags, ip))
        return REASON_IP_BAD_CHECKSUM;

    uint32_t from, to;
    memcpy(&from, ip + 12, sizeof from);
    memcpy(&to, ip + 16, sizeof to);
    if (in->group) // RFC 1122, section 3.3.6: a unicast packet in a broadcast frame
        return REASON_FRAME_NOT_OURS;
    if (!is_ours(in, to))
        return REASON_IP_NOT_OURS;
    if (ip4_is_martian(in->net, in->leg, from))
        return REASON_IP_MARTIAN;
    in->packet->src = addr_from_v4(&from);
    if (load_u16(ip + 6) & FRAGMENT_BITS)
        return REASON_IP_FRAGMENT;

    in->packet->dst = addr_from_v4(&to);
    in->packet->leg = (uint8_t)in->leg;
    in->packet->ttl = ip[8];
    in->packet->traffic_class = ip[1];
    in->packet->l4_offset = IP4_HEADER_SIZE;
    input_strip(in, total);
    struct span l4 = span_of(ip + IP4_HEADER_SIZE, (size_t)total - IP4_HEADER_SIZE);
    switch (ip[9]) {
    case IP_PROTOCOL_TCP:
        in->kind = NET_TCP;
        return segment_read(in->m, in->packet);
    case IP_PROTOCOL_ICMP:
        return icmp_input_v4(in, l4);
    default:
        return REASON_IP_PROTOCOL;
    }
}

static bool is_ours(struct input *in, uint32_t to)
{
    const struct net *net = in->net;
    if (net->shared_by_address && to != net->legs[in->leg].local_v4)
        in->leg = in->leg == LEG_OUTSIDE ? LEG_INSIDE : LEG_OUTSIDE;
    return to != 0 && to == net->legs[in->leg].local_v4;
}
