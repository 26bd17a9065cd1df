// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_answer.h"

enum {
    PREFIXES = 1 << 16,  // live entries are SYNs a second / answers a second: enough for millions
    RETURNING = 1 << 15, // sources of which a refused SYN came again, a grade
    PROVEN_SHARE = 8,    // one proven source for so many tracked ones
};

int guard_answer_init(struct guard_answer *answer, uint32_t sources, int numa_node,
                      const struct siphash_key *key)
{
    *answer = (struct guard_answer){.name_key = *key};
    int error = guard_source_init(&answer->sources, sources, numa_node, key);
    if (!error)
        error = guard_source_init(&answer->prefixes, PREFIXES, numa_node, key);
    if (!error)
        error = guard_source_init(&answer->returning[0], RETURNING, numa_node, key);
    if (!error)
        error = guard_source_init(&answer->returning[1], RETURNING, numa_node, key);
    if (!error)
        error = guard_proven_init(&answer->proven, sources / PROVEN_SHARE, numa_node);
    if (!error)
        error = guard_again_init(&answer->again, numa_node, key);
    return error;
}

void guard_answer_done(struct guard_answer *answer)
{
    guard_source_done(&answer->sources);
    guard_source_done(&answer->prefixes);
    guard_source_done(&answer->returning[0]);
    guard_source_done(&answer->returning[1]);
    guard_proven_done(&answer->proven);
    guard_again_done(&answer->again);
}

void guard_answer_locate(const struct guard_answer *answer, const struct packet *packets,
                         unsigned count, struct guard_answer_place *ret_places)
{
    struct guard_name names[SIPHASH_BURST];
    guard_name_burst(&answer->name_key, packets, count, names);
    for (unsigned i = 0; i < count; i++) {
        ret_places[i].name = names[i];
        ret_places[i].source = guard_source_locate(&answer->sources, &names[i]);
        guard_source_prefetch(&ret_places[i].source);
        guard_proven_prefetch(&answer->proven, &names[i]);
    }
    if (!answer->pressure.attack)
        return;
    for (unsigned i = 0; i < count; i++) {
        struct guard_name prefix = guard_name_prefix(&names[i]);
        struct guard_source_slot slot = guard_source_locate(&answer->prefixes, &prefix);
        guard_source_prefetch(&slot);
    }
}

static bool take(struct guard_source *table, const struct guard_name *name,
                 const struct guard_source_rate *rate, uint64_t now_us)
{
    struct guard_source_slot slot = guard_source_locate(table, name);
    return guard_source_take(table, &slot, rate, now_us);
}

// What becomes of a SYN for which a limit has room or not.
static bool refuses(const struct guard_answer_limit *limit, enum limit name, bool room,
                    uint64_t *shadowed)
{
    if (!room && limit->mode == MODE_SHADOW)
        *shadowed |= UINT64_C(1) << name;
    return !room && limit->mode == MODE_ENFORCE;
}

static enum reason judge_unproven(struct guard_answer *answer,
                                  const struct guard_answer_limits *limits,
                                  const struct guard_answer_place *place, uint64_t now_us,
                                  uint64_t *shadowed)
{
    const struct guard_source_rate *total = &limits->total.rate, *of_prefix = &limits->prefix.rate;
    struct guard_name prefix;
    bool attack = answer->pressure.attack;
    if (attack) {
        bool room = guard_source_has_room(answer->total_tat_us, total, now_us);
        if (refuses(&limits->total, LIMIT_SYN_ANSWERS_TOTAL, room, shadowed))
            return REASON_SYN_BACKSCATTER_TOTAL;
        prefix = guard_name_prefix(&place->name);
        room = guard_source_debt(&answer->prefixes, &prefix, now_us) <= of_prefix->tolerance_us;
        if (refuses(&limits->prefix, LIMIT_SYN_ANSWERS_PREFIX, room, shadowed))
            return REASON_SYN_BACKSCATTER_PREFIX;
    }
    const struct guard_answer_limit *source = &limits->source;
    bool room = source->mode == MODE_OFF ||
                guard_source_take(&answer->sources, &place->source, &source->rate, now_us);
    if (refuses(source, LIMIT_SYN_RATE_SOURCE, room, shadowed))
        return REASON_SYN_RATE_SOURCE;
    if (attack) {
        take(&answer->prefixes, &prefix, of_prefix, now_us);
        guard_source_judge(&answer->total_tat_us, total, now_us);
    }
    return REASON_NONE;
}

// A refused SYN's second knock.
static bool may_return(struct guard_answer *answer, const struct guard_answer_limits *limits,
                       const struct packet *syn, const struct guard_name *source, uint64_t now_us)
{
    const struct guard_source_rate *total = &limits->total.rate;
    enum guard_again_grade grade = guard_again_note(&answer->again, syn, now_us);
    if (grade == GUARD_AGAIN_NOT)
        return false;
    int which = grade == GUARD_AGAIN_CLOCK;
    uint64_t *total_tat_us = &answer->returning_tat_us[which];
    return guard_source_has_room(*total_tat_us, total, now_us) &&
           take(&answer->returning[which], source, &limits->source.rate, now_us) &&
           guard_source_judge(total_tat_us, total, now_us);
}

struct guard_answer_verdict guard_answer_judge(struct guard_answer *answer,
                                               const struct guard_answer_limits *limits,
                                               const struct packet *syn,
                                               const struct guard_answer_place *place,
                                               uint64_t now_us)
{
    struct guard_answer_verdict verdict = {REASON_NONE};
    guard_pressure_count(&answer->pressure, now_us);
    bool conforms = false;
    enum guard_proven_match match = guard_proven_take(&answer->proven, &place->name, syn,
                                                      &limits->source.rate, now_us, &conforms);
    verdict.proven = match != GUARD_MATCH_NONE;
    if (match == GUARD_MATCH_NONE)
        verdict.reason = judge_unproven(answer, limits, place, now_us, &verdict.shadowed);
    else if (refuses(&limits->source, LIMIT_SYN_RATE_SOURCE, conforms, &verdict.shadowed))
        verdict.reason = REASON_SYN_RATE_SOURCE;
    bool refused = verdict.reason != REASON_NONE || verdict.shadowed;
    if (refused && may_return(answer, limits, syn, &place->name, now_us)) {
        verdict.reason = REASON_NONE;
        verdict.shadowed = 0;
    }
    return verdict;
}
