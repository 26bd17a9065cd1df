// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_ban.h"

#include "contract/reason.h"
#include "policy_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct guard_ban bans;

static int set_up(void **state)
{
    static const struct siphash_key key = {{7, 8}};
    return guard_ban_init(&bans, -1, &key);
}

static int tear_down(void **state)
{
    guard_ban_done(&bans);
    return 0;
}

static struct ban ban_of(const char *text, uint32_t seconds)
{
    return (struct ban){.addr = made_addr(text), .seconds = seconds, .reason = 3};
}

static struct addr nth(uint32_t n)
{
    return addr_from_v4((const uint8_t[4]){10, 0, (uint8_t)(n >> 8), (uint8_t)n});
}

static bool holds(const char *text, uint64_t now_us)
{
    struct addr a = made_addr(text);
    return guard_ban_holds(&bans, &a, now_us);
}

static void no_seconds_are_no_ban(void **state)
{
    struct ban ban = ban_of("192.0.2.1", 0);
    assert_false(guard_ban_set(&bans, &ban, 0));
    assert_false(holds("192.0.2.1", 0));
}

static void a_full_table_refuses_until_bans_end(void **state)
{
    for (uint32_t i = 0; i < GUARD_BANS_MAX; i++) {
        struct ban ban = {.addr = nth(i), .seconds = i % 2 ? 10 : 20};
        assert_true(guard_ban_set(&bans, &ban, 0));
    }
    struct ban more = ban_of("192.0.2.1", 5);
    assert_false(guard_ban_set(&bans, &more, 9999999));
    assert_true(guard_ban_set(&bans, &more, 10000000)); // half of them have ended, unseen
    assert_int_equal(bans.table.count, GUARD_BANS_MAX / 2 + 1);
    assert_true(holds("192.0.2.1", 10000001));
}

static void a_ban_ends_to_the_microsecond(void **state)
{
    struct ban ban = ban_of("192.0.2.1", 2);
    assert_true(guard_ban_set(&bans, &ban, 500));
    assert_true(holds("192.0.2.1", 2000499));
    assert_false(holds("192.0.2.1", 2000500));
}

static void a_ban_is_of_the_64_and_of_nobody_else(void **state)
{
    struct ban ban = ban_of("2001:db8:0:1::7", 60);
    assert_true(guard_ban_set(&bans, &ban, 0));
    assert_true(holds("2001:db8:0:1:ffff::1", 1));
    assert_false(holds("2001:db8:0:2::7", 1));
    struct addr other = made_addr("2001:db8:0:1::");
    assert_true(guard_ban_lift(&bans, &other));
    assert_false(guard_ban_lift(&bans, &other));
    assert_false(holds("2001:db8:0:1::7", 1));
}

static void a_second_ban_replaces_the_first(void **state)
{
    struct ban ban = ban_of("192.0.2.1", 100);
    assert_true(guard_ban_set(&bans, &ban, 0));
    ban.seconds = 1;
    assert_true(guard_ban_set(&bans, &ban, 0));
    assert_int_equal(bans.table.count, 1);
    assert_false(holds("192.0.2.1", 1000000));
}

static void what_has_ended_is_cleared_within_5_s(void **state)
{
    for (uint32_t i = 0; i < 100; i++) {
        struct ban ban = {.addr = nth(i), .seconds = i == 50 ? 1000 : 1};
        assert_true(guard_ban_set(&bans, &ban, 0));
    }
    for (uint32_t i = 0; i < 520; i++)
        guard_ban_advance(&bans, 2000000 + i * 10000);
    assert_int_equal(bans.table.count, 1);
}

static void those_of_an_operator_are_counted_apart(void **state)
{
    struct ban ban = ban_of("192.0.2.1", 2), other = ban_of("192.0.2.2", 1), third = other;
    ban.reason = other.reason = REASON_NONE;
    assert_true(guard_ban_set(&bans, &ban, 0));
    assert_true(guard_ban_set(&bans, &ban, 0));
    assert_true(guard_ban_set(&bans, &other, 0));
    assert_int_equal(bans.by_operator, 2);
    assert_true(guard_ban_set(&bans, &third, 0)); // in the place of the second
    assert_int_equal(bans.by_operator, 1);
    assert_int_equal(bans.table.count, 2);
    for (uint32_t i = 0; i < 520; i++)
        guard_ban_advance(&bans, 2000000);
    assert_int_equal(bans.by_operator, 0);
    assert_int_equal(bans.table.count, 0);
}

static void pages_show_every_ban_once(void **state)
{
    static bool seen[100];
    for (uint32_t i = 0; i < 100; i++) {
        struct ban ban = {.addr = nth(i), .seconds = 60, .reason = 2};
        assert_true(guard_ban_set(&bans, &ban, 0));
    }
    struct ban over = ban_of("192.0.2.1", 1);
    assert_true(guard_ban_set(&bans, &over, 0));
    struct ban_page page = {0};
    unsigned pages = 0, pages_max = 8 + bans.table.slots / 1024; // it looks at that many a page
    do {
        guard_ban_page(&bans, page.next, 1500000, &page);
        assert_true(page.count <= BANS_PER_MESSAGE && ++pages <= pages_max);
        for (int i = 0; i < page.count; i++) {
            uint8_t n = page.bans[i].addr.bytes[15];
            assert_int_equal(page.bans[i].seconds, 59);
            assert_int_equal(page.bans[i].reason, 2);
            assert_true(n < 100 && !seen[n]);
            seen[n] = true;
        }
    } while (page.next);
    for (int i = 0; i < 100; i++)
        assert_true(seen[i]);
}

static void a_cursor_beyond_the_table_gives_an_empty_last_page(void **state)
{
    struct ban_page page;
    guard_ban_page(&bans, UINT32_MAX, 0, &page);
    assert_int_equal(page.count, 0);
    assert_int_equal(page.next, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(no_seconds_are_no_ban),
        CASE(a_full_table_refuses_until_bans_end),
        CASE(a_ban_ends_to_the_microsecond),
        CASE(a_ban_is_of_the_64_and_of_nobody_else),
        CASE(a_second_ban_replaces_the_first),
        CASE(what_has_ended_is_cleared_within_5_s),
        CASE(those_of_an_operator_are_counted_apart),
        CASE(pages_show_every_ban_once),
        CASE(a_cursor_beyond_the_table_gives_an_empty_last_page),
    };
    return cmocka_run_group_tests_name("guard_ban", cases, NULL, NULL);
}
