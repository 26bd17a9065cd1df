// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_source.h"

#include "contract/policy.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct siphash_key key = {{0x9ae16a3b2f90404f, 0xc949c7defd1e0e3b}};
static struct guard_source table;

static int set_up(void **state)
{
    return guard_source_init(&table, GUARD_SOURCES_MIN, -1);
}

static int tear_down(void **state)
{
    guard_source_done(&table);
    return 0;
}

static struct addr v4(uint32_t number)
{
    uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                        (uint8_t)number};
    return addr_from_v4(bytes);
}

static struct addr v6(uint32_t network, uint64_t host)
{
    struct addr a = {.bytes = {0x20, 0x01, 0x0d, 0xb8}};
    for (int i = 0; i < 4; i++)
        a.bytes[4 + i] = (uint8_t)(network >> (24 - 8 * i));
    memcpy(a.bytes + 8, &host, sizeof host);
    return a;
}

static struct guard_source_slot locate(struct addr source)
{
    struct guard_name name = guard_name_of(&key, &source);
    return guard_source_locate(&table, &name);
}

static bool take_ns(struct addr source, const struct guard_rate *rate, uint64_t now_ns)
{
    struct guard_source_slot slot = locate(source);
    guard_source_prefetch(&slot);
    return guard_source_take(&table, &slot, rate, now_ns);
}

static bool take(struct addr source, const struct guard_rate *rate, uint64_t now_us)
{
    return take_ns(source, rate, now_us * 1000);
}

// The reference: a leaky bucket in the continuous-state form of I.371, one a source, exact.
struct bucket {
    double level, at_us;
};

static bool bucket_take(struct bucket *b, double per_us, double burst, double now_us)
{
    b->level -= (now_us - b->at_us) * per_us;
    if (b->level < 0)
        b->level = 0;
    b->at_us = now_us;
    if (b->level > burst - 1 + 1e-9)
        return false;
    b->level += 1;
    return true;
}

static void a_burst_conforms_and_the_next_one_does_not(void **state)
{
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 20, 100);
    for (int family = 0; family < 2; family++) {
        struct addr source = family ? v6(1, 0) : v4(0xc6336401);
        for (int i = 0; i < 100; i++)
            assert_true(take(source, &rate, 1000000));
        assert_false(take(source, &rate, 1000000));
        assert_false(take(source, &rate, 1000000 + 49999));
        assert_true(take(source, &rate, 1000000 + 50000)); // one emission interval
        assert_false(take(source, &rate, 1000000 + 50000));
    }
}

static void refusals_charge_nothing(void **state)
{
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 10, 1);
    struct addr source = v4(7);
    assert_true(take(source, &rate, 0));
    for (uint64_t now_us = 0; now_us < 100000; now_us += 100)
        assert_false(take(source, &rate, now_us));
    assert_true(take(source, &rate, 100000));
}

static void a_64_is_one_source_and_its_neighbour_another(void **state)
{
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 1, 1);
    assert_true(take(v6(5, 1), &rate, 0));
    assert_false(take(v6(5, 2), &rate, 0));
    assert_true(take(v6(6, 1), &rate, 0));
}

// One a microsecond comes; as many are taken as the rate says, and less than 16 ns times it more.
static void rates_are_never_stricter_than_said_and_nearly_exact(void **state)
{
    static const uint32_t per_seconds[] = {3, 999, 12345, 300000, 700000, 900000, 999999};
    for (unsigned p = 0; p < sizeof per_seconds / sizeof per_seconds[0]; p++) {
        struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, per_seconds[p], 10);
        for (int family = 0; family < 2; family++) {
            struct addr source = family ? v6(p, 0) : v4(p);
            uint64_t taken = 0;
            for (uint64_t us = 0; us < 1000000; us++)
                taken += take(source, &rate, 1000000 + us);
            uint64_t more = (uint64_t)per_seconds[p] * per_seconds[p] / 1000 * 16 / 1000000;
            assert_in_range(taken, per_seconds[p], per_seconds[p] + 10 + more);
        }
    }
}

// What a limit promises must be a rate that the clock can tell.
static void no_limit_s_range_goes_beyond_what_a_rate_can_be(void **state)
{
    static const enum limit limits[] = {LIMIT_SYN_RATE_SOURCE, LIMIT_SYN_ANSWERS_PREFIX,
                                        LIMIT_SYN_ANSWERS_TOTAL};
    for (unsigned i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        uint64_t most = limit_facts(limits[i])->most;
        struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, most, 1);
        assert_int_equal(rate.emission * most, GUARD_RATE_SECOND_NS);
    }
}

static void judgement_equals_the_reference_model(void **state)
{
    static const uint32_t per_seconds[] = {1, 20, 1000, 50000, 500000}; // whole ticks
    static const uint32_t bursts[] = {1, 2, 100, 5000};
    struct rng rng;
    rng_seed(&rng, 20240601);
    for (unsigned p = 0; p < sizeof per_seconds / sizeof per_seconds[0]; p++) {
        for (unsigned b = 0; b < sizeof bursts / sizeof bursts[0]; b++) {
            struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, per_seconds[p], bursts[b]);
            struct bucket model[2] = {{0}};
            struct addr sources[2] = {v4(0x01020304 + p * 16 + b), v6(p * 16 + b, 9)};
            uint64_t now_us = 0;
            for (int step = 0; step < 4000; step++) {
                now_us += rng_below(&rng, 4) ? 0 : 2 * rng_below(&rng, rate.emission * 6 / 1000);
                unsigned s = (unsigned)rng_below(&rng, 2);
                bool expected =
                    bucket_take(&model[s], 1e3 / (double)rate.emission, bursts[b], (double)now_us);
                assert_int_equal(take(sources[s], &rate, now_us), expected);
            }
        }
    }
}

/* Conforming sources at 0.3 to 2 times as many as the table holds, each at exactly its rate, amid
 * as many that flood: no conforming one is ever refused.
 */
static void no_conforming_source_is_refused_at_any_load(void **state)
{
    enum { ROUNDS = 12 };
    static const double loads[] = {0.3, 0.7, 1.0, 1.5, 2.0};
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 10, 3);
    struct rng rng;
    rng_seed(&rng, 42);
    uint64_t now_us = 0;
    for (unsigned l = 0; l < sizeof loads / sizeof loads[0]; l++) {
        for (int family = 0; family < 2; family++) {
            uint32_t entries = family ? GUARD_SOURCES_MIN / 2 : GUARD_SOURCES_MIN;
            uint32_t count = (uint32_t)(entries * loads[l]);
            for (int round = 0; round < ROUNDS; round++) {
                uint64_t step_us = rate.emission / 1000 / count;
                for (uint32_t i = 0; i < count; i++, now_us += step_us) {
                    uint32_t number = i * 2654435761u;
                    struct addr good = family ? v6(number, i) : v4(number);
                    assert_true(take(good, &rate, now_us));
                    uint32_t flood = (uint32_t)rng_next(&rng) | 1; // not one of ours, mostly
                    (void)take(family ? v6(~flood, 0) : v4(~flood), &rate, now_us);
                }
                now_us += rate.emission / 1000 - step_us * count;
            }
        }
    }
}

// What fits is remembered exactly: with few live sources every flood is held to its rate.
static void floods_are_held_to_their_rate_at_low_load(void **state)
{
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 100, 10);
    uint32_t passed = 0, sources = GUARD_SOURCES_MIN / 10;
    for (uint64_t now_us = 0; now_us < 1000000; now_us += 10000)
        for (uint32_t i = 0; i < sources; i++)
            for (int k = 0; k < 3; k++)
                passed += take(v4(0x0a000000 + i * 7919), &rate, now_us);
    uint32_t exact = sources * (100 + 9); // one every 10 ms from 0 on, and nine more of the burst
    assert_in_range(passed, exact, exact + exact / 100);
}

static void a_full_bucket_gives_up_the_least_debt(void **state)
{
    // Nine addresses of one bucket, found by their slots; the ninth takes the place of the first.
    struct addr same[9];
    unsigned found = 0;
    void *line = locate(v4(0)).line;
    for (uint32_t i = 0; found < 9; i++) {
        struct addr a = v4(i);
        if (locate(a).line == line)
            same[found++] = a;
    }
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 1, 10);
    for (unsigned i = 0; i < 8; i++)
        for (unsigned k = 0; k <= i; k++)
            assert_true(take(same[i], &rate, 0));
    assert_true(take(same[8], &rate, 0)); // replaces same[0], with a debt of one
    for (unsigned k = 0; k < 2; k++)
        assert_true(take(same[7], &rate, 0));
    assert_false(take(same[7], &rate, 0)); // eight before, two now: remembered
}

static void an_older_policys_debt_is_cut_to_what_the_new_rate_allows(void **state)
{
    struct guard_rate slow = guard_rate_of(GUARD_RATE_SECOND_NS, 1, 1000),
                      quick = guard_rate_of(GUARD_RATE_SECOND_NS, 10, 2);
    struct addr source = v4(99);
    for (int i = 0; i < 1000; i++)
        assert_true(take(source, &slow, 0));
    assert_false(take(source, &quick, 0)); // counts are kept
    assert_true(take_ns(source, &quick, quick.emission));
}

static uint64_t debt_ns(struct addr source, uint64_t now_ns)
{
    struct guard_source_slot slot = locate(source);
    struct guard_source_entry entry = guard_source_find(&table, &slot, now_ns);
    return guard_source_debt(&entry);
}

static uint64_t half_range_ns(void)
{
    return table.v4_time_mask / 2 << GUARD_SOURCE_TICK_BITS;
}

static bool is_swept(void)
{
    return table.v4_origin == table.v4_next_origin;
}

// Also when nobody calls guard_source_advance: a source not seen for a burst's time is new.
static void no_passage_of_time_makes_debt(void **state)
{
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 1, 1);
    struct rng rng;
    rng_seed(&rng, 3);
    uint64_t period_ns = half_range_ns() * 2, now_ns = 0;
    for (int advances = 0; advances < 2; advances++)
        for (int i = 0; i < 400; i++) {
            struct addr source = v4((uint32_t)rng_below(&rng, 4));
            assert_true(take_ns(source, &rate, now_ns));
            if (i % 2)
                now_ns += rate.emission + rng_below(&rng, period_ns);
            else
                now_ns = (now_ns / period_ns + 1) * period_ns - rng_below(&rng, 3) + rate.emission;
            for (uint64_t calls = rng_below(&rng, 12) * (unsigned)advances; calls > 0; calls--)
                guard_source_advance(&table, now_ns);
        }
}

// The judge is an IPv6 source, of which time has all its bits.
static void rates_are_held_while_the_clocks_bits_are_used_up_many_times(void **state)
{
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 50, 3);
    struct rng rng;
    rng_seed(&rng, 20261123);
    uint64_t now_ns = 0, end_ns = 20 * half_range_ns();
    unsigned refused = 0, sweeps = 0;
    while (now_ns < end_ns) {
        now_ns += rng_below(&rng, 50) ? 16 * rng_below(&rng, rate.emission / 16 / 10)
                                      : half_range_ns() / 64;
        bool was_swept = is_swept();
        guard_source_advance(&table, now_ns);
        sweeps += !was_swept && is_swept();
        uint32_t number = (uint32_t)rng_below(&rng, 16);
        bool conforms = take_ns(v4(number), &rate, now_ns);
        assert_int_equal(conforms, take_ns(v6(number, 0), &rate, now_ns));
        refused += !conforms;
    }
    assert_in_range(refused, 1, 100000);
    assert_in_range(sweeps, 15, 20);
}

static void a_moved_origin_changes_no_debt(void **state)
{
    enum { SOURCES = 200 };
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 1, 1000);
    uint64_t now_ns = half_range_ns() / 1000 * 1000, debts_ns[SOURCES];
    guard_source_advance(&table, now_ns); // not yet
    assert_int_equal(table.v4_next_origin, 0);
    for (uint32_t i = 0; i < SOURCES; i++) {
        for (uint32_t k = 0; k < i; k++)
            assert_true(take_ns(v4(i), &rate, now_ns));
        debts_ns[i] = debt_ns(v4(i), now_ns);
        assert_in_range(debts_ns[i], i * (rate.emission - 16), i * rate.emission);
    }
    unsigned calls = 0;
    do {
        now_ns += rate.emission;
        guard_source_advance(&table, now_ns);
        calls++;
        for (uint32_t i = 0; i < SOURCES; i++) {
            uint64_t paid_ns = calls * rate.emission;
            assert_int_equal(debt_ns(v4(i), now_ns),
                             debts_ns[i] > paid_ns ? debts_ns[i] - paid_ns : 0);
        }
    } while (!is_swept());
    assert_int_equal(calls, (1 << table.v4_bits) / GUARD_SOURCE_SWEEP);
}

static void a_call_moves_a_bounded_share_of_the_table(void **state)
{
    guard_source_done(&table);
    assert_int_equal(guard_source_init(&table, 1 << 17, -1), 0);
    size_t buckets = (size_t)1 << table.v4_bits, size = buckets * sizeof *table.v4;
    for (size_t i = 0; i < buckets; i++)
        table.v4[i].entries[i % GUARD_SOURCE_V4_WAYS] |= table.v4_time_mask; // debt to the very end
    struct guard_source_v4 *before = malloc(size);
    assert_non_null(before);
    uint64_t now_ns = half_range_ns() + 1000000;
    for (size_t moved = 0; moved < buckets; moved += GUARD_SOURCE_SWEEP) {
        memcpy(before, table.v4, size);
        guard_source_advance(&table, now_ns += 10000000);
        for (size_t i = 0; i < buckets; i++) {
            bool is_of_this_call = i >= moved && i < moved + GUARD_SOURCE_SWEEP;
            assert_int_equal(memcmp(&before[i], &table.v4[i], sizeof before[i]) != 0,
                             is_of_this_call);
        }
    }
    assert_true(is_swept());
    free(before);
}

// What a TAT cannot tell is cut, not wrapped around.
static void debt_beyond_the_clocks_end_is_cut(void **state)
{
    uint64_t end_ns = half_range_ns() * 2;
    struct guard_rate deep = guard_rate_of(GUARD_RATE_SECOND_NS, 1, 5);
    for (int i = 0; i < 5; i++)
        assert_true(take_ns(v4(77), &deep, end_ns - 10000));
    assert_true(take_ns(v4(77), &deep, end_ns + 20000));
}

static void a_clock_that_jumps_back_beyond_the_origin_delays_no_longer(void **state)
{
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 10, 5);
    for (unsigned calls = 1; calls < 12; calls++) { // in the midst of a sweep, and after it
        uint64_t now_ns = table.v4_origin * 16 + half_range_ns() + 1000000;
        for (unsigned i = 0; i < calls; i++)
            guard_source_advance(&table, now_ns);
        assert_true(take_ns(v4(calls), &rate, now_ns));
        guard_source_advance(&table, 1000000);
        (void)take_ns(v4(calls), &rate, 1000000);
        assert_true(take_ns(v4(calls), &rate, 1000000 + rate.tolerance + rate.emission));
    }
}

static void a_clock_that_jumps_back_delays_by_a_bursts_time_at_the_most(void **state)
{
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 10, 5);
    for (int family = 0; family < 2; family++) {
        struct addr source = family ? v6(1, 1) : v4(1);
        assert_true(take(source, &rate, 3600000000));
        (void)take(source, &rate, 1000000);
        assert_true(take(source, &rate, 1000000 + (rate.tolerance + rate.emission) / 1000));
    }
}

// Also those of which nothing but zeros is stored, while their buckets have free entries.
static void a_source_whose_tag_is_zero_is_held_to_its_rate(void **state)
{
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 1, 1);
    unsigned found = 0;
    for (uint64_t number = 0; number < UINT64_C(1) << 32 && found < 4; number++) {
        struct guard_source_slot slot = locate(v4((uint32_t)number));
        if (slot.tag != 0)
            continue;
        found++;
        assert_true(guard_source_take(&table, &slot, &rate, 1000000));
        assert_false(guard_source_take(&table, &slot, &rate, 1000000));
    }
    assert_int_equal(found, 4);
    assert_true(take(v6(0, 0), &rate, 1000000));
    assert_false(take(v6(0, 0), &rate, 1000000));
    assert_true(take((struct addr){.bytes = {0}}, &rate, 1000000));
    assert_false(take((struct addr){.bytes = {0}}, &rate, 1000000));
}

static void all_32_bits_of_an_address_count(void **state)
{
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 1, 1);
    for (unsigned bit = 0; bit < 32; bit++) {
        guard_source_done(&table);
        assert_int_equal(guard_source_init(&table, GUARD_SOURCES_MIN, -1), 0);
        assert_true(take(v4(0x5a5a5a5a), &rate, 0));
        assert_true(take(v4(0x5a5a5a5a ^ 1u << bit), &rate, 0));
        assert_false(take(v4(0x5a5a5a5a), &rate, 0));
        assert_false(take(v4(0x5a5a5a5a ^ 1u << bit), &rate, 0));
    }
}

static int by_line(const void *a, const void *b)
{
    void *const *x = a, *const *y = b;
    return (*x > *y) - (*x < *y);
}

// Of as many sources as the table has entries: how many find their bucket full.
static uint32_t crowded_out(struct addr (*nth)(uint32_t n), bool is_v4)
{
    uint32_t count = is_v4 ? GUARD_SOURCES_MIN : GUARD_SOURCES_MIN / 2, ways = is_v4 ? 8 : 4;
    static void *lines[GUARD_SOURCES_MIN];
    for (uint32_t i = 0; i < count; i++)
        lines[i] = locate(nth(i)).line;
    qsort(lines, count, sizeof lines[0], by_line);
    uint32_t out = 0, run = 0;
    for (uint32_t i = 0; i < count; i++) {
        run = i > 0 && lines[i] == lines[i - 1] ? run + 1 : 1;
        out += run > ways;
    }
    return out;
}

static struct addr v4_random(uint32_t n)
{
    struct rng rng;
    rng_seed(&rng, n);
    return v4((uint32_t)rng_next(&rng));
}

static struct addr v4_sequence(uint32_t n)
{
    return v4(0xc6120000 + n);
}

static struct addr v4_same_low_bits(uint32_t n)
{
    return v4(n << 16 | 0x1234);
}

static struct addr v4_same_high_bits(uint32_t n)
{
    return v4(0xc6120000 | n);
}

static struct addr v4_few_high_and_few_low_bits(uint32_t n)
{
    return v4((n & 63) << 26 | (n >> 6) << 9);
}

static struct addr v6_random(uint32_t n)
{
    struct rng rng;
    rng_seed(&rng, n);
    return v6((uint32_t)rng_next(&rng), 0);
}

static struct addr v6_one_48(uint32_t n)
{
    return v6(0x00010000 | n, 0);
}

static struct addr v6_same_low_bits(uint32_t n)
{
    return v6(n << 9, 0);
}

static struct addr v6_48s(uint32_t n)
{
    return v6(n << 16, 0);
}

// Who knows all but the key, and chooses addresses.
static void no_choice_of_addresses_crowds_buckets_more_than_chance(void **state)
{
    static struct addr (*const choices_v4[])(uint32_t) = {
        v4_sequence, v4_same_low_bits, v4_same_high_bits, v4_few_high_and_few_low_bits};
    static struct addr (*const choices_v6[])(uint32_t) = {v6_one_48, v6_same_low_bits, v6_48s};
    uint32_t chance_v4 = crowded_out(v4_random, true), chance_v6 = crowded_out(v6_random, false);
    assert_in_range(chance_v4, GUARD_SOURCES_MIN / 10, GUARD_SOURCES_MIN / 5); // Poisson: 14 %
    for (unsigned i = 0; i < sizeof choices_v4 / sizeof choices_v4[0]; i++)
        assert_in_range(crowded_out(choices_v4[i], true), 0, chance_v4 * 5 / 4);
    for (unsigned i = 0; i < sizeof choices_v6 / sizeof choices_v6[0]; i++)
        assert_in_range(crowded_out(choices_v6[i], false), 0, chance_v6 * 5 / 4);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(a_burst_conforms_and_the_next_one_does_not),
        CASE(refusals_charge_nothing),
        CASE(a_64_is_one_source_and_its_neighbour_another),
        CASE(rates_are_never_stricter_than_said_and_nearly_exact),
        CASE(no_limit_s_range_goes_beyond_what_a_rate_can_be),
        CASE(judgement_equals_the_reference_model),
        CASE(no_conforming_source_is_refused_at_any_load),
        CASE(floods_are_held_to_their_rate_at_low_load),
        CASE(a_full_bucket_gives_up_the_least_debt),
        CASE(an_older_policys_debt_is_cut_to_what_the_new_rate_allows),
        CASE(no_passage_of_time_makes_debt),
        CASE(rates_are_held_while_the_clocks_bits_are_used_up_many_times),
        CASE(a_moved_origin_changes_no_debt),
        CASE(a_call_moves_a_bounded_share_of_the_table),
        CASE(debt_beyond_the_clocks_end_is_cut),
        CASE(a_clock_that_jumps_back_beyond_the_origin_delays_no_longer),
        CASE(a_clock_that_jumps_back_delays_by_a_bursts_time_at_the_most),
        CASE(a_source_whose_tag_is_zero_is_held_to_its_rate),
        CASE(all_32_bits_of_an_address_count),
        CASE(no_choice_of_addresses_crowds_buckets_more_than_chance),
    };
    return cmocka_run_group_tests_name("guard_source", cases, NULL, NULL);
}
