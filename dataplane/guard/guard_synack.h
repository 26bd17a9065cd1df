// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A SYN turned into its SYN-ACK in the same mbuf: addresses and ports swapped, our options instead
 * of theirs, length and checksums complete. An option is offered only when the SYN offered it.
 */

#include "base/packet.h"
#include "guard/guard_cookie.h"

struct rte_mbuf;

struct guard_synack {
    struct guard_cookie_answer cookie;
    uint16_t mss;    // ours
    uint16_t window; // not scaled
};

// One segment, with room for any SYN-ACK: 80 bytes.
bool guard_synack_fits(const struct rte_mbuf *m) MUST_CHECK;
// m fits and starts at the SYN's IP header; `syn` describes it.
void guard_synack_write(struct rte_mbuf *m, const struct packet *syn,
                        const struct guard_synack *answer);
