// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_connection.h"

#include "base/rng.h"
#include "policy_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { WORKERS = 2, SESSIONS = 5000, CGNAT = CLASS_NAMED };

static struct made_policy made;
static struct guard_peers peers;
static struct guard_connection *workers[WORKERS];
static uint64_t now_us, shadowed;

static const struct {
    enum limit open, rate, burst, day;
} levels[] = {
    {LIMIT_CONNECTIONS_TOTAL, LIMIT_CONNECTION_RATE_TOTAL, LIMIT_CONNECTION_BURST_TOTAL,
     LIMIT_CONNECTIONS_DAY_TOTAL},
    {LIMIT_CONNECTIONS_SERVICE, LIMIT_CONNECTION_RATE_SERVICE, LIMIT_CONNECTION_BURST_SERVICE,
     LIMIT_CONNECTIONS_DAY_SERVICE},
    {LIMIT_CONNECTIONS_PREFIX, LIMIT_CONNECTION_RATE_PREFIX, LIMIT_CONNECTION_BURST_PREFIX,
     LIMIT_CONNECTIONS_DAY_PREFIX},
    {LIMIT_CONNECTIONS_SOURCE, LIMIT_CONNECTION_RATE_SOURCE, LIMIT_CONNECTION_BURST_SOURCE,
     LIMIT_CONNECTIONS_DAY_SOURCE},
};
enum { LEVELS = sizeof levels / sizeof levels[0] };

static void policy_changed(void)
{
    for (int i = 0; i < WORKERS; i++)
        guard_connection_policy(workers[i], &made.policy);
}

static void limit_is(enum limit limit, uint64_t value)
{
    made.policy.limits[limit] = value;
    policy_changed();
}

static int set_up(void **state)
{
    static const struct siphash_key key = {{5, 6}};
    made_policy_init(&made, (const char *[]){NULL}, (const char *[]){NULL});
    for (int i = 0; i < LIMIT_COUNT; i++) // none that is in the way
        made.policy.limits[i] = limit_facts((enum limit)i)->most;
    now_us = 1000;
    for (uint16_t i = 0; i < WORKERS; i++) {
        workers[i] = aligned_alloc(64, sizeof *workers[i]);
        CHECK(workers[i] &&
              guard_connection_init(workers[i], SESSIONS, -1, &key, &peers, i, WORKERS) == 0);
    }
    policy_changed();
    return 0;
}

static int tear_down(void **state)
{
    for (int i = 0; i < WORKERS; i++) {
        guard_connection_done(workers[i]);
        free(workers[i]);
    }
    return 0;
}

static enum reason open_at(int worker, const char *client, unsigned service, unsigned class)
{
    struct addr a = made_addr(client);
    return guard_connection_opened(workers[worker], &a, service, class, now_us, &shadowed);
}

static enum reason open_from(const char *client)
{
    return open_at(0, client, 0, CLASS_DEFAULT);
}

static void close_at(int worker, const char *client, unsigned service)
{
    struct addr a = made_addr(client);
    guard_connection_ended(workers[worker], &a, service);
}

// All that is charged anywhere for that client.
static uint64_t charges(const char *client)
{
    struct addr a = made_addr(client);
    uint64_t all = 0;
    for (int w = 0; w < WORKERS; w++) {
        struct guard_connection *counts = workers[w];
        const struct guard_tally *tallies[6] = {&counts->total, &counts->services[0]};
        const bool v4 = addr_is_v4(&a);
        const uint8_t bits[] = {v4 ? 120 : 56, v4 ? 120 : 48};
        for (int i = 0; i < 2; i++) {
            struct guard_tallies_place place = guard_tallies_locate(&counts->prefixes, &a, bits[i]);
            tallies[2 + i] = guard_tallies_find(&counts->prefixes, &place);
        }
        struct guard_tallies_place place =
            guard_tallies_locate(&counts->sources, &a, v4 ? 128 : 64);
        tallies[4] = guard_tallies_find(&counts->sources, &place);
        for (int i = 0; i < 5; i++)
            if (tallies[i])
                all += tallies[i]->charged_us + tallies[i]->open + tallies[i]->day;
    }
    return all;
}

static enum reason reason_of(enum limit limit)
{
    return limit_facts(limit)->reason;
}

static void each_level_refuses_open_ones_at_its_limit_and_frees_by_closing(void **state)
{
    for (int i = 0; i < LEVELS; i++) {
        limit_is(levels[i].open, 3);
        for (int n = 0; n < 3; n++)
            assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
        assert_int_equal(open_from("192.0.2.1"), reason_of(levels[i].open));
        close_at(0, "192.0.2.1", 0);
        assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
        assert_int_equal(open_from("192.0.2.1"), reason_of(levels[i].open));
        limit_is(levels[i].open, 4); // live
        assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
        for (int n = 0; n < 4; n++)
            close_at(0, "192.0.2.1", 0);
        limit_is(levels[i].open, limit_facts(levels[i].open)->most);
    }
}

static void each_level_refuses_beyond_its_burst_and_again_beyond_its_rate(void **state)
{
    for (int i = 0; i < LEVELS; i++) {
        made.policy.limits[levels[i].burst] = 3;
        limit_is(levels[i].rate, 60);
        for (int n = 0; n < 3; n++)
            assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
        assert_int_equal(open_from("192.0.2.1"), reason_of(levels[i].rate));
        now_us += 999999;
        assert_int_equal(open_from("192.0.2.1"), reason_of(levels[i].rate));
        now_us++;
        assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
        assert_int_equal(open_from("192.0.2.1"), reason_of(levels[i].rate));
        made.policy.limits[levels[i].burst] = limit_facts(levels[i].burst)->most;
        limit_is(levels[i].rate, limit_facts(levels[i].rate)->most);
        now_us += 10000000; // nothing is owed any more
    }
}

static void each_level_refuses_beyond_its_day_and_begins_anew_the_next(void **state)
{
    for (int i = 0; i < LEVELS; i++) {
        limit_is(levels[i].day, 2);
        for (int n = 0; n < 2; n++) {
            assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
            close_at(0, "192.0.2.1", 0);
        }
        assert_int_equal(open_from("192.0.2.1"), reason_of(levels[i].day));
        now_us = (now_us / GUARD_TALLY_DAY_US + 1) * GUARD_TALLY_DAY_US;
        assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
        close_at(0, "192.0.2.1", 0);
        limit_is(levels[i].day, limit_facts(levels[i].day)->most);
        now_us += GUARD_TALLY_DAY_US;
    }
}

static void what_one_limit_refuses_is_charged_to_none(void **state)
{
    assert_int_equal(open_from("2001:db8::1"), REASON_NONE);
    uint64_t before = charges("2001:db8::1");
    for (int i = 0; i < LEVELS; i++) {
        limit_is(levels[i].open, 1);
        assert_int_equal(open_from("2001:db8::1"), reason_of(levels[i].open));
        assert_int_equal(charges("2001:db8::1"), before);
        limit_is(levels[i].open, limit_facts(levels[i].open)->most);
    }
}

static void hosts_of_a_64_are_one_source_and_prefixes_are_24_56_and_48(void **state)
{
    limit_is(LIMIT_CONNECTIONS_SOURCE, 1);
    assert_int_equal(open_from("2001:db8:1:2::1"), REASON_NONE);
    assert_int_equal(open_from("2001:db8:1:2:ffff::"), REASON_CONNECTIONS_SOURCE);
    limit_is(LIMIT_CONNECTIONS_PREFIX, 2);
    assert_int_equal(open_from("2001:db8:1:3::1"), REASON_NONE);
    assert_int_equal(open_from("2001:db8:1:ff::1"), REASON_CONNECTIONS_PREFIX); // the /56
    for (int i = 1; i <= 6; i++) {
        char client[32];
        snprintf(client, sizeof client, "2001:db8:1:%d00::1", i);
        assert_int_equal(open_from(client), REASON_NONE);
    }
    assert_int_equal(open_from("2001:db8:1:900::1"), REASON_CONNECTIONS_PREFIX); // the /48
    assert_int_equal(open_from("2001:db8:2::1"), REASON_NONE);
    assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
    assert_int_equal(open_from("192.0.2.254"), REASON_NONE);
    assert_int_equal(open_from("192.0.2.7"), REASON_CONNECTIONS_PREFIX);
    assert_int_equal(open_from("192.0.3.7"), REASON_NONE);
}

static void a_shadowed_limit_refuses_nothing_and_says_what_it_would(void **state)
{
    const uint64_t bit = UINT64_C(1) << LIMIT_CONNECTIONS_SOURCE;
    limit_is(LIMIT_CONNECTIONS_SOURCE, 1);
    made.policy.modes[LIMIT_CONNECTIONS_SOURCE] = MODE_SHADOW;
    policy_changed();
    assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
    assert_int_equal(shadowed, 0);
    assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
    assert_int_equal(shadowed, bit);
    now_us += 10; // nothing is owed any more
    made.policy.modes[LIMIT_CONNECTION_RATE_PREFIX] = MODE_SHADOW;
    made.policy.limits[LIMIT_CONNECTION_BURST_PREFIX] = 1;
    limit_is(LIMIT_CONNECTION_RATE_PREFIX, 60);
    assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
    assert_int_equal(shadowed, bit);
    assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
    assert_int_equal(shadowed, bit | UINT64_C(1) << LIMIT_CONNECTION_RATE_PREFIX);
    now_us += 1000000; // what it would have refused was not charged
    assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
    assert_int_equal(shadowed, bit);
    made.policy.modes[LIMIT_CONNECTIONS_SOURCE] = MODE_OFF;
    policy_changed();
    now_us += 1000000;
    assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
    assert_int_equal(shadowed, 0);
}

static void a_class_has_its_own_limits_and_else_the_default_ones(void **state)
{
    snprintf(made.policy.classes[CGNAT].name, sizeof made.policy.classes[CGNAT].name, "cgnat");
    limit_set_add(&made.policy.classes[CGNAT].own_limits, LIMIT_CONNECTIONS_SOURCE);
    made.policy.classes[CGNAT].limits[LIMIT_CONNECTIONS_SOURCE] = 3;
    limit_is(LIMIT_CONNECTIONS_SOURCE, 1);
    limit_is(LIMIT_CONNECTIONS_PREFIX, 4);
    for (int i = 0; i < 3; i++)
        assert_int_equal(open_at(0, "192.0.2.1", 0, CGNAT), REASON_NONE);
    assert_int_equal(open_at(0, "192.0.2.1", 0, CGNAT), REASON_CONNECTIONS_SOURCE);
    assert_int_equal(open_from("192.0.2.9"), REASON_NONE);
    assert_int_equal(open_from("192.0.2.9"), REASON_CONNECTIONS_PREFIX);
    close_at(0, "192.0.2.1", 0);
    assert_int_equal(open_from("192.0.2.9"), REASON_CONNECTIONS_SOURCE);
    assert_int_equal(open_at(0, "192.0.2.2", 0, CGNAT), REASON_NONE);
    assert_int_equal(open_at(0, "192.0.2.3", 0, CGNAT), REASON_CONNECTIONS_PREFIX);
}

// Every limit at its least and all of them used up: whatever else is true, allow gets in.
static void allow_beats_every_limit(void **state)
{
    for (int i = 0; i < LIMIT_COUNT; i++)
        made.policy.limits[i] = limit_facts((enum limit)i)->least;
    policy_changed();
    assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
    assert_int_not_equal(open_from("192.0.2.1"), REASON_NONE);
    for (int i = 0; i < SESSIONS * 2; i++) {
        char client[32];
        snprintf(client, sizeof client, i % 2 ? "192.0.2.%d" : "2001:db8::%d", i % 200);
        assert_int_equal(open_at(0, client, 0, CLASS_ALLOW), REASON_NONE);
        assert_int_equal(shadowed, 0);
    }
}

static void no_worker_counts_more_than_its_sessions_whatever_the_limit(void **state)
{
    made.policy.modes[LIMIT_CONNECTIONS_TOTAL] = MODE_OFF;
    policy_changed();
    for (int i = 0; i < SESSIONS; i++)
        assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
    assert_int_equal(open_from("192.0.2.1"), REASON_CONNECTIONS_TOTAL);
    assert_int_equal(open_at(1, "192.0.2.1", 0, CLASS_DEFAULT), REASON_NONE);
}

static void one_worker_alone_gets_the_whole_of_every_limit(void **state)
{
    limit_is(LIMIT_CONNECTIONS_TOTAL, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(open_at(1, "192.0.2.1", 0, CLASS_DEFAULT), REASON_NONE);
    assert_int_equal(open_at(1, "192.0.2.1", 0, CLASS_DEFAULT), REASON_CONNECTIONS_TOTAL);
    assert_int_equal(open_at(0, "192.0.2.1", 0, CLASS_DEFAULT), REASON_CONNECTIONS_TOTAL);
    close_at(1, "192.0.2.1", 0);
    assert_int_equal(open_at(0, "192.0.2.1", 0, CLASS_DEFAULT), REASON_NONE);
}

// Each limit wider than a source, taken by two workers in turns and by chance: together its number.
static void workers_share_each_limit_wider_than_a_source(void **state)
{
    struct rng rng;
    rng_seed(&rng, 41);
    for (int level = 0; level < LEVELS - 1; level++) {
        const enum limit limits[] = {levels[level].open, levels[level].rate, levels[level].day};
        for (int kind = 0; kind < 3; kind++) {
            now_us += 2 * GUARD_TALLY_DAY_US;
            uint64_t least = kind == 1 ? 1 : 50; // a rate of one a minute, after the burst
            made.policy.limits[levels[level].burst] = 50;
            limit_is(limits[kind], least);
            int open[WORKERS] = {0};
            for (int i = 0; i < 300; i++) {
                int worker = (int)rng_below(&rng, WORKERS);
                const char *client = worker ? "192.0.2.1" : "192.0.2.2";
                if (open_at(worker, client, 0, CLASS_DEFAULT) == REASON_NONE)
                    open[worker]++;
                else
                    assert_int_equal(open[0] + open[1], 50);
            }
            assert_int_equal(open[0] + open[1], 50);
            for (int worker = 0; worker < WORKERS; worker++)
                for (; open[worker]; open[worker]--)
                    close_at(worker, worker ? "192.0.2.1" : "192.0.2.2", 0);
            limit_is(limits[kind], limit_facts(limits[kind])->most);
            made.policy.limits[levels[level].burst] = limit_facts(levels[level].burst)->most;
        }
    }
}

static void a_change_of_other_limits_forgets_no_debt_and_no_day(void **state)
{
    made.policy.limits[LIMIT_CONNECTION_BURST_SOURCE] = 3;
    limit_is(LIMIT_CONNECTION_RATE_SOURCE, 60);
    limit_is(LIMIT_CONNECTIONS_DAY_SOURCE, 4);
    for (int n = 0; n < 3; n++)
        assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
    for (int i = 0; i < LIMIT_COUNT; i++) {
        bool same = i == LIMIT_CONNECTION_BURST_SOURCE || i == LIMIT_CONNECTION_RATE_SOURCE ||
                    i == LIMIT_CONNECTIONS_DAY_SOURCE;
        if (!same && limit_facts((enum limit)i)->value > 10)
            limit_is((enum limit)i, limit_facts((enum limit)i)->value);
    }
    assert_int_equal(open_from("192.0.2.1"), REASON_CONNECTION_RATE_SOURCE);
    now_us += 1000000;
    assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
    now_us += 1000000;
    assert_int_equal(open_from("192.0.2.1"), REASON_CONNECTIONS_DAY_SOURCE);
}

static void each_level_s_debt_is_cut_to_what_its_new_rate_can_run_up(void **state)
{
    for (int i = 0; i < LEVELS; i++) {
        made.policy.limits[levels[i].burst] = 1000;
        limit_is(levels[i].rate, 1);
        for (int n = 0; n < 1000; n++) {
            int worker = levels[i].rate == LIMIT_CONNECTION_RATE_SOURCE ? 0 : n % WORKERS;
            assert_int_equal(open_at(worker, "192.0.2.1", 0, CLASS_DEFAULT), REASON_NONE);
            close_at(worker, "192.0.2.1", 0);
        }
        assert_int_equal(open_from("192.0.2.1"), reason_of(levels[i].rate));
        made.policy.limits[levels[i].burst] = 1;
        limit_is(levels[i].rate, 600);
        assert_int_equal(open_from("192.0.2.1"), reason_of(levels[i].rate));
        now_us += WORKERS * 100000;
        assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
        assert_int_equal(open_from("192.0.2.1"), reason_of(levels[i].rate));
        close_at(0, "192.0.2.1", 0);
        made.policy.limits[levels[i].burst] = limit_facts(levels[i].burst)->most;
        limit_is(levels[i].rate, limit_facts(levels[i].rate)->most);
        now_us += 10000000; // nothing is owed any more
    }
}

// A full table, where a /48 and its /56 may want the same place.
static void the_levels_of_one_connection_never_take_each_others_place(void **state)
{
    struct rng rng;
    rng_seed(&rng, 77);
    for (int i = 0; i < 300000; i++) {
        struct addr a = made_addr("2001:db8::1");
        uint64_t bits = rng_next(&rng);
        memcpy(a.bytes + 2, &bits, 6);
        assert_int_equal(
            guard_connection_opened(workers[0], &a, 0, CLASS_DEFAULT, now_us, &shadowed),
            REASON_NONE);
        guard_connection_ended(workers[0], &a, 0);
    }
}

static void what_is_counted_of_a_source_is_told(void **state)
{
    struct addr a = made_addr("192.0.2.1");
    assert_int_equal(guard_connection_of(workers[0], &a), 0);
    assert_int_equal(open_from("192.0.2.1"), REASON_NONE);
    assert_int_equal(guard_connection_of(workers[0], &a), 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(each_level_refuses_open_ones_at_its_limit_and_frees_by_closing),
        CASE(each_level_refuses_beyond_its_burst_and_again_beyond_its_rate),
        CASE(each_level_refuses_beyond_its_day_and_begins_anew_the_next),
        CASE(what_one_limit_refuses_is_charged_to_none),
        CASE(hosts_of_a_64_are_one_source_and_prefixes_are_24_56_and_48),
        CASE(a_shadowed_limit_refuses_nothing_and_says_what_it_would),
        CASE(a_class_has_its_own_limits_and_else_the_default_ones),
        CASE(allow_beats_every_limit),
        CASE(no_worker_counts_more_than_its_sessions_whatever_the_limit),
        CASE(one_worker_alone_gets_the_whole_of_every_limit),
        CASE(workers_share_each_limit_wider_than_a_source),
        CASE(a_change_of_other_limits_forgets_no_debt_and_no_day),
        CASE(each_level_s_debt_is_cut_to_what_its_new_rate_can_run_up),
        CASE(the_levels_of_one_connection_never_take_each_others_place),
        CASE(what_is_counted_of_a_source_is_told),
    };
    return cmocka_run_group_tests_name("guard_connection", cases, NULL, NULL);
}
