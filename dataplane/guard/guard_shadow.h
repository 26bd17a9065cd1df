// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* SYNs that a limit in shadow mode would have refused, until their handshake ends, so that it can
 * be said how many of them logged in later. A cell a SYN, found by keyed hash and written over at
 * will: in a flood some are forgotten, and what is said is the least there were. One worker owns
 * it.
 */

#include "base/packet.h"
#include "base/siphash.h"

enum { GUARD_SHADOW_CELLS = 1 << 14, GUARD_SHADOW_KEEP_US = 30000000 };

struct guard_shadow {
    struct guard_shadow_cell *cells;
    struct siphash_key key;
};

int guard_shadow_init(struct guard_shadow *shadow, int numa_node,
                      const struct siphash_key *key) MUST_CHECK; // 0 or -ENOMEM
void guard_shadow_done(struct guard_shadow *shadow);

// `limits`: bits, not 0.
void guard_shadow_note(struct guard_shadow *shadow, const struct packet *syn, uint64_t limits,
                       uint64_t now_us);
// The bits of the SYN that this final ACK belongs to, once; 0: none were noted.
uint64_t guard_shadow_of(struct guard_shadow *shadow, const struct packet *ack, uint64_t now_us);
