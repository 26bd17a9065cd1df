// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_conduct.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LIMIT = 100, HOUR = 3600 };
#define SECOND_US UINT64_C(1000000)

static struct guard_conduct conduct;
static const struct siphash_key key = {{1, 2}};
static uint64_t now_us;

static int start(void **state)
{
    now_us = 1000 * SECOND_US;
    return guard_conduct_init(&conduct, -1);
}

static int stop(void **state)
{
    guard_conduct_done(&conduct);
    return 0;
}

static struct guard_name name_of(const char *text)
{
    struct addr addr;
    assert_true(addr_parse(text, &addr));
    return guard_name_of(&key, &addr);
}

static bool offend(const char *source, enum reason reason)
{
    struct guard_name name = name_of(source);
    return guard_conduct_offend(&conduct, &name, reason, LIMIT, now_us);
}

static uint32_t debt(const char *source)
{
    struct guard_name name = name_of(source);
    return guard_conduct_debt(&conduct, &name, LIMIT, now_us);
}

static bool is_good(const char *source)
{
    struct guard_name name = name_of(source);
    return guard_conduct_is_good(&conduct, &name, now_us);
}

static void praise(const char *source)
{
    struct guard_name name = name_of(source);
    guard_conduct_praise(&conduct, &name, now_us + HOUR * SECOND_US, now_us);
}

static void nobody_is_good_or_in_debt_before_he_did_anything(void **state)
{
    assert_false(is_good("192.0.2.1"));
    assert_int_equal(debt("192.0.2.1"), 0);
}

static void points_up_to_the_limit_ban_nobody_and_one_more_does(void **state)
{
    for (int i = 0; i < LIMIT; i++)
        assert_false(offend("192.0.2.1", REASON_MAIL_BAD_COMMAND)); // one point each
    assert_int_equal(debt("192.0.2.1"), LIMIT);
    assert_int_equal(debt("192.0.2.2"), 0);
    assert_true(offend("192.0.2.1", REASON_MAIL_BAD_COMMAND));
    assert_int_equal(debt("192.0.2.1"), 0); // afresh
}

static void an_hour_forgives_as_many_as_the_limit(void **state)
{
    for (int i = 0; i < LIMIT / 20; i++)
        assert_false(offend("192.0.2.1", REASON_MAIL_NOT_MAIL)); // twenty each
    now_us += HOUR / 2 * SECOND_US;
    assert_int_equal(debt("192.0.2.1"), LIMIT / 2);
    now_us += HOUR / 2 * SECOND_US;
    assert_int_equal(debt("192.0.2.1"), 0);
    for (int i = 0; i < LIMIT / 20; i++)
        assert_false(offend("192.0.2.1", REASON_MAIL_NOT_MAIL));
    assert_true(offend("192.0.2.1", REASON_MAIL_BAD_COMMAND));
}

static void a_net_of_ipv6_is_one_source(void **state)
{
    for (int i = 0; i < LIMIT / 20; i++)
        assert_false(offend("2001:db8::1", REASON_MAIL_NOT_MAIL));
    assert_false(offend("2001:db8:0:1::1", REASON_MAIL_BAD_COMMAND));
    assert_true(offend("2001:db8::ffff", REASON_MAIL_BAD_COMMAND));
}

static void good_history_ends_with_its_time_and_with_an_offence(void **state)
{
    praise("192.0.2.1");
    assert_true(is_good("192.0.2.1"));
    now_us += HOUR * SECOND_US;
    assert_false(is_good("192.0.2.1"));
    praise("192.0.2.1");
    assert_false(offend("192.0.2.1", REASON_MAIL_BAD_COMMAND));
    assert_false(is_good("192.0.2.1"));
    praise("192.0.2.1"); // while it has points
    assert_false(is_good("192.0.2.1"));
    now_us += HOUR * SECOND_US;
    praise("192.0.2.1");
    assert_true(is_good("192.0.2.1"));
}

static void a_flood_of_strangers_forgets_and_never_bans(void **state)
{
    struct guard_name name = name_of("192.0.2.1");
    praise("192.0.2.1");
    for (unsigned i = 0; i < 8 * GUARD_CONDUCT_SLOTS; i++) {
        struct addr addr = {{[10] = 0xff, [11] = 0xff, [12] = 198}};
        addr.bytes[13] = (uint8_t)(i >> 16);
        addr.bytes[14] = (uint8_t)(i >> 8);
        addr.bytes[15] = (uint8_t)i;
        struct guard_name other = guard_name_of(&key, &addr);
        assert_false(
            guard_conduct_offend(&conduct, &other, REASON_MAIL_BAD_COMMAND, LIMIT, now_us));
    }
    assert_true(guard_conduct_is_good(&conduct, &name, now_us)); // forgotten later than a point
}

static void whatever_ends_a_clients_own_doing_is_no_offence(void **state)
{
    assert_int_equal(guard_conduct_points(REASON_NONE), 0);
    assert_int_equal(guard_conduct_points(REASON_MAIL_QUIT), 0);
    assert_int_equal(guard_conduct_points(REASON_MAIL_BACKEND_DOWN), 0);
    assert_int_equal(guard_conduct_points(REASON_MAIL_AUTH_UNAVAILABLE), 0);
    assert_true(guard_conduct_points(REASON_SMTP_EARLY_TALKER) > 0);
    assert_true(guard_conduct_points(REASON_MAIL_NOT_MAIL) > 0);
    assert_true(guard_conduct_points(REASON_TLS_ALPN_FOREIGN) > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(nobody_is_good_or_in_debt_before_he_did_anything),
        TEST(points_up_to_the_limit_ban_nobody_and_one_more_does),
        TEST(an_hour_forgives_as_many_as_the_limit),
        TEST(a_net_of_ipv6_is_one_source),
        TEST(good_history_ends_with_its_time_and_with_an_offence),
        TEST(a_flood_of_strangers_forgets_and_never_bans),
        TEST(whatever_ends_a_clients_own_doing_is_no_offence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
