// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Banned sources of one worker, with an end each. A ban that ran out is not seen any more from its
 * last microsecond on; its entry goes as the table is walked, all of it within some 5 s.
 */

#include "contract/message.h"
#include "guard/guard_table.h"

enum { GUARD_BANS_MAX = 16384 };

struct guard_ban {
    struct guard_table table; // value: end in us; extra: reason
    uint32_t sweep;           // next slot to look at
    uint64_t earliest_us;     // no ban ends before this
    uint32_t by_operator;     // with REASON_NONE: every worker has them
};

int guard_ban_init(struct guard_ban *bans, int numa_node,
                   const struct siphash_key *key) MUST_CHECK; // 0 or -ENOMEM
void guard_ban_done(struct guard_ban *bans);

// To be called some 100 times a second.
void guard_ban_advance(struct guard_ban *bans, uint64_t now_us);
bool guard_ban_holds(const struct guard_ban *bans, const struct addr *addr, uint64_t now_us);
// Replaces an older ban of that source. False: full, or zero seconds.
bool guard_ban_set(struct guard_ban *bans, const struct ban *ban, uint64_t now_us);
bool guard_ban_lift(struct guard_ban *bans, const struct addr *addr); // false: there was none
// The ban of that source; false: there is none.
bool guard_ban_find(const struct guard_ban *bans, const struct addr *addr, uint64_t now_us,
                    struct ban *ret_ban) MUST_CHECK;
// A walk may miss a ban that moved as another one ended.
void guard_ban_page(const struct guard_ban *bans, uint32_t cursor, uint64_t now_us,
                    struct ban_page *ret_page);
