// SPDX-License-Identifier: BSD-3-Clause
#include "net/route.h"

#include "net_test.h"

static struct policy policy;
static struct policy_interface legs[LEG_COUNT];
static struct route_table table;

static void add(const char *to, const char *via, enum leg leg)
{
    struct policy_route *route = &policy.routes[policy.routes_count++];
    assert_true(prefix_parse(to, &route->to));
    assert_true(addr_parse(via, &route->via));
    route->leg = (uint8_t)leg;
}

static int start(void **state)
{
    static const char *const addrs[LEG_COUNT][FAMILY_COUNT] = {{"198.51.100.1", "2001:db8:51::1"},
                                                               {"203.0.113.1", "2001:db8:113::1"}};
    policy = (struct policy){0};
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        legs[leg] = (struct policy_interface){.bits = {ADDR_V4_BITS + 24, 64}};
        for (int family = 0; family < FAMILY_COUNT; family++)
            assert_true(addr_parse(addrs[leg][family], &legs[leg].addr[family]));
    }
    return 0;
}

static void build(void)
{
    route_build(&table, legs, &policy);
}

static void assert_via(enum leg leg, const char *to, const char *via)
{
    struct addr addr;
    char text[ADDR_TEXT_SIZE];
    assert_true(addr_parse(to, &addr));
    enum family_index family = addr_is_v4(&addr) ? FAMILY_V4 : FAMILY_V6;
    const struct route *route = route_find(&table.lists[leg][family], &addr);
    const char *found = "none";
    if (route)
        found = route->on_link ? "on link" : addr_format(&route->via, text);
    assert_string_equal(found, via);
}

static void without_routes_nothing_is_found(void **state)
{
    build();
    assert_via(LEG_OUTSIDE, "192.0.2.1", "none");
    assert_via(LEG_INSIDE, "2001:db8::1", "none");
}

static void a_route_of_the_other_leg_does_not_serve(void **state)
{
    add("0.0.0.0/0", "203.0.113.254", LEG_INSIDE);
    build();
    assert_via(LEG_OUTSIDE, "192.0.2.1", "none");
    assert_via(LEG_INSIDE, "192.0.2.1", "203.0.113.254");
}

static void the_ipv6_default_does_not_cover_ipv4(void **state)
{
    add("::/0", "2001:db8:51::fe", LEG_OUTSIDE);
    build();
    assert_via(LEG_OUTSIDE, "192.0.2.1", "none");
    assert_via(LEG_OUTSIDE, "2001:db8:9::1", "2001:db8:51::fe");
}

static void a_next_hop_of_another_family_is_left_out(void **state)
{
    add("0.0.0.0/0", "2001:db8:51::fe", LEG_OUTSIDE);
    add("2001:db8::/32", "198.51.100.254", LEG_OUTSIDE);
    build();
    assert_via(LEG_OUTSIDE, "192.0.2.1", "none");
    assert_via(LEG_OUTSIDE, "2001:db8::1", "none");
}

static void a_family_that_is_off_has_none(void **state)
{
    add("0.0.0.0/0", "198.51.100.254", LEG_OUTSIDE);
    add("::/0", "2001:db8:51::fe", LEG_OUTSIDE);
    legs[LEG_OUTSIDE].addr[FAMILY_V6] = (struct addr){0};
    build();
    assert_via(LEG_OUTSIDE, "2001:db8:51::10", "none");
    assert_via(LEG_OUTSIDE, "fe80::10", "none");
    assert_via(LEG_OUTSIDE, "2001:db8:9::1", "none");
    assert_via(LEG_OUTSIDE, "192.0.2.1", "198.51.100.254");
}

static void what_is_on_the_link_needs_no_route_and_heeds_none(void **state)
{
    add("198.51.100.10", "198.51.100.254", LEG_OUTSIDE);
    add("2001:db8:51::10", "2001:db8:51::fe", LEG_OUTSIDE);
    add("fe80::10", "2001:db8:51::fe", LEG_OUTSIDE);
    build();
    assert_via(LEG_OUTSIDE, "198.51.100.10", "on link");
    assert_via(LEG_OUTSIDE, "198.51.101.10", "none");
    assert_via(LEG_OUTSIDE, "2001:db8:51::10", "on link");
    assert_via(LEG_OUTSIDE, "2001:db8:52::10", "none");
    assert_via(LEG_OUTSIDE, "fe80::10", "on link");
    assert_via(LEG_INSIDE, "198.51.100.10", "none");
    assert_via(LEG_INSIDE, "203.0.113.10", "on link");
}

static void the_longest_prefix_wins_in_any_order(void **state)
{
    add("192.0.2.0/24", "198.51.100.2", LEG_OUTSIDE);
    add("0.0.0.0/0", "198.51.100.1", LEG_OUTSIDE);
    add("192.0.2.128/25", "198.51.100.3", LEG_OUTSIDE);
    add("192.0.2.129", "198.51.100.4", LEG_OUTSIDE);
    add("192.0.2.0/24", "198.51.100.9", LEG_OUTSIDE); // the first of two equal ones serves
    build();
    assert_via(LEG_OUTSIDE, "192.0.3.1", "198.51.100.1");
    assert_via(LEG_OUTSIDE, "192.0.2.1", "198.51.100.2");
    assert_via(LEG_OUTSIDE, "192.0.2.130", "198.51.100.3");
    assert_via(LEG_OUTSIDE, "192.0.2.129", "198.51.100.4");
}

static void as_many_routes_as_the_policy_holds_fit(void **state)
{
    for (unsigned i = 0; i < ROUTES_MAX; i++) {
        char to[PREFIX_TEXT_SIZE] = "10.00.0.0/16";
        to[3] = (char)('0' + i / 10);
        to[4] = (char)('0' + i % 10);
        if (i < 10)
            memmove(to + 3, to + 4, strlen(to + 3));
        add(to, "198.51.100.1", LEG_OUTSIDE);
    }
    build();
    assert_via(LEG_OUTSIDE, "10.31.1.1", "198.51.100.1");
    assert_via(LEG_OUTSIDE, "10.0.1.1", "198.51.100.1");
    assert_via(LEG_OUTSIDE, "10.32.1.1", "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_routes_nothing_is_found, start),
        cmocka_unit_test_setup(a_route_of_the_other_leg_does_not_serve, start),
        cmocka_unit_test_setup(the_ipv6_default_does_not_cover_ipv4, start),
        cmocka_unit_test_setup(a_next_hop_of_another_family_is_left_out, start),
        cmocka_unit_test_setup(a_family_that_is_off_has_none, start),
        cmocka_unit_test_setup(what_is_on_the_link_needs_no_route_and_heeds_none, start),
        cmocka_unit_test_setup(the_longest_prefix_wins_in_any_order, start),
        cmocka_unit_test_setup(as_many_routes_as_the_policy_holds_fit, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
