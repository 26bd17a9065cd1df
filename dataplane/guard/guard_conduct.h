// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* How sources behave once they have completed a handshake: points of offences (guard_offence.def),
 * which decay, and good history, which spares a client what strangers must go through.
 *
 *   points now = (TAT - now) * limit an hour,  TAT += points of the offence / limit an hour
 *
 * as GCRA has it: a source whose points pass the limit is to be banned, and starts afresh then. An
 * offence ends its good history. Fixed memory, eight sources a bucket: a full one forgets whoever
 * is soonest forgotten anyway, so a flood of strangers forgets debt and never bans anybody. A
 * source is an IPv4 address or an IPv6 /64. One worker owns it.
 */

#include "contract/reason.h"
#include "guard/guard_name.h"

enum { GUARD_CONDUCT_SLOTS = 1 << 15, GUARD_CONDUCT_WAYS = 8 };

struct guard_conduct_entry {
    uint64_t number;  // guard_name's
    uint64_t tat_us;  // all points are forgiven then
    uint64_t good_us; // good history until then; 0: none
    bool v4, used;
};

struct guard_conduct {
    struct guard_conduct_entry *entries;
};

int guard_conduct_init(struct guard_conduct *conduct, int numa_node) MUST_CHECK; // 0 or -ENOMEM
void guard_conduct_done(struct guard_conduct *conduct);

unsigned guard_conduct_points(enum reason reason); // of an offence; 0: it is none

// It did that, by a limit of so many points an hour. True: they are more than that, and are
// forgotten.
bool guard_conduct_offend(struct guard_conduct *conduct, const struct guard_name *source,
                          enum reason reason, uint64_t limit, uint64_t now_us) MUST_CHECK;
// A session of its ended as sessions should. While it has points it has no good history.
void guard_conduct_praise(struct guard_conduct *conduct, const struct guard_name *source,
                          uint64_t until_us, uint64_t now_us);

bool guard_conduct_is_good(const struct guard_conduct *conduct, const struct guard_name *source,
                           uint64_t now_us) MUST_CHECK;
// What is left of its points, rounded up.
uint32_t guard_conduct_debt(const struct guard_conduct *conduct, const struct guard_name *source,
                            uint64_t limit, uint64_t now_us) MUST_CHECK;
