// SPDX-License-Identifier: BSD-3-Clause
#include "session/servers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SECOND = 1000000 };

static struct servers servers;
static struct policy policy;
static uint64_t now_us;

static void server_set(unsigned backend, unsigned k, const char *addr, unsigned weight, bool backup)
{
    struct policy_server *server = &policy.backends[backend].servers[k];
    assert_true(addr_parse(addr, &server->addr));
    server->port = 25;
    server->weight = (uint8_t)weight;
    server->backup = backup;
    if (policy.backends[backend].servers_count <= k)
        policy.backends[backend].servers_count = (uint8_t)(k + 1);
}

static int set_up(void **state)
{
    memset(&policy, 0, sizeof policy);
    memset(&servers, 0, sizeof servers);
    now_us = 5 * SECOND;
    for (int i = 0; i < LIMIT_COUNT; i++)
        policy.limits[i] = limit_facts((enum limit)i)->value;
    policy.backends_count = 2;
    policy.services_count = 1;
    snprintf(policy.backends[0].name, sizeof policy.backends[0].name, "a");
    snprintf(policy.backends[1].name, sizeof policy.backends[1].name, "b");
    server_set(0, 0, "192.0.2.1", 1, false);
    server_set(0, 1, "192.0.2.2", 1, false);
    server_set(0, 2, "192.0.2.3", 1, true);
    server_set(1, 0, "192.0.2.1", 1, false);
    servers_policy(&servers, &policy, now_us);
    return 0;
}

static const struct mail_offer nothing = {.known = true};

static void check_is(unsigned k, bool good)
{
    uint16_t slot = servers_find(&servers, &policy, 0, k);
    if (good)
        servers_worked(&servers, slot, &nothing, true, now_us);
    else
        servers_failed(&servers, slot, REASON_TCP_REFUSED, now_us);
}

static enum server_health health(unsigned k)
{
    return (enum server_health)servers.slots[servers_find(&servers, &policy, 0, k)].health;
}

// The servers of backend 0 in the order in which a session would try them, as digits.
static const char *order(void)
{
    static char text[BACKEND_SERVERS_MAX + 1];
    uint8_t tried = 0;
    unsigned server, n = 0;
    while (servers_choose(&servers, &policy, 0, &tried, &server, now_us) != SERVER_NONE)
        text[n++] = (char)('0' + server);
    text[n] = '\0';
    return text;
}

static void use(unsigned k, unsigned connections)
{
    while (connections--)
        servers_use(&servers, servers_find(&servers, &policy, 0, k));
}

static void a_server_that_is_not_known_yet_falls_at_its_first_failure(void **state)
{
    check_is(0, false);
    assert_int_equal(health(0), SERVER_DOWN);
    assert_string_equal(order(), "12");
}

static void a_server_that_is_up_falls_after_so_many_failures_in_a_row(void **state)
{
    check_is(0, true);
    assert_int_equal(health(0), SERVER_UP);
    check_is(0, false);
    check_is(0, false);
    check_is(0, true);
    check_is(0, false);
    check_is(0, false);
    assert_int_equal(health(0), SERVER_UP);
    check_is(0, false);
    assert_int_equal(health(0), SERVER_DOWN);
}

static void only_checks_in_a_row_bring_it_up_again(void **state)
{
    check_is(0, false);
    uint16_t slot = servers_find(&servers, &policy, 0, 0);
    for (int i = 0; i < 5; i++) // connections that were under way
        servers_worked(&servers, slot, &nothing, false, now_us);
    assert_int_equal(health(0), SERVER_DOWN);
    check_is(0, true);
    check_is(0, false);
    check_is(0, true);
    assert_int_equal(health(0), SERVER_DOWN);
    check_is(0, true);
    assert_int_equal(health(0), SERVER_UP);
}

static void when_all_are_down_there_is_none(void **state)
{
    for (unsigned k = 0; k < 3; k++)
        check_is(k, false);
    assert_string_equal(order(), "");
    assert_int_equal(servers_down(&servers), 3);
}

static void without_checks_none_is_ever_down(void **state)
{
    policy.limits[LIMIT_BACKEND_CHECK_SECONDS] = 0;
    for (unsigned k = 0; k < 3; k++)
        check_is(k, false);
    assert_int_equal(strlen(order()), 3);
}

static void a_backup_comes_last_and_alone_when_it_must(void **state)
{
    use(0, 100);
    use(1, 100);
    assert_int_equal(order()[2], '2');
    check_is(0, false);
    check_is(1, false);
    assert_string_equal(order(), "2");
}

static void the_least_loaded_for_its_weight_is_taken(void **state)
{
    use(0, 2);
    use(1, 1);
    assert_string_equal(order(), "102");
    policy.backends[0].servers[0].weight = 10;
    assert_string_equal(order(), "012");
}

static void equal_ones_take_turns(void **state)
{
    unsigned first[2] = {0, 0};
    for (int i = 0; i < 30; i++)
        first[order()[0] - '0']++;
    assert_true(first[0] >= 5 && first[1] >= 5);
}

static void one_that_came_up_gets_its_share_slowly(void **state)
{
    check_is(1, true);
    check_is(0, false);
    check_is(0, true);
    check_is(0, true);
    use(1, 3);
    assert_string_equal(order(), "102"); // an eighth of the share
    now_us += 15 * SECOND;
    assert_string_equal(order(), "012"); // half of it
    use(0, 2);
    assert_string_equal(order(), "102");
    now_us += 15 * SECOND;
    assert_string_equal(order(), "012"); // all of it
}

static void a_drained_one_is_left_alone_until_it_is_enabled(void **state)
{
    struct server_order drain = {.backend = "a", .port = 25, .drain = 1};
    assert_true(addr_parse("192.0.2.1", &drain.addr));
    assert_true(servers_drain(&servers, &drain));
    check_is(0, true);
    assert_string_equal(order(), "12");
    drain.drain = 0;
    assert_true(servers_drain(&servers, &drain));
    assert_int_equal(strlen(order()), 3);
    drain.port = 26;
    assert_false(servers_drain(&servers, &drain));
    struct server_order all = {.backend = "a", .drain = 1};
    assert_true(servers_drain(&servers, &all));
    assert_string_equal(order(), "");
    assert_int_equal(servers.slots[servers_find(&servers, &policy, 1, 0)].drained, 0);
}

static void what_is_known_outlives_a_policy_and_is_forgotten_with_its_server(void **state)
{
    check_is(1, false);
    use(0, 1);
    struct policy old = policy;
    struct policy_server *list = policy.backends[0].servers;
    list[0] = list[1];
    policy.backends[0].servers_count = 1;
    servers.policy = &old; // as if the new one were another snapshot
    uint16_t before = servers_find(&servers, &old, 0, 0);
    servers_policy(&servers, &policy, now_us);
    assert_string_equal(order(), "");
    assert_int_equal(servers_find(&servers, &old, 0, 0), before); // somebody uses it still
    servers_leave(&servers, before);
    servers_policy(&servers, &policy, now_us);
    assert_int_equal(servers_find(&servers, &old, 0, 0), SERVER_NONE);
}

static void the_offer_is_what_all_that_are_up_offer(void **state)
{
    struct mail_offer offer,
        one = {.known = true, .bits = OFFER_DSN | OFFER_SMTPUTF8, .size = 1000};
    servers_offer(&servers, &policy, 0, &offer);
    assert_false(offer.known);
    servers_worked(&servers, 0, &one, true, now_us);
    servers_offer(&servers, &policy, 0, &offer);
    assert_true(offer.known);
    assert_int_equal(offer.bits, OFFER_DSN | OFFER_SMTPUTF8);
    one = (struct mail_offer){.known = true, .bits = OFFER_DSN | OFFER_8BITMIME, .size = 0};
    servers_worked(&servers, 1, &one, true, now_us);
    servers_offer(&servers, &policy, 0, &offer);
    assert_int_equal(offer.bits, OFFER_DSN);
    assert_int_equal(offer.size, 1000);
    one.size = 500;
    one.bits = 0;
    servers_worked(&servers, 3, &one, true, now_us); // of the other backend
    servers_offer(&servers, &policy, 0, &offer);
    assert_int_equal(offer.size, 1000);
    servers.domain_backends = 2; // a domain's mail goes there
    servers_offer(&servers, &policy, 0, &offer);
    assert_int_equal(offer.size, 500);
    assert_int_equal(offer.bits, 0);
    for (int i = 0; i < 3; i++)
        servers_failed(&servers, 3, REASON_TCP_REFUSED, now_us);
    servers_offer(&servers, &policy, 0, &offer);
    assert_int_equal(offer.bits, OFFER_DSN);
}

static void the_list_is_walked_in_pages(void **state)
{
    struct server_page page;
    for (unsigned k = 1; k < 8; k++) {
        char addr[32];
        snprintf(addr, sizeof addr, "192.0.2.%u", 100 + k);
        server_set(1, k, addr, 2, false);
    }
    servers_policy(&servers, &policy, now_us);
    check_is(0, false);
    servers_list(&servers, 0, now_us + SECOND, &page);
    assert_int_equal(page.count, SERVERS_PER_MESSAGE);
    assert_int_not_equal(page.next, 0);
    assert_string_equal(page.rows[0].backend, "a");
    assert_int_equal(page.rows[0].health, SERVER_DOWN);
    assert_int_equal(page.rows[0].last_failure, REASON_TCP_REFUSED);
    assert_int_equal(page.rows[0].since_us, SECOND);
    assert_int_equal(page.rows[2].backup, 1);
    servers_list(&servers, page.next, now_us, &page);
    assert_int_equal(page.count, 3);
    assert_int_equal(page.next, 0);
    assert_int_equal(page.rows[2].weight, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(a_server_that_is_not_known_yet_falls_at_its_first_failure),
        TEST(a_server_that_is_up_falls_after_so_many_failures_in_a_row),
        TEST(only_checks_in_a_row_bring_it_up_again),
        TEST(when_all_are_down_there_is_none),
        TEST(without_checks_none_is_ever_down),
        TEST(a_backup_comes_last_and_alone_when_it_must),
        TEST(the_least_loaded_for_its_weight_is_taken),
        TEST(equal_ones_take_turns),
        TEST(one_that_came_up_gets_its_share_slowly),
        TEST(a_drained_one_is_left_alone_until_it_is_enabled),
        TEST(what_is_known_outlives_a_policy_and_is_forgotten_with_its_server),
        TEST(the_offer_is_what_all_that_are_up_offer),
        TEST(the_list_is_walked_in_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
