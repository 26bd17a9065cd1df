// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_gate.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct auth_gate gate;
static uint64_t limits[LIMIT_COUNT];
static uint8_t modes[LIMIT_COUNT];
static uint8_t why;
static const uint64_t now_ms = 1000000;

static int start(void **state)
{
    for (int i = 0; i < LIMIT_COUNT; i++)
        limits[i] = limit_facts((enum limit)i)->value;
    return auth_gate_init(&gate, limits, modes) < 0;
}

static int stop(void **state)
{
    auth_gate_done(&gate);
    return 0;
}

static struct auth_keys keys_of(const char *addr, const char *user, const char *credential)
{
    struct addr from;
    assert_true(addr_parse(addr, &from));
    return auth_gate_keys(&gate, &from, span_text(user), span_text(credential), now_ms);
}

static void charge(const struct auth_keys *keys, int times)
{
    for (int i = 0; i < times; i++)
        auth_gate_charge(&gate, keys, now_ms);
}

static void a_stranger_waits_for_the_pair_the_address_and_the_prefix(void **state)
{
    struct auth_keys keys = keys_of("192.0.2.1", "alice", "a");
    limits[LIMIT_AUTH_GUESSES_PREFIX] = 12;
    charge(&keys, 5);
    assert_false(auth_gate_may(&gate, &keys, now_ms, &why));
    struct auth_keys other = keys_of("192.0.2.1", "bob", "a");
    assert_true(auth_gate_may(&gate, &other, now_ms, &why));
    charge(&other, 5);
    other = keys_of("192.0.2.1", "carol", "a");
    assert_false(auth_gate_may(&gate, &other, now_ms, &why));
    other = keys_of("192.0.2.2", "carol", "a");
    assert_true(auth_gate_may(&gate, &other, now_ms, &why));
    charge(&other, 2);
    other = keys_of("192.0.2.3", "carol", "a");
    assert_false(auth_gate_may(&gate, &other, now_ms, &why));
    assert_int_equal(auth_gate_waiting(&gate, GATE_SOURCE, now_ms), 1);
}

static void a_limit_in_shadow_is_named_and_lets_pass_and_one_that_is_off_is_not(void **state)
{
    struct auth_keys keys = keys_of("192.0.2.1", "alice", "a");
    charge(&keys, 5);
    assert_false(auth_gate_may(&gate, &keys, now_ms, &why));
    assert_int_equal(why, LIMIT_AUTH_GUESSES_PAIR);
    modes[LIMIT_AUTH_GUESSES_PAIR] = MODE_SHADOW;
    assert_true(auth_gate_may(&gate, &keys, now_ms, &why));
    assert_int_equal(why, LIMIT_AUTH_GUESSES_PAIR);
    modes[LIMIT_AUTH_GUESSES_PAIR] = MODE_OFF;
    assert_true(auth_gate_may(&gate, &keys, now_ms, &why));
    assert_int_equal(why, 0);
    modes[LIMIT_AUTH_GUESSES_PAIR] = MODE_ENFORCE;
}

static void a_known_pair_answers_for_itself_alone(void **state)
{
    struct auth_keys keys = keys_of("192.0.2.1", "alice", "a");
    assert_false(keys.known);
    auth_gate_right(&gate, &keys, now_ms);
    struct auth_keys stranger = keys_of("192.0.2.1", "bob", "a");
    charge(&stranger, 100);
    keys = keys_of("192.0.2.1", "alice", "a");
    assert_true(keys.known);
    assert_true(auth_gate_may(&gate, &keys, now_ms, &why));
    charge(&keys, 50);
    assert_false(auth_gate_may(&gate, &keys, now_ms, &why));
    assert_int_equal(auth_gate_waiting(&gate, GATE_KNOWN, now_ms), 1);
}

static void what_was_refunded_was_no_guess(void **state)
{
    struct auth_keys keys = keys_of("2001:db8::1", "alice", "a");
    for (int i = 0; i < 100; i++) {
        auth_gate_charge(&gate, &keys, now_ms);
        auth_gate_refund(&gate, &keys);
    }
    assert_true(auth_gate_may(&gate, &keys, now_ms, &why));
}

static void a_guess_is_of_an_address_a_user_and_a_credential(void **state)
{
    struct auth_keys keys = keys_of("192.0.2.1", "alice", "a");
    auth_gate_wrong(&gate, &keys, now_ms);
    assert_true(auth_gate_was_wrong(&gate, &keys, now_ms));
    static const char *const others[][3] = {
        {"192.0.2.2", "alice", "a"}, {"192.0.2.1", "alicea", ""}, {"192.0.2.1", "alice", "b"}};
    for (int i = 0; i < 3; i++) {
        struct auth_keys other = keys_of(others[i][0], others[i][1], others[i][2]);
        assert_false(auth_gate_was_wrong(&gate, &other, now_ms));
    }
    auth_gate_forget_wrongs(&gate);
    assert_false(auth_gate_was_wrong(&gate, &keys, now_ms));
}

#define GATE_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATE_TEST(a_stranger_waits_for_the_pair_the_address_and_the_prefix),
        GATE_TEST(a_limit_in_shadow_is_named_and_lets_pass_and_one_that_is_off_is_not),
        GATE_TEST(a_known_pair_answers_for_itself_alone),
        GATE_TEST(what_was_refunded_was_no_guess),
        GATE_TEST(a_guess_is_of_an_address_a_user_and_a_credential),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
