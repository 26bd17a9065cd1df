// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Packets for the guard's tests: what net/ would have learnt, and an mbuf without a pool that holds
 * the bytes from the IP header on. */

#include "base/packet.h"
#include "policy_make.h"

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

static inline struct packet made_syn(const char *client, uint16_t port)
{
    struct addr src = made_addr(client);
    bool v4 = addr_is_v4(&src);
    return (struct packet){
        .src = src,
        .dst = made_addr(v4 ? "198.51.100.1" : "2001:db8:51::1"),
        .src_port = 40000,
        .dst_port = port,
        .leg = LEG_OUTSIDE,
        .ttl = 60,
        .tcp_flags = TCP_SYN,
        .seq = 0xfffffffe,
        .window = 29200,
        .l4_offset = v4 ? 20 : 40,
        .payload_offset = v4 ? 40 : 60,
    };
}

// The final ACK of a client that got `iss` and `ts_value` in the SYN-ACK.
static inline struct packet made_ack(const struct packet *syn, uint32_t iss, uint32_t ts_value)
{
    struct packet ack = *syn;
    ack.tcp_flags = TCP_ACK;
    ack.seq = syn->seq + 1;
    ack.ack = iss + 1;
    ack.options = (struct tcp_option){
        .has_timestamps = syn->options.has_timestamps,
        .ts_value = syn->options.ts_value + 1,
        .ts_echo = ts_value,
    };
    return ack;
}

struct made_mbuf {
    struct rte_mbuf mbuf;
    uint8_t bytes[256];
};

// An mbuf with `room` bytes from the IP header on, of which `size` are used (and full of 0xee).
static inline struct rte_mbuf *made_mbuf_init(struct made_mbuf *made, uint16_t size, uint16_t room)
{
    memset(made, 0, sizeof *made);
    memset(made->bytes, 0xee, sizeof made->bytes);
    made->mbuf.buf_addr = made->bytes;
    made->mbuf.data_off = 64;
    made->mbuf.buf_len = (uint16_t)(64 + room);
    made->mbuf.nb_segs = 1;
    made->mbuf.data_len = size;
    made->mbuf.pkt_len = size;
    made->mbuf.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_RSS_HASH;
    return &made->mbuf;
}

// The Internet checksum (RFC 1071), by itself so that rte_ip.h does not judge rte_ip.h.
static inline uint32_t ones_sum(const void *bytes, size_t size, uint32_t sum)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
    return sum;
}

static inline bool sums_to_zero(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

static inline bool tcp_sum_is_right(const struct addr *from, const struct addr *to, const void *tcp,
                                    size_t size)
{
    size_t skip = addr_is_v4(from) ? 12 : 0;
    uint32_t sum = ones_sum(from->bytes + skip, 16 - skip, IPPROTO_TCP + (uint32_t)size);
    return sums_to_zero(ones_sum(tcp, size, ones_sum(to->bytes + skip, 16 - skip, sum)));
}

// What a client sees of the answer; every header field that can be wrong is checked.
struct seen_synack {
    uint32_t seq, ack;
    uint16_t window;
    struct tcp_option options;
};

static inline bool seen_synack(struct rte_mbuf *m, const struct packet *syn,
                               struct seen_synack *ret_seen)
{
    const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
    bool v4 = addr_is_v4(&syn->src);
    size_t ip_size = v4 ? 20 : 40;
    const struct rte_tcp_hdr *tcp = (const void *)(ip + ip_size);
    size_t tcp_size = (size_t)(tcp->data_off >> 4) * 4;
    if (m->data_len != ip_size + tcp_size || m->pkt_len != m->data_len || m->ol_flags != 0)
        return false;
    struct addr from, to;
    if (v4) {
        const struct rte_ipv4_hdr *h = (const void *)ip;
        from = addr_from_v4(&h->src_addr);
        to = addr_from_v4(&h->dst_addr);
        if (h->version_ihl != 0x45 || rte_be_to_cpu_16(h->total_length) != m->data_len ||
            !sums_to_zero(ones_sum(h, 20, 0)) || h->time_to_live != 64 || h->next_proto_id != 6)
            return false;
    } else {
        const struct rte_ipv6_hdr *h = (const void *)ip;
        from = addr_from_v6(h->src_addr);
        to = addr_from_v6(h->dst_addr);
        if (ip[0] != 0x60 || rte_be_to_cpu_16(h->payload_len) != tcp_size || h->hop_limits != 64 ||
            h->proto != 6)
            return false;
    }
    *ret_seen = (struct seen_synack){
        .seq = rte_be_to_cpu_32(tcp->sent_seq),
        .ack = rte_be_to_cpu_32(tcp->recv_ack),
        .window = rte_be_to_cpu_16(tcp->rx_win),
    };
    return tcp_sum_is_right(&from, &to, tcp, tcp_size) && addr_equal(&from, &syn->dst) &&
           addr_equal(&to, &syn->src) && rte_be_to_cpu_16(tcp->src_port) == syn->dst_port &&
           rte_be_to_cpu_16(tcp->dst_port) == syn->src_port &&
           tcp->tcp_flags == (TCP_SYN | TCP_ACK) &&
           tcp_option_parse(span_of(tcp + 1, tcp_size - 20), &ret_seen->options);
}
