// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The TCP header of a received packet (RFC 9293, section 3.1): checked and read, not acted upon. */

#include "net/net_state.h"

// m starts at the IP header and ends with the segment; `packet` has its addresses and offset.
// REASON_NONE: it has all.
enum reason segment_read(const struct rte_mbuf *m, struct packet *packet);
