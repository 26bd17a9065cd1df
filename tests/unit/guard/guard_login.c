// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_login.h"

#include "policy_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { WORKERS = 2, MOST = 5000, CGNAT = CLASS_NAMED };

static struct made_policy made;
static struct guard_peers peers;
static struct guard_login *workers[WORKERS];
static uint64_t shadowed, ticket;
static const uint64_t now_us = 1000;

static void policy_changed(void)
{
    for (int i = 0; i < WORKERS; i++)
        guard_login_policy(workers[i], &made.policy);
}

static void limits_are(uint64_t user, uint64_t user_source)
{
    made.policy.limits[LIMIT_SESSIONS_USER] = user;
    made.policy.limits[LIMIT_SESSIONS_USER_SOURCE] = user_source;
    policy_changed();
}

static int set_up(void **state)
{
    static const struct siphash_key key = {{5, 6}};
    made_policy_init(&made, (const char *[]){NULL}, (const char *[]){NULL});
    for (uint16_t i = 0; i < WORKERS; i++) {
        workers[i] = calloc(1, sizeof *workers[i]);
        CHECK(workers[i] && guard_login_init(workers[i], MOST, -1, &key, &peers, i, WORKERS) == 0);
    }
    limits_are(1000000, 1000000);
    return 0;
}

static int tear_down(void **state)
{
    for (int i = 0; i < WORKERS; i++) {
        guard_login_done(workers[i]);
        free(workers[i]);
    }
    return 0;
}

static enum reason open_at(int worker, enum protocol protocol, const char *client, const char *user,
                           unsigned class)
{
    struct addr a = made_addr(client);
    return guard_login_opened(workers[worker], protocol, &a, span_text(user), class, now_us,
                              &ticket, &shadowed);
}

static enum reason open_of(const char *client, const char *user)
{
    return open_at(0, PROTOCOL_IMAP, client, user, CLASS_DEFAULT);
}

static void close_of(int worker, const char *client)
{
    struct addr a = made_addr(client);
    guard_login_ended(workers[worker], &a, ticket);
}

static unsigned how_many(const char *client, const char *user)
{
    for (unsigned count = 0; count < 100; count++)
        if (open_of(client, user) != REASON_NONE)
            return count;
    return 100;
}

static void a_user_has_so_many_from_a_source_and_so_many_in_all(void **state)
{
    for (uint64_t limit = 2; limit <= 4; limit++) {
        char user[16];
        snprintf(user, sizeof user, "alice%d", (int)limit);
        limits_are(limit + 1, limit);
        assert_int_equal(how_many("192.0.2.1", user), limit);
        assert_int_equal(open_of("192.0.2.1", user), REASON_SESSIONS_USER_SOURCE);
        assert_int_equal(how_many("192.0.2.2", user), 1);
        assert_int_equal(open_of("192.0.2.2", user), REASON_SESSIONS_USER);
    }
}

static void one_user_or_protocol_takes_nothing_from_another(void **state)
{
    limits_are(2, 2);
    assert_int_equal(how_many("192.0.2.1", "alice"), 2);
    assert_int_equal(how_many("192.0.2.1", "bob"), 2);
    assert_int_equal(open_at(0, PROTOCOL_POP3, "192.0.2.1", "alice", CLASS_DEFAULT), REASON_NONE);
}

static void a_source_of_ipv6_is_a_64(void **state)
{
    limits_are(10, 2);
    assert_int_equal(open_of("2001:db8::1", "alice"), REASON_NONE);
    assert_int_equal(open_of("2001:db8::2", "alice"), REASON_NONE);
    assert_int_equal(open_of("2001:db8::3", "alice"), REASON_SESSIONS_USER_SOURCE);
    assert_int_equal(open_of("2001:db8:0:1::3", "alice"), REASON_NONE);
}

static void whoever_leaves_makes_room_for_one(void **state)
{
    limits_are(2, 2);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(open_of("192.0.2.1", "alice"), REASON_NONE);
        close_of(0, "192.0.2.1");
    }
    assert_int_equal(how_many("192.0.2.1", "alice"), 2);
    close_of(0, "192.0.2.1");
    assert_int_equal(how_many("192.0.2.1", "alice"), 1);
}

static void what_one_limit_refuses_is_not_counted_by_the_other(void **state)
{
    limits_are(3, 1);
    assert_int_equal(how_many("192.0.2.1", "alice"), 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(open_of("192.0.2.1", "alice"), REASON_SESSIONS_USER_SOURCE);
    assert_int_equal(how_many("192.0.2.2", "alice"), 1);
    assert_int_equal(how_many("192.0.2.3", "alice"), 1);
    assert_int_equal(open_of("192.0.2.4", "alice"), REASON_SESSIONS_USER);
}

static void all_workers_together_hold_what_a_user_may_have(void **state)
{
    limits_are(3, 3);
    assert_int_equal(open_at(0, PROTOCOL_IMAP, "192.0.2.1", "alice", CLASS_DEFAULT), REASON_NONE);
    assert_int_equal(open_at(1, PROTOCOL_IMAP, "192.0.2.2", "alice", CLASS_DEFAULT), REASON_NONE);
    assert_int_equal(open_at(1, PROTOCOL_IMAP, "192.0.2.2", "alice", CLASS_DEFAULT), REASON_NONE);
    assert_int_equal(open_at(0, PROTOCOL_IMAP, "192.0.2.1", "alice", CLASS_DEFAULT),
                     REASON_SESSIONS_USER);
    close_of(1, "192.0.2.2");
    assert_int_equal(open_at(0, PROTOCOL_IMAP, "192.0.2.1", "alice", CLASS_DEFAULT), REASON_NONE);
}

static void in_shadow_it_is_counted_and_told_and_off_it_is_not(void **state)
{
    limits_are(1, 1);
    made.policy.modes[LIMIT_SESSIONS_USER] = MODE_SHADOW;
    made.policy.modes[LIMIT_SESSIONS_USER_SOURCE] = MODE_OFF;
    policy_changed();
    assert_int_equal(open_of("192.0.2.1", "alice"), REASON_NONE);
    assert_int_equal(shadowed, 0);
    assert_int_equal(open_of("192.0.2.1", "alice"), REASON_NONE);
    assert_int_equal(shadowed, UINT64_C(1) << LIMIT_SESSIONS_USER);
    made.policy.modes[LIMIT_SESSIONS_USER] = MODE_ENFORCE;
    policy_changed();
    close_of(0, "192.0.2.1");
    assert_int_equal(open_of("192.0.2.1", "alice"), REASON_SESSIONS_USER);
}

static void allow_beats_both_and_a_class_has_its_own(void **state)
{
    limits_are(1, 1);
    limit_set_add(&made.policy.classes[CGNAT].own_limits, LIMIT_SESSIONS_USER_SOURCE);
    limit_set_add(&made.policy.classes[CGNAT].own_limits, LIMIT_SESSIONS_USER);
    made.policy.classes[CGNAT].limits[LIMIT_SESSIONS_USER_SOURCE] = 3;
    made.policy.classes[CGNAT].limits[LIMIT_SESSIONS_USER] = 5;
    policy_changed();
    for (int i = 0; i < 3; i++)
        assert_int_equal(open_at(0, PROTOCOL_IMAP, "192.0.2.1", "alice", CGNAT), REASON_NONE);
    assert_int_equal(open_at(0, PROTOCOL_IMAP, "192.0.2.1", "alice", CGNAT),
                     REASON_SESSIONS_USER_SOURCE);
    assert_int_equal(open_at(0, PROTOCOL_IMAP, "192.0.2.1", "alice", CLASS_ALLOW), REASON_NONE);
}

static void a_table_full_of_users_lets_pass_and_counts_nobody_twice(void **state)
{
    static const struct siphash_key key = {{7, 8}};
    struct guard_peers own_peers = {0};
    struct guard_login small;
    struct addr a = made_addr("192.0.2.1");
    assert_int_equal(guard_login_init(&small, 1, -1, &key, &own_peers, 0, 1), 0);
    guard_login_policy(&small, &made.policy);
    static uint64_t tickets[200000];
    unsigned uncounted = 0;
    for (int i = 0; i < 200000; i++) {
        char user[16];
        int size = snprintf(user, sizeof user, "user%d", i);
        assert_int_equal(guard_login_opened(&small, PROTOCOL_IMAP, &a, span_of(user, (size_t)size),
                                            CLASS_DEFAULT, now_us, &tickets[i], &shadowed),
                         REASON_NONE);
        uncounted += tickets[i] == 0;
    }
    assert_true(uncounted > 0);
    for (int i = 0; i < 200000; i++)
        if (tickets[i])
            guard_login_ended(&small, &a, tickets[i]);
    guard_login_done(&small);
}

#define LOGIN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOGIN_TEST(a_user_has_so_many_from_a_source_and_so_many_in_all),
        LOGIN_TEST(one_user_or_protocol_takes_nothing_from_another),
        LOGIN_TEST(a_source_of_ipv6_is_a_64),
        LOGIN_TEST(whoever_leaves_makes_room_for_one),
        LOGIN_TEST(what_one_limit_refuses_is_not_counted_by_the_other),
        LOGIN_TEST(all_workers_together_hold_what_a_user_may_have),
        LOGIN_TEST(in_shadow_it_is_counted_and_told_and_off_it_is_not),
        LOGIN_TEST(allow_beats_both_and_a_class_has_its_own),
        LOGIN_TEST(a_table_full_of_users_lets_pass_and_counts_nobody_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
