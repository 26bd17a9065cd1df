// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The TCP header of a received packet (RFC 9293, section 3.1): checked and read, not acted upon. */

#include "net/checksum.h"
#include "net/net_state.h"

#include <stddef.h>
#include <tmmintrin.h>

// m starts at the IP header and ends with the segment; `packet` has its addresses and offset.
// REASON_NONE: it has all.
enum reason segment_read(const struct rte_mbuf *m, struct packet *packet);

// RFC 9293, section 3.10.7: of SYN, RST and FIN at most one, and after the first SYN every segment
// but a RST has ACK. This leaves out the null, FIN and Xmas scans.
static inline bool segment_flags_make_sense(uint8_t flags)
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

static inline size_t segment_header(const uint8_t *tcp) // its size, bytes
{
    return (tcp[12] & 0xf0u) / 4;
}

// Of the header's first 16 bytes what the packet has in the same places, in host order.
static inline void segment_fields(const uint8_t *tcp, struct packet *p)
{
    const __m128i host = _mm_setr_epi8(1, 0, 3, 2, 7, 6, 5, 4, 11, 10, 9, 8, -1, 13, 15, 14);
    static_assert(offsetof(struct packet, seq) - offsetof(struct packet, src_port) == 4 &&
                      offsetof(struct packet, ack) - offsetof(struct packet, src_port) == 8 &&
                      offsetof(struct packet, tcp_flags) - offsetof(struct packet, src_port) ==
                          13 &&
                      offsetof(struct packet, window) - offsetof(struct packet, src_port) == 14,
                  "as in the header");
    __m128i fields = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)tcp), host);
    _mm_storeu_si128((__m128i *)(void *)&p->src_port, fields);
}

static inline __attribute__((always_inline)) bool segment_is_intact(uint64_t rx_flags, bool v4,
                                                                    struct span l4)
{
    // NONE is a peer on the same host that left its checksum to a port that was never passed.
    uint64_t said = rx_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
    if (said != RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN)
        return said != RTE_MBUF_F_RX_L4_CKSUM_BAD;
    uint64_t sum = v4 ? checksum_add_v4(l4.at - IP4_HEADER_SIZE, IP_PROTOCOL_TCP, l4)
                      : checksum_add_v6(l4.at - IP6_HEADER_SIZE, IP_PROTOCOL_TCP, l4);
    return checksum_agrees(sum); // which the protocol is in
}

// The same in place, for who knows the packet and the offset, the size of an IP header without
// options. A TCP header's bytes can be read there, also those that are beyond the packet.
static inline __attribute__((always_inline)) enum reason
segment_parse(uint64_t rx_flags, struct span ip, size_t offset, struct packet *p)
{
    size_t size = ip.size - offset;
    const uint8_t *tcp = ip.at + offset;
    size_t header = segment_header(tcp);
    if (header < TCP_HEADER_SIZE || header > size)
        return REASON_TCP_BAD_HEADER;
    if (!segment_flags_make_sense(tcp[13]))
        return REASON_TCP_BAD_FLAGS;
    if (!segment_is_intact(rx_flags, offset == IP4_HEADER_SIZE, span_of(tcp, size)))
        return REASON_TCP_BAD_CHECKSUM;
    segment_fields(tcp, p);
    p->payload_offset = (uint16_t)(offset + header);
    p->payload_size = (uint16_t)(size - header);
    struct span options = span_of(tcp + TCP_HEADER_SIZE, header - TCP_HEADER_SIZE);
    return tcp_option_parse(options, &p->options) ? REASON_NONE : REASON_TCP_BAD_OPTIONS;
}
