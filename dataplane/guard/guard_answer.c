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

static enum reason judge_unproven(struct guard_answer *answer,
                                  const struct guard_answer_place *place, uint64_t now_us)
{
    const struct guard_answer_limits *limits = &answer->limits;
    bool attack = answer->pressure.attack;
    if (attack && !guard_source_has_room(answer->total_tat_us, &limits->total, now_us))
        return REASON_SYN_BACKSCATTER_TOTAL;
    if (!guard_source_take(&answer->sources, &place->source, &limits->source, now_us))
        return REASON_SYN_RATE_SOURCE;
    if (!attack)
        return REASON_NONE;
    struct guard_name prefix = guard_name_prefix(&place->name);
    if (!take(&answer->prefixes, &prefix, &limits->prefix, now_us))
        return REASON_SYN_BACKSCATTER_PREFIX;
    guard_source_judge(&answer->total_tat_us, &limits->total, now_us);
    return REASON_NONE;
}

// A refused SYN's second knock.
static bool may_return(struct guard_answer *answer, const struct packet *syn,
                       const struct guard_name *source, uint64_t now_us)
{
    const struct guard_answer_limits *limits = &answer->limits;
    enum guard_again_grade grade = guard_again_note(&answer->again, syn, now_us);
    if (grade == GUARD_AGAIN_NOT)
        return false;
    int which = grade == GUARD_AGAIN_CLOCK;
    uint64_t *total_tat_us = &answer->returning_tat_us[which];
    return guard_source_has_room(*total_tat_us, &limits->total, now_us) &&
           take(&answer->returning[which], source, &limits->source, now_us) &&
           guard_source_judge(total_tat_us, &limits->total, now_us);
}

enum reason guard_answer_judge(struct guard_answer *answer, const struct packet *syn,
                               const struct guard_answer_place *place, uint64_t now_us,
                               bool *ret_proven)
{
    guard_pressure_count(&answer->pressure, now_us);
    bool conforms = false;
    enum guard_proven_match match = guard_proven_take(&answer->proven, &place->name, syn,
                                                      &answer->limits.source, now_us, &conforms);
    *ret_proven = match != GUARD_MATCH_NONE;
    enum reason reason = REASON_SYN_RATE_SOURCE;
    if (match == GUARD_MATCH_NONE)
        reason = judge_unproven(answer, place, now_us);
    else if (conforms)
        return REASON_NONE;
    if (reason == REASON_NONE || may_return(answer, syn, &place->name, now_us))
        return REASON_NONE;
    return reason;
}
