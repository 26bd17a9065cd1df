// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_connection.h"

// Which limits a level has; a /48 has its multiple of the prefix's.
static const struct {
    enum limit kinds[KIND_COUNT], burst;
} limits_of[LEVEL_COUNT] = {
#define LEVEL(name)                                                                                \
    {                                                                                              \
        {LIMIT_CONNECTIONS_##name, LIMIT_CONNECTION_RATE_##name, LIMIT_CONNECTIONS_DAY_##name},    \
            LIMIT_CONNECTION_BURST_##name,                                                         \
    }
    [LEVEL_TOTAL] = LEVEL(TOTAL),   [LEVEL_SERVICE] = LEVEL(SERVICE), [LEVEL_48] = LEVEL(PREFIX),
    [LEVEL_PREFIX] = LEVEL(PREFIX), [LEVEL_SOURCE] = LEVEL(SOURCE),
#undef LEVEL
};

int guard_connection_init(struct guard_connection *counts, uint32_t most, int numa_node,
                          const struct siphash_key *key, struct guard_peers *peers, uint16_t worker,
                          uint16_t workers)
{
    CHECK(worker < workers && workers <= WORKERS_MAX);
    memset(counts, 0, sizeof *counts);
    counts->most = most;
    counts->worker = worker;
    counts->workers = workers;
    counts->peers = peers;
    int error = guard_tallies_init(&counts->sources, most, numa_node, key);
    if (!error)
        error = guard_tallies_init(&counts->prefixes, most * 2, numa_node, key);
    if (!error)
        __atomic_store_n(&peers->connections[worker], counts, __ATOMIC_RELEASE);
    return error;
}

void guard_connection_done(struct guard_connection *counts)
{
    if (counts->peers)
        __atomic_store_n(&counts->peers->connections[counts->worker], NULL, __ATOMIC_RELEASE);
    guard_tallies_done(&counts->sources);
    guard_tallies_done(&counts->prefixes);
}

void guard_connection_policy(struct guard_connection *counts, const struct policy *policy)
{
    memset(counts->debt_most_us, 0, sizeof counts->debt_most_us);
    for (unsigned class = 0; class < CLASSES_MAX; class ++)
        for (int level = 0; level < LEVEL_COUNT; level++) {
            const enum limit *kinds = limits_of[level].kinds;
            uint64_t times = level == LEVEL_48 ? GUARD_CONNECTION_48 : 1;
            uint64_t values[KIND_COUNT];
            for (int kind = 0; kind < KIND_COUNT; kind++) {
                values[kind] = policy_limit(policy, class, kinds[kind]) * times;
                counts->limits[class].levels[level].modes[kind] =
                    (uint8_t)policy_mode(policy, class, kinds[kind]);
            }
            uint64_t burst = policy_limit(policy, class, limits_of[level].burst) * times;
            struct guard_rate rate = guard_rate_of(GUARD_RATE_MINUTE_US, values[KIND_RATE], burst);
            counts->limits[class].levels[level].rate = rate;
            counts->limits[class].levels[level].open = values[KIND_OPEN];
            counts->limits[class].levels[level].day = values[KIND_DAY];
            uint64_t most_us = guard_tally_debt_most(&rate, counts->workers);
            if (most_us > counts->debt_most_us[level])
                counts->debt_most_us[level] = most_us;
        }
}

struct count {                        // of one level, for one connection
    bool there;                       // IPv4 has no /48
    struct guard_tallies_place place; // in a table; LEVEL_48 and narrower
    struct guard_tally_sum sum;
    struct guard_tally *own;
};

static struct guard_tallies *table_of(struct guard_connection *counts, int level)
{
    return level == LEVEL_SOURCE ? &counts->sources : &counts->prefixes;
}

static void locate(struct guard_connection *counts, const struct addr *client,
                   struct count of[LEVEL_COUNT])
{
    static const uint8_t bits[2][LEVEL_COUNT] = {
        {[LEVEL_48] = 48, [LEVEL_PREFIX] = 56, [LEVEL_SOURCE] = 64},
        {[LEVEL_PREFIX] = 120, [LEVEL_SOURCE] = 128}, // IPv4
    };
    bool v4 = addr_is_v4(client);
    for (int level = 0; level < LEVEL_COUNT; level++) {
        of[level] = (struct count){.there = level < LEVEL_48 || bits[v4][level]};
        if (level >= LEVEL_48 && of[level].there)
            of[level].place =
                guard_tallies_locate(table_of(counts, level), client, bits[v4][level]);
    }
}

static void add(struct guard_connection *part, int level, unsigned service, uint64_t now_us,
                struct count *count)
{
    if (level == LEVEL_TOTAL)
        guard_tally_add(&count->sum, &part->total, now_us);
    else if (level == LEVEL_SERVICE)
        guard_tally_add(&count->sum, &part->services[service], now_us);
    else
        guard_tallies_add(table_of(part, level), &count->place, now_us, &count->sum);
}

// What all workers count of the client, at each level.
static void add_up(struct guard_connection *counts, unsigned service, uint64_t now_us,
                   struct count of[LEVEL_COUNT])
{
    for (int level = 0; level < LEVEL_COUNT; level++) {
        for (int worker = 0; of[level].there && worker < counts->workers; worker++) {
            struct guard_connection *part =
                __atomic_load_n(&counts->peers->connections[worker], __ATOMIC_ACQUIRE);
            if (part == counts || (part && level != LEVEL_SOURCE))
                add(part, level, service, now_us, &of[level]);
        }
    }
}

/* Every limit is asked, the first enforced one that has no room gives the reason.
 * `ret_emissions_us`: what is to be charged at each level. */
static enum reason judge(const struct guard_connection *counts, const struct count of[LEVEL_COUNT],
                         unsigned class, uint64_t now_us, uint64_t ret_emissions_us[LEVEL_COUNT],
                         uint64_t *ret_shadowed)
{
    enum reason reason = REASON_NONE;
    if (counts->total.open >= counts->most)
        reason = REASON_CONNECTIONS_TOTAL; // no session is free, whatever the limit
    for (int level = 0; level < LEVEL_COUNT; level++) {
        if (!of[level].there)
            continue;
        const struct guard_tally_sum *sum = &of[level].sum;
        const uint8_t *modes = counts->limits[class].levels[level].modes;
        bool over[KIND_COUNT] = {
            [KIND_OPEN] = sum->open >= counts->limits[class].levels[level].open,
            [KIND_RATE] =
                !guard_tally_conforms(sum, &counts->limits[class].levels[level].rate, now_us),
            [KIND_DAY] = sum->today >= counts->limits[class].levels[level].day,
        };
        if (!over[KIND_RATE] && modes[KIND_RATE] != MODE_OFF)
            ret_emissions_us[level] = counts->limits[class].levels[level].rate.emission;
        for (int kind = 0; kind < KIND_COUNT; kind++) {
            enum limit limit = limits_of[level].kinds[kind];
            if (over[kind] && modes[kind] == MODE_SHADOW)
                *ret_shadowed |= UINT64_C(1) << limit;
            else if (over[kind] && modes[kind] == MODE_ENFORCE && reason == REASON_NONE)
                reason = limit_facts(limit)->reason;
        }
    }
    return reason;
}

// Own part of a level; false: its table has no room.
static bool take_part(struct guard_connection *counts, int level, unsigned service, uint64_t now_us,
                      struct count *count)
{
    if (level == LEVEL_TOTAL)
        count->own = &counts->total;
    else if (level == LEVEL_SERVICE)
        count->own = &counts->services[service];
    else
        count->own = guard_tallies_take(table_of(counts, level), &count->place, now_us);
    return count->own != NULL;
}

// Debt of an older policy's rates is cut to what those in force can run up.
static void forgive(struct guard_connection *counts, unsigned service, uint64_t now_us,
                    struct count of[LEVEL_COUNT])
{
    for (int level = 0; level < LEVEL_COUNT; level++) {
        uint64_t excess_us =
            guard_tally_excess(&of[level].sum, counts->debt_most_us[level], now_us);
        if (excess_us && take_part(counts, level, service, now_us, &of[level]))
            guard_tally_forgive(of[level].own, &of[level].sum, excess_us);
    }
}

// One more, at all levels or at none; false: a table has no room. An entry is open before the next
// is taken, which might take its place otherwise.
static bool open_parts(struct guard_connection *counts, unsigned service,
                       const uint64_t emissions_us[LEVEL_COUNT], uint64_t now_us,
                       struct count of[LEVEL_COUNT])
{
    for (int level = 0; level < LEVEL_COUNT; level++) {
        if (!of[level].there)
            continue;
        if (!take_part(counts, level, service, now_us, &of[level])) {
            while (--level >= 0)
                if (of[level].there)
                    guard_tally_close(of[level].own);
            return false;
        }
        guard_tally_open(of[level].own, &of[level].sum, emissions_us[level], now_us);
    }
    return true;
}

enum reason guard_connection_opened(struct guard_connection *counts, const struct addr *client,
                                    unsigned service, unsigned class, uint64_t now_us,
                                    uint64_t *ret_shadowed)
{
    CHECK(service < SERVICES_MAX && class < CLASSES_MAX);
    struct count of[LEVEL_COUNT];
    uint64_t emissions_us[LEVEL_COUNT] = {0};
    uint64_t shadowed = 0;
    locate(counts, client, of);
    add_up(counts, service, now_us, of);
    forgive(counts, service, now_us, of);
    if (class != CLASS_ALLOW) {
        enum reason reason = judge(counts, of, class, now_us, emissions_us, &shadowed);
        if (reason != REASON_NONE)
            return reason;
    }
    if (!open_parts(counts, service, emissions_us, now_us, of))
        return REASON_CONNECTIONS_NO_ROOM;
    if (counts->workers > 1)
        __atomic_thread_fence(__ATOMIC_SEQ_CST); // published before the next one is judged
    *ret_shadowed = shadowed;
    return REASON_NONE;
}

void guard_connection_ended(struct guard_connection *counts, const struct addr *client,
                            unsigned service)
{
    CHECK(service < SERVICES_MAX);
    struct count of[LEVEL_COUNT];
    locate(counts, client, of);
    guard_tally_close(&counts->total);
    guard_tally_close(&counts->services[service]);
    for (int level = LEVEL_48; level < LEVEL_COUNT; level++) {
        if (!of[level].there)
            continue;
        struct guard_tally *own = guard_tallies_find(table_of(counts, level), &of[level].place);
        CHECK(own);
        guard_tally_close(own);
    }
}

uint32_t guard_connection_of(const struct guard_connection *counts, const struct addr *client)
{
    struct guard_tallies_place place =
        guard_tallies_locate(&counts->sources, client, addr_is_v4(client) ? 128 : 64);
    const struct guard_tally *own = guard_tallies_find(&counts->sources, &place);
    return own ? (uint32_t)own->open : 0;
}
