// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_answer.h"

enum {
    PREFIXES = 1 << 16,  // live entries are SYNs a second / answers a second: enough for millions
    RETURNING = 1 << 15, // sources of which a refused SYN came again, a grade
    PROVEN_SHARE = 8,    // one proven source for so many tracked ones
};

// Tables that answer different questions must not collide for the same addresses.
static struct siphash_key vary(const struct siphash_key *key, uint64_t use)
{
    uint64_t other = ~use;
    return (struct siphash_key){
        {siphash(key, &use, sizeof use), siphash(key, &other, sizeof other)}};
}

int guard_answer_init(struct guard_answer *answer, uint32_t sources, int numa_node,
                      const struct siphash_key *key)
{
    *answer = (struct guard_answer){0};
    struct siphash_key keys[6];
    for (unsigned i = 0; i < 6; i++)
        keys[i] = vary(key, i);
    int error = guard_source_init(&answer->sources, sources, numa_node, &keys[0]);
    if (!error)
        error = guard_source_init(&answer->prefixes, PREFIXES, numa_node, &keys[1]);
    if (!error)
        error = guard_source_init(&answer->returning[0], RETURNING, numa_node, &keys[2]);
    if (!error)
        error = guard_source_init(&answer->returning[1], RETURNING, numa_node, &keys[5]);
    if (!error)
        error = guard_proven_init(&answer->proven, sources / PROVEN_SHARE, numa_node, &keys[3]);
    if (!error)
        error = guard_again_init(&answer->again, numa_node, &keys[4]);
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

static bool take(struct guard_source *table, const struct addr *source,
                 const struct guard_source_rate *rate, uint64_t now_us)
{
    struct guard_source_slot slot = guard_source_locate(table, source);
    return guard_source_take(table, &slot, rate, now_us);
}

/* A /24 as the number that its first 24 bits are, so that neighbours fill neighbouring buckets; a
 * /48 as itself. */
static struct addr prefix_of(const struct addr *source)
{
    if (!addr_is_v4(source))
        return addr_mask(source, 48);
    const uint8_t *at = source->bytes + 12;
    return addr_from_v4((const uint8_t[4]){0, at[0], at[1], at[2]});
}

static enum reason judge_unproven(struct guard_answer *answer, const struct packet *syn,
                                  uint64_t now_us)
{
    const struct guard_answer_limits *limits = &answer->limits;
    bool attack = answer->pressure.attack;
    if (attack && !guard_source_has_room(answer->total_tat_us, &limits->total, now_us))
        return REASON_SYN_BACKSCATTER_TOTAL;
    if (!take(&answer->sources, &syn->src, &limits->source, now_us))
        return REASON_SYN_RATE_SOURCE;
    if (!attack)
        return REASON_NONE;
    struct addr prefix = prefix_of(&syn->src);
    if (!take(&answer->prefixes, &prefix, &limits->prefix, now_us))
        return REASON_SYN_BACKSCATTER_PREFIX;
    guard_source_judge(&answer->total_tat_us, &limits->total, now_us);
    return REASON_NONE;
}

// A refused SYN's second knock.
static bool may_return(struct guard_answer *answer, const struct packet *syn, uint64_t now_us)
{
    const struct guard_answer_limits *limits = &answer->limits;
    enum guard_again_grade grade = guard_again_note(&answer->again, syn, now_us);
    if (grade == GUARD_AGAIN_NOT)
        return false;
    int which = grade == GUARD_AGAIN_CLOCK;
    uint64_t *total_tat_us = &answer->returning_tat_us[which];
    return guard_source_has_room(*total_tat_us, &limits->total, now_us) &&
           take(&answer->returning[which], &syn->src, &limits->source, now_us) &&
           guard_source_judge(total_tat_us, &limits->total, now_us);
}

enum reason guard_answer_judge(struct guard_answer *answer, const struct packet *syn,
                               uint64_t now_us, bool *ret_proven)
{
    guard_pressure_count(&answer->pressure, now_us);
    bool conforms = false;
    enum guard_proven_match match =
        guard_proven_take(&answer->proven, syn, &answer->limits.source, now_us, &conforms);
    *ret_proven = match != GUARD_MATCH_NONE;
    enum reason reason = REASON_SYN_RATE_SOURCE;
    if (match == GUARD_MATCH_NONE)
        reason = judge_unproven(answer, syn, now_us);
    else if (conforms)
        return REASON_NONE;
    if (reason == REASON_NONE || may_return(answer, syn, now_us))
        return REASON_NONE;
    return reason;
}
