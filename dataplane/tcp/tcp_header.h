// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* From a segment's fields to an IP packet in an mbuf, given to emit. The TCP checksum is complete,
 * or marked for the leg's port to complete; the IPv4 header's is made of fields at hand and always
 * complete.
 */

#include "tcp/tcp_conn.h"

struct tcp_header {
    const struct addr *local, *remote;
    uint16_t local_port, remote_port;
    enum leg leg;
    uint8_t flags;
    uint32_t seq, ack;
    uint16_t window;                 // as it stands in the header
    const struct tcp_option *option; // NULL: none
    struct span data;
};

// False when there was no buffer (counted).
bool tcp_header_emit(struct tcp *tcp, const struct tcp_header *header);

// A RST that answers the packet (RFC 9293, section 3.5.2), none to a RST.
void tcp_header_reset(struct tcp *tcp, const struct packet *packet);
