// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Whether a SYN is answered. Its source is unproven, so a refusal is never more than silence; all
 * this limits is what Weir can be made to send to somebody who asked for nothing.
 *
 *   in the source's good history   its own rate by clock or by look (guard_proven.h), nothing else
 *   else, in peace                 the source's rate
 *   else, under attack             the source's rate, the budget in all, its /24's or /48's
 *   refused, and comes again       likewise source, all and prefix, for each grade its own
 *   SYN-ACK sent again, in peace   its /24's or /48's budget, if not in good history
 *
 * So forged SYNs of an address neither eat what its owner gets, nor does a flood from random
 * addresses; a source without history gets through on its retransmission (guard_again.h).
 * A source may send its rate on each of these ways, so at most four times its rate is ever
 * answered. Who is over its own rate is refused by that name; what one level refuses is charged to
 * none. A limit in shadow mode lets pass and says so.
 *
 * A source lives on one worker. The budgets in all and of prefixes are those of all workers, who
 * add up their parts (guard_tally.h: passed by workers - 1 SYN-ACKs at the most); so is what is
 * under attack (guard_pressure.h). One worker owns it; no allocation after init.
 */

#include "contract/policy.h"
#include "guard/guard_again.h"
#include "guard/guard_pressure.h"
#include "guard/guard_proven.h"
#include "guard/guard_source.h"
#include "guard/guard_tallies.h"

// So many prefixes may owe at a time before a lone worker forgets debt; even if all of them are
// flooded at five times their budget, what is answered is less than 1 % above it.
enum { GUARD_ANSWER_PREFIXES_V4 = 1 << 16, GUARD_ANSWER_PREFIXES_V6 = 1 << 14 };

struct guard_answer_limit {
    struct guard_rate rate;
    enum limit_mode mode;
};
struct guard_answer_limits {          // of a class; rates in ns
    struct guard_answer_limit source; // of each way
    struct guard_answer_limit prefix; // a /24 or /48
    struct guard_answer_limit total;
};

// Where judging will look for one packet, good for its burst.
struct guard_answer_place {
    struct guard_name name;
    struct guard_source_slot source;
    struct guard_source_slot prefix; // line NULL: not expected to be looked at
};

// Budgets in all and of prefixes: of SYNs as they come; of those that return, plain or by clock.
enum guard_budget { BUDGET_FIRST, BUDGET_PLAIN, BUDGET_CLOCK, BUDGET_COUNT };

struct guard_answer {
    // These three are read by all workers.
    _Alignas(64) struct guard_pressure pressure;
    _Alignas(64) struct guard_tally budgets[BUDGET_COUNT]; // in ns
    struct guard_tallies prefixes[BUDGET_COUNT];
    _Alignas(64) struct siphash_key name_key; // of the tables below
    struct guard_source sources;
    // Alone: what prefixes owe; else as last added up, if they had no room.
    struct guard_source full_prefixes[BUDGET_COUNT];
    struct guard_source returning[2]; // plain, by clock
    struct guard_proven proven;
    struct guard_again again;
    int64_t tats_ns[BUDGET_COUNT]; // alone; else as last added up: they rise, but by forgiving
    bool is_spent;                 // BUDGET_FIRST, when it was last asked for
    uint64_t debt_most_ns, prefix_debt_most_ns; // that the rates in force can run up
    uint16_t worker, workers;
    struct guard_peers *peers;
};

// A name's prefix in full_prefixes.
static inline struct guard_source_slot guard_answer_prefix(const struct guard_answer *answer,
                                                           enum guard_budget budget,
                                                           const struct guard_name *name)
{
    struct guard_name prefix = guard_name_prefix(&answer->name_key, name);
    return guard_source_locate(&answer->full_prefixes[budget], &prefix);
}

// `sources` as in guard_source_init; `key` and `workers` are the same for all workers; `peers`
// outlives it. 0 or -ENOMEM.
int guard_answer_init(struct guard_answer *answer, uint32_t sources, int numa_node,
                      const struct siphash_key *key, struct guard_peers *peers, uint16_t worker,
                      uint16_t workers) MUST_CHECK;
void guard_answer_done(struct guard_answer *answer); // the other workers have stopped
// The limits of all classes have changed.
void guard_answer_policy(struct guard_answer *answer,
                         const struct guard_answer_limits limits[CLASSES_MAX]);
// To be called some 100 times a second: peace or attack, and the tables' origins move on.
void guard_answer_advance(struct guard_answer *answer, uint64_t now_us);

// Where judging will look for a packet, and the memory that it may read there is asked
// for.
static inline void guard_answer_locate(const struct guard_answer *answer,
                                       const struct packet *packet,
                                       struct guard_answer_place *ret_place)
{
    ret_place->name = guard_name_of(&answer->name_key, &packet->src);
    ret_place->source = guard_source_locate(&answer->sources, &ret_place->name);
    guard_source_prefetch(&ret_place->source);
    guard_proven_prefetch(&answer->proven, &ret_place->name);
    ret_place->prefix.line = NULL;
    if (answer->pressure.attack && !answer->is_spent) {
        ret_place->prefix = guard_answer_prefix(answer, BUDGET_FIRST, &ret_place->name);
        guard_source_prefetch(&ret_place->prefix);
    }
}

struct guard_answer_verdict {
    enum reason reason; // NONE: answer it
    bool proven;        // it is in the source's good history
    uint64_t shadowed;  // limits in shadow mode that would have refused it, bits 1 << enum limit
};
struct guard_answer_verdict guard_answer_judge(struct guard_answer *answer,
                                               const struct guard_answer_limits *limits,
                                               const struct packet *syn,
                                               const struct guard_answer_place *place,
                                               uint64_t now_us);
// What guard_answer_judge would refuse under attack, told by what is known anyway and by the SYN's
// addresses, ports and sequence number alone. NONE: that has to be judged.
enum reason guard_answer_glance(struct guard_answer *answer,
                                const struct guard_answer_limits *limits, const struct packet *syn,
                                const struct guard_answer_place *place, uint64_t now_us);
// So many of a burst were refused thereby: they count as if judged.
void guard_answer_glanced(struct guard_answer *answer, unsigned refused, uint64_t now_us);
// Whether a SYN-ACK to an unproven source may be sent once more, which is charged then.
bool guard_answer_repeat(struct guard_answer *answer, const struct guard_answer_limits *limits,
                         const struct addr *client, uint64_t now_us, uint64_t *shadowed) MUST_CHECK;
