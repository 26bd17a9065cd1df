// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The auth child's questions: who may try, and is it right.
 *
 * A password hash is the cheapest way to keep a mail host busy, so every attempt is gated before
 * it. In this order:
 *   joined      the same guess is being verified.
 *   throttled   too many different wrong passwords lately (auth_gate.h).
 *   wrong       the same guess was wrong before: not verified, not counted.
 *   right       the same login was right within AUTH_CACHE_SECONDS.
 *   unavailable the back end cannot, or what is under way is too much: AUTH_TRIES_MAX in all,
 *               AUTH_STRANGERS_MAX of those who are not known, AUTH_PREFIX_MAX of one prefix. So
 *               a flood of guesses leaves room for users from where they usually are.
 *   verified    by the back end.
 * What was right or wrong is forgotten when the back end's generation rises. SASL exchanges go
 * through the same gate (auth_exchange.h).
 *
 * One thread; the answer function must not call back.
 */

#include "contract/message.h"
#include "contract/policy.h"
#include "lookup/auth_backend.h"
#include "lookup/lookup.h"

enum {
    AUTH_STRANGERS_MAX = AUTH_TRIES_MAX * 3 / 4,
    AUTH_PREFIX_MAX = AUTH_TRIES_MAX / 8,
    AUTH_RIGHTS = 32768, // entries remembered
    AUTH_WAITERS_MAX = 2048,
};

typedef void auth_questions_answer(void *context, unsigned worker, const struct message *answer);

struct auth_questions_config {
    struct auth_backend backend;
    const uint64_t *limits; // of LIMIT_COUNT, somebody else's, who may change them at any time
    const uint8_t *modes;   // enum limit_mode; likewise
    auth_questions_answer *answer;
    void *context;
};

struct auth_questions;

int auth_questions_open(struct auth_questions **ret_questions,
                        const struct auth_questions_config *config) MUST_CHECK; // 0 or -errno
void auth_questions_close(struct auth_questions *questions);

// A sound question of kind AUTH or SASL. May answer before it returns. The caller wipes the
// question.
void auth_questions_take(struct auth_questions *questions, unsigned worker,
                         const struct message *question, uint64_t now_ms);

// Answers what the back end has finished.
void auth_questions_finish(struct auth_questions *questions, uint64_t now_ms);

// Counts who must wait and ends old exchanges; looks at all of them, so not too often.
void auth_questions_count(struct auth_questions *questions, uint64_t now_ms);

// FIGURE_COUNT of them (lookup.h); those of the back end are zero.
const uint64_t *auth_questions_figures(const struct auth_questions *questions);
