// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* How fast passwords may be guessed: a GCRA word (ITU-T I.371) for each (address, user) and for
 * each address (of IPv6 the /64), in a table of fixed size.
 *
 * A full bucket replaces the word with the least debt: a flood of sources forgets, it never refuses
 * the innocent. Words whose time is past are worth nothing, so nothing needs cleaning. Keys are
 * digests under a secret. One thread; milliseconds of one clock.
 */

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { THROTTLE_WAYS = 8, THROTTLE_BUCKETS = 1 << 14 };

struct throttle_rate {
    uint32_t burst;     // attempts at once
    uint32_t window_ms; // in which `burst` attempts grow back
};

struct throttle_word {
    uint64_t key;
    uint64_t full_ms; // when nothing is owed any more (the theoretical arrival time)
};

struct auth_throttle {
    struct throttle_word (*buckets)[THROTTLE_WAYS];
};

int auth_throttle_init(struct auth_throttle *throttle) MUST_CHECK; // 0 or -ENOMEM
void auth_throttle_done(struct auth_throttle *throttle);

// May another attempt be made? Changes nothing.
bool auth_throttle_may(const struct auth_throttle *throttle, uint64_t key,
                       struct throttle_rate rate, uint64_t now_ms);
// Owes one attempt more; to be called before the attempt, so that many at once are counted.
void auth_throttle_charge(struct auth_throttle *throttle, uint64_t key, struct throttle_rate rate,
                          uint64_t now_ms);
// Takes one charge back: the attempt was no guess.
void auth_throttle_refund(struct auth_throttle *throttle, uint64_t key, struct throttle_rate rate);
