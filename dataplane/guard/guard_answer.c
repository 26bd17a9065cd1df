// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_answer.h"

#include "guard/guard.h"

enum {
    PREFIXES = 1 << 14,  // that owe at a time: answers in all a second / those of one
    RETURNING = 1 << 15, // sources of which a refused SYN came again, a grade
    PROVEN_SHARE = 8,    // one proven source for so many tracked ones
};

int guard_answer_init(struct guard_answer *answer, uint32_t sources, int numa_node,
                      const struct siphash_key *key, struct guard_peers *peers, uint16_t worker,
                      uint16_t workers)
{
    CHECK(worker < workers && workers <= WORKERS_MAX);
    *answer = (struct guard_answer){
        .name_key = *key, .worker = worker, .workers = workers, .peers = peers};
    int error = guard_source_init(&answer->sources, sources, numa_node);
    for (int budget = 0; budget < BUDGET_COUNT && !error; budget++) {
        error = guard_tallies_init(&answer->prefixes[budget], PREFIXES, numa_node, key);
        if (!error)
            error = guard_source_init(&answer->full_prefixes[budget], GUARD_ANSWER_PREFIXES_V4 * 4,
                                      numa_node);
    }
    if (!error)
        error = guard_source_init(&answer->returning[0], RETURNING, numa_node);
    if (!error)
        error = guard_source_init(&answer->returning[1], RETURNING, numa_node);
    if (!error)
        error = guard_proven_init(&answer->proven, sources / PROVEN_SHARE, numa_node);
    if (!error)
        error = guard_again_init(&answer->again, numa_node, key);
    if (!error)
        __atomic_store_n(&peers->answers[worker], answer, __ATOMIC_RELEASE);
    return error;
}

void guard_answer_done(struct guard_answer *answer)
{
    if (answer->peers)
        __atomic_store_n(&answer->peers->answers[answer->worker], NULL, __ATOMIC_RELEASE);
    guard_source_done(&answer->sources);
    for (int budget = 0; budget < BUDGET_COUNT; budget++) {
        guard_tallies_done(&answer->prefixes[budget]);
        guard_source_done(&answer->full_prefixes[budget]);
    }
    guard_source_done(&answer->returning[0]);
    guard_source_done(&answer->returning[1]);
    guard_proven_done(&answer->proven);
    guard_again_done(&answer->again);
}

static struct guard_answer *part_of(const struct guard_answer *answer, unsigned worker)
{
    return __atomic_load_n(&answer->peers->answers[worker], __ATOMIC_ACQUIRE);
}

static void at_least(uint64_t *most_ns, const struct guard_rate *rate, unsigned workers)
{
    uint64_t debt_ns = guard_tally_debt_most(rate, workers);
    *most_ns = debt_ns > *most_ns ? debt_ns : *most_ns;
}

void guard_answer_policy(struct guard_answer *answer,
                         const struct guard_answer_limits limits[CLASSES_MAX])
{
    answer->debt_most_ns = answer->prefix_debt_most_ns = 0;
    for (unsigned class = 0; class < CLASSES_MAX; class ++) {
        at_least(&answer->debt_most_ns, &limits[class].total.rate, answer->workers);
        at_least(&answer->prefix_debt_most_ns, &limits[class].prefix.rate, answer->workers);
    }
}

void guard_answer_advance(struct guard_answer *answer, uint64_t now_us)
{
    const struct guard_pressure *parts[WORKERS_MAX];
    for (unsigned worker = 0; worker < answer->workers; worker++) {
        const struct guard_answer *part = part_of(answer, worker);
        parts[worker] = part ? &part->pressure : NULL;
    }
    guard_pressure_advance(&answer->pressure, parts, answer->workers, now_us);
    guard_source_advance(&answer->sources, now_us * 1000);
    for (int budget = 0; budget < BUDGET_COUNT; budget++)
        guard_source_advance(&answer->full_prefixes[budget], now_us * 1000);
    guard_source_advance(&answer->returning[0], now_us * 1000);
    guard_source_advance(&answer->returning[1], now_us * 1000);
}

static bool take(struct guard_source *table, const struct guard_name *name,
                 const struct guard_rate *rate, uint64_t now_ns)
{
    struct guard_source_slot slot = guard_source_locate(table, name);
    return guard_source_take(table, &slot, rate, now_ns);
}

static __attribute__((noinline)) bool sum_has_room(struct guard_answer *answer,
                                                   enum guard_budget budget,
                                                   const struct guard_rate *rate, uint64_t now_ns,
                                                   struct guard_tally_sum *ret_sum)
{
    struct guard_tally_sum sum = {0};
    for (unsigned worker = 0; worker < answer->workers; worker++) {
        const struct guard_answer *part = part_of(answer, worker);
        if (part)
            guard_tally_add(&sum, &part->budgets[budget], now_ns);
    }
    uint64_t excess_ns = guard_tally_excess(&sum, answer->debt_most_ns, now_ns);
    if (excess_ns)
        guard_tally_forgive(&answer->budgets[budget], &sum, excess_ns);
    answer->tats_ns[budget] = guard_tally_tat(&sum);
    *ret_sum = sum;
    return guard_tally_conforms(&sum, rate, now_ns);
}

// Whether a budget in all had no room when its parts were last added up: nor has it now, unless it
// owes more than the policy in force can make it owe.
static inline bool is_spent(const struct guard_answer *answer, enum guard_budget budget,
                            const struct guard_rate *rate, uint64_t now_ns)
{
    int64_t tat_ns = answer->tats_ns[budget];
    return tat_ns > (int64_t)(now_ns + rate->tolerance) &&
           tat_ns <= (int64_t)(now_ns + answer->debt_most_ns);
}

/* Whether a budget in all has room. Most SYNs of a flood find it spent, and read nothing of the
 * other workers'; a worker that is alone adds nothing up. */
static inline bool has_room(struct guard_answer *answer, enum guard_budget budget,
                            const struct guard_rate *rate, uint64_t now_ns,
                            struct guard_tally_sum *ret_sum)
{
    if (is_spent(answer, budget, rate, now_ns))
        return false;
    if (answer->workers > 1)
        return sum_has_room(answer, budget, rate, now_ns, ret_sum);
    int64_t last_ns = (int64_t)(now_ns + rate->tolerance);
    if (answer->tats_ns[budget] <= last_ns)
        return true;
    answer->tats_ns[budget] = (int64_t)(now_ns + answer->debt_most_ns); // of an older policy: cut
    return answer->tats_ns[budget] <= last_ns;
}

static void charge(struct guard_answer *answer, enum guard_budget budget,
                   const struct guard_tally_sum *sum, const struct guard_rate *rate,
                   uint64_t now_ns)
{
    if (answer->workers == 1) {
        int64_t tat_ns = answer->tats_ns[budget], least_ns = (int64_t)now_ns;
        answer->tats_ns[budget] = (tat_ns > least_ns ? tat_ns : least_ns) + (int64_t)rate->emission;
        return;
    }
    guard_tally_charge(&answer->budgets[budget], sum, rate->emission, now_ns);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // published before the next one is judged
}

struct prefix_demand { // only of a prefix that may have room
    enum guard_budget budget;
    struct guard_source_entry full; // in full_prefixes
    struct guard_tallies_place place;
    struct guard_tally_sum sum;
};

/* Prefixes: the table `full_prefixes` tells at once which have no room. A worker that is alone
 * finds all that they owe there; one of several finds what they owed when it last added up all
 * parts. */
static void remember_full(struct guard_answer *answer, const struct prefix_demand *demand,
                          uint64_t debt_ns)
{
    uint64_t known_ns = guard_source_debt(&demand->full);
    struct guard_rate rate = {known_ns < debt_ns ? debt_ns - known_ns : 0, debt_ns};
    guard_source_charge(&answer->full_prefixes[demand->budget], &demand->full, &rate);
}

static __attribute__((noinline)) bool
sum_of_prefix_has_room(struct guard_answer *answer, const struct addr *client,
                       const struct guard_rate *rate, uint64_t now_ns, struct prefix_demand *demand)
{
    struct guard_tally_sum sum = {0};
    struct guard_tallies *prefixes = &answer->prefixes[demand->budget];
    struct guard_tallies_place place =
        guard_tallies_locate(prefixes, client, addr_is_v4(client) ? 120 : 48);
    for (unsigned worker = 0; worker < answer->workers; worker++) {
        const struct guard_answer *part = part_of(answer, worker);
        if (part)
            guard_tallies_add(&part->prefixes[demand->budget], &place, now_ns, &sum);
    }
    uint64_t excess_ns = guard_tally_excess(&sum, answer->prefix_debt_most_ns, now_ns);
    struct guard_tally *own = excess_ns ? guard_tallies_take(prefixes, &place, now_ns) : NULL;
    if (own)
        guard_tally_forgive(own, &sum, excess_ns);
    demand->place = place;
    demand->sum = sum;
    if (guard_tally_conforms(&sum, rate, now_ns))
        return true;
    remember_full(answer, demand, (uint64_t)(guard_tally_tat(&sum) - (int64_t)now_ns));
    return false;
}

// Likewise of a prefix.
static inline bool is_full(const struct guard_answer *answer, const struct guard_rate *rate,
                           const struct guard_source_entry *full)
{
    uint64_t debt_ns = guard_source_debt(full);
    return debt_ns > rate->tolerance && debt_ns <= answer->prefix_debt_most_ns;
}

// `slot` is the prefix's in the budget's full_prefixes.
static inline bool prefix_has_room(struct guard_answer *answer, enum guard_budget budget,
                                   const struct addr *client, const struct guard_source_slot *slot,
                                   const struct guard_rate *rate, uint64_t now_ns,
                                   struct prefix_demand *ret_demand)
{
    struct guard_source *full_prefixes = &answer->full_prefixes[budget];
    // Field by field where it stays: a copy of what was just written in parts waits for its stores.
    ret_demand->full = guard_source_find(full_prefixes, slot, now_ns);
    ret_demand->budget = budget;
    if (is_full(answer, rate, &ret_demand->full))
        return false;
    if (answer->workers > 1)
        return sum_of_prefix_has_room(answer, client, rate, now_ns, ret_demand);
    bool conforms = guard_source_debt(&ret_demand->full) <= rate->tolerance;
    if (!conforms) // of an older policy: cut, and nothing charged
        (void)guard_source_charge(full_prefixes, &ret_demand->full, rate);
    return conforms;
}

static __attribute__((noinline)) void charge_part_of_prefix(struct guard_answer *answer,
                                                            const struct prefix_demand *demand,
                                                            const struct guard_rate *rate,
                                                            uint64_t now_ns)
{
    struct guard_tally *own =
        guard_tallies_take(&answer->prefixes[demand->budget], &demand->place, now_ns);
    CHECK(own); // nothing in this table is open
    guard_tally_charge(own, &demand->sum, rate->emission, now_ns);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void charge_prefix(struct guard_answer *answer, const struct prefix_demand *demand,
                                 const struct guard_rate *rate, uint64_t now_ns)
{
    if (answer->workers > 1)
        charge_part_of_prefix(answer, demand, rate, now_ns);
    else
        (void)guard_source_charge(&answer->full_prefixes[demand->budget], &demand->full, rate);
}

// What becomes of a SYN for which a limit has room or not.
static bool refuses(const struct guard_answer_limit *limit, enum limit name, bool room,
                    uint64_t *shadowed)
{
    if (!room && limit->mode == MODE_SHADOW)
        *shadowed |= UINT64_C(1) << name;
    return !room && limit->mode == MODE_ENFORCE;
}

// Under attack all levels are asked before any is charged.
static enum reason judge_unproven(struct guard_answer *answer,
                                  const struct guard_answer_limits *limits,
                                  const struct addr *client, const struct guard_answer_place *place,
                                  uint64_t now_ns, uint64_t *shadowed)
{
    const struct guard_answer_limit *source = &limits->source;
    const struct guard_rate *total = &limits->total.rate, *of_prefix = &limits->prefix.rate;
    struct guard_tally_sum sum;
    struct prefix_demand demand;
    bool counts = source->mode != MODE_OFF, room = true;
    if (!answer->pressure.attack) {
        if (counts)
            room = guard_source_take(&answer->sources, &place->source, &source->rate, now_ns);
        return refuses(source, LIMIT_SYN_RATE_SOURCE, room, shadowed) ? REASON_SYN_RATE_SOURCE
                                                                      : REASON_NONE;
    }
    struct guard_source_entry known = guard_source_find(&answer->sources, &place->source, now_ns);
    if (counts)
        room = guard_source_debt(&known) <= source->rate.tolerance;
    if (refuses(source, LIMIT_SYN_RATE_SOURCE, room, shadowed))
        return REASON_SYN_RATE_SOURCE;
    bool total_room = has_room(answer, BUDGET_FIRST, total, now_ns, &sum);
    answer->is_spent = !total_room;
    if (refuses(&limits->total, LIMIT_SYN_ANSWERS_TOTAL, total_room, shadowed))
        return REASON_SYN_BACKSCATTER_TOTAL;
    struct guard_source_slot prefix = place->prefix.line
                                          ? place->prefix
                                          : guard_answer_prefix(answer, BUDGET_FIRST, &place->name);
    bool prefix_room =
        prefix_has_room(answer, BUDGET_FIRST, client, &prefix, of_prefix, now_ns, &demand);
    if (refuses(&limits->prefix, LIMIT_SYN_ANSWERS_PREFIX, prefix_room, shadowed))
        return REASON_SYN_BACKSCATTER_PREFIX;
    if (counts)
        (void)guard_source_charge(&answer->sources, &known, &source->rate);
    if (prefix_room)
        charge_prefix(answer, &demand, of_prefix, now_ns);
    if (total_room)
        charge(answer, BUDGET_FIRST, &sum, total, now_ns);
    return REASON_NONE;
}

// A refused SYN's second knock. Its prefix has to have room too, or a flood that sends each SYN
// twice would be answered into one prefix at the rates of all sources there.
static bool may_return(struct guard_answer *answer, const struct guard_answer_limits *limits,
                       const struct packet *syn, const struct guard_name *source, uint64_t now_us)
{
    const struct guard_rate *total = &limits->total.rate, *of_prefix = &limits->prefix.rate;
    enum guard_again_grade grade = guard_again_note(&answer->again, syn, now_us);
    if (grade == GUARD_AGAIN_NOT)
        return false;
    int which = grade == GUARD_AGAIN_CLOCK;
    enum guard_budget budget = which ? BUDGET_CLOCK : BUDGET_PLAIN;
    struct guard_tally_sum sum;
    struct prefix_demand demand;
    uint64_t now_ns = now_us * 1000;
    if (!has_room(answer, budget, total, now_ns, &sum))
        return false;
    struct guard_source_slot prefix = guard_answer_prefix(answer, budget, source);
    bool room = prefix_has_room(answer, budget, &syn->src, &prefix, of_prefix, now_ns, &demand);
    if ((!room && limits->prefix.mode != MODE_OFF) ||
        !take(&answer->returning[which], source, &limits->source.rate, now_ns))
        return false;
    if (room)
        charge_prefix(answer, &demand, of_prefix, now_ns);
    charge(answer, budget, &sum, total, now_ns);
    return true;
}

// The first that has no room, in judge_unproven's order.
static inline enum reason known_refusal(struct guard_answer *answer,
                                        const struct guard_answer_limits *limits,
                                        const struct guard_answer_place *place, uint64_t now_ns)
{
    struct guard_source_entry entry = guard_source_find(&answer->sources, &place->source, now_ns);
    if (limits->source.mode == MODE_ENFORCE &&
        guard_source_debt(&entry) > limits->source.rate.tolerance)
        return REASON_SYN_RATE_SOURCE;
    if (limits->total.mode == MODE_ENFORCE &&
        is_spent(answer, BUDGET_FIRST, &limits->total.rate, now_ns)) {
        answer->is_spent = true;
        return REASON_SYN_BACKSCATTER_TOTAL;
    }
    if (limits->prefix.mode != MODE_ENFORCE || !place->prefix.line)
        return REASON_NONE;
    entry = guard_source_find(&answer->full_prefixes[BUDGET_FIRST], &place->prefix, now_ns);
    return is_full(answer, &limits->prefix.rate, &entry) ? REASON_SYN_BACKSCATTER_PREFIX
                                                         : REASON_NONE;
}

enum reason guard_answer_glance(struct guard_answer *answer,
                                const struct guard_answer_limits *limits, const struct packet *syn,
                                const struct guard_answer_place *place, uint64_t now_us)
{
    if (!answer->pressure.attack || guard_proven_has(&answer->proven, &place->name))
        return REASON_NONE;
    if (guard_again_looks_at(&answer->again, syn)) {
        guard_again_fetch(&answer->again, syn);
        return REASON_NONE;
    }
    return known_refusal(answer, limits, place, now_us * 1000);
}

void guard_answer_glanced(struct guard_answer *answer, unsigned refused, uint64_t now_us)
{
    if (refused == 0)
        return;
    guard_pressure_count(&answer->pressure, refused, now_us);
    guard_again_count(&answer->again, refused, now_us);
}

struct guard_answer_verdict guard_answer_judge(struct guard_answer *answer,
                                               const struct guard_answer_limits *limits,
                                               const struct packet *syn,
                                               const struct guard_answer_place *place,
                                               uint64_t now_us)
{
    struct guard_answer_verdict verdict = {REASON_NONE};
    guard_pressure_count(&answer->pressure, 1, now_us);
    bool conforms = false;
    enum guard_proven_match match = guard_proven_take(&answer->proven, &place->name, syn,
                                                      &limits->source.rate, now_us, &conforms);
    verdict.proven = match != GUARD_MATCH_NONE;
    if (match == GUARD_MATCH_NONE)
        verdict.reason =
            judge_unproven(answer, limits, &syn->src, place, now_us * 1000, &verdict.shadowed);
    else if (refuses(&limits->source, LIMIT_SYN_RATE_SOURCE, conforms, &verdict.shadowed))
        verdict.reason = REASON_SYN_RATE_SOURCE;
    bool refused = verdict.reason != REASON_NONE || verdict.shadowed;
    if (refused && may_return(answer, limits, syn, &place->name, now_us)) {
        verdict.reason = REASON_NONE;
        verdict.shadowed = 0;
    }
    return verdict;
}

bool guard_answer_repeat(struct guard_answer *answer, const struct guard_answer_limits *limits,
                         const struct addr *client, uint64_t now_us, uint64_t *shadowed)
{
    struct guard_name name = guard_name_of(&answer->name_key, client);
    struct guard_source_slot prefix = guard_answer_prefix(answer, BUDGET_FIRST, &name);
    const struct guard_rate *rate = &limits->prefix.rate;
    struct prefix_demand demand;
    bool room =
        prefix_has_room(answer, BUDGET_FIRST, client, &prefix, rate, now_us * 1000, &demand);
    if (room)
        charge_prefix(answer, &demand, rate, now_us * 1000);
    return !refuses(&limits->prefix, LIMIT_SYN_ANSWERS_PREFIX, room, shadowed);
}
