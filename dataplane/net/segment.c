// SPDX-License-Identifier: BSD-3-Clause
#include "net/segment.h"

#include "net/checksum.h"

static bool flags_make_sense(uint8_t flags);
static bool segment_is_intact(const struct input *in, struct span l4);

enum reason segment_input(struct input *in, struct span l4)
{
    const uint8_t *tcp = l4.at;
    size_t header = l4.size < TCP_HEADER_SIZE ? 0 : (tcp[12] >> 4) * 4u;
    if (header < TCP_HEADER_SIZE || header > l4.size)
        return REASON_TCP_BAD_HEADER;
    if (!flags_make_sense(tcp[13]))
        return REASON_TCP_BAD_FLAGS;
    if (!segment_is_intact(in, l4))
        return REASON_TCP_BAD_CHECKSUM;
    struct packet *p = in->packet;
    struct span options = span_of(tcp + TCP_HEADER_SIZE, header - TCP_HEADER_SIZE);
    if (!tcp_option_parse(options, &p->options))
        return REASON_TCP_BAD_OPTIONS;

    p->src_port = load_u16(tcp);
    p->dst_port = load_u16(tcp + 2);
    p->seq = load_u32(tcp + 4);
    p->ack = load_u32(tcp + 8);
    p->tcp_flags = tcp[13];
    p->window = load_u16(tcp + 14);
    p->payload_offset = (uint16_t)(p->l4_offset + header);
    p->payload_size = (uint16_t)(l4.size - header);
    in->kind = NET_TCP;
    return REASON_NONE;
}

// RFC 9293, section 3.10.7: of SYN, RST and FIN at most one, and after the first SYN every segment
// but a RST has ACK. This leaves out the null, FIN and Xmas scans.
static bool flags_make_sense(uint8_t flags)
{
    switch (flags & (TCP_SYN | TCP_RST | TCP_FIN | TCP_ACK)) {
    case TCP_SYN:
    case TCP_SYN | TCP_ACK:
        return !(flags & TCP_URG);
    case TCP_RST:
    case TCP_RST | TCP_ACK:
    case TCP_ACK:
    case TCP_FIN | TCP_ACK:
        return true;
    default:
        return false;
    }
}

static bool segment_is_intact(const struct input *in, struct span l4)
{
    // NONE is a peer on the same host that left its checksum to a port that was never passed.
    uint64_t said = in->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
    if (said == RTE_MBUF_F_RX_L4_CKSUM_GOOD || said == RTE_MBUF_F_RX_L4_CKSUM_NONE)
        return true;
    uint64_t sum = in->packet->l4_offset == IP4_HEADER_SIZE
                       ? checksum_add_v4(l4.at - IP4_HEADER_SIZE, IP_PROTOCOL_TCP, l4)
                       : checksum_add_v6(l4.at - IP6_HEADER_SIZE, IP_PROTOCOL_TCP, l4);
    return checksum_fold(sum) == 0xffff;
}
