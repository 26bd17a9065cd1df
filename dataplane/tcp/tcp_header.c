// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/tcp_header.h"

#include <rte_ip.h>
#include <rte_tcp.h>

enum { HOPS = 64, OPTIONS_MAX = 40 };

// RFC 1071 in the machine's order, sixteen bytes a step: rte_raw_cksum takes two, and with that a
// third of a bulk transfer's time. `size` below 64 KiB, so that nothing overflows.
static uint64_t sum_of(const uint8_t *at, size_t size)
{
    uint64_t even = 0, odd = 0, a, b;
    for (; size >= 16; size -= 16, at += 16) {
        memcpy(&a, at, sizeof a);
        memcpy(&b, at + 8, sizeof b);
        even += (a & UINT32_MAX) + (b & UINT32_MAX);
        odd += (a >> 32) + (b >> 32);
    }
    uint8_t rest[16] = {0};
    memcpy(rest, at, size);
    memcpy(&a, rest, sizeof a);
    memcpy(&b, rest + 8, sizeof b);
    return even + odd + (a & UINT32_MAX) + (a >> 32) + (b & UINT32_MAX) + (b >> 32);
}

static uint16_t fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16 & UINT16_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)~sum;
}

// Of the pseudo header (RFC 9293, section 3.1) of `size` bytes of TCP.
static uint64_t pseudo_sum(const uint8_t *addrs, size_t addrs_size, size_t size)
{
    return sum_of(addrs, addrs_size) + rte_cpu_to_be_16((uint16_t)size) +
           rte_cpu_to_be_16(IPPROTO_TCP);
}

// These return the pseudo header's sum.
static uint64_t fill_v4(struct rte_ipv4_hdr *ip, const struct tcp_header *h, size_t size)
{
    *ip = (struct rte_ipv4_hdr){
        .version_ihl = RTE_IPV4_VHL_DEF,
        .total_length = rte_cpu_to_be_16((uint16_t)(sizeof *ip + size)),
        .fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG), // so the id may be 0: RFC 6864
        .time_to_live = HOPS,
        .next_proto_id = IPPROTO_TCP,
    };
    memcpy(&ip->src_addr, h->local->bytes + 12, 4);
    memcpy(&ip->dst_addr, h->remote->bytes + 12, 4);
    // From the fields: to read back what was just written in other sizes would wait for it.
    uint64_t sum = rte_cpu_to_be_16(RTE_IPV4_VHL_DEF << 8) + (uint64_t)ip->total_length;
    sum += ip->fragment_offset + (uint64_t)rte_cpu_to_be_16(HOPS << 8 | IPPROTO_TCP);
    ip->hdr_checksum = fold(sum + ip->src_addr + ip->dst_addr);
    return pseudo_sum((const uint8_t *)&ip->src_addr, 8, size);
}

static uint64_t fill_v6(struct rte_ipv6_hdr *ip, const struct tcp_header *h, size_t size)
{
    *ip = (struct rte_ipv6_hdr){
        .vtc_flow = rte_cpu_to_be_32(6u << 28),
        .payload_len = rte_cpu_to_be_16((uint16_t)size),
        .proto = IPPROTO_TCP,
        .hop_limits = HOPS,
    };
    memcpy(ip->src_addr, h->local->bytes, 16);
    memcpy(ip->dst_addr, h->remote->bytes, 16);
    return pseudo_sum(ip->src_addr, 32, size);
}

// The port adds what is behind the IP header; the pseudo header's sum stands there already. net/
// knows how long its link header is.
static void leave_sum_to_port(struct rte_mbuf *m, bool v4, size_t ip_size, size_t tcp_size)
{
    m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | (v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
    m->tx_offload = rte_mbuf_tx_offload(0, ip_size, tcp_size, 0, 0, 0, 0);
}

bool tcp_header_emit(struct tcp *tcp, const struct tcp_header *h)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(tcp->config.mbufs);
    if (!m) {
        counter_refuse(tcp->config.counters, REASON_TCP_NO_BUFFER);
        return false;
    }
    uint8_t options[OPTIONS_MAX];
    size_t options_size = h->option ? tcp_option_write(h->option, h->flags & TCP_SYN, options) : 0;
    bool v4 = addr_is_v4(h->remote);
    size_t ip_size = v4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
    size_t tcp_size = sizeof(struct rte_tcp_hdr) + options_size;
    uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(ip_size + tcp_size + h->data.size));
    CHECK(at != NULL); // tcp_conn_resize keeps segments below the room of a buffer

    struct rte_tcp_hdr *tcp_header = (struct rte_tcp_hdr *)(at + ip_size);
    *tcp_header = (struct rte_tcp_hdr){
        .src_port = rte_cpu_to_be_16(h->local_port),
        .dst_port = rte_cpu_to_be_16(h->remote_port),
        .sent_seq = rte_cpu_to_be_32(h->seq),
        .recv_ack = rte_cpu_to_be_32(h->flags & TCP_ACK ? h->ack : 0),
        .data_off = (uint8_t)(tcp_size / 4 << 4),
        .tcp_flags = h->flags,
        .rx_win = rte_cpu_to_be_16(h->window),
    };
    memcpy(tcp_header + 1, options, options_size);
    if (h->data.size)
        memcpy(at + ip_size + tcp_size, h->data.at, h->data.size);
    size_t size = tcp_size + h->data.size;
    uint64_t sum = v4 ? fill_v4((struct rte_ipv4_hdr *)at, h, size)
                      : fill_v6((struct rte_ipv6_hdr *)at, h, size);
    if (tcp->config.port_sums[h->leg]) {
        tcp_header->cksum = (uint16_t)~fold(sum);
        leave_sum_to_port(m, v4, ip_size, tcp_size);
    } else {
        tcp_header->cksum = fold(sum + sum_of((const uint8_t *)tcp_header, size));
    }
    tcp->config.emit(tcp->config.context, m, h->leg);
    return true;
}

void tcp_header_reset(struct tcp *tcp, const struct packet *packet)
{
    if (packet->tcp_flags & TCP_RST)
        return;
    struct tcp_header h = {
        .local = &packet->dst,
        .remote = &packet->src,
        .local_port = packet->dst_port,
        .remote_port = packet->src_port,
        .leg = packet->leg,
        .flags = TCP_RST,
        .seq = packet->ack,
    };
    if (!(packet->tcp_flags & TCP_ACK)) {
        h.flags = TCP_RST | TCP_ACK;
        h.seq = 0;
        h.ack = packet->seq + packet->payload_size + !!(packet->tcp_flags & TCP_SYN) +
                !!(packet->tcp_flags & TCP_FIN);
    }
    tcp_header_emit(tcp, &h);
}
