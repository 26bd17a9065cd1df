// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_synack.h"

#include <rte_ip.h>
#include <rte_mbuf.h>

enum { TTL = 64 };

/* Headers are written into the mbuf word by word, and their checksum (RFC 1071, in native byte
 * order) is summed from what is written: reading a word back in other sizes would wait for the
 * stores. */
enum { V4_SIZE = 20, V6_SIZE = 40, TCP_SIZE = 20, TCP_SIZE_MAX = 40 }; // with all that we offer

// The word, to be summed.
static inline uint64_t put(uint8_t *to, unsigned at, uint32_t word)
{
    memcpy(to + at, &word, sizeof word);
    return word;
}

static inline uint32_t word_at(const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static inline uint64_t sum_of(const uint8_t *bytes, size_t size)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < size; at += 4)
        sum += word_at(bytes + at);
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
                            uint8_t *to)
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
    return tcp_option_write(&ours, true, to);
}

// `addresses` is the sum of both. Returns bytes.
static size_t write_tcp(const struct packet *syn, const struct guard_synack *answer,
                        uint64_t addresses, uint8_t *to)
{
    size_t options_size = write_options(syn, answer, to + TCP_SIZE), size = TCP_SIZE + options_size;
    uint64_t sum = addresses + rte_cpu_to_be_32(IPPROTO_TCP) + rte_cpu_to_be_32((uint32_t)size);
    sum += put(to, 0, rte_cpu_to_be_32((uint32_t)syn->dst_port << 16 | syn->src_port));
    sum += put(to, 4, rte_cpu_to_be_32(answer->cookie.iss));
    sum += put(to, 8, rte_cpu_to_be_32(syn->seq + 1));
    sum += put(
        to, 12,
        rte_cpu_to_be_32((uint32_t)size / 4 << 28 | (TCP_SYN | TCP_ACK) << 16 | answer->window));
    sum += sum_of(to + TCP_SIZE, options_size);
    put(to, 16, checksum_of(sum)); // and no urgent pointer
    return size;
}

// An atomic datagram, so the identification may be 0 (RFC 6864).
static void write_v4(const struct packet *syn, size_t tcp_size, uint64_t addresses, uint8_t *to)
{
    uint32_t protocol = rte_cpu_to_be_32(TTL << 24 | IPPROTO_TCP << 16);
    uint64_t sum = addresses + protocol;
    sum += put(to, 0, rte_cpu_to_be_32(UINT32_C(0x45000000) | (uint32_t)(V4_SIZE + tcp_size)));
    sum += put(to, 4, rte_cpu_to_be_32(RTE_IPV4_HDR_DF_FLAG));
    // The checksum is the second half of its word.
    uint32_t checksum = checksum_of(sum);
    put(to, 8, protocol | (RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN ? checksum << 16 : checksum));
    put(to, 12, word_at(syn->dst.bytes + 12));
    put(to, 16, word_at(syn->src.bytes + 12));
}

static void write_v6(const struct packet *syn, size_t tcp_size, uint8_t *to)
{
    put(to, 0, rte_cpu_to_be_32(UINT32_C(6) << 28));
    put(to, 4, rte_cpu_to_be_32((uint32_t)tcp_size << 16 | IPPROTO_TCP << 8 | TTL));
    memcpy(to + 8, syn->dst.bytes, 16);
    memcpy(to + 24, syn->src.bytes, 16);
}

bool guard_synack_fits(const struct rte_mbuf *m)
{
    return m->nb_segs == 1 && m->buf_len - m->data_off >= V6_SIZE + TCP_SIZE_MAX;
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
    uint8_t *to = rte_pktmbuf_mtod(m, uint8_t *);
    bool v4 = addr_is_v4(&syn->src);
    size_t ip_size = v4 ? V4_SIZE : V6_SIZE, skip = v4 ? 12 : 0;
    uint64_t addresses =
        sum_of(syn->src.bytes + skip, 16 - skip) + sum_of(syn->dst.bytes + skip, 16 - skip);
    size_t tcp_size = write_tcp(syn, answer, addresses, to + ip_size);
    CHECK(tcp_size <= TCP_SIZE_MAX);
    if (v4)
        write_v4(syn, tcp_size, addresses, to);
    else
        write_v6(syn, tcp_size, to);
    resize(m, ip_size + tcp_size);
}
