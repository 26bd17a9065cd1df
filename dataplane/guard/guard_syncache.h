// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SYN-ACKs that may have to be sent again, in peace only. Cookies need no memory to make a
 * connection; but mail servers speak first, so when the client's final ACK is lost both sides wait
 * for the other: the client has no data to retransmit, and the server forgot the SYN. So a bounded
 * number of SYNs is remembered for 3 s, and the SYN-ACK is sent again after 1 s and after 3 s, the
 * same one, unless the handshake was completed or refused by a RST meanwhile (RFC 4987, section
 * 3.5; RFC 6298 for the times).
 *
 * A hint, never a need: whatever does not fit is not remembered. Sources without history get half
 * of it. Four flows a bucket by keyed hash; what is due waits in two queues, one a delay, so that
 * there is nothing to sort and nothing to search. One worker owns it; no allocation after init.
 */

#include "guard/guard_cookie.h"

enum {
    GUARD_SYNCACHE_FLOWS = 16384,
    GUARD_SYNCACHE_TRIES = 2,
};

struct guard_syncache_flow {
    _Alignas(64) struct addr src; // as in the SYN
    struct addr dst;
    uint16_t src_port, dst_port;
    uint32_t irs;                       // the SYN's sequence number
    struct guard_cookie_answer cookie;  // of the SYN-ACK that was sent
    uint32_t ts_echo;                   // the SYN's TSval
    uint32_t generation;                // tells who a slot's queue entry was meant for
    uint8_t leg;                        // enum leg
    uint8_t window_scale, sack, stamps; // the SYN offered it
    uint8_t proven;                     // it is in its source's good history
};
static_assert(sizeof(struct guard_syncache_flow) == 64, "a cache line");

struct guard_syncache_due {
    uint64_t at_us;
    uint32_t slot, generation;
};

struct guard_syncache_queue {
    struct guard_syncache_due *dues;
    uint32_t head, count;
};

struct guard_syncache {
    struct guard_syncache_flow *flows; // src_port 0: free
    struct guard_syncache_queue queues[GUARD_SYNCACHE_TRIES];
    uint32_t count;
    struct siphash_key key;
};

int guard_syncache_init(struct guard_syncache *cache, int numa_node,
                        const struct siphash_key *key) MUST_CHECK; // 0 or -ENOMEM
void guard_syncache_done(struct guard_syncache *cache);

// A SYN was answered. A flow already known keeps its times and takes the newer answer.
void guard_syncache_note(struct guard_syncache *cache, const struct packet *syn,
                         const struct guard_cookie_answer *cookie, bool proven, uint64_t now_us);
// A segment that ends the wait: the final ACK, or a RST that acknowledges nothing else (its
// sequence number must be the one after the SYN's, RFC 9293, section 3.10.7.3).
void guard_syncache_forget(struct guard_syncache *cache, const struct packet *segment);

// Forgets all, as attack mode begins: 1 MiB written, some 50 us, and then nothing until it is used.
void guard_syncache_clear(struct guard_syncache *cache);

// The next SYN-ACK that is due, as the SYN that it answers, taken off the cache. False: none, or
// not before the next call, so that a call is short.
bool guard_syncache_due(struct guard_syncache *cache, uint64_t now_us, struct packet *ret_syn,
                        struct guard_cookie_answer *ret_cookie, bool *ret_proven) MUST_CHECK;
