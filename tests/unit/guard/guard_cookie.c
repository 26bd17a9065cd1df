// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_cookie.h"

#include "base/rng.h"
#include "packet_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct siphash_key key = {{1, 2}};
static struct guard_cookie cookie;

enum { T0_US = 1000000 }; // early in slot 0

static int set_up(void **state)
{
    guard_cookie_init(&cookie, &key);
    return 0;
}

static struct guard_cookie_answer make(const struct packet *syn, uint64_t now_us)
{
    struct guard_cookie_answer answer;
    guard_cookie_make(&cookie, &syn, 1, now_us, &answer);
    return answer;
}

static bool check(const struct packet *ack, uint64_t now_us)
{
    struct tcp_handshake ignored;
    return guard_cookie_check(&cookie, ack, now_us, &ignored);
}

static struct packet with_timestamps(struct packet syn, bool timestamps)
{
    syn.options.has_timestamps = timestamps;
    syn.options.ts_value = timestamps ? 0xdeadbeef : 0;
    return syn;
}

static struct packet acked(const struct packet *syn, uint64_t made_us)
{
    struct guard_cookie_answer answer = make(syn, made_us);
    return made_ack(syn, answer.iss, answer.ts_value);
}

static void any_changed_bit_of_the_ack_number_is_refused(void **state)
{
    for (int ts = 0; ts < 2; ts++) {
        struct packet syn = with_timestamps(made_syn("192.0.2.1", 25), ts);
        struct packet good = acked(&syn, T0_US);
        assert_true(check(&good, T0_US));
        for (unsigned bit = 0; bit < 32; bit++) {
            struct packet bad = good;
            bad.ack = ((good.ack - 1) ^ 1u << bit) + 1;
            assert_false(check(&bad, T0_US));
        }
    }
}

static void any_changed_bit_of_the_sequence_or_the_echo_is_refused(void **state)
{
    struct packet syn = with_timestamps(made_syn("192.0.2.1", 25), true);
    struct packet good = acked(&syn, T0_US);
    for (unsigned bit = 0; bit < 32; bit++) {
        struct packet bad = good;
        bad.seq ^= 1u << bit;
        assert_false(check(&bad, T0_US));
        if (bit >= 5 && bit < 17) // the clock's bits within the age limit: not all are covered
            continue;
        bad = good;
        bad.options.ts_echo ^= 1u << bit;
        assert_false(check(&bad, T0_US));
    }
}

static void another_flow_is_refused(void **state)
{
    for (int ts = 0; ts < 2; ts++) {
        struct packet syn = with_timestamps(made_syn("2001:db8::5", 25), ts);
        struct packet good = acked(&syn, T0_US), bad = good;
        bad.src.bytes[15] ^= 1;
        assert_false(check(&bad, T0_US));
        bad = good;
        bad.dst.bytes[0] ^= 1;
        assert_false(check(&bad, T0_US));
        bad = good;
        bad.src_port++;
        assert_false(check(&bad, T0_US));
        bad = good;
        bad.dst_port = 587;
        assert_false(check(&bad, T0_US));
    }
}

static void another_key_is_refused(void **state)
{
    struct packet syn = made_syn("192.0.2.1", 25);
    struct packet ack = acked(&syn, T0_US);
    for (unsigned half = 0; half < 2; half++) {
        struct siphash_key other_key = key;
        other_key.word[half] ^= 1;
        struct guard_cookie other;
        guard_cookie_init(&other, &other_key);
        struct tcp_handshake handshake;
        assert_false(guard_cookie_check(&other, &ack, T0_US, &handshake));
    }
}

static void timestamps_that_come_or_go_are_refused(void **state)
{
    for (int ts = 0; ts < 2; ts++) {
        struct packet syn = with_timestamps(made_syn("192.0.2.1", 25), ts);
        struct packet ack = acked(&syn, T0_US);
        ack.options.has_timestamps = !ts;
        assert_false(check(&ack, T0_US));
    }
}

static void forgeries_succeed_no_more_often_than_the_mac_allows(void **state)
{
    struct rng rng;
    rng_seed(&rng, 77);
    unsigned lucky = 0;
    struct packet ack = made_syn("192.0.2.9", 25);
    ack.tcp_flags = TCP_ACK;
    for (int i = 0; i < 400000; i++) {
        ack.seq = (uint32_t)rng_next(&rng);
        ack.ack = (uint32_t)rng_next(&rng);
        lucky += check(&ack, T0_US);
    }
    assert_in_range(lucky, 0, 2); // 400,000 / 2^23 = 0.05 are expected
}

static void a_cookie_lives_for_one_to_two_slots(void **state)
{
    const uint64_t slot = GUARD_COOKIE_SLOT_US;
    const uint64_t mades[] = {0, slot / 2, slot - 1, slot, 7 * slot + 5, 8 * slot - 1};
    for (int ts = 0; ts < 2; ts++) {
        for (unsigned i = 0; i < sizeof mades / sizeof mades[0]; i++) {
            struct packet syn = with_timestamps(made_syn("192.0.2.1", 25), ts);
            struct packet ack = acked(&syn, mades[i]);
            uint64_t end_us = (mades[i] / slot + 2) * slot; // both slots over
            assert_true(check(&ack, mades[i]));
            assert_true(check(&ack, mades[i] + slot));
            assert_true(check(&ack, end_us - 1));
            for (uint64_t later = 0; later < 10; later++)
                assert_false(check(&ack, end_us + later * slot));
        }
    }
}

// Each slot has its own key: the same SYN gives unrelated answers, none of them for slot -1.
static void nothing_of_a_slot_is_in_the_next(void **state)
{
    struct packet syn = with_timestamps(made_syn("192.0.2.1", 25), true);
    const uint32_t mac_mask = (1u << 28) - 1;
    for (uint64_t slot = 0; slot < 64; slot += 2) {
        uint64_t now_us = slot * GUARD_COOKIE_SLOT_US;
        struct guard_cookie_answer one = make(&syn, now_us);
        struct guard_cookie_answer two = make(&syn, now_us + UINT64_C(2) * GUARD_COOKIE_SLOT_US);
        assert_int_not_equal(one.iss & mac_mask, two.iss & mac_mask);
        assert_int_equal(one.iss >> 28, two.iss >> 28);
    }
    struct packet ack = acked(&syn, GUARD_COOKIE_SLOT_US); // the parity of slot 1, in slot 0
    assert_false(check(&ack, T0_US));
}

static void a_clock_that_jumps_makes_no_cookie_good_that_was_not(void **state)
{
    struct packet syn = made_syn("192.0.2.1", 25);
    struct packet ack = acked(&syn, UINT64_C(100) * GUARD_COOKIE_SLOT_US);
    assert_false(check(&ack, UINT64_C(50) * GUARD_COOKIE_SLOT_US));
    assert_false(check(&ack, UINT64_C(1000000) * GUARD_COOKIE_SLOT_US));
    assert_false(check(&ack, UINT64_MAX));
    assert_true(check(&ack, UINT64_C(101) * GUARD_COOKIE_SLOT_US));
}

static void a_burst_of_both_families_is_made_as_one_by_one(void **state)
{
    struct rng rng;
    rng_seed(&rng, 20240610);
    struct packet syns[SIPHASH_BURST];
    const struct packet *of[SIPHASH_BURST];
    struct guard_cookie_answer answers[SIPHASH_BURST];
    for (unsigned count = 0; count <= SIPHASH_BURST; count++) {
        for (unsigned i = 0; i < count; i++) {
            syns[i] = with_timestamps(
                made_syn(rng_next(&rng) & 1 ? "192.0.2.1" : "2001:db8::1", 25), rng_next(&rng) & 1);
            syns[i].seq = (uint32_t)rng_next(&rng);
            syns[i].src.bytes[15] = (uint8_t)rng_next(&rng);
            syns[i].dst.bytes[14] = (uint8_t)rng_next(&rng);
            of[i] = &syns[i];
        }
        guard_cookie_make(&cookie, of, count, T0_US, answers);
        for (unsigned i = 0; i < count; i++) {
            struct guard_cookie_answer one = make(&syns[i], T0_US);
            assert_memory_equal(&answers[i], &one, sizeof one);
            struct packet ack = made_ack(&syns[i], answers[i].iss, answers[i].ts_value);
            assert_true(check(&ack, T0_US + 1));
        }
    }
}

static void every_combination_of_options_survives(void **state)
{
    static const uint16_t offers[][2] = {
        {0, 536},     {1, 64},      {63, 64},     {64, 64},      {535, 64},
        {536, 536},   {1219, 536},  {1220, 1220}, {1299, 1220},  {1300, 1300},
        {1360, 1360}, {1399, 1360}, {1400, 1400}, {1440, 1440},  {1452, 1440},
        {1459, 1440}, {1460, 1460}, {8960, 1460}, {65535, 1460},
    };
    for (unsigned m = 0; m < sizeof offers / sizeof offers[0]; m++) {
        for (int scale = -1; scale <= TCP_WINDOW_SCALE_MAX; scale++) {
            for (int bits = 0; bits < 4; bits++) {
                struct packet syn = with_timestamps(made_syn("192.0.2.1", 25), bits & 1);
                syn.options.mss = offers[m][0];
                syn.options.has_window_scale = scale >= 0;
                syn.options.window_scale = (uint8_t)(scale >= 0 ? scale : 0);
                syn.options.sack_permitted = bits & 2;
                uint64_t now_us = T0_US + m * UINT64_C(7777777);
                struct packet ack = acked(&syn, now_us);
                struct tcp_handshake h;
                assert_true(guard_cookie_check(&cookie, &ack, now_us + 50000, &h));
                assert_int_equal(h.iss, ack.ack - 1);
                assert_int_equal(h.irs, syn.seq);
                assert_int_equal(h.peer_mss, offers[m][1]);
                assert_int_equal(h.window_scaling, scale >= 0);
                assert_int_equal(h.peer_window_scale, scale >= 0 ? scale : 0);
                assert_int_equal(h.sack, !!(bits & 2));
                assert_int_equal(h.timestamps, bits & 1);
                assert_int_equal(h.ts_recent, bits & 1 ? 0xdeadbef0 : 0);
            }
        }
    }
}

static void without_an_mss_the_familys_default_holds(void **state)
{
    struct packet syn = made_syn("2001:db8::1", 25);
    struct packet ack = acked(&syn, T0_US);
    struct tcp_handshake h;
    assert_true(guard_cookie_check(&cookie, &ack, T0_US, &h));
    assert_int_equal(h.peer_mss, TCP_MSS_DEFAULT_V6);
}

// Whatever the options put into the low bits, tcp's clock is never behind what we sent.
static void the_timestamp_is_never_ahead_of_the_connections_clock(void **state)
{
    struct rng rng;
    rng_seed(&rng, 9);
    for (int i = 0; i < 20000; i++) {
        struct packet syn = with_timestamps(made_syn("192.0.2.1", 25), true);
        syn.src_port = (uint16_t)rng_next(&rng);
        syn.options.has_window_scale = rng_next(&rng) & 1;
        syn.options.window_scale = (uint8_t)rng_below(&rng, TCP_WINDOW_SCALE_MAX + 1);
        syn.options.sack_permitted = rng_next(&rng) & 1;
        uint64_t now_us = rng_below(&rng, UINT64_C(1) << 50);
        struct guard_cookie_answer answer = make(&syn, now_us);
        struct packet ack = made_ack(&syn, answer.iss, answer.ts_value);
        struct tcp_handshake h;
        assert_true(guard_cookie_check(&cookie, &ack, now_us, &h));
        uint32_t clock = (uint32_t)(now_us / 1000) + h.ts_offset;
        assert_in_range(clock - answer.ts_value, 0, GUARD_COOKIE_TS_LAG_MS - 1);
    }
}

static void a_segment_with_data_proves_the_handshake_too(void **state)
{
    struct packet syn = made_syn("192.0.2.1", 465);
    struct packet ack = acked(&syn, T0_US);
    ack.tcp_flags |= TCP_PSH;
    ack.payload_size = 517;
    assert_true(check(&ack, T0_US));
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(any_changed_bit_of_the_ack_number_is_refused),
        cmocka_unit_test(any_changed_bit_of_the_sequence_or_the_echo_is_refused),
        cmocka_unit_test(another_flow_is_refused),
        cmocka_unit_test(another_key_is_refused),
        cmocka_unit_test(timestamps_that_come_or_go_are_refused),
        cmocka_unit_test(forgeries_succeed_no_more_often_than_the_mac_allows),
        cmocka_unit_test(a_cookie_lives_for_one_to_two_slots),
        cmocka_unit_test(nothing_of_a_slot_is_in_the_next),
        cmocka_unit_test(a_clock_that_jumps_makes_no_cookie_good_that_was_not),
        cmocka_unit_test(a_burst_of_both_families_is_made_as_one_by_one),
        cmocka_unit_test(every_combination_of_options_survives),
        cmocka_unit_test(without_an_mss_the_familys_default_holds),
        cmocka_unit_test(the_timestamp_is_never_ahead_of_the_connections_clock),
        cmocka_unit_test(a_segment_with_data_proves_the_handshake_too),
    };
    return cmocka_run_group_tests_name("guard_cookie", cases, set_up, NULL);
}
