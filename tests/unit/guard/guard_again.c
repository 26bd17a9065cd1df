// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_again.h"

#include "base/rng.h"
#include "packet_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MS = 1000 };

static struct guard_again again;
static const uint64_t start_us = 123456789;

static int set_up(void **state)
{
    static const struct siphash_key key = {{8, 9}};
    return guard_again_init(&again, -1, &key);
}

static int tear_down(void **state)
{
    guard_again_done(&again);
    return 0;
}

static enum guard_again_grade note(const struct packet *syn, uint64_t after_ms)
{
    return guard_again_note(&again, syn, start_us + after_ms * MS);
}

static void a_first_syn_and_another_one_are_not_returning(void **state)
{
    struct packet syn = made_syn("198.18.0.1", 25), other = syn;
    assert_int_equal(note(&syn, 0), GUARD_AGAIN_NOT);
    other.seq++;
    assert_int_equal(note(&other, 1000), GUARD_AGAIN_NOT);
    other = syn;
    other.src_port++;
    assert_int_equal(note(&other, 1000), GUARD_AGAIN_NOT);
    other = made_syn("198.18.0.2", 25);
    assert_int_equal(note(&other, 1000), GUARD_AGAIN_NOT);
}

static void what_comes_again_too_soon_or_too_late_is_not_returning(void **state)
{
    struct packet syn = made_syn("198.18.0.1", 25);
    for (uint64_t ms = 0; ms < 10000; ms += 500) // a flood that goes round, and keeps doing so
        assert_int_equal(note(&syn, ms), GUARD_AGAIN_NOT);
    struct packet late = made_syn("2001:db8::1", 25);
    assert_int_equal(note(&late, 0), GUARD_AGAIN_NOT);
    assert_int_equal(note(&late, 3700), GUARD_AGAIN_NOT);
}

static void a_retransmission_is_returning_once(void **state)
{
    struct packet syn = made_syn("198.18.0.1", 25);
    assert_int_equal(note(&syn, 0), GUARD_AGAIN_NOT);
    assert_int_equal(note(&syn, 20), GUARD_AGAIN_NOT); // the network's double
    assert_int_equal(note(&syn, 1000), GUARD_AGAIN_PLAIN);
    assert_int_equal(note(&syn, 1001), GUARD_AGAIN_NOT);
    assert_int_equal(note(&syn, 2000), GUARD_AGAIN_NOT);
    struct packet slow = made_syn("2001:db8::1", 25);
    assert_int_equal(note(&slow, 0), GUARD_AGAIN_NOT);
    assert_int_equal(note(&slow, 3000), GUARD_AGAIN_PLAIN);
}

static void only_a_tsval_that_went_on_is_returning_by_clock(void **state)
{
    static const struct {
        uint32_t forward_ms;
        enum guard_again_grade want;
    } rows[] = {{0, GUARD_AGAIN_PLAIN},       {600, GUARD_AGAIN_PLAIN},  {900, GUARD_AGAIN_CLOCK},
                {1000, GUARD_AGAIN_CLOCK},    {1100, GUARD_AGAIN_CLOCK}, {1400, GUARD_AGAIN_PLAIN},
                {1u << 31, GUARD_AGAIN_PLAIN}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct packet syn = made_syn("198.18.0.1", 25);
        syn.src_port = (uint16_t)(1000 + i);
        syn.options.has_timestamps = true;
        syn.options.ts_value = UINT32_MAX - 300;
        assert_int_equal(note(&syn, 0), GUARD_AGAIN_NOT);
        syn.options.ts_value += rows[i].forward_ms;
        assert_int_equal(note(&syn, 1000), rows[i].want);
    }
}

// How many of 100 SYNs, first sent amid a flood, are known when they return amid it.
static unsigned known_amid(uint64_t per_second)
{
    enum { REAL = 100 };
    struct packet real[REAL];
    struct rng rng;
    rng_seed(&rng, 5);
    unsigned known = 0, forged_known = 0;
    uint64_t step = per_second * 3 / 2 / REAL; // real ones spread over seconds 0.5 to 2
    for (uint64_t i = 0; i < per_second * 4; i++) {
        uint64_t at_us = i * 1000000 / per_second, n = (i - per_second / 2) / step;
        struct packet forged = made_syn("198.18.0.1", 25);
        forged.src_port = (uint16_t)rng_next(&rng);
        forged.seq = (uint32_t)rng_next(&rng);
        forged_known += guard_again_note(&again, &forged, start_us + at_us) != GUARD_AGAIN_NOT;
        if (i >= per_second / 2 && i % step == per_second / 2 % step && n < REAL) {
            real[n] = forged;
            real[n].seq = (uint32_t)rng_next(&rng);
            assert_int_equal(guard_again_note(&again, &real[n], start_us + at_us), GUARD_AGAIN_NOT);
        }
        n = (i - per_second * 3 / 2) / step; // a second later
        if (i >= per_second * 3 / 2 && i % step == per_second * 3 / 2 % step && n < REAL)
            known += guard_again_note(&again, &real[n], start_us + at_us) != GUARD_AGAIN_NOT;
    }
    assert_true(forged_known < per_second / 1000);
    print_message("%lu/s: %u of %d known\n", (unsigned long)per_second, known, REAL);
    return known;
}

static void most_are_known_again_amid_100000_others_a_second(void **state)
{
    assert_in_range(known_amid(100000), 80, 100);
}

static void a_share_is_known_again_amid_a_million_others_a_second(void **state)
{
    assert_in_range(known_amid(1000000), 10, 30);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(a_first_syn_and_another_one_are_not_returning),
        CASE(what_comes_again_too_soon_or_too_late_is_not_returning),
        CASE(a_retransmission_is_returning_once),
        CASE(only_a_tsval_that_went_on_is_returning_by_clock),
        CASE(most_are_known_again_amid_100000_others_a_second),
        CASE(a_share_is_known_again_amid_a_million_others_a_second),
    };
    return cmocka_run_group_tests_name("guard_again", cases, NULL, NULL);
}
