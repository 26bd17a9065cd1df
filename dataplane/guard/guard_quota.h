// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Rates of what proven clients do beyond connecting: TLS handshakes by source and prefix (/24;
 * /56), messages and recipients by source and by user, logins by user. Each is GCRA with a minute's
 * worth at once.
 *
 * All rates of a charge are judged together, then all are charged or none is. A source is charged
 * where it lives; prefixes and users are summed over all workers (guard_tally.h has the overshoot).
 * Memory is bounded: one table (guard_tallies.h) that forgets who owes least, which lets pass.
 * Users are known by a keyed hash of 64 bits.
 */

#include "contract/charge.h"
#include "guard/guard.h"
#include "guard/guard_tallies.h"

enum { GUARD_QUOTAS = 7 };

struct guard_quota {
    struct guard_tallies tallies;
    struct {
        struct guard_rate rate; // us
        uint8_t mode;           // enum limit_mode
    } limits[CLASSES_MAX][GUARD_QUOTAS];
    uint64_t debt_most_us[GUARD_QUOTAS]; // that the rates in force can run up, of any class
    uint16_t worker, workers;
    struct guard_peers *peers;
};

// `most`, `key` and `workers` are the same for all workers; `peers` outlives it. 0 or -ENOMEM.
int guard_quota_init(struct guard_quota *quota, uint32_t most, int numa_node,
                     const struct siphash_key *key, struct guard_peers *peers, uint16_t worker,
                     uint16_t workers) MUST_CHECK;
void guard_quota_done(struct guard_quota *quota); // the other workers have stopped
void guard_quota_policy(struct guard_quota *quota, const struct policy *policy);

// REASON_NONE: charged. An empty `user` has no rate. *ret_shadowed as of guard_connection_opened.
enum reason guard_quota_charge(struct guard_quota *quota, enum charge charge,
                               const struct addr *client, struct span user, unsigned class,
                               uint64_t now_us, uint64_t *ret_shadowed);
