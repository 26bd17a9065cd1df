// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* How fast passwords may be guessed: for each key (an address and user, an address, a prefix) the
 * wrong ones lately, and when the last was.
 *
 *   wait after the last wrong one  =  0                              while guesses < free
 *                                     delay_ms * 2^(guesses - free)  else
 *   guesses falls by one each forgive_ms / free
 *
 * So the wait grows until it is as long as it takes to forgive a guess, and that is the pace of
 * whoever goes on for ever. Nothing sleeps: an attempt that comes too early is refused. The table
 * is of fixed size; a full bucket replaces the word that is forgiven first: a flood of sources
 * forgets, it never refuses the innocent. Keys are digests under a secret. One thread;
 * milliseconds of one clock.
 */

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { THROTTLE_WAYS = 8, THROTTLE_BUCKETS = 1 << 13 };

struct throttle_rate {
    uint64_t free;       // wrong guesses without a wait, > 0
    uint64_t delay_ms;   // the first wait
    uint64_t forgive_ms; // that `free` guesses are forgiven in
};

struct throttle_word {
    uint64_t key;
    uint64_t forgiven_ms; // when nothing is left
    uint64_t last_ms;     // of the last charge
    uint64_t before_ms;   // of the one before it
};

struct auth_throttle {
    struct throttle_word (*buckets)[THROTTLE_WAYS];
};

int auth_throttle_init(struct auth_throttle *throttle) MUST_CHECK; // 0 or -ENOMEM
void auth_throttle_done(struct auth_throttle *throttle);

// May another attempt be made? Changes nothing.
bool auth_throttle_may(const struct auth_throttle *throttle, uint64_t key,
                       struct throttle_rate rate, uint64_t now_ms);
// One guess more; to be called before the attempt, so that many at once are counted.
void auth_throttle_charge(struct auth_throttle *throttle, uint64_t key, struct throttle_rate rate,
                          uint64_t now_ms);
// Takes one charge back: the attempt was no guess, and no wait begins with it. (Of two charges that
// are both under way the wait may begin with the earlier one.)
void auth_throttle_refund(struct auth_throttle *throttle, uint64_t key, struct throttle_rate rate);
// How many keys must wait now. Looks at all words.
uint32_t auth_throttle_count(const struct auth_throttle *throttle, struct throttle_rate rate,
                             uint64_t now_ms);
