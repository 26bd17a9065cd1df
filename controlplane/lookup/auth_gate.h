// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Who may try to log in: what is remembered of wrong guesses and of good logins, for passwords
 * (auth_questions.h) and exchanges (auth_exchange.h) alike.
 *
 * Too many different wrong guesses lately (auth_throttle.h) of this address for this user, of this
 * address (IPv6: its /64), or of its prefix (/24, /48) make it wait. An (address, user) that logged
 * in within AUTH_KNOWN_SECONDS answers for its own guesses alone, and may make more of them:
 * strangers lock nobody out.
 *
 * What is remembered of credentials are digests under a secret of this process. One thread;
 * milliseconds of one clock.
 */

#include "base/addr.h"
#include "base/span.h"
#include "contract/policy.h"
#include "lookup/auth_throttle.h"
#include "lookup/lookup_cache.h"

enum {
    GATE_WRONG_MS = 60 * 60 * 1000,
    GATE_WRONGS = 65536, // entries remembered, each
    GATE_PAIRS = 262144,
};

// A stranger's guesses count for the first three, those of a known pair for the last alone.
enum gate_level { GATE_PAIR, GATE_SOURCE, GATE_PREFIX, GATE_KNOWN, GATE_LEVELS };

struct auth_gate {
    const uint64_t *limits; // of LIMIT_COUNT, somebody else's, who may change them at any time
    const uint8_t *modes;   // enum limit_mode; likewise
    struct lookup_secret secret;
    struct lookup_cache wrongs; // guess: it was wrong
    struct lookup_cache pairs;  // pair: logged in lately
    struct auth_throttle throttles[GATE_LEVELS];
};

struct auth_keys { // digests of who tries what
    struct lookup_digest level[GATE_LEVELS], guess, login;
    bool known; // the pair has logged in lately
};

int auth_gate_init(struct auth_gate *gate, const uint64_t *limits,
                   const uint8_t *modes) MUST_CHECK; // 0 or -errno
void auth_gate_done(struct auth_gate *gate);

// `user` in lower case; the credential may be empty.
struct auth_keys auth_gate_keys(struct auth_gate *gate, const struct addr *addr, struct span user,
                                struct span credential, uint64_t now_ms);
// *ret_limit: the enum limit why not, or one in shadow mode that would have been why; 0: none.
bool auth_gate_may(const struct auth_gate *gate, const struct auth_keys *keys, uint64_t now_ms,
                   uint8_t *ret_limit);
// An attempt is charged when it begins and refunded unless it was a new wrong guess.
void auth_gate_charge(struct auth_gate *gate, const struct auth_keys *keys, uint64_t now_ms);
void auth_gate_refund(struct auth_gate *gate, const struct auth_keys *keys);

bool auth_gate_was_wrong(struct auth_gate *gate, const struct auth_keys *keys, uint64_t now_ms);
void auth_gate_wrong(struct auth_gate *gate, const struct auth_keys *keys, uint64_t now_ms);
void auth_gate_forget_wrongs(struct auth_gate *gate);
void auth_gate_right(struct auth_gate *gate, const struct auth_keys *keys, uint64_t now_ms);

// How many wait. Looks at all that is remembered of them, so not too often.
uint32_t auth_gate_waiting(const struct auth_gate *gate, enum gate_level level, uint64_t now_ms);

uint64_t auth_gate_limit(const struct auth_gate *gate, enum limit limit);
uint64_t auth_gate_limit_ms(const struct auth_gate *gate, enum limit limit); // of one in seconds
