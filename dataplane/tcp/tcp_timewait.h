// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* TIME-WAIT (RFC 9293, section 3.6.1) as a 44-byte record beside the connections, in a ring in
 * order of their end, so that no timer is spent on one. A full ring forgets its oldest.
 *
 * Safe reuse (RFC 1122, section 4.2.2.13; RFC 6191): a SYN from outside with a later timestamp or
 * sequence number is answered here, not by a cookie, with a number above all of the old connection:
 *
 *   iss = snd_nxt + 1 + (MAC 15 | MSS / 8, 8 | window scaling 1 | scale 4 | SACK 1 | timestamps 1)
 *
 * The MAC is over the tuple, the SYN's number and those options, so the final ACK brings back what
 * must be known, and nothing in the record changes: a forged SYN ends nothing, and who did not see
 * the SYN-ACK would have to guess snd_nxt. The record stays until the new connection is made. A RST
 * does not end it either (RFC 1337). Answers are at least TCP_CHALLENGE_MS apart, except those to
 * the peer's FIN.
 */

#include "tcp/tcp_conn.h"

struct tcp_timewait {
    struct addr remote;
    uint16_t local_port, remote_port;
    uint8_t local, bits; // index into tcp->locals; TCP_TIMEWAIT_…
    uint16_t expiry_s;   // low 16 bits of seconds
    uint32_t snd_nxt, rcv_nxt;
    uint32_t ts_recent, ts_offset;
    uint32_t answered_ms; // with ANSWERED
};
static_assert(sizeof(struct tcp_timewait) == 44, "as promised");

enum {
    TCP_TIMEWAIT_USED = 1,
    TCP_TIMEWAIT_LEG = 2, // LEG_INSIDE
    TCP_TIMEWAIT_TIMESTAMPS = 4,
    TCP_TIMEWAIT_REOPENING = 8, // a SYN was answered
    TCP_TIMEWAIT_ANSWERED = 16, // anything was
};

int tcp_timewait_init(struct tcp *tcp, uint32_t records) MUST_CHECK;
void tcp_timewait_done(struct tcp *tcp);

void tcp_timewait_add(struct tcp *tcp, struct tcp_conn *c); // c leaves the table
void tcp_timewait_remove(struct tcp *tcp, uint32_t ref);
void tcp_timewait_expire(struct tcp *tcp); // bounded
uint64_t tcp_timewait_next_us(const struct tcp *tcp);

// HANDLE_NONE when the packet is the final ACK of another connection.
handle tcp_timewait_lookup(struct tcp *tcp, uint32_t ref, const struct packet *packet);
bool tcp_timewait_is(handle h);
bool tcp_timewait_reopened(struct tcp *tcp, uint32_t ref, const struct packet *ack,
                           struct tcp_handshake *ret_handshake);
void tcp_timewait_input(struct tcp *tcp, handle h, const struct packet *packet);
