// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_quota.h"

#include "policy_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { WORKERS = 2, MOST = 5000, CGNAT = CLASS_NAMED };

static struct made_policy made;
static struct guard_peers peers;
static struct guard_quota *workers[WORKERS];
static uint64_t now_us, shadowed;

static void policy_changed(void)
{
    for (int i = 0; i < WORKERS; i++)
        guard_quota_policy(workers[i], &made.policy);
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
        workers[i] = calloc(1, sizeof *workers[i]);
        CHECK(workers[i] && guard_quota_init(workers[i], MOST, -1, &key, &peers, i, WORKERS) == 0);
    }
    policy_changed();
    return 0;
}

static int tear_down(void **state)
{
    for (int i = 0; i < WORKERS; i++) {
        guard_quota_done(workers[i]);
        free(workers[i]);
    }
    return 0;
}

static enum reason charge_at(int worker, enum charge charge, const char *client, const char *user,
                             unsigned class)
{
    struct addr a = made_addr(client);
    return guard_quota_charge(workers[worker], charge, &a, span_text(user), class, now_us,
                              &shadowed);
}

static enum reason charge_of(enum charge charge, const char *client, const char *user)
{
    return charge_at(0, charge, client, user, CLASS_DEFAULT);
}

static unsigned how_many(enum charge charge, const char *client, const char *user)
{
    for (unsigned count = 0; count < 1000; count++)
        if (charge_of(charge, client, user) != REASON_NONE)
            return count;
    return 1000;
}

static void each_rate_holds_a_minutes_worth_and_says_its_reason(void **state)
{
    static const struct {
        enum limit limit;
        enum charge charge;
        const char *user;
        enum reason reason;
    } cases[] = {
        {LIMIT_TLS_RATE_SOURCE, CHARGE_TLS, "", REASON_TLS_RATE_SOURCE},
        {LIMIT_TLS_RATE_PREFIX, CHARGE_TLS, "", REASON_TLS_RATE_PREFIX},
        {LIMIT_MESSAGE_RATE_SOURCE, CHARGE_MESSAGE, "", REASON_MESSAGE_RATE_SOURCE},
        {LIMIT_MESSAGE_RATE_USER, CHARGE_MESSAGE, "alice", REASON_MESSAGE_RATE_USER},
        {LIMIT_RECIPIENT_RATE_SOURCE, CHARGE_RECIPIENT, "", REASON_RECIPIENT_RATE_SOURCE},
        {LIMIT_RECIPIENT_RATE_USER, CHARGE_RECIPIENT, "alice", REASON_RECIPIENT_RATE_USER},
        {LIMIT_LOGIN_RATE_USER, CHARGE_LOGIN, "alice", REASON_LOGIN_RATE_USER},
    };
    static const char *const clients[] = {"192.0.2.1", "2001:db8::1"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int family = 0; family < 2; family++) {
            const char *client = clients[family];
            limit_is(cases[i].limit, 60);
            assert_int_equal(how_many(cases[i].charge, client, cases[i].user), 60);
            assert_int_equal(charge_of(cases[i].charge, client, cases[i].user), cases[i].reason);
            now_us += 1000000; // a second for one more
            assert_int_equal(how_many(cases[i].charge, client, cases[i].user), 1);
            limit_is(cases[i].limit, limit_facts(cases[i].limit)->most);
            now_us += 120000000;
        }
}

static void what_one_rate_refuses_costs_nothing_with_the_others(void **state)
{
    limit_is(LIMIT_MESSAGE_RATE_SOURCE, 10);
    limit_is(LIMIT_MESSAGE_RATE_USER, 20);
    assert_int_equal(how_many(CHARGE_MESSAGE, "192.0.2.1", "alice"), 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(charge_of(CHARGE_MESSAGE, "192.0.2.1", "alice"),
                         REASON_MESSAGE_RATE_SOURCE);
    assert_int_equal(how_many(CHARGE_MESSAGE, "192.0.2.2", "alice"), 10);
}

static void sources_users_and_charges_have_rates_of_their_own(void **state)
{
    limit_is(LIMIT_MESSAGE_RATE_SOURCE, 5);
    limit_is(LIMIT_RECIPIENT_RATE_SOURCE, 5);
    assert_int_equal(how_many(CHARGE_MESSAGE, "192.0.2.1", ""), 5);
    assert_int_equal(how_many(CHARGE_MESSAGE, "192.0.2.2", ""), 5);
    assert_int_equal(how_many(CHARGE_RECIPIENT, "192.0.2.1", ""), 5);
    assert_int_equal(how_many(CHARGE_MESSAGE, "2001:db8::1", ""), 5);
    assert_int_equal(how_many(CHARGE_MESSAGE, "2001:db8::2", ""), 0); // the same /64
    assert_int_equal(how_many(CHARGE_MESSAGE, "2001:db8:0:1::2", ""), 5);
    limit_is(LIMIT_MESSAGE_RATE_USER, 3);
    assert_int_equal(how_many(CHARGE_MESSAGE, "192.0.2.3", "alice"), 3);
    assert_int_equal(how_many(CHARGE_MESSAGE, "192.0.2.4", "bob"), 3);
}

static void users_and_prefixes_are_summed_over_workers(void **state)
{
    limit_is(LIMIT_MESSAGE_RATE_USER, 10);
    limit_is(LIMIT_TLS_RATE_PREFIX, 10);
    unsigned messages = 0, handshakes = 0;
    for (int i = 0; i < 100; i++) {
        messages += charge_at(i % 2, CHARGE_MESSAGE, i % 2 ? "192.0.2.1" : "198.51.100.1", "alice",
                              CLASS_DEFAULT) == REASON_NONE;
        handshakes += charge_at(i % 2, CHARGE_TLS, i % 2 ? "192.0.2.1" : "192.0.2.200", "",
                                CLASS_DEFAULT) == REASON_NONE;
    }
    assert_int_equal(messages, 10);
    assert_int_equal(handshakes, 10);
}

static void shadow_refuses_nothing_and_says_what_it_would_have(void **state)
{
    limit_is(LIMIT_TLS_RATE_SOURCE, 2);
    made.policy.modes[LIMIT_TLS_RATE_SOURCE] = MODE_SHADOW;
    policy_changed();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(charge_of(CHARGE_TLS, "192.0.2.1", ""), REASON_NONE);
        assert_int_equal(shadowed, 0);
    }
    assert_int_equal(charge_of(CHARGE_TLS, "192.0.2.1", ""), REASON_NONE);
    assert_int_equal(shadowed, UINT64_C(1) << LIMIT_TLS_RATE_SOURCE);
    made.policy.modes[LIMIT_TLS_RATE_SOURCE] = MODE_OFF;
    policy_changed();
    assert_int_equal(charge_of(CHARGE_TLS, "192.0.2.1", ""), REASON_NONE);
    assert_int_equal(shadowed, 0);
}

static void the_allow_list_has_no_rates(void **state)
{
    limit_is(LIMIT_TLS_RATE_SOURCE, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(charge_at(0, CHARGE_TLS, "192.0.2.1", "", CLASS_ALLOW), REASON_NONE);
}

static void debt_of_a_slower_rate_is_cut_when_it_becomes_faster(void **state)
{
    limit_is(LIMIT_TLS_RATE_SOURCE, 1);
    assert_int_equal(how_many(CHARGE_TLS, "192.0.2.1", ""), 1);
    limit_is(LIMIT_TLS_RATE_SOURCE, 6000);
    limit_is(LIMIT_TLS_RATE_PREFIX, 6000);
    now_us += 1000000;
    assert_true(how_many(CHARGE_TLS, "192.0.2.1", "") > 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_rate_holds_a_minutes_worth_and_says_its_reason),
        TEST(what_one_rate_refuses_costs_nothing_with_the_others),
        TEST(sources_users_and_charges_have_rates_of_their_own),
        TEST(users_and_prefixes_are_summed_over_workers),
        TEST(shadow_refuses_nothing_and_says_what_it_would_have),
        TEST(the_allow_list_has_no_rates),
        TEST(debt_of_a_slower_rate_is_cut_when_it_becomes_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
