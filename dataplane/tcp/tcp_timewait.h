// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* TIME-WAIT (RFC 9293, section 3.6.1) as a 44-byte record beside the connections, in a ring in
 * order of their end, so that no timer is spent on one. A full ring forgets its oldest.
 *
 * Safe reuse (RFC 1122, section 4.2.2.13; RFC 6191): a SYN with a later timestamp or sequence
 * number is let through to the guard, and so is the final ACK that follows from it. The record
 * stays until the new connection is made: a forged SYN ends nothing. A RST does not end it either
 * (RFC 1337).
 */

#include "tcp/tcp_conn.h"

struct tcp_timewait {
    struct addr remote;
    uint16_t local_port, remote_port;
    uint8_t local, bits; // index into tcp->locals; TCP_TIMEWAIT_…
    uint16_t expiry_s;   // low 16 bits of seconds
    uint32_t snd_nxt, rcv_nxt;
    uint32_t ts_recent, ts_offset;
    uint32_t reopen_seq; // of the SYN that was let through
};
static_assert(sizeof(struct tcp_timewait) == 44, "as promised");

enum {
    TCP_TIMEWAIT_USED = 1,
    TCP_TIMEWAIT_LEG = 2, // LEG_INSIDE
    TCP_TIMEWAIT_TIMESTAMPS = 4,
    TCP_TIMEWAIT_REOPENING = 8,
};

int tcp_timewait_init(struct tcp *tcp, uint32_t records) MUST_CHECK;
void tcp_timewait_done(struct tcp *tcp);

void tcp_timewait_add(struct tcp *tcp, struct tcp_conn *c); // c leaves the table
void tcp_timewait_remove(struct tcp *tcp, uint32_t ref);
void tcp_timewait_expire(struct tcp *tcp); // bounded
uint64_t tcp_timewait_next_us(const struct tcp *tcp);

// HANDLE_NONE when the packet begins another connection.
handle tcp_timewait_lookup(struct tcp *tcp, uint32_t ref, const struct packet *packet);
bool tcp_timewait_is(handle h);
void tcp_timewait_input(struct tcp *tcp, handle h, const struct packet *packet);
