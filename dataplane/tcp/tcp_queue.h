// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The send queue: what was taken from the owner and is not yet acknowledged, cut into segments as
 * they are sent. A segment lives in the room of one mbuf that is never handed out itself: sending
 * copies, so that a link may hold the copy while the peer acknowledges it. Bounds: send_bytes,
 * and a number of segments that makes many tiny writes cost no more than a few large ones.
 */

#include "tcp/tcp_conn.h"

enum { // tcp_segment.bits
    TCP_SEGMENT_FIN = 1,
    TCP_SEGMENT_SACKED = 2,
    TCP_SEGMENT_LOST = 4,
    TCP_SEGMENT_AGAIN = 8,     // lost, and sent again since
    TCP_SEGMENT_REPEATED = 16, // was ever sent more than once: no RTT from it (Karn)
    TCP_SEGMENT_PUSH = 64,     // complete: Nagle does not hold it
    TCP_SEGMENT_TWICE = 32,    // was repeated more than once
};

struct tcp_segment {
    struct tcp_segment *next;
    struct rte_mbuf *mbuf; // whose room this is
    uint32_t seq;
    uint32_t sent_us; // low 32 bits, of the last transmission
    uint16_t size;    // bytes of data
    uint16_t start;   // of the data in bytes[]
    uint8_t bits;
    uint8_t bytes[];
};

// Sequence numbers that it takes: data and FIN.
static inline uint32_t tcp_segment_span(const struct tcp_segment *s)
{
    return s->size + (uint32_t)(s->bits & TCP_SEGMENT_FIN);
}
static inline uint32_t tcp_segment_end(const struct tcp_segment *s)
{
    return s->seq + tcp_segment_span(s);
}

size_t tcp_queue_room(const struct tcp *tcp, const struct tcp_conn *c);
size_t tcp_queue_append(struct tcp *tcp, struct tcp_conn *c, struct span data); // bytes taken
bool tcp_queue_finish(struct tcp *tcp, struct tcp_conn *c); // puts the FIN; false: no buffer
// Cuts a segment in two after `size` bytes of data, so that its head fits a small window.
bool tcp_queue_split(struct tcp *tcp, struct tcp_conn *c, struct tcp_segment *s, uint16_t size);
void tcp_queue_pop(struct tcp *tcp, struct tcp_conn *c);                       // frees send_head
void tcp_queue_trim(struct tcp_conn *c, struct tcp_segment *s, uint16_t size); // off its front
void tcp_queue_drop(struct tcp *tcp, struct tcp_conn *c);                      // frees all
