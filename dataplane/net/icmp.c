// SPDX-License-Identifier: BSD-3-Clause
#include "net/icmp.h"

#include "net/checksum.h"
#include "net/ip6.h"
#include "net/nd.h"

enum {
    ICMP_HEADER_SIZE = 8,
    ECHO_REPLY_V4 = 0,
    UNREACHABLE_V4 = 3,
    ECHO_REQUEST_V4 = 8,
    TIME_EXCEEDED_V4 = 11,
    PARAMETER_V4 = 12,
    UNREACHABLE_V6 = 1,
    TOO_BIG_V6 = 2,
    TIME_EXCEEDED_V6 = 3,
    PARAMETER_V6 = 4,
    ECHO_REQUEST_V6 = 128,
    ECHO_REPLY_V6 = 129,
    MTU_LEAST_V4 = 68,   // RFC 791
    MTU_LEAST_V6 = 1280, // RFC 8200
};

static enum reason echo(struct input *in, struct span icmp);
static enum reason error_v4(struct input *in, struct span icmp);
static enum reason error_v6(struct input *in, struct span icmp);
static enum reason quote_v4(const struct input *in, struct span quote, struct packet *ret_quoted,
                            uint16_t *ret_size);
static enum reason quote_v6(const struct input *in, struct span quote, struct packet *ret_quoted);
static enum reason quote_tcp(struct reader *r, struct packet *ret_quoted);
static uint16_t plateau_below(uint16_t size);

enum reason icmp_input_v4(struct input *in, struct span icmp)
{
    if (icmp.size < ICMP_HEADER_SIZE || !checksum_is_right(icmp))
        return REASON_ICMP_BAD;
    switch (icmp.at[0]) {
    case ECHO_REQUEST_V4:
        return echo(in, icmp);
    case UNREACHABLE_V4:
    case TIME_EXCEEDED_V4:
    case PARAMETER_V4:
        return error_v4(in, icmp);
    default:
        return REASON_ICMP_IGNORED;
    }
}

enum reason icmp_input_v6(struct input *in, struct span icmp, bool discovery)
{
    uint64_t sum = checksum_add_v6(icmp.at - IP6_HEADER_SIZE, IP_PROTOCOL_ICMP6, icmp);
    if (icmp.size < ICMP_HEADER_SIZE || checksum_fold(sum) != 0xffff)
        return REASON_ICMP_BAD;
    switch (icmp.at[0]) {
    case ND_SOLICITATION:
    case ND_ADVERTISEMENT:
        return nd_input(in, icmp);
    case ECHO_REQUEST_V6:
        return discovery ? REASON_ICMP_IGNORED : echo(in, icmp);
    case UNREACHABLE_V6:
    case TOO_BIG_V6:
    case TIME_EXCEEDED_V6:
    case PARAMETER_V6:
        return discovery ? REASON_ICMP_IGNORED : error_v6(in, icmp);
    default:
        return REASON_ICMP_IGNORED;
    }
}

static enum reason echo(struct input *in, struct span icmp)
{
    if (icmp.at[1] != 0)
        return REASON_ICMP_BAD;
    const struct packet *p = in->packet;
    *in->packet = (struct packet){
        .src = p->src,
        .dst = p->dst,
        .leg = p->leg,
        .ttl = p->ttl,
        .traffic_class = p->traffic_class,
        .l4_offset = p->l4_offset,
        .payload_offset = (uint16_t)(p->l4_offset + ICMP_HEADER_SIZE),
        .payload_size = (uint16_t)(icmp.size - ICMP_HEADER_SIZE),
    };
    in->kind = NET_ICMP_ECHO;
    return REASON_NONE;
}

static enum reason error_v4(struct input *in, struct span icmp)
{
    uint8_t type = icmp.at[0], code = icmp.at[1];
    uint16_t sent = 0;
    struct packet quoted;
    enum reason reason = quote_v4(in, span_skip(icmp, ICMP_HEADER_SIZE), &quoted, &sent);
    if (reason != REASON_NONE)
        return reason;
    struct net_icmp error = {0};
    if (type == UNREACHABLE_V4) {
        // Protocol, port, and the administrative ones (RFC 1812, section 5.2.7.1).
        error.hard = code == 2 || code == 3 || code == 9 || code == 10 || code == 13;
        if (code == 4) { // fragmentation needed (RFC 1191, sections 4 and 5)
            uint16_t mtu = load_u16(icmp.at + 6);
            error.next_mtu = mtu == 0 || mtu >= sent ? plateau_below(sent) : mtu;
            if (error.next_mtu < MTU_LEAST_V4)
                error.next_mtu = MTU_LEAST_V4;
        }
    }
    *in->packet = quoted;
    *in->icmp = error;
    in->kind = NET_ICMP_ERROR;
    return REASON_NONE;
}

static enum reason error_v6(struct input *in, struct span icmp)
{
    uint8_t type = icmp.at[0], code = icmp.at[1];
    struct packet quoted;
    enum reason reason = quote_v6(in, span_skip(icmp, ICMP_HEADER_SIZE), &quoted);
    if (reason != REASON_NONE)
        return reason;
    struct net_icmp error = {0};
    if (type == UNREACHABLE_V6) // prohibited, port, ingress policy, reject route
        error.hard = code == 1 || code == 4 || code == 5 || code == 6;
    if (type == PARAMETER_V6)
        error.hard = code == 1; // the peer knows no TCP
    if (type == TOO_BIG_V6) {
        uint32_t mtu = load_u32(icmp.at + 4);
        if (mtu < MTU_LEAST_V6) // RFC 8201, section 4: must be discarded
            return REASON_ICMP_BAD;
        error.next_mtu = mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
    }
    *in->packet = quoted;
    *in->icmp = error;
    in->kind = NET_ICMP_ERROR;
    return REASON_NONE;
}

// Routers of old name no size: the largest common one below what was sent (RFC 1191, section 7.1).
static uint16_t plateau_below(uint16_t size)
{
    static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};
    for (unsigned i = 0; i < sizeof plateaus / sizeof plateaus[0]; i++)
        if (plateaus[i] < size)
            return plateaus[i];
    return MTU_LEAST_V4;
}

// Our segments carry no IP options and are never fragments; a quote that does is no quote of ours.
static enum reason quote_v4(const struct input *in, struct span quote, struct packet *ret_quoted,
                            uint16_t *ret_size)
{
    struct reader r = reader_of(quote);
    uint8_t version = reader_u8(&r), traffic_class = reader_u8(&r);
    uint16_t size = reader_u16(&r);
    reader_u16(&r); // identification
    uint16_t fragment = reader_u16(&r);
    uint8_t ttl = reader_u8(&r), protocol = reader_u8(&r);
    reader_u16(&r); // checksum: changed on the way, with the TTL
    struct span from = reader_bytes(&r, 4), to = reader_bytes(&r, 4);
    if (r.short_read || version != 0x45 || fragment & 0x3fff)
        return REASON_ICMP_BAD;
    if (memcmp(from.at, &in->net->legs[in->leg].local_v4, 4) != 0)
        return REASON_ICMP_BAD;
    if (protocol != IP_PROTOCOL_TCP)
        return REASON_ICMP_IGNORED;
    *ret_quoted = (struct packet){
        .src = addr_from_v4(from.at),
        .dst = addr_from_v4(to.at),
        .leg = (uint8_t)in->leg,
        .ttl = ttl,
        .traffic_class = traffic_class,
        .l4_offset = IP4_HEADER_SIZE,
    };
    *ret_size = size;
    return quote_tcp(&r, ret_quoted);
}

static enum reason quote_v6(const struct input *in, struct span quote, struct packet *ret_quoted)
{
    struct reader r = reader_of(quote);
    uint32_t first = reader_u32(&r);
    reader_u16(&r); // payload length
    uint8_t next_header = reader_u8(&r), hop_limit = reader_u8(&r);
    struct span from = reader_bytes(&r, 16), to = reader_bytes(&r, 16);
    if (r.short_read || first >> 28 != 6)
        return REASON_ICMP_BAD;
    if (memcmp(from.at, in->net->legs[in->leg].local[FAMILY_V6].bytes, 16) != 0)
        return REASON_ICMP_BAD;
    if (next_header != IP_PROTOCOL_TCP)
        return REASON_ICMP_IGNORED;
    *ret_quoted = (struct packet){
        .src = addr_from_v6(from.at),
        .dst = addr_from_v6(to.at),
        .leg = (uint8_t)in->leg,
        .ttl = hop_limit,
        .traffic_class = (uint8_t)(first >> 20),
        .l4_offset = IP6_HEADER_SIZE,
    };
    return quote_tcp(&r, ret_quoted);
}

static enum reason quote_tcp(struct reader *r, struct packet *ret_quoted)
{
    ret_quoted->src_port = reader_u16(r);
    ret_quoted->dst_port = reader_u16(r);
    ret_quoted->seq = reader_u32(r);
    return r->short_read ? REASON_ICMP_BAD : REASON_NONE; // 8 bytes are the least (RFC 792)
}

void icmp_make_reply(struct rte_mbuf *m, const struct packet *packet)
{
    uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
    uint8_t *icmp = ip + packet->l4_offset;
    uint8_t asked = icmp[0];
    bool v4 = packet->l4_offset == IP4_HEADER_SIZE;
    icmp[0] = v4 ? ECHO_REPLY_V4 : ECHO_REPLY_V6;
    // RFC 1624, equation 3, on the word that holds the type; swapped addresses sum up the same.
    uint32_t sum = (uint16_t)~load_u16(icmp + 2) + (uint16_t) ~(uint16_t)(asked << 8) +
                   ((uint32_t)icmp[0] << 8);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    // Zeros alone must not sum up to zero; elsewhere both zeros are as good.
    store_u16(icmp + 2, sum == 0xffff ? 0xffff : (uint16_t)~sum);

    if (!v4) {
        memcpy(ip + 8, packet->dst.bytes, 16);
        memcpy(ip + 24, packet->src.bytes, 16);
        ip[7] = IP_TTL;
        return;
    }
    memcpy(ip + 12, packet->dst.bytes + 12, 4);
    memcpy(ip + 16, packet->src.bytes + 12, 4);
    ip[8] = IP_TTL;
    store_u16(ip + 4, 0);      // RFC 6864: an atomic datagram needs no identification
    store_u16(ip + 6, 0x4000); // don't fragment
    store_u16(ip + 10, 0);
    uint16_t checksum = (uint16_t)~checksum_fold(checksum_add(0, ip, IP4_HEADER_SIZE));
    memcpy(ip + 10, &checksum, sizeof checksum);
}
