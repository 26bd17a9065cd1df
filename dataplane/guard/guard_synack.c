// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_synack.h"

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

enum {
    TTL = 64,
    SIZE_MAX_V6 = sizeof(struct rte_ipv6_hdr) + sizeof(struct rte_tcp_hdr) + 40,
};

static size_t write_tcp(struct rte_tcp_hdr *tcp, const struct packet *syn,
                        const struct guard_synack *answer, const uint8_t *options, size_t size)
{
    *tcp = (struct rte_tcp_hdr){
        .src_port = rte_cpu_to_be_16(syn->dst_port),
        .dst_port = rte_cpu_to_be_16(syn->src_port),
        .sent_seq = rte_cpu_to_be_32(answer->cookie.iss),
        .recv_ack = rte_cpu_to_be_32(syn->seq + 1),
        .data_off = (uint8_t)((sizeof *tcp + size) / 4 << 4),
        .tcp_flags = TCP_SYN | TCP_ACK,
        .rx_win = rte_cpu_to_be_16(answer->window),
    };
    memcpy(tcp + 1, options, size);
    return sizeof *tcp + size;
}

static size_t write_options(const struct packet *syn, const struct guard_synack *answer,
                            uint8_t out[40])
{
    struct tcp_option ours = {
        .mss = answer->mss,
        .has_window_scale = syn->options.has_window_scale,
        .window_scale = TCP_WINDOW_SCALE_OURS,
        .sack_permitted = syn->options.sack_permitted,
        .has_timestamps = syn->options.has_timestamps,
        .ts_value = answer->cookie.ts_value,
        .ts_echo = syn->options.ts_value,
    };
    return tcp_option_write(&ours, true, out);
}

static void write_v4(struct rte_ipv4_hdr *ip, struct rte_tcp_hdr *tcp, const struct packet *syn,
                     size_t tcp_size)
{
    *ip = (struct rte_ipv4_hdr){
        .version_ihl = RTE_IPV4_VHL_DEF,
        .total_length = rte_cpu_to_be_16((uint16_t)(sizeof *ip + tcp_size)),
        .fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG), // atomic, so the id may be 0 (RFC 6864)
        .time_to_live = TTL,
        .next_proto_id = IPPROTO_TCP,
    };
    memcpy(&ip->src_addr, syn->dst.bytes + 12, 4);
    memcpy(&ip->dst_addr, syn->src.bytes + 12, 4);
    ip->hdr_checksum = rte_ipv4_cksum(ip);
    tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
}

static void write_v6(struct rte_ipv6_hdr *ip, struct rte_tcp_hdr *tcp, const struct packet *syn,
                     size_t tcp_size)
{
    *ip = (struct rte_ipv6_hdr){
        .vtc_flow = RTE_BE32(UINT32_C(6) << 28),
        .payload_len = rte_cpu_to_be_16((uint16_t)tcp_size),
        .proto = IPPROTO_TCP,
        .hop_limits = TTL,
    };
    memcpy(ip->src_addr, syn->dst.bytes, 16);
    memcpy(ip->dst_addr, syn->src.bytes, 16);
    tcp->cksum = rte_ipv6_udptcp_cksum(ip, tcp);
}

bool guard_synack_fits(const struct rte_mbuf *m)
{
    return m->nb_segs == 1 && m->buf_len - m->data_off >= SIZE_MAX_V6;
}

static void resize(struct rte_mbuf *m, size_t size)
{
    m->data_len = (uint16_t)size;
    m->pkt_len = (uint32_t)size;
    // Whatever the port said of the SYN does not hold for the answer, which wants no offloads.
    m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
    m->tx_offload = 0;
}

void guard_synack_write(struct rte_mbuf *m, const struct packet *syn,
                        const struct guard_synack *answer)
{
    uint8_t options[40];
    size_t options_size = write_options(syn, answer, options);
    bool v4 = addr_is_v4(&syn->src);
    size_t ip_size = v4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
    resize(m, ip_size + sizeof(struct rte_tcp_hdr) + options_size);
    void *ip = rte_pktmbuf_mtod(m, void *);
    struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, ip_size);
    size_t tcp_size = write_tcp(tcp, syn, answer, options, options_size);
    if (v4)
        write_v4(ip, tcp, syn, tcp_size);
    else
        write_v6(ip, tcp, syn, tcp_size);
}
