// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The last events of each connection, always written, told by tcp_story and tcp_story_ended
 * (tcp.h).
 *
 * A ring of 8-byte records stands beside the connections, found by their index, so a connection
 * itself holds nothing for it. Up to TCP_TRACE_RINGS connections have one each; above that some
 * share one, and the latest to write begins it anew. When a connection ends by a reset, a time-out
 * or an abort its story is kept, the last TCP_TRACE_KEPT of a worker. Adding costs a bounded look
 * at one ring of two cache lines; nothing is added while all goes well but changes of state.
 */

#include "contract/trace.h"
#include "tcp/tcp_conn.h"

enum { TCP_TRACE_RINGS = 16384, TCP_TRACE_KEPT = 256 };

struct tcp_trace_record {
    uint16_t after; // ms since the record before: 12 bits, shifted left by the upper 4
    uint8_t kind;   // enum trace_kind
    uint8_t times;  // in a row, or, of what a stranger can cause, since it is in the ring
    uint32_t value;
};

struct tcp_trace_ring {
    uint32_t owner;   // index + 1 of the connection
    uint32_t last_ms; // when the latest record was made
    uint32_t count;   // records made, in all
    struct tcp_trace_record records[TRACE_EVENTS];
};
static_assert(sizeof(struct tcp_trace_ring) <= 128, "two cache lines");

struct tcp_trace_kept {
    struct trace_story story;
    uint32_t ended_ms;
};

int tcp_trace_init(struct tcp *tcp, uint32_t connections) MUST_CHECK; // 0 or -ENOMEM
void tcp_trace_done(struct tcp *tcp);

void tcp_trace_begin(struct tcp *tcp, const struct tcp_conn *c); // what its index left is forgotten
void tcp_trace_add(struct tcp *tcp, const struct tcp_conn *c, enum trace_kind kind, uint32_t value);
void tcp_trace_keep(struct tcp *tcp, const struct tcp_conn *c, enum reason reason);
