// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_proven.h"

#include "guard/guard_cookie.h"
#include "packet_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { DAY_S = 86400 };

static const struct siphash_key key = {{0x9ae16a3b2f90404f, 0xc949c7defd1e0e3b}};
static struct guard_proven table;
static const uint64_t start_us = UINT64_C(5000000);
static struct guard_rate rate;

static int set_up(void **state)
{
    rate = guard_rate_of(GUARD_RATE_SECOND_NS, 10, 5);
    return guard_proven_init(&table, 0, -1);
}

static int tear_down(void **state)
{
    guard_proven_done(&table);
    return 0;
}

// A SYN of a Linux host whose timestamp clock has that offset.
static struct packet linux_syn(const char *client, uint32_t offset, uint64_t now_us)
{
    struct packet syn = made_syn(client, 25);
    syn.options = (struct tcp_option){.mss = 1460,
                                      .has_window_scale = true,
                                      .window_scale = 7,
                                      .sack_permitted = true,
                                      .has_timestamps = true,
                                      .ts_value = (uint32_t)(now_us / 1000) + offset};
    return syn;
}

static void learn(const struct packet *syn, uint64_t now_us)
{
    struct guard_proven_print print = guard_proven_of_syn(syn, now_us);
    struct guard_name name = guard_name_of(&key, &syn->src);
    guard_proven_learn(&table, &name, &print, now_us);
}

static enum guard_proven_match match(const struct packet *syn, uint64_t now_us)
{
    bool conforms;
    struct guard_name name = guard_name_of(&key, &syn->src);
    guard_proven_prefetch(&table, &name);
    return guard_proven_take(&table, &name, syn, &rate, now_us, &conforms);
}

static void a_source_without_history_matches_nothing(void **state)
{
    struct packet syn = linux_syn("198.18.0.1", 77, start_us);
    assert_int_equal(match(&syn, start_us), GUARD_MATCH_NONE);
    learn(&syn, start_us);
    struct packet other = linux_syn("198.18.0.2", 77, start_us);
    assert_int_equal(match(&other, start_us), GUARD_MATCH_NONE);
    other = linux_syn("2001:db8::c612:1", 77, start_us);
    assert_int_equal(match(&other, start_us), GUARD_MATCH_NONE);
}

static void another_look_matches_nothing(void **state)
{
    const struct packet syn = linux_syn("198.18.0.1", 77, start_us);
    learn(&syn, start_us);
    struct packet other = syn;
    other.ttl--;
    assert_int_equal(match(&other, start_us), GUARD_MATCH_NONE);
    other = syn;
    other.options.mss = 1380;
    assert_int_equal(match(&other, start_us), GUARD_MATCH_NONE);
    other = syn;
    other.options.window_scale = 8;
    assert_int_equal(match(&other, start_us), GUARD_MATCH_NONE);
    other = syn;
    other.options.has_window_scale = false;
    assert_int_equal(match(&other, start_us), GUARD_MATCH_NONE);
    other = syn;
    other.options.sack_permitted = false;
    assert_int_equal(match(&other, start_us), GUARD_MATCH_NONE);
    other = syn;
    other.options.has_timestamps = false;
    assert_int_equal(match(&other, start_us), GUARD_MATCH_NONE);
}

static void another_clock_matches_by_look_only(void **state)
{
    struct packet syn = linux_syn("198.18.0.1", 77, start_us);
    learn(&syn, start_us);
    struct packet forged = linux_syn("198.18.0.1", 77 + 1001, start_us);
    assert_int_equal(match(&forged, start_us), GUARD_MATCH_LOOK);
    forged = linux_syn("198.18.0.1", 77u - 1001u, start_us);
    assert_int_equal(match(&forged, start_us), GUARD_MATCH_LOOK);
    forged = linux_syn("198.18.0.1", 77 + (1u << 31), start_us);
    assert_int_equal(match(&forged, start_us), GUARD_MATCH_LOOK);
}

static void the_same_clock_matches_later_with_its_drift(void **state)
{
    struct packet syn = linux_syn("198.18.0.1", UINT32_MAX - 5, start_us);
    learn(&syn, start_us);
    for (uint64_t days = 0; days <= 30; days++) {
        uint64_t now_us = start_us + days * DAY_S * 1000000;
        uint32_t drift = (uint32_t)days * DAY_S / 10; // 100 ppm, in ms
        syn = linux_syn("198.18.0.1", UINT32_MAX - 5 + drift, now_us);
        assert_int_equal(match(&syn, now_us), GUARD_MATCH_CLOCK);
    }
    uint64_t now_us = start_us + 31ull * DAY_S * 1000000;
    syn = linux_syn("198.18.0.1", UINT32_MAX - 5, now_us);
    assert_int_equal(match(&syn, now_us), GUARD_MATCH_NONE);
}

static void the_print_of_the_ack_is_that_of_the_syn(void **state)
{
    for (int bits = 0; bits < 8; bits++) {
        struct packet syn = linux_syn("198.18.0.1", 77, start_us);
        syn.options.has_window_scale = bits & 1;
        syn.options.window_scale = bits & 1 ? 9 : 0;
        syn.options.sack_permitted = bits & 2;
        syn.options.has_timestamps = bits & 4;
        syn.options.mss = bits ? 1445 : 0;
        struct guard_cookie cookie;
        guard_cookie_init(&cookie, &key);
        struct guard_cookie_answer answer;
        guard_cookie_make(&cookie, &(const struct packet *){&syn}, 1, start_us, &answer);
        struct packet ack = made_ack(&syn, answer.iss, answer.ts_value);
        ack.options.ts_value = syn.options.ts_value + 100;
        struct tcp_handshake handshake;
        assert_true(guard_cookie_check(&cookie, &ack, start_us + 100000, &handshake));
        struct guard_proven_print a = guard_proven_of_syn(&syn, start_us);
        struct guard_proven_print b = guard_proven_of_ack(&ack, &handshake, start_us + 100000);
        assert_int_equal(a.look, b.look);
        assert_int_equal(a.clock, b.clock);
        assert_int_equal(b.clock != 0, (bits & 4) != 0);
    }
}

static void each_match_has_a_rate_of_its_own(void **state)
{
    struct packet real = linux_syn("198.18.0.1", 77, start_us);
    struct packet forged = linux_syn("198.18.0.1", 99999, start_us);
    learn(&real, start_us);
    struct guard_name name = guard_name_of(&key, &real.src);
    bool conforms = true;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(guard_proven_take(&table, &name, &forged, &rate, start_us, &conforms),
                         GUARD_MATCH_LOOK);
        assert_int_equal(conforms, i < 5);
    }
    for (int i = 0; i < 6; i++) {
        assert_int_equal(guard_proven_take(&table, &name, &real, &rate, start_us, &conforms),
                         GUARD_MATCH_CLOCK);
        assert_int_equal(conforms, i < 5);
    }
}

static void hosts_behind_one_address_are_remembered_up_to_four(void **state)
{
    for (uint32_t host = 0; host < 5; host++) {
        struct packet syn = linux_syn("2001:db8:1:2::1", host * 100000, start_us);
        learn(&syn, start_us);
        learn(&syn, start_us); // its second time takes nobody's place
    }
    for (uint32_t host = 0; host < 5; host++) {
        struct packet syn = linux_syn("2001:db8:1:2::7", host * 100000, start_us);
        assert_int_equal(match(&syn, start_us), host ? GUARD_MATCH_CLOCK : GUARD_MATCH_LOOK);
    }
}

static void a_full_table_forgets_whom_it_has_not_seen_for_longest(void **state)
{
    for (uint32_t i = 0; i < 4u * GUARD_PROVEN_MIN; i++) {
        struct packet syn = linux_syn("198.18.0.1", 77, start_us);
        uint32_t address = __builtin_bswap32(0xc6120000 + i);
        syn.src = addr_from_v4(&address);
        learn(&syn, start_us + i * UINT64_C(1000000));
    }
    assert_int_equal(table.count, GUARD_PROVEN_MIN);
    uint64_t now_us = start_us + 4ull * GUARD_PROVEN_MIN * 1000000;
    unsigned old = 0, recent = 0;
    for (uint32_t i = 0; i < 4u * GUARD_PROVEN_MIN; i++) {
        struct packet syn = linux_syn("198.18.0.1", 77, now_us);
        uint32_t address = __builtin_bswap32(0xc6120000 + i);
        syn.src = addr_from_v4(&address);
        bool known = match(&syn, now_us) != GUARD_MATCH_NONE;
        old += known && i < GUARD_PROVEN_MIN;
        recent += known && i >= 4u * GUARD_PROVEN_MIN - GUARD_PROVEN_MIN / 2;
    }
    assert_int_equal(old, 0);
    assert_true(recent > GUARD_PROVEN_MIN / 2 * 95 / 100);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(a_source_without_history_matches_nothing),
        CASE(another_look_matches_nothing),
        CASE(another_clock_matches_by_look_only),
        CASE(the_same_clock_matches_later_with_its_drift),
        CASE(the_print_of_the_ack_is_that_of_the_syn),
        CASE(each_match_has_a_rate_of_its_own),
        CASE(hosts_behind_one_address_are_remembered_up_to_four),
        CASE(a_full_table_forgets_whom_it_has_not_seen_for_longest),
    };
    return cmocka_run_group_tests_name("guard_proven", cases, NULL, NULL);
}
