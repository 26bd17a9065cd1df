// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Received data: a list of mbufs in order for the owner, and islands (runs) of what came ahead of
 * a gap. Nothing is copied but small payloads, which join the buffer before them: so a peer that
 * sends tiny segments holds no more than receive_bytes / 512 buffers or so. Work per segment is
 * bounded by TCP_RUNS_MAX; a segment that needs another island than those is dropped, and so is
 * what a peer sends when the stack's buffers are used up; it will be sent again.
 */

#include "tcp/tcp_conn.h"

struct tcp_run {
    struct tcp_run *next;   // by sequence number
    struct rte_mbuf *first; // whose buffer this stands in; chained by m->next
    struct rte_mbuf *last;
    uint32_t left, right; // [left, right)
    uint32_t stamp;       // the highest grew last: RFC 2018, section 4
};

enum tcp_reassembly_result {
    TCP_REASSEMBLY_NEXT,   // rcv_nxt moved
    TCP_REASSEMBLY_AHEAD,  // kept for later
    TCP_REASSEMBLY_AGAIN,  // all of it was there already
    TCP_REASSEMBLY_REFUSED // no room (counted)
};

// m holds exactly the data [seq, seq + its length), not beyond rcv_edge. Takes m.
enum tcp_reassembly_result tcp_reassembly_take(struct tcp *tcp, struct tcp_conn *c,
                                               struct rte_mbuf *m, uint32_t seq);
// SACK blocks, the latest first, D-SACK before them. Returns the count.
uint8_t tcp_reassembly_sack(struct tcp *tcp, struct tcp_conn *c, struct tcp_sack_block *ret_blocks,
                            uint8_t most);

void tcp_reassembly_consume(struct tcp *tcp, struct tcp_conn *c, size_t size);
void tcp_reassembly_drop_runs(struct tcp *tcp, struct tcp_conn *c);
void tcp_reassembly_drop_unread(struct tcp *tcp, struct tcp_conn *c);
