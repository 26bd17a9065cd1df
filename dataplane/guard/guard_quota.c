// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_quota.h"

enum level { BY_SOURCE, BY_PREFIX, BY_USER };

static const struct {
    enum charge charge;
    enum level level;
    enum limit limit;
} quotas[GUARD_QUOTAS] = {
    {CHARGE_TLS, BY_SOURCE, LIMIT_TLS_RATE_SOURCE},
    {CHARGE_TLS, BY_PREFIX, LIMIT_TLS_RATE_PREFIX},
    {CHARGE_MESSAGE, BY_SOURCE, LIMIT_MESSAGE_RATE_SOURCE},
    {CHARGE_MESSAGE, BY_USER, LIMIT_MESSAGE_RATE_USER},
    {CHARGE_RECIPIENT, BY_SOURCE, LIMIT_RECIPIENT_RATE_SOURCE},
    {CHARGE_RECIPIENT, BY_USER, LIMIT_RECIPIENT_RATE_USER},
    {CHARGE_LOGIN, BY_USER, LIMIT_LOGIN_RATE_USER},
};

int guard_quota_init(struct guard_quota *quota, uint32_t most, int numa_node,
                     const struct siphash_key *key, struct guard_peers *peers, uint16_t worker,
                     uint16_t workers)
{
    CHECK(worker < workers && workers <= WORKERS_MAX);
    memset(quota, 0, sizeof *quota);
    quota->worker = worker;
    quota->workers = workers;
    quota->peers = peers;
    int error = guard_tallies_init(&quota->tallies, most, numa_node, key);
    if (!error)
        __atomic_store_n(&peers->quotas[worker], quota, __ATOMIC_RELEASE);
    return error;
}

void guard_quota_done(struct guard_quota *quota)
{
    if (quota->peers)
        __atomic_store_n(&quota->peers->quotas[quota->worker], NULL, __ATOMIC_RELEASE);
    guard_tallies_done(&quota->tallies);
}

void guard_quota_policy(struct guard_quota *quota, const struct policy *policy)
{
    memset(quota->debt_most_us, 0, sizeof quota->debt_most_us);
    for (unsigned class = 0; class < CLASSES_MAX; class ++)
        for (int i = 0; i < GUARD_QUOTAS; i++) {
            uint64_t minute = policy_limit(policy, class, quotas[i].limit);
            struct guard_rate rate = guard_rate_of(GUARD_RATE_MINUTE_US, minute, minute);
            quota->limits[class][i].rate = rate;
            quota->limits[class][i].mode = (uint8_t)policy_mode(policy, class, quotas[i].limit);
            uint64_t most_us = guard_tally_debt_most(&rate, quota->workers);
            if (most_us > quota->debt_most_us[i])
                quota->debt_most_us[i] = most_us;
        }
}

static struct guard_tallies_place locate(const struct guard_quota *quota, int i,
                                         const struct addr *client, struct span user)
{
    static const uint8_t bits[2][2] = {{[BY_SOURCE] = 64, [BY_PREFIX] = 56},
                                       {[BY_SOURCE] = 128, [BY_PREFIX] = 120}}; // IPv4
    uint64_t words[2] = {(uint64_t)i, 0};
    if (quotas[i].level == BY_USER)
        words[1] = siphash(&quota->tallies.key, user.at, user.size);
    else
        words[1] = guard_tallies_number(client, bits[addr_is_v4(client)][quotas[i].level]);
    return guard_tallies_place_of(&quota->tallies,
                                  siphash(&quota->tallies.key, words, sizeof words));
}

static struct guard_tally_sum add_up(struct guard_quota *quota, int i,
                                     const struct guard_tallies_place *place, uint64_t now_us)
{
    struct guard_tally_sum sum = {0};
    for (int worker = 0; worker < quota->workers; worker++) {
        const struct guard_quota *part =
            __atomic_load_n(&quota->peers->quotas[worker], __ATOMIC_ACQUIRE);
        if (part == quota || (part && quotas[i].level != BY_SOURCE))
            guard_tallies_add(&part->tallies, place, now_us, &sum);
    }
    return sum;
}

static void charge_one(struct guard_quota *quota, const struct guard_tallies_place *place,
                       struct guard_tally_sum *sum, uint64_t excess_us, uint64_t emission_us,
                       uint64_t now_us)
{
    struct guard_tally *own = guard_tallies_take(&quota->tallies, place, now_us);
    CHECK(own); // nothing here is ever open, so there is always one to replace
    guard_tally_forgive(own, sum, excess_us);
    guard_tally_charge(own, sum, emission_us, now_us);
}

enum reason guard_quota_charge(struct guard_quota *quota, enum charge charge,
                               const struct addr *client, struct span user, unsigned class,
                               uint64_t now_us, uint64_t *ret_shadowed)
{
    CHECK(class < CLASSES_MAX && charge < CHARGE_COUNT);
    *ret_shadowed = 0;
    if (class == CLASS_ALLOW)
        return REASON_NONE;
    struct guard_tallies_place places[GUARD_QUOTAS];
    struct guard_tally_sum sums[GUARD_QUOTAS];
    uint64_t emissions_us[GUARD_QUOTAS] = {0}, excess_us[GUARD_QUOTAS];
    enum reason reason = REASON_NONE;
    for (int i = 0; i < GUARD_QUOTAS; i++) {
        uint8_t mode = quota->limits[class][i].mode;
        if (quotas[i].charge != charge || mode == MODE_OFF ||
            (quotas[i].level == BY_USER && user.size == 0))
            continue;
        const struct guard_rate *rate = &quota->limits[class][i].rate;
        places[i] = locate(quota, i, client, user);
        sums[i] = add_up(quota, i, &places[i], now_us);
        // Debt of an older policy's rates is cut to what those in force can run up.
        excess_us[i] = guard_tally_excess(&sums[i], quota->debt_most_us[i], now_us);
        struct guard_tally_sum judged = sums[i];
        judged.charged_us -= excess_us[i];
        if (guard_tally_conforms(&judged, rate, now_us))
            emissions_us[i] = rate->emission;
        else if (mode == MODE_SHADOW)
            *ret_shadowed |= UINT64_C(1) << quotas[i].limit;
        else if (reason == REASON_NONE)
            reason = limit_facts(quotas[i].limit)->reason;
    }
    for (int i = 0; reason == REASON_NONE && i < GUARD_QUOTAS; i++)
        if (emissions_us[i])
            charge_one(quota, &places[i], &sums[i], excess_us[i], emissions_us[i], now_us);
    return reason;
}
