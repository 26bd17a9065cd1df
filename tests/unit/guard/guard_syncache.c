// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_syncache.h"

#include "packet_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct guard_syncache cache;
static const uint64_t start_us = 9000000;
static const struct guard_cookie_answer first = {.iss = 111, .ts_value = 222};

static int set_up(void **state)
{
    static const struct siphash_key key = {{31, 32}};
    return guard_syncache_init(&cache, -1, &key);
}

static int tear_down(void **state)
{
    guard_syncache_done(&cache);
    return 0;
}

static struct packet nth(uint32_t n)
{
    struct packet syn = made_syn("198.18.0.1", 25);
    uint32_t address = __builtin_bswap32(0xc6120000 + n);
    syn.src = addr_from_v4(&address);
    syn.seq = n;
    return syn;
}

static unsigned due_count(uint64_t after_ms)
{
    unsigned count = 0;
    struct packet syn;
    struct guard_cookie_answer cookie;
    bool proven;
    while (guard_syncache_due(&cache, start_us + after_ms * 1000, &syn, &cookie, &proven))
        count++;
    return count;
}

static void a_completed_handshake_is_not_answered_again(void **state)
{
    struct packet syn = nth(1);
    guard_syncache_note(&cache, &syn, &first, false, start_us);
    struct packet ack = made_ack(&syn, first.iss, 0);
    guard_syncache_forget(&cache, &ack);
    assert_int_equal(cache.count, 0);
    assert_int_equal(due_count(10000), 0);
}

static void a_rst_with_another_sequence_number_ends_nothing(void **state)
{
    struct packet syn = nth(1), rst = syn;
    rst.tcp_flags = TCP_RST;
    guard_syncache_note(&cache, &syn, &first, false, start_us);
    guard_syncache_forget(&cache, &rst); // its seq is the SYN's own
    assert_int_equal(cache.count, 1);
    rst.seq++;
    guard_syncache_forget(&cache, &rst);
    assert_int_equal(cache.count, 0);
    guard_syncache_forget(&cache, &rst);
}

static void an_answer_is_due_after_one_and_three_seconds_and_then_no_more(void **state)
{
    struct packet syn = nth(1), again;
    syn.options = (struct tcp_option){
        .has_window_scale = true, .sack_permitted = true, .has_timestamps = true, .ts_value = 5};
    guard_syncache_note(&cache, &syn, &first, false, start_us);
    struct guard_cookie_answer cookie;
    bool proven;
    assert_false(guard_syncache_due(&cache, start_us + 999999, &again, &cookie, &proven));
    assert_true(guard_syncache_due(&cache, start_us + 1000000, &again, &cookie, &proven));
    assert_false(proven);
    assert_true(addr_equal(&again.src, &syn.src) && addr_equal(&again.dst, &syn.dst));
    assert_int_equal(again.src_port, syn.src_port);
    assert_int_equal(again.dst_port, syn.dst_port);
    assert_int_equal(again.seq, syn.seq);
    assert_int_equal(again.leg, LEG_OUTSIDE);
    assert_true(again.options.has_window_scale && again.options.sack_permitted);
    assert_true(again.options.has_timestamps && again.options.ts_value == 5);
    assert_int_equal(cookie.iss, first.iss);
    assert_int_equal(cookie.ts_value, first.ts_value);
    assert_int_equal(due_count(2999), 0);
    assert_int_equal(due_count(3000), 1);
    assert_int_equal(cache.count, 0);
    assert_int_equal(due_count(100000), 0);
}

static void a_syn_that_comes_again_keeps_its_times_and_takes_the_new_answer(void **state)
{
    struct packet syn = nth(1), again;
    guard_syncache_note(&cache, &syn, &first, false, start_us);
    struct guard_cookie_answer second = {.iss = 333}, cookie;
    bool proven;
    guard_syncache_note(&cache, &syn, &second, true, start_us + 900000);
    assert_int_equal(cache.count, 1);
    assert_true(guard_syncache_due(&cache, start_us + 1000000, &again, &cookie, &proven));
    assert_true(proven);
    assert_int_equal(cookie.iss, 333);
    assert_int_equal(due_count(1900), 0);
}

static void the_cache_is_bounded_and_half_is_for_good_history(void **state)
{
    for (uint32_t n = 0; n < 100000; n++) {
        struct packet syn = nth(n);
        guard_syncache_note(&cache, &syn, &first, false, start_us);
    }
    assert_int_equal(cache.count, GUARD_SYNCACHE_FLOWS / 2);
    for (uint32_t n = 100000; n < 200000; n++) {
        struct packet syn = nth(n);
        guard_syncache_note(&cache, &syn, &first, true, start_us);
    }
    assert_true(cache.count > GUARD_SYNCACHE_FLOWS * 9 / 10);
    assert_true(cache.count <= GUARD_SYNCACHE_FLOWS);
    unsigned flows = cache.count;
    assert_int_equal(due_count(1000), flows);
    assert_int_equal(due_count(4000), flows);
    assert_int_equal(cache.count, 0);
}

static void a_cleared_cache_has_nothing_due_and_takes_new_ones(void **state)
{
    struct packet syn = nth(1);
    guard_syncache_note(&cache, &syn, &first, false, start_us);
    guard_syncache_clear(&cache);
    assert_int_equal(due_count(5000), 0);
    guard_syncache_note(&cache, &syn, &first, false, start_us);
    assert_int_equal(due_count(1000), 1);
    guard_syncache_clear(&cache);
    assert_int_equal(due_count(5000), 0);
}

static void a_slot_used_again_is_not_confused_with_its_last_flow(void **state)
{
    unsigned due = 0;
    for (uint32_t n = 0; n < 12000; n++) {
        struct packet syn = nth(n), ack = made_ack(&syn, first.iss, 0);
        guard_syncache_note(&cache, &syn, &first, false, start_us + n);
        if (n % 100)
            guard_syncache_forget(&cache, &ack);
    }
    for (int call = 0; call < 20; call++) // what went stale is passed over in bounded steps
        due += due_count(1500);
    assert_int_equal(due, 120);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(a_completed_handshake_is_not_answered_again),
        CASE(a_rst_with_another_sequence_number_ends_nothing),
        CASE(an_answer_is_due_after_one_and_three_seconds_and_then_no_more),
        CASE(a_syn_that_comes_again_keeps_its_times_and_takes_the_new_answer),
        CASE(the_cache_is_bounded_and_half_is_for_good_history),
        CASE(a_cleared_cache_has_nothing_due_and_takes_new_ones),
        CASE(a_slot_used_again_is_not_confused_with_its_last_flow),
    };
    return cmocka_run_group_tests_name("guard_syncache", cases, NULL, NULL);
}
