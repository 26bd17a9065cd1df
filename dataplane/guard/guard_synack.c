// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_synack.h"

#include <rte_ip.h>
#include <rte_mbuf.h>

enum { TTL = 64 };

/* Headers are made as whole words in registers, so that their checksum (RFC 1071, in native byte
 * order) reads nothing back. */
enum { V4_WORDS = 5, V6_WORDS = 10, TCP_WORDS = 10 }; // TCP with all options that we offer
enum { TCP_WORDS_ROOM = (20 + 40) / 4 };              // what tcp_option_write wants

static inline uint64_t sum_of(const uint32_t *words, unsigned count)
{
    uint64_t sum = 0;
#pragma GCC unroll 10
    for (unsigned i = 0; i < count; i++)
        sum += words[i];
    return sum;
}

static inline uint16_t checksum_of(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t) ~((sum & UINT16_MAX) + (sum >> 16));
}

static size_t write_options(const struct packet *syn, const struct guard_synack *answer,
                            uint32_t *words)
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
    return tcp_option_write(&ours, true, (uint8_t *)words);
}

// Without its checksum. Returns bytes.
static size_t make_tcp(const struct packet *syn, const struct guard_synack *answer,
                       uint32_t words[TCP_WORDS_ROOM])
{
    size_t size = 20 + write_options(syn, answer, words + 5);
    words[0] = rte_cpu_to_be_32((uint32_t)syn->dst_port << 16 | syn->src_port);
    words[1] = rte_cpu_to_be_32(answer->cookie.iss);
    words[2] = rte_cpu_to_be_32(syn->seq + 1);
    words[3] =
        rte_cpu_to_be_32((uint32_t)size / 4 << 28 | (TCP_SYN | TCP_ACK) << 16 | answer->window);
    words[4] = 0;
    return size;
}

// Words that are not used are zero, and count for nothing.
static inline void finish_tcp(uint32_t words[TCP_WORDS], uint64_t addresses, size_t size)
{
    uint64_t pseudo = addresses + rte_cpu_to_be_32(IPPROTO_TCP) + rte_cpu_to_be_32((uint32_t)size);
    words[4] = checksum_of(pseudo + sum_of(words, TCP_WORDS));
}

static inline uint32_t word_at(const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

// An atomic datagram, so the identification may be 0 (RFC 6864).
static uint64_t make_v4(const struct packet *syn, size_t tcp_size, uint32_t words[V4_WORDS])
{
    words[0] = rte_cpu_to_be_32(UINT32_C(0x45000000) | (uint32_t)(V4_WORDS * 4 + tcp_size));
    words[1] = rte_cpu_to_be_32(RTE_IPV4_HDR_DF_FLAG);
    words[2] = rte_cpu_to_be_32(TTL << 24 | IPPROTO_TCP << 16);
    words[3] = word_at(syn->dst.bytes + 12);
    words[4] = word_at(syn->src.bytes + 12);
    uint64_t addresses = sum_of(words + 3, 2);
    // The checksum is the second half of its word.
    uint32_t checksum = checksum_of(addresses + sum_of(words, 3));
    words[2] |= RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN ? checksum << 16 : checksum;
    return addresses;
}

static uint64_t make_v6(const struct packet *syn, size_t tcp_size, uint32_t words[V6_WORDS])
{
    words[0] = rte_cpu_to_be_32(UINT32_C(6) << 28);
    words[1] = rte_cpu_to_be_32((uint32_t)tcp_size << 16 | IPPROTO_TCP << 8 | TTL);
    memcpy(words + 2, syn->dst.bytes, 16);
    memcpy(words + 6, syn->src.bytes, 16);
    return sum_of(words + 2, 8);
}

bool guard_synack_fits(const struct rte_mbuf *m)
{
    return m->nb_segs == 1 && m->buf_len - m->data_off >= (V6_WORDS + TCP_WORDS) * 4;
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
    uint32_t tcp[TCP_WORDS_ROOM] = {0}, ip[V6_WORDS];
    bool v4 = addr_is_v4(&syn->src);
    size_t tcp_size = make_tcp(syn, answer, tcp), ip_size = (v4 ? V4_WORDS : V6_WORDS) * 4;
    CHECK(tcp_size <= TCP_WORDS * 4);
    uint64_t addresses = v4 ? make_v4(syn, tcp_size, ip) : make_v6(syn, tcp_size, ip);
    finish_tcp(tcp, addresses, tcp_size);
    resize(m, ip_size + tcp_size);
    uint8_t *to = rte_pktmbuf_mtod(m, uint8_t *);
    // Sizes that the compiler knows: what is past the end is zeros.
    if (v4)
        memcpy(to, ip, V4_WORDS * 4);
    else
        memcpy(to, ip, sizeof ip);
    memcpy(to + ip_size, tcp, TCP_WORDS * 4);
}
