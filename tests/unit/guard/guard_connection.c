// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_connection.h"

#include "policy_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct guard_connection counts;

static int set_up(void **state)
{
    static const struct siphash_key key = {{5, 6}};
    return guard_connection_init(&counts, 20, -1, &key);
}

static int tear_down(void **state)
{
    guard_connection_done(&counts);
    return 0;
}

static enum reason open_from(const char *client, unsigned service,
                             const struct guard_connection_limits *limits)
{
    struct addr a = made_addr(client);
    return guard_connection_opened(&counts, &a, service, limits);
}

static void close_from(const char *client, unsigned service)
{
    struct addr a = made_addr(client);
    guard_connection_ended(&counts, &a, service);
}

static void each_limit_holds_and_frees_by_closing(void **state)
{
    const struct guard_connection_limits source = {.total = 9, .service = 9, .source = 2};
    assert_int_equal(open_from("192.0.2.1", 0, &source), REASON_NONE);
    assert_int_equal(open_from("192.0.2.1", 1, &source), REASON_NONE);
    assert_int_equal(open_from("192.0.2.1", 2, &source), REASON_CONNECTIONS_SOURCE);
    assert_int_equal(open_from("192.0.2.2", 2, &source), REASON_NONE);

    const struct guard_connection_limits service = {.total = 9, .service = 1, .source = 9};
    assert_int_equal(open_from("192.0.2.3", 2, &service), REASON_CONNECTIONS_SERVICE);
    assert_int_equal(open_from("192.0.2.3", 3, &service), REASON_NONE);

    const struct guard_connection_limits total = {.total = 4, .service = 9, .source = 9};
    assert_int_equal(open_from("192.0.2.4", 4, &total), REASON_CONNECTIONS_TOTAL);
    close_from("192.0.2.1", 1);
    assert_int_equal(open_from("192.0.2.4", 4, &total), REASON_NONE);
    assert_int_equal(counts.total, 4);
    assert_int_equal(counts.services[1], 0);
}

static void hosts_of_a_64_share_a_limit(void **state)
{
    const struct guard_connection_limits limits = {.total = 9, .service = 9, .source = 1};
    assert_int_equal(open_from("2001:db8:1:2::1", 0, &limits), REASON_NONE);
    assert_int_equal(open_from("2001:db8:1:2:ffff::", 0, &limits), REASON_CONNECTIONS_SOURCE);
    assert_int_equal(open_from("2001:db8:1:3::1", 0, &limits), REASON_NONE);
    close_from("2001:db8:1:2:9::9", 0); // the /64 counts, not the host
    assert_int_equal(open_from("2001:db8:1:2:ffff::", 0, &limits), REASON_NONE);
}

static void a_full_table_refuses_new_sources_even_without_limits(void **state)
{
    for (unsigned i = 0; i < 20; i++) {
        struct addr a = addr_from_v4((const uint8_t[4]){10, 0, 0, (uint8_t)i});
        assert_int_equal(guard_connection_opened(&counts, &a, 0, NULL), REASON_NONE);
    }
    assert_int_equal(open_from("192.0.2.1", 0, NULL), REASON_CONNECTIONS_TOTAL);
    assert_int_equal(open_from("10.0.0.7", 0, NULL), REASON_NONE);
    close_from("10.0.0.3", 0);
    assert_int_equal(open_from("192.0.2.1", 0, NULL), REASON_NONE);
}

static void shares_together_never_pass_the_limit_unless_it_is_below_one_each(void **state)
{
    for (uint16_t workers = 1; workers <= WORKERS_MAX; workers++)
        for (uint64_t limit = 1; limit < 1000; limit += 13) {
            uint64_t all = (uint64_t)guard_connection_share(limit, workers) * workers;
            assert_true(all <= (limit < workers ? workers : limit));
            assert_true(all > 0);
        }
    assert_int_equal(guard_connection_share(UINT64_MAX, 1), UINT32_MAX);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(each_limit_holds_and_frees_by_closing),
        CASE(hosts_of_a_64_share_a_limit),
        CASE(a_full_table_refuses_new_sources_even_without_limits),
        CASE(shares_together_never_pass_the_limit_unless_it_is_below_one_each),
    };
    return cmocka_run_group_tests_name("guard_connection", cases, NULL, NULL);
}
