// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What net/ learnt of one received packet, in host order, for guard/ and tcp/ to read.
 * The headers were checked: version, lengths, checksums, no fragments, no unknown extension
 * headers. Offsets count from the start of the mbuf's data, which is the IP header.
 */

#include "base/addr.h"
#include "base/tcp_option.h"

enum leg { LEG_OUTSIDE, LEG_INSIDE, LEG_COUNT }; // where strangers are; where the backends are

enum {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
    TCP_ECE = 0x40,
    TCP_CWR = 0x80,
};

struct packet {
    struct addr src, dst;
    // TCP only, and where the TCP header has them, so that they are read at once.
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint8_t unused; // there it is the header's size
    uint8_t tcp_flags;
    uint16_t window;         // not scaled
    uint8_t leg;             // enum leg
    uint8_t ttl;             // or hop limit
    uint8_t traffic_class;   // or TOS
    uint16_t l4_offset;      // bytes from the IP header to the TCP header
    uint16_t payload_offset; // bytes from the IP header to the data
    uint16_t payload_size;   // bytes of data, padding of the frame not counted
    struct tcp_option options;
};

// Sequence numbers are compared on the circle (RFC 9293, section 3.4).
static inline bool seq_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}
static inline bool seq_after(uint32_t a, uint32_t b)
{
    return seq_before(b, a);
}
