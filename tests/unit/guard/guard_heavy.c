// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_heavy.h"

#include "policy_make.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PAGES_MAX = GUARD_HEAVY_ENTRIES, ZIPF_KEYS = 1 << 18 };

static struct guard_heavy heavy;
static uint64_t now_us;

static int setup(void **state)
{
    const struct siphash_key key = {{11, 13}};
    now_us = 1000000;
    assert_int_equal(guard_heavy_init(&heavy, -1, &key), 0);
    guard_heavy_advance(&heavy, now_us);
    return 0;
}

static int teardown(void **state)
{
    guard_heavy_done(&heavy);
    return 0;
}

static void pass(uint64_t more_us)
{
    for (uint64_t end_us = now_us + more_us; now_us < end_us;) {
        now_us += GUARD_HEAVY_TICK_US;
        guard_heavy_advance(&heavy, now_us);
    }
}

static struct addr source(uint32_t n)
{
    uint32_t bytes = __builtin_bswap32(n);
    return addr_from_v4(&bytes);
}

static void note(enum top_measure measure, const char *text, unsigned times)
{
    struct addr addr = made_addr(text);
    while (times--)
        guard_heavy_note(&heavy, measure, &addr);
}

static struct top_place place(enum top_measure measure, enum top_scope scope, const char *text)
{
    struct top_place place;
    struct addr addr = made_addr(text);
    guard_heavy_find(&heavy, measure, scope, &addr, &place);
    return place;
}

// Of one event at this very moment, in thousandths a second, half-life 5 s.
static uint64_t rate_of(double events)
{
    return (uint64_t)(events * M_LN2 / 5 * 1000 + 0.5);
}

static void a_source_of_zeros_is_nobody(void **state)
{
    struct addr nobody = {0};
    guard_heavy_note(&heavy, TOP_PACKETS, &nobody);
    struct page_question question = {.measure = TOP_PACKETS};
    struct top_page page;
    guard_heavy_page(&heavy, &question, &page);
    assert_int_equal(page.count, 0);
    assert_int_equal(page.total, 0);
}

static void who_was_not_seen_has_no_place(void **state)
{
    note(TOP_PACKETS, "192.0.2.1", 5);
    assert_int_equal(place(TOP_PACKETS, TOP_SOURCES, "192.0.2.2").position, 0);
    assert_int_equal(place(TOP_SYNS, TOP_SOURCES, "192.0.2.1").position, 0);
}

static void families_are_apart(void **state) // ::/32 holds the bits of every IPv4 address
{
    note(TOP_PACKETS, "0:0:c000:201::1", 7);
    assert_int_equal(place(TOP_PACKETS, TOP_SOURCES, "192.0.2.1").position, 0);
    assert_int_equal(place(TOP_PACKETS, TOP_SOURCES, "0:0:c000:201::2").position, 1);
}

static void few_events_are_counted_exactly(void **state)
{
    note(TOP_SYNS, "192.0.2.1", 20);
    note(TOP_SYNS, "192.0.2.9", 10);
    note(TOP_SYNS, "2001:db8:1:2::1", 25);
    struct top_place first = place(TOP_SYNS, TOP_SOURCES, "2001:db8:1:2:ffff::");
    assert_int_equal(first.position, 1);
    assert_int_equal(first.least, rate_of(25));
    assert_int_equal(first.most, rate_of(25));
    assert_int_equal(place(TOP_SYNS, TOP_SOURCES, "192.0.2.9").position, 3);
    assert_int_equal(place(TOP_SYNS, TOP_PREFIXES, "192.0.2.77").least, rate_of(30));
    assert_int_equal(place(TOP_SYNS, TOP_PREFIXES, "2001:db8:1:9::").least, rate_of(25));
    assert_int_equal(heavy.samplers[TOP_SYNS].interval, 1);
}

static void counts_fade_by_half_each_half_life(void **state)
{
    note(TOP_PACKETS, "192.0.2.1", 60);
    pass(5000000);
    assert_int_equal(place(TOP_PACKETS, TOP_SOURCES, "192.0.2.1").least, rate_of(30));
    pass(395000000); // past the rebasing of counts
    assert_int_equal(place(TOP_PACKETS, TOP_SOURCES, "192.0.2.1").position, 0);
    note(TOP_PACKETS, "192.0.2.1", 10);
    assert_int_equal(place(TOP_PACKETS, TOP_SOURCES, "192.0.2.1").least, rate_of(10));
}

static void a_steady_rate_is_shown_as_it_is(void **state)
{
    for (int tick = 0; tick < 6000; tick++) { // a minute of 500/s
        note(TOP_REFUSALS, "192.0.2.1", 5);
        pass(GUARD_HEAVY_TICK_US);
    }
    uint64_t rate = place(TOP_REFUSALS, TOP_SOURCES, "192.0.2.1").least;
    assert_in_range(rate, 497000, 503000);
}

static void a_high_rate_is_sampled_within_its_bound(void **state)
{
    uint64_t events = 0;
    for (int tick = 0; tick < 3000; tick++, events += 10000) { // half a minute of 1 M/s
        note(TOP_PACKETS, "192.0.2.1", 9900);
        note(TOP_PACKETS, "192.0.2.2", 100);
        pass(GUARD_HEAVY_TICK_US);
    }
    uint32_t interval = heavy.samplers[TOP_PACKETS].interval;
    assert_in_range(interval, 128, 1024);
    // s = 3 sqrt(N f), f = r * 5 / ln 2
    double faded = 10000 * 5 / M_LN2, s = 3 * sqrt(interval * faded) / faded;
    double rate = (double)place(TOP_PACKETS, TOP_SOURCES, "192.0.2.2").least / 1000;
    assert_true(fabs(rate - 10000) < 10000 * (s + 0.02));
    pass(2000000); // silence: exact again
    assert_int_equal(heavy.samplers[TOP_PACKETS].interval, 1);
}

static void a_steady_rate_settles_on_one_interval(void **state)
{
    for (unsigned a_tick = 40; a_tick < 1 << 16; a_tick *= 4) {
        uint32_t interval = 0;
        for (unsigned tick = 0; tick < 60; tick++) {
            interval = heavy.samplers[TOP_PACKETS].interval;
            note(TOP_PACKETS, "192.0.2.1", a_tick);
            assert_true(tick < 20 || heavy.samplers[TOP_PACKETS].interval == interval);
            pass(GUARD_HEAVY_TICK_US);
            assert_true(tick < 20 || heavy.samplers[TOP_PACKETS].interval == interval);
        }
        assert_in_range(a_tick / interval, GUARD_HEAVY_SAMPLES / 4, GUARD_HEAVY_SAMPLES);
    }
}

static void a_tick_has_a_bounded_number_of_samples(void **state)
{
    struct guard_heavy_sampler *s = &heavy.samplers[TOP_PACKETS];
    struct addr addr = source(1);
    unsigned samples = 0;
    for (unsigned i = 0; i < 10000000; i++) {
        samples += s->skip == 1;
        guard_heavy_note(&heavy, TOP_PACKETS, &addr);
    }
    assert_in_range(samples, GUARD_HEAVY_SAMPLES, GUARD_HEAVY_SAMPLES * 20);
}

// The n-th key has the weight 1 / n^1: drawn by the inverse of the sum, which is about ln.
static uint32_t zipf(struct rng *rng)
{
    double u = (double)(rng_next(rng) >> 11) * 0x1p-53;
    return (uint32_t)(exp(u * log(ZIPF_KEYS)) - 1);
}

static void zipf_streams_stay_within_the_bounds(void **state)
{
    enum { TICKS = 2000, PER_TICK = 2000, TOP = 50 };
    struct rng rng;
    rng_seed(&rng, 5);
    double *truth = calloc(ZIPF_KEYS, sizeof *truth), unit = 1, total = 0;
    double a_tick = exp2(GUARD_HEAVY_TICK_US / 5e6);
    for (int tick = 0; tick < TICKS; tick++) {
        for (int i = 0; i < PER_TICK; i++) {
            uint32_t key = zipf(&rng);
            struct addr addr = source(key * 2654435761u); // scattered over prefixes
            guard_heavy_note(&heavy, TOP_PACKETS, &addr);
            truth[key] += unit;
            total += unit;
        }
        pass(GUARD_HEAVY_TICK_US);
        unit *= a_tick;
    }
    double width = 0, entries_share = total / unit / GUARD_HEAVY_ENTRIES;
    unsigned outside = 0, interval = heavy.samplers[TOP_PACKETS].interval;
    for (uint32_t key = 0; key < TOP; key++) {
        struct addr addr = source(key * 2654435761u);
        struct top_place place;
        guard_heavy_find(&heavy, TOP_PACKETS, TOP_SOURCES, &addr, &place);
        assert_in_range(place.position, 1, TOP + TOP / 2); // nobody of them is missing
        double events = 5 / M_LN2 / 1000, f = truth[key] / unit, s = 3 * sqrt(interval * f);
        outside += (double)place.least * events > f + s || (double)place.most * events < f - s;
        width += (double)(place.most - place.least) * events / TOP;
    }
    free(truth);
    assert_in_range(outside, 0, 2); // 0.3 of 100 each side, on the average
    assert_true(width <= 2 * entries_share);
}

static void a_random_flood_does_not_hide_a_heavy_source(void **state)
{
    struct rng rng;
    rng_seed(&rng, 9);
    for (int tick = 0; tick < 1000; tick++) {
        for (int i = 0; i < 2000; i++) {
            struct addr addr = source((uint32_t)rng_next(&rng));
            guard_heavy_note(&heavy, TOP_PACKETS, &addr);
        }
        note(TOP_PACKETS, "192.0.2.1", 20); // 1 of 100
        pass(GUARD_HEAVY_TICK_US);
    }
    struct top_place heaviest = place(TOP_PACKETS, TOP_SOURCES, "192.0.2.1");
    assert_int_equal(heaviest.position, 1);
    assert_true(heaviest.least > 1000000);
}

static void pages_name_every_entry_once(void **state)
{
    enum { SOURCES = 100 };
    for (uint32_t n = 0; n < SOURCES; n++) {
        struct addr addr = source(0x0a000000 + n * 256);
        guard_heavy_note(&heavy, TOP_CONNECTIONS, &addr);
        if (n == SOURCES / 2)
            pass(GUARD_HEAVY_TICK_US);
    }
    for (int scope = 0; scope < TOP_SCOPE_COUNT; scope++) {
        struct page_question question = {.measure = TOP_CONNECTIONS, .scope = (uint8_t)scope};
        bool seen[SOURCES] = {false};
        unsigned rows = 0, pages = 0;
        do {
            struct message m = message_make(MESSAGE_TOP_LIST, STATUS_OK, 0);
            guard_heavy_page(&heavy, &question, &m.top_page);
            assert_true(message_is_sound(&m));
            for (int i = 0; i < m.top_page.count; i++, rows++) {
                const uint8_t *bytes = m.top_page.rows[i].addr.bytes;
                assert_false(seen[bytes[14]]);
                seen[bytes[14]] = true;
            }
            question.cursor = m.top_page.next;
        } while (question.cursor && ++pages < PAGES_MAX);
        assert_int_equal(rows, SOURCES);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_source_of_zeros_is_nobody),
        TEST(who_was_not_seen_has_no_place),
        TEST(families_are_apart),
        TEST(few_events_are_counted_exactly),
        TEST(counts_fade_by_half_each_half_life),
        TEST(a_steady_rate_is_shown_as_it_is),
        TEST(a_high_rate_is_sampled_within_its_bound),
        TEST(a_steady_rate_settles_on_one_interval),
        TEST(a_tick_has_a_bounded_number_of_samples),
        TEST(zipf_streams_stay_within_the_bounds),
        TEST(a_random_flood_does_not_hide_a_heavy_source),
        TEST(pages_name_every_entry_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
