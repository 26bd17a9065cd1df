// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What the dns child answered lately, so that the next session of the same client, with the same
 * names, has its verdicts at once: no message, no doorbell, no wait.
 *
 * An answer is kept as long as it says that it holds (message.keep_s), at most VERDICT_KEEP_MOST_S.
 * An entry holds the client's address and a keyed hash of the whole question: an equal hash of
 * another question, which nobody can provoke without the key, would be one of the same client. A
 * set of four that is full forgets what would have held the shortest. All memory is taken by init.
 * One thread.
 */

#include "base/siphash.h"
#include "contract/message.h"

enum { VERDICT_KEEP_MOST_S = 60 };

struct verdict;

struct verdicts {
    struct verdict *entries; // sets of four
    uint32_t epoch;          // raised by a flush; entries of another are empty
    uint32_t set_mask;
    struct siphash_key key;
};

int verdicts_init(struct verdicts *verdicts, uint32_t entries,
                  const struct siphash_key *key) MUST_CHECK; // 0 or -errno
void verdicts_done(struct verdicts *verdicts);

// True: *ret_answer is the answer to that question, with its handle.
bool verdicts_find(const struct verdicts *verdicts, const struct message *question, uint64_t now_us,
                   struct message *ret_answer) MUST_CHECK;
// Of a kind that the dns child answers, sound; one that does not hold is not kept.
void verdicts_put(struct verdicts *verdicts, const struct message *question,
                  const struct message *answer, uint64_t now_us);
void verdicts_flush(struct verdicts *verdicts);
