// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_synack.h"

#include <rte_ip.h>
#include <rte_mbuf.h>

enum {
    TTL = 64,
    V4_SIZE = 20,
    V6_SIZE = 40,
    TCP_SIZE = 20,
    V4_MOST = 64, // bytes: all options, and four to spare
    // Where SYN-ACKs differ.
    V4_ADDRESSES = 12,
    V6_ADDRESSES = 8,
    TIMESTAMPS = TCP_SIZE + 8, // the first option is the MSS
};

// Bits that number the forms.
enum { WITH_SCALE = 1, WITH_SACK = 2, WITH_TIMESTAMPS = 4, OF_V4 = 8 };

// The word, to be summed.
static inline uint64_t put(uint8_t *to, uint32_t word)
{
    memcpy(to, &word, sizeof word);
    return word;
}

static inline uint64_t sum_of(const uint8_t *bytes, size_t size)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < size; at += 4) {
        uint32_t word;
        memcpy(&word, bytes + at, sizeof word);
        sum += word;
    }
    return sum;
}

static inline void put_checksum(uint8_t *to, uint64_t sum)
{
    sum += sum << 32 | sum >> 32; // both halves' sum is in the upper one, carry and all
    uint32_t half = (uint32_t)(sum >> 32);
    half += half << 16 | half >> 16;
    uint16_t checksum = (uint16_t) ~(half >> 16);
    memcpy(to, &checksum, sizeof checksum);
}

// Of an atomic datagram, so the identification may be 0 (RFC 6864).
static void ip_make(struct guard_synack_form *form, bool v4, size_t tcp_size)
{
    uint8_t *ip = form->bytes;
    if (!v4) {
        put(ip, rte_cpu_to_be_32(UINT32_C(6) << 28));
        put(ip + 4, rte_cpu_to_be_32((uint32_t)tcp_size << 16 | IPPROTO_TCP << 8 | TTL));
        return;
    }
    put(ip, rte_cpu_to_be_32(UINT32_C(0x45000000) | (uint32_t)(V4_SIZE + tcp_size)));
    put(ip + 4, rte_cpu_to_be_32(RTE_IPV4_HDR_DF_FLAG));
    put(ip + 8, rte_cpu_to_be_32(TTL << 24 | IPPROTO_TCP << 16));
    form->ip_sum = sum_of(ip, V4_SIZE);
}

static void form_make(struct guard_synack_form *form, unsigned number, uint16_t mtu,
                      uint16_t window)
{
    bool v4 = number & OF_V4;
    size_t ip_size = v4 ? V4_SIZE : V6_SIZE;
    uint8_t *tcp = form->bytes + ip_size;
    struct tcp_option ours = {
        .mss = (uint16_t)(mtu - ip_size - TCP_SIZE),
        .has_window_scale = number & WITH_SCALE,
        .window_scale = TCP_WINDOW_SCALE_OURS,
        .sack_permitted = number & WITH_SACK,
        .has_timestamps = number & WITH_TIMESTAMPS,
    };
    size_t tcp_size = TCP_SIZE + tcp_option_write(&ours, true, tcp + TCP_SIZE);
    CHECK(ip_size + tcp_size <= GUARD_SYNACK_MOST);
    form->size = (uint8_t)(ip_size + tcp_size);
    ip_make(form, v4, tcp_size);
    put(tcp + 12,
        rte_cpu_to_be_32((uint32_t)tcp_size / 4 << 28 | (TCP_SYN | TCP_ACK) << 16 | window));
    form->tcp_sum = sum_of(tcp, tcp_size) + rte_cpu_to_be_32(IPPROTO_TCP) +
                    rte_cpu_to_be_32((uint32_t)tcp_size);
}

void guard_synack_init(struct guard_synack *synack, uint16_t mtu, uint16_t window)
{
    *synack = (struct guard_synack){0};
    for (unsigned number = 0; number < GUARD_SYNACK_FORMS; number++)
        form_make(&synack->forms[number], number, mtu, window);
}

bool guard_synack_fits(const struct rte_mbuf *m)
{
    return m->nb_segs == 1 && m->buf_len - m->data_off >= GUARD_SYNACK_MOST;
}

static inline void resize(struct rte_mbuf *m, size_t size)
{
    m->data_len = (uint16_t)size;
    m->pkt_len = (uint32_t)size;
    // Whatever the port said of the SYN does not hold for the answer, which wants no offloads.
    m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
    m->tx_offload = 0;
}

// `sum` of the form and of the addresses.
static inline __attribute__((always_inline)) void fill_tcp(uint8_t *tcp, const struct packet *syn,
                                                           const struct guard_cookie_answer *cookie,
                                                           uint64_t sum)
{
    sum += put(tcp, rte_cpu_to_be_32((uint32_t)syn->dst_port << 16 | syn->src_port));
    sum += put(tcp + 4, rte_cpu_to_be_32(cookie->iss));
    sum += put(tcp + 8, rte_cpu_to_be_32(syn->seq + 1));
    if (syn->options.has_timestamps) {
        sum += put(tcp + TIMESTAMPS, rte_cpu_to_be_32(cookie->ts_value));
        sum += put(tcp + TIMESTAMPS + 4, rte_cpu_to_be_32(syn->options.ts_value));
    }
    put_checksum(tcp + 16, sum);
}

static inline const struct guard_synack_form *form_of(const struct guard_synack *synack,
                                                      const struct packet *syn, bool v4)
{
    const struct tcp_option *offer = &syn->options;
    unsigned number = (offer->has_window_scale ? WITH_SCALE : 0) |
                      (offer->sack_permitted ? WITH_SACK : 0) |
                      (offer->has_timestamps ? WITH_TIMESTAMPS : 0) | (v4 ? OF_V4 : 0);
    return &synack->forms[number];
}

static inline void write_v4(const struct guard_synack_form *form, uint8_t *ip,
                            const struct packet *syn, const struct guard_cookie_answer *cookie)
{
    memcpy(ip, form->bytes, V4_MOST);
    memcpy(ip + V4_ADDRESSES, syn->dst.bytes + 12, 4);
    memcpy(ip + V4_ADDRESSES + 4, syn->src.bytes + 12, 4);
    uint64_t addresses = sum_of(syn->src.bytes + 12, 4) + sum_of(syn->dst.bytes + 12, 4);
    put_checksum(ip + 10, form->ip_sum + addresses);
    fill_tcp(ip + V4_SIZE, syn, cookie, form->tcp_sum + addresses);
}

static inline void write_v6(const struct guard_synack_form *form, uint8_t *ip,
                            const struct packet *syn, const struct guard_cookie_answer *cookie)
{
    memcpy(ip, form->bytes, sizeof form->bytes);
    memcpy(ip + V6_ADDRESSES, syn->dst.bytes, 16);
    memcpy(ip + V6_ADDRESSES + 16, syn->src.bytes, 16);
    uint64_t addresses = sum_of(syn->src.bytes, 16) + sum_of(syn->dst.bytes, 16);
    fill_tcp(ip + V6_SIZE, syn, cookie, form->tcp_sum + addresses);
}

void guard_synack_write(const struct guard_synack *synack, struct rte_mbuf *const *mbufs,
                        const struct packet *const *syns, const struct guard_cookie_answer *cookies,
                        unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bool v4 = addr_is_v4(&syns[i]->src);
        const struct guard_synack_form *form = form_of(synack, syns[i], v4);
        uint8_t *ip = rte_pktmbuf_mtod(mbufs[i], uint8_t *);
        resize(mbufs[i], form->size);
        if (v4)
            write_v4(form, ip, syns[i], &cookies[i]);
        else
            write_v6(form, ip, syns[i], &cookies[i]);
    }
}
