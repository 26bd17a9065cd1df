// SPDX-License-Identifier: BSD-3-Clause
#include "net/ip4.h"

#include "net/checksum.h"
#include "net/icmp.h"
#include "net/segment.h"

enum { VERSION_AND_SIZE = 0x45, FRAGMENT_BITS = 0x3fff }; // more fragments, and the offset

static bool is_ours(struct input *in, uint32_t to);
static bool is_martian(const struct input *in, uint32_t from);

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
    if (!checksum_is_right(span_of(ip, IP4_HEADER_SIZE)))
        return REASON_IP_BAD_CHECKSUM;

    uint32_t from, to;
    memcpy(&from, ip + 12, sizeof from);
    memcpy(&to, ip + 16, sizeof to);
    if (in->group) // RFC 1122, section 3.3.6: a unicast packet in a broadcast frame
        return REASON_FRAME_NOT_OURS;
    if (!is_ours(in, to))
        return REASON_IP_NOT_OURS;
    if (is_martian(in, from))
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
        return segment_input(in, l4);
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

// RFC 1122, section 3.2.1.3: unspecified, loopback, multicast, reserved, broadcast; and our own.
static bool is_martian(const struct input *in, uint32_t from)
{
    const struct net *net = in->net;
    uint8_t first = (uint8_t)from; // network order
    return first == 0 || first == 127 || first >= 224 || from == net->legs[in->leg].broadcast_v4 ||
           from == net->legs[LEG_OUTSIDE].local_v4 || from == net->legs[LEG_INSIDE].local_v4;
}
