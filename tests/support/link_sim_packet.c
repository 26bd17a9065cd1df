// SPDX-License-Identifier: BSD-3-Clause
#include "support/link_sim_packet.h"

#include "base/check.h"

#include <rte_mbuf.h>
#include <stdio.h>

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}
static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}
static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}
static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

// RFC 1071, over whole and odd lengths.
static uint32_t sum(uint32_t start, const uint8_t *at, size_t size)
{
    uint64_t total = start;
    for (; size > 1; at += 2, size -= 2)
        total += get16(at);
    if (size)
        total += (uint32_t)at[0] << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint32_t)total;
}

static uint32_t pseudo(const uint8_t *ip, bool v4, size_t tcp_size)
{
    uint32_t start = 6 + (uint32_t)tcp_size;
    return v4 ? sum(start, ip + 12, 8) : sum(start, ip + 8, 32);
}

struct rte_mbuf *link_sim_packet_make(struct rte_mempool *pool, const struct packet *p,
                                      struct span payload)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
    CHECK(m != NULL);
    uint8_t options[40];
    size_t options_size = tcp_option_write(&p->options, p->tcp_flags & TCP_SYN, options);
    bool v4 = addr_is_v4(&p->src);
    size_t ip_size = v4 ? 20 : 40;
    size_t tcp_size = 20 + options_size + payload.size;
    uint8_t *ip = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(ip_size + tcp_size));
    CHECK(ip != NULL);
    memset(ip, 0, ip_size + 20);
    if (v4) {
        ip[0] = 0x45;
        put16(ip + 2, (unsigned)(ip_size + tcp_size));
        ip[8] = 64;
        ip[9] = 6;
        memcpy(ip + 12, p->src.bytes + 12, 4);
        memcpy(ip + 16, p->dst.bytes + 12, 4);
        put16(ip + 10, ~sum(0, ip, 20) & 0xffff);
    } else {
        ip[0] = 0x60;
        put16(ip + 4, (unsigned)tcp_size);
        ip[6] = 6;
        ip[7] = 64;
        memcpy(ip + 8, p->src.bytes, 16);
        memcpy(ip + 24, p->dst.bytes, 16);
    }
    uint8_t *tcp = ip + ip_size;
    put16(tcp, p->src_port);
    put16(tcp + 2, p->dst_port);
    put32(tcp + 4, p->seq);
    put32(tcp + 8, p->ack);
    tcp[12] = (uint8_t)((20 + options_size) / 4 << 4);
    tcp[13] = p->tcp_flags;
    put16(tcp + 14, p->window);
    memcpy(tcp + 20, options, options_size);
    if (payload.size)
        memcpy(tcp + 20 + options_size, payload.at, payload.size);
    put16(tcp + 16, ~sum(pseudo(ip, v4, tcp_size), tcp, tcp_size) & 0xffff);
    return m;
}

bool link_sim_packet_parse(const struct rte_mbuf *m, enum leg leg, struct packet *ret_packet)
{
    const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
    size_t size = m->data_len;
    if (m->nb_segs != 1 || size < 40)
        return false;
    bool v4 = ip[0] >> 4 == 4;
    size_t ip_size = v4 ? 20 : 40;
    if (v4 ? (ip[0] != 0x45 || get16(ip + 2) != size || ip[9] != 6 || sum(0, ip, 20) != 0xffff)
           : (ip[0] >> 4 != 6 || size < 60 || get16(ip + 4) + 40u != size || ip[6] != 6))
        return false;
    const uint8_t *tcp = ip + ip_size;
    size_t tcp_size = size - ip_size;
    size_t header = (size_t)(tcp[12] >> 4) * 4;
    if (header < 20 || header > tcp_size || sum(pseudo(ip, v4, tcp_size), tcp, tcp_size) != 0xffff)
        return false;
    struct packet p = {
        .src = v4 ? addr_from_v4(ip + 12) : addr_from_v6(ip + 8),
        .dst = v4 ? addr_from_v4(ip + 16) : addr_from_v6(ip + 24),
        .src_port = get16(tcp),
        .dst_port = get16(tcp + 2),
        .leg = (uint8_t)leg,
        .ttl = v4 ? ip[8] : ip[7],
        .tcp_flags = tcp[13],
        .seq = get32(tcp + 4),
        .ack = get32(tcp + 8),
        .window = get16(tcp + 14),
        .l4_offset = (uint16_t)ip_size,
        .payload_offset = (uint16_t)(ip_size + header),
        .payload_size = (uint16_t)(tcp_size - header),
    };
    if (!tcp_option_parse(span_of(tcp + 20, header - 20), &p.options))
        return false;
    *ret_packet = p;
    return true;
}

const char *link_sim_packet_text(const struct packet *p, char text[256])
{
    char flags[8];
    size_t n = 0;
    static const struct {
        uint8_t bit;
        char letter;
    } letters[] = {{TCP_SYN, 'S'}, {TCP_FIN, 'F'}, {TCP_RST, 'R'}, {TCP_PSH, 'P'}, {TCP_ACK, '.'}};
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
        if (p->tcp_flags & letters[i].bit)
            flags[n++] = letters[i].letter;
    flags[n] = 0;
    int used = snprintf(text, 256, "%u > %u [%s] seq %u:%u ack %u win %u", p->src_port, p->dst_port,
                        flags, p->seq, p->seq + p->payload_size, p->ack, p->window);
    for (uint8_t i = 0; i < p->options.sack_count && used > 0 && used < 200; i++)
        used += snprintf(text + used, 256 - (size_t)used, " sack %u:%u", p->options.sack[i].left,
                         p->options.sack[i].right);
    return text;
}
