// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What a TCP test saw, for when it fails: every packet into a capture (raw IP, which tcpdump and
 * Wireshark read), the last of them as text, and what the stack itself wrote down of its
 * connections.
 */

#include "base/packet.h"

#include <stdio.h>

struct rte_mbuf;
struct tcp;

enum { TCP_RECORD_LAST = 32 };

struct tcp_record {
    FILE *pcap, *trace; // NULL: none
    uint64_t start_us;
    unsigned count; // in all
    struct tcp_record_segment {
        uint64_t at_us;
        const char *what;
        struct packet packet;
    } last[TCP_RECORD_LAST];
};

// pcap: a path or NULL. trace: where each segment is printed as it comes, or NULL.
void tcp_record_begin(struct tcp_record *record, uint64_t now_us, const char *pcap, FILE *trace);
void tcp_record_end(struct tcp_record *record);

// `what` is a literal that says who did what; m goes into the capture unless it is NULL.
void tcp_record_packet(struct tcp_record *record, uint64_t now_us, const char *what,
                       const struct rte_mbuf *m, const struct packet *packet);

void tcp_record_tell(const struct tcp_record *record, FILE *out); // the last segments
// The stories of the connections that are open, and of up to `ended` that ended ill.
void tcp_record_stories(const struct tcp *tcp, unsigned ended, FILE *out);
