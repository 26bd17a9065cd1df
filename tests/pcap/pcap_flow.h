// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Weir's initial sequence numbers and timestamps are secrets of its key, so the files show them as
 * Wireshark does: relative to the flow's SYN-ACK. What Weir sends is made relative, what is sent to
 * it absolute. Checksums are adapted, so what was wrong stays wrong; a frame of Weir's own must
 * have right ones to begin with.
 */

#include "base/check.h"
#include "pcap_file.h"

#include <stdbool.h>

enum { PCAP_FLOWS_MAX = 256 };

struct pcap_flows {
    size_t count;
    struct pcap_flow {
        uint8_t name[16 + 4]; // the client's address and both ports, client's first
        uint32_t isn, ts;
    } flows[PCAP_FLOWS_MAX];
};

void pcap_flow_in(const struct pcap_flows *flows, struct pcap_frame *frame);
// False: a checksum is wrong.
bool pcap_flow_out(struct pcap_flows *flows, struct pcap_frame *frame) MUST_CHECK;
