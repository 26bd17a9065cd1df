// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The auth child's questions: who may try, and is it right.
 *
 * A password hash is the cheapest way to keep a mail host busy, so every attempt is gated before
 * it. In this order:
 *   throttled   more than AUTH_PAIR_BURST different wrong passwords a minute for this address and
 *               user, or AUTH_ADDRESS_BURST for this address (IPv6: its /64). An (address, user)
 *               that ever logged in is exempt, and only that pair: strangers lock nobody out.
 *   wrong       the same guess was wrong before and the file has not changed: no hash, no charge.
 *   right       the same login was right within AUTH_RIGHT_MS: no hash.
 *   joined      the same guess is being hashed.
 *   unavailable no users could be read, or AUTH_JOBS_MAX attempts are under way.
 *   hashed      an unknown user costs the hash of some known one, and gets the same answer.
 * An attempt is charged when it begins and refunded unless it was a new wrong guess.
 *
 * What is remembered of credentials are digests under a secret of this process. One thread; the
 * answer function must not call back.
 */

#include "contract/message.h"
#include "lookup/auth_pool.h"
#include "lookup/passwd_file.h"

enum {
    AUTH_PAIR_BURST = 5,
    AUTH_ADDRESS_BURST = 20,
    AUTH_WINDOW_MS = 60 * 1000,
    AUTH_RIGHT_MS = 5 * 60 * 1000,
    AUTH_WRONG_MS = 10 * 60 * 1000,
    AUTH_PAIR_MS = 30 * 24 * 3600 * 1000U, // that an exemption lasts
    AUTH_RIGHTS = 65536,                   // entries remembered, each
    AUTH_WRONGS = 65536,
    AUTH_PAIRS = 262144,
    AUTH_WAITERS_MAX = 2048,
};

typedef void auth_questions_answer(void *context, unsigned worker, const struct message *answer);

struct auth_questions_config {
    struct passwd_file *file; // these two stay the caller's
    struct auth_pool *pool;
    auth_questions_answer *answer;
    void *context;
};

struct auth_questions_counters {
    uint64_t asked, right, wrong, throttled, unavailable;
    uint64_t remembered, joined, hashed;
};

struct auth_questions;

int auth_questions_open(struct auth_questions **ret_questions,
                        const struct auth_questions_config *config) MUST_CHECK; // 0 or -errno
void auth_questions_close(struct auth_questions *questions);

// A sound question of kind AUTH. May answer before it returns. The caller wipes the question.
void auth_questions_take(struct auth_questions *questions, unsigned worker,
                         const struct message *question, uint64_t now_ms);

// Answers what the pool has finished.
void auth_questions_finish(struct auth_questions *questions, uint64_t now_ms);

// Looks whether the file changed, and forgets what was right or wrong when it did.
void auth_questions_refresh(struct auth_questions *questions);

const struct auth_questions_counters *auth_questions_counters(const struct auth_questions *q);
