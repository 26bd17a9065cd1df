// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SYNs turned into their SYN-ACKs in the same mbufs: addresses and ports swapped, our options
 * instead of theirs, length and checksums complete. An option is offered only when the SYN offered
 * it.
 *
 * All that SYN-ACKs of one family with the same options have in common is made beforehand, sums
 * and all: what is left is to copy that and to fill in a few words.
 */

#include "base/packet.h"
#include "contract/policy.h"
#include "guard/guard_cookie.h"

struct rte_mbuf;

enum { GUARD_SYNACK_MOST = 80 }; // bytes: IPv6 with all options

struct guard_synack_form {                         // of one family and set of options
    _Alignas(64) uint8_t bytes[GUARD_SYNACK_MOST]; // zeros where SYN-ACKs differ
    uint64_t ip_sum, tcp_sum; // RFC 1071, in native byte order; the pseudo-header's too
    uint8_t size;
};
enum { GUARD_SYNACK_FORMS = 16 };
struct guard_synack {
    struct guard_synack_form forms[GUARD_SYNACK_FORMS];
};

// `mtu` of the leg, bytes: our MSS is this less the headers; `window` is not scaled.
void guard_synack_init(struct guard_synack *synack, uint16_t mtu, uint16_t window);

// One segment, with room for GUARD_SYNACK_MOST.
bool guard_synack_fits(const struct rte_mbuf *m) MUST_CHECK;
// mbufs[i] fits and starts at the IP header of the SYN that syns[i] describes. What is behind the
// SYN-ACK in that room is overwritten.
void guard_synack_write(const struct guard_synack *synack, struct rte_mbuf *const *mbufs,
                        const struct packet *const *syns, const struct guard_cookie_answer *cookies,
                        unsigned count);
