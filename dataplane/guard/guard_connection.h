// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Client connections: how many are open, how fast they come and how many came today, from a source,
 * from its prefixes (/24; /56 and /48), to a service and in all. Opened and closed in pairs; what
 * is counted here is proven (a handshake was completed), so nothing can be filled from forged
 * addresses, and nobody is charged for another.
 *
 * All levels are judged together, then all are charged or none is: what one refuses costs nothing
 * with the others. A limit in shadow mode refuses nothing and says what it would have refused; one
 * that is off is not looked at. A rate is charged for what conforms only.
 *
 * A source lives on one worker; the levels above add up the parts of all workers (guard_tally.h has
 * the overshoot: workers - 1 connections). Memory is bounded (guard_tallies.h): history may be
 * forgotten, open connections not.
 */

#include "guard/guard.h"
#include "guard/guard_tallies.h"

// From the widest to the narrowest; the first that refuses gives the reason.
enum guard_level { LEVEL_TOTAL, LEVEL_SERVICE, LEVEL_48, LEVEL_PREFIX, LEVEL_SOURCE, LEVEL_COUNT };
enum guard_kind { KIND_OPEN, KIND_RATE, KIND_DAY, KIND_COUNT };

// Open connections, rates and days of a /48 are this many times those of a /56.
enum { GUARD_CONNECTION_48 = 4 };

struct guard_connection_limits { // of a class
    struct {
        struct guard_rate rate;
        uint64_t open, day;
        uint8_t modes[KIND_COUNT]; // enum limit_mode
    } levels[LEVEL_COUNT];
};

struct guard_connection {
    _Alignas(64) struct guard_tally total; // these two are read by all workers
    struct guard_tally services[SERVICES_MAX];
    _Alignas(64) struct guard_tallies sources, prefixes;
    struct guard_connection_limits limits[CLASSES_MAX];
    uint64_t debt_most_us[LEVEL_COUNT]; // that the rates in force can run up, of any class
    uint32_t most;                      // open connections of this worker
    uint16_t worker, workers;
    struct guard_peers *peers;
};

// `most`, `key` and `workers` are the same for all workers; `peers` outlives it. 0 or -ENOMEM.
int guard_connection_init(struct guard_connection *counts, uint32_t most, int numa_node,
                          const struct siphash_key *key, struct guard_peers *peers, uint16_t worker,
                          uint16_t workers) MUST_CHECK;
void guard_connection_done(struct guard_connection *counts); // the other workers have stopped
void guard_connection_policy(struct guard_connection *counts, const struct policy *policy);

// REASON_NONE: counted. *ret_shadowed: limits in shadow mode that would have refused it, a bit
// 1 << enum limit each. CLASS_ALLOW is counted without limits.
enum reason guard_connection_opened(struct guard_connection *counts, const struct addr *client,
                                    unsigned service, unsigned class, uint64_t now_us,
                                    uint64_t *ret_shadowed);
void guard_connection_ended(struct guard_connection *counts, const struct addr *client,
                            unsigned service);
uint32_t guard_connection_of(const struct guard_connection *counts,
                             const struct addr *client); // open
