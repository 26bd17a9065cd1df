// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_login.h"

static const enum limit limits_of[LOGINS_LEVELS] = {
    [LOGINS_USER] = LIMIT_SESSIONS_USER,
    [LOGINS_USER_SOURCE] = LIMIT_SESSIONS_USER_SOURCE,
};

int guard_login_init(struct guard_login *logins, uint32_t most, int numa_node,
                     const struct siphash_key *key, struct guard_peers *peers, uint16_t worker,
                     uint16_t workers)
{
    CHECK(worker < workers && workers <= WORKERS_MAX);
    memset(logins, 0, sizeof *logins);
    logins->worker = worker;
    logins->workers = workers;
    logins->peers = peers;
    int error = guard_tallies_init(&logins->tallies, most * LOGINS_LEVELS, numa_node, key);
    if (!error)
        __atomic_store_n(&peers->logins[worker], logins, __ATOMIC_RELEASE);
    return error;
}

void guard_login_done(struct guard_login *logins)
{
    if (logins->peers)
        __atomic_store_n(&logins->peers->logins[logins->worker], NULL, __ATOMIC_RELEASE);
    guard_tallies_done(&logins->tallies);
}

void guard_login_policy(struct guard_login *logins, const struct policy *policy)
{
    for (unsigned class = 0; class < CLASSES_MAX; class ++)
        for (int level = 0; level < LOGINS_LEVELS; level++) {
            logins->limits[class][level].most = policy_limit(policy, class, limits_of[level]);
            logins->limits[class][level].mode =
                (uint8_t)policy_mode(policy, class, limits_of[level]);
        }
}

static uint64_t ticket_of(const struct guard_login *logins, enum protocol protocol,
                          struct span user)
{
    uint64_t words[2] = {protocol, siphash(&logins->tallies.key, user.at, user.size)};
    uint64_t ticket = siphash(&logins->tallies.key, words, sizeof words);
    return ticket ? ticket : 1;
}

static void locate(const struct guard_login *logins, const struct addr *client, uint64_t ticket,
                   struct guard_tallies_place places[LOGINS_LEVELS])
{
    uint64_t words[2] = {ticket, guard_tallies_number(client, addr_is_v4(client) ? 128 : 64)};
    places[LOGINS_USER] = guard_tallies_place_of(&logins->tallies, ticket);
    places[LOGINS_USER_SOURCE] = guard_tallies_place_of(
        &logins->tallies, siphash(&logins->tallies.key, words, sizeof words));
}

static struct guard_tally_sum add_up(const struct guard_login *logins, int level,
                                     const struct guard_tallies_place *place, uint64_t now_us)
{
    struct guard_tally_sum sum = {0};
    for (int worker = 0; worker < logins->workers; worker++) {
        const struct guard_login *part =
            __atomic_load_n(&logins->peers->logins[worker], __ATOMIC_ACQUIRE);
        if (part == logins || (part && level == LOGINS_USER))
            guard_tallies_add(&part->tallies, place, now_us, &sum);
    }
    return sum;
}

static enum reason judge(const struct guard_login *logins, unsigned class,
                         const struct guard_tally_sum sums[LOGINS_LEVELS], uint64_t *ret_shadowed)
{
    enum reason reason = REASON_NONE;
    for (int level = 0; level < LOGINS_LEVELS; level++) {
        uint8_t mode = logins->limits[class][level].mode;
        if (sums[level].open < logins->limits[class][level].most || mode == MODE_OFF)
            continue;
        if (mode == MODE_SHADOW)
            *ret_shadowed |= UINT64_C(1) << limits_of[level];
        else if (reason == REASON_NONE)
            reason = limit_facts(limits_of[level])->reason;
    }
    return reason;
}

// Own entries; false: there is no room for both.
static bool take(struct guard_login *logins, const struct guard_tallies_place places[LOGINS_LEVELS],
                 const struct guard_tally_sum sums[LOGINS_LEVELS], uint64_t now_us)
{
    for (int level = 0; level < LOGINS_LEVELS; level++) {
        struct guard_tally *own = guard_tallies_take(&logins->tallies, &places[level], now_us);
        if (own) {
            guard_tally_open(own, &sums[level], 0, now_us);
            continue;
        }
        while (level-- > 0)
            guard_tally_close(guard_tallies_find(&logins->tallies, &places[level]));
        return false;
    }
    return true;
}

enum reason guard_login_opened(struct guard_login *logins, enum protocol protocol,
                               const struct addr *client, struct span user, unsigned class,
                               uint64_t now_us, uint64_t *ret_ticket, uint64_t *ret_shadowed)
{
    CHECK(class < CLASSES_MAX);
    struct guard_tallies_place places[LOGINS_LEVELS];
    struct guard_tally_sum sums[LOGINS_LEVELS];
    uint64_t ticket = ticket_of(logins, protocol, user), shadowed = 0;
    locate(logins, client, ticket, places);
    for (int level = 0; level < LOGINS_LEVELS; level++)
        sums[level] = add_up(logins, level, &places[level], now_us);
    enum reason reason = class == CLASS_ALLOW ? REASON_NONE : judge(logins, class, sums, &shadowed);
    if (reason != REASON_NONE)
        return reason;
    *ret_ticket = take(logins, places, sums, now_us) ? ticket : 0;
    *ret_shadowed = shadowed;
    if (logins->workers > 1)
        __atomic_thread_fence(__ATOMIC_SEQ_CST); // published before the next one is judged
    return REASON_NONE;
}

void guard_login_ended(struct guard_login *logins, const struct addr *client, uint64_t ticket)
{
    struct guard_tallies_place places[LOGINS_LEVELS];
    locate(logins, client, ticket, places);
    for (int level = 0; level < LOGINS_LEVELS; level++) {
        struct guard_tally *own = guard_tallies_find(&logins->tallies, &places[level]);
        CHECK(own);
        guard_tally_close(own);
    }
}
