// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Sessions at a time that a user is logged in to, of each protocol: from anywhere, and from one
 * source (IPv4 address, IPv6 /64). Counted where the login is answered, in pairs with its end.
 *
 * Both are judged together, then both are counted or none is. A source lives on one worker; those
 * from anywhere are summed over all workers, so (guard_tally.h):
 *
 *   sessions of a user <= limit + workers - 1,   of a user from a source <= limit
 *
 * Memory is bounded: entries with open sessions stay, and there are four places for each that all
 * of a worker's sessions can need. A login that finds none passes uncounted. Users are known by a
 * keyed hash of 64 bits, and by it the caller names whose session ended: the ticket.
 */

#include "contract/policy.h"
#include "guard/guard.h"
#include "guard/guard_tallies.h"

enum guard_login_level { LOGINS_USER, LOGINS_USER_SOURCE, LOGINS_LEVELS };

struct guard_login {
    struct guard_tallies tallies;
    struct {
        uint64_t most;
        uint8_t mode; // enum limit_mode
    } limits[CLASSES_MAX][LOGINS_LEVELS];
    uint16_t worker, workers;
    struct guard_peers *peers;
};

// `most` sessions of a worker; it, `key` and `workers` are the same for all workers; `peers`
// outlives it. 0 or -ENOMEM.
int guard_login_init(struct guard_login *logins, uint32_t most, int numa_node,
                     const struct siphash_key *key, struct guard_peers *peers, uint16_t worker,
                     uint16_t workers) MUST_CHECK;
void guard_login_done(struct guard_login *logins); // the other workers have stopped
void guard_login_policy(struct guard_login *logins, const struct policy *policy);

// REASON_NONE: counted; *ret_ticket is for guard_login_ended, 0: it is not counted.
// *ret_shadowed as of guard_connection_opened. CLASS_ALLOW is counted without limits.
enum reason guard_login_opened(struct guard_login *logins, enum protocol protocol,
                               const struct addr *client, struct span user, unsigned class,
                               uint64_t now_us, uint64_t *ret_ticket, uint64_t *ret_shadowed);
void guard_login_ended(struct guard_login *logins, const struct addr *client, uint64_t ticket);
