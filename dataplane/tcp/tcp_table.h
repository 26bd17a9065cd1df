// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The connections and TIME-WAIT records by 4-tuple, under a keyed hash, so that a stranger cannot
 * aim at one place. A reference is index + 1 of a connection, or TCP_TABLE_WAIT | slot + 1 of a
 * record; 0 is none.
 *
 * A bucket is a cache line: twelve entries, each a reference and eight bits of its hash, and how
 * many entries went past it because it was full. So a look-up reads a bucket (as long as none
 * overflows) and the one object that it finds, and learns from the bucket alone that there is none.
 * A full TIME-WAIT ring included, a bucket holds eight entries on average.
 *
 * The hash is pair-multiply-shift over 32-bit words (Thorup, "High speed hashing for integers and
 * strings", section 4.2): two tuples, however they are chosen, meet with probability 2^-32 in it,
 * for two multiplications where SipHash takes eight rounds. SipHash would also stand an attacker
 * who sees hashes; none is ever seen outside, and only a completed handshake makes an entry.
 */

#include "tcp/tcp_conn.h"

enum { TCP_TABLE_WAIT = 1u << 31, TCP_TABLE_MOST = 1 << 23 }; // connections, and records

int tcp_table_init(struct tcp *tcp, uint32_t entries) MUST_CHECK; // 0 or -ENOMEM
void tcp_table_done(struct tcp *tcp);

uint32_t tcp_table_find(const struct tcp *tcp, const struct addr *local, uint16_t local_port,
                        const struct addr *remote, uint16_t remote_port);
// The same in two steps. The first begins to load what the second and the work on what it finds
// will read: all `count` packets, at most TCP_BURST, wait for memory together (tcp_look).
void tcp_table_look(const struct tcp *tcp, const struct packet *packets, const uint8_t *which,
                    unsigned count, struct tcp_look *ret_looks);
uint32_t tcp_table_find_at(const struct tcp *tcp, const struct tcp_look *look,
                           const struct packet *packet);
// The tuple stands in the connection or the record already.
void tcp_table_insert(struct tcp *tcp, uint32_t ref);
void tcp_table_remove(struct tcp *tcp, uint32_t ref);

static inline uint32_t tcp_table_ref(const struct tcp *tcp, const struct tcp_conn *c)
{
    return tcp_conn_index(tcp, c) + 1;
}
