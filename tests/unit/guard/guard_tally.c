// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_tally.h"

#include "base/rng.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PARTS = 3 };

static struct guard_tally parts[PARTS];

static int set_up(void **state)
{
    memset(parts, 0, sizeof parts);
    return 0;
}

static struct guard_tally_sum sum_of(uint64_t now_us)
{
    struct guard_tally_sum sum = {0};
    for (int i = 0; i < PARTS; i++)
        guard_tally_add(&sum, &parts[i], now_us);
    return sum;
}

// Whether one more conforms; if so it is charged to that worker's part.
static bool take(int worker, const struct guard_rate *rate, uint64_t now_us)
{
    struct guard_tally_sum sum = sum_of(now_us);
    if (!guard_tally_conforms(&sum, rate, now_us))
        return false;
    guard_tally_open(&parts[worker], &sum, rate->emission, now_us);
    return true;
}

// Whoever charges, all together are one GCRA.
static void several_workers_rate_equals_one_clock_of_arrival(void **state)
{
    struct rng rng;
    rng_seed(&rng, 21);
    const struct guard_rate rate = guard_rate_of(GUARD_RATE_MINUTE_US, 600, 7); // 100 ms each
    uint64_t now_us = 1000, tat_us = 0;
    unsigned taken = 0;
    for (int i = 0; i < 200000; i++) {
        now_us += rng_below(&rng, i % 1000 < 500 ? 60000 : 400000);
        bool want = guard_rate_judge(&tat_us, &rate, now_us);
        assert_int_equal(take((int)rng_below(&rng, PARTS), &rate, now_us), want);
        taken += want;
    }
    assert_in_range(taken, 100000, 199000);
}

static void a_burst_conforms_to_the_last_one_and_no_further(void **state)
{
    const struct guard_rate rate = guard_rate_of(GUARD_RATE_MINUTE_US, 60, 5);
    for (int i = 0; i < 5; i++)
        assert_true(take(i % PARTS, &rate, 1000000));
    assert_false(take(0, &rate, 1000000));
    assert_false(take(1, &rate, 1999999));
    assert_true(take(2, &rate, 2000000));
    assert_false(take(0, &rate, 2000000));
}

static void a_rate_beyond_the_clock_always_conforms(void **state)
{
    const struct guard_rate rate = guard_rate_of(GUARD_RATE_MINUTE_US, 60000001, 1);
    for (int i = 0; i < 100; i++)
        assert_true(take(0, &rate, 7));
}

static void debt_beyond_what_new_rates_can_run_up_is_forgiven(void **state)
{
    const struct guard_rate slow = guard_rate_of(GUARD_RATE_MINUTE_US, 1, 1000),
                            fast = guard_rate_of(GUARD_RATE_MINUTE_US, 600, 2);
    for (int i = 0; i < 1000; i++)
        assert_true(take(i % PARTS, &slow, 1000));
    assert_false(take(0, &slow, 1000));
    uint64_t most_us = guard_tally_debt_most(&fast, 1); // 200 ms
    struct guard_tally_sum sum = sum_of(1000);
    uint64_t excess_us = guard_tally_excess(&sum, most_us, 1000);
    assert_int_equal(excess_us, UINT64_C(60000000) * 1000 - most_us);
    guard_tally_forgive(&parts[1], &sum, excess_us); // far more than this part was charged
    assert_int_equal(guard_tally_excess(&sum, most_us, 1000), 0);
    assert_false(take(0, &fast, 100999));
    assert_true(take(0, &fast, 101000));
    assert_false(take(2, &fast, 101000));
    assert_int_equal(sum_of(1000).open, 1001); // what is open stays open
}

static void debt_within_what_new_rates_can_run_up_is_kept(void **state)
{
    const struct guard_rate before = guard_rate_of(GUARD_RATE_MINUTE_US, 600, 5),
                            after = guard_rate_of(GUARD_RATE_MINUTE_US, 600, 10);
    for (int i = 0; i < 5; i++)
        assert_true(take(i % PARTS, &before, 1000));
    struct guard_tally_sum sum = sum_of(1000);
    assert_int_equal(guard_tally_excess(&sum, guard_tally_debt_most(&after, 1), 1000), 0);
    for (int i = 0; i < 5; i++)
        assert_true(take(i % PARTS, &after, 1000));
    assert_false(take(0, &after, 1000));
}

static void who_forgives_twice_leaves_nothing_owed_and_no_credit(void **state)
{
    const struct guard_rate slow = guard_rate_of(GUARD_RATE_MINUTE_US, 1, 10),
                            fast = guard_rate_of(GUARD_RATE_MINUTE_US, 600, 3);
    for (int i = 0; i < 10; i++)
        assert_true(take(i % PARTS, &slow, 1000));
    uint64_t most_us = guard_tally_debt_most(&fast, 1);
    for (int i = 0; i < 2; i++) { // each by its own sum, as two at once
        struct guard_tally_sum sum = sum_of(1000);
        sum.charged_us += i ? 60000000 * 10 - most_us : 0;
        guard_tally_forgive(&parts[i], &sum, guard_tally_excess(&sum, most_us, 1000));
    }
    for (int i = 0; i < 3; i++)
        assert_true(take(i, &fast, 1000));
    assert_false(take(0, &fast, 1000));
}

static void a_day_ends_for_all_at_once_and_open_ones_stay(void **state)
{
    const uint64_t end_us = 3 * GUARD_TALLY_DAY_US;
    for (int i = 0; i < PARTS; i++) {
        struct guard_tally_sum sum = sum_of(end_us - 1);
        guard_tally_open(&parts[i], &sum, 0, end_us - 1);
    }
    assert_int_equal(sum_of(end_us - 1).today, PARTS);
    struct guard_tally_sum sum = sum_of(end_us);
    assert_int_equal(sum.today, 0);
    assert_int_equal(sum.open, PARTS);
    guard_tally_open(&parts[0], &sum, 0, end_us);
    assert_int_equal(sum_of(end_us).today, 1);
    guard_tally_close(&parts[0]);
    guard_tally_close(&parts[0]);
    assert_int_equal(sum_of(end_us).open, PARTS - 1);
    assert_int_equal(sum_of(end_us).today, 1);
}

static void one_worker_alone_gets_the_whole_rate(void **state)
{
    const struct guard_rate rate = guard_rate_of(GUARD_RATE_MINUTE_US, 6000, 100);
    uint64_t taken = 0;
    for (uint64_t now_us = 1000; now_us < 10001000; now_us += 1000)
        taken += take(2, &rate, now_us);
    assert_in_range(taken, 1099, 1100);
}

/* Two threads judge and charge as two workers do. Neither count may pass the limit by more than the
 * other thread's one connection in between, however they meet. */
enum { LIMIT = 1000, ROUNDS = 400 };
static pthread_barrier_t barrier;
static uint64_t most_open;

static void *worker(void *part)
{
    struct guard_tally *own = (struct guard_tally *)part;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&barrier);
        for (struct guard_tally_sum sum;;) {
            sum = sum_of(1000);
            if (sum.open >= LIMIT)
                break;
            guard_tally_open(own, &sum, 0, 1000);
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
        }
        pthread_barrier_wait(&barrier);
        uint64_t open = sum_of(1000).open;
        if (own == &parts[0] && open > most_open)
            most_open = open;
        pthread_barrier_wait(&barrier);
        while (own->open > 0)
            guard_tally_close(own);
    }
    return NULL;
}

static void two_workers_at_once_pass_a_limit_by_one_at_the_most(void **state)
{
    pthread_t threads[2];
    most_open = 0;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, worker, &parts[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    assert_in_range(most_open, LIMIT, LIMIT + 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest cases[] = {
        CASE(a_burst_conforms_to_the_last_one_and_no_further),
        CASE(a_rate_beyond_the_clock_always_conforms),
        CASE(debt_beyond_what_new_rates_can_run_up_is_forgiven),
        CASE(debt_within_what_new_rates_can_run_up_is_kept),
        CASE(who_forgives_twice_leaves_nothing_owed_and_no_credit),
        CASE(several_workers_rate_equals_one_clock_of_arrival),
        CASE(a_day_ends_for_all_at_once_and_open_ones_stay),
        CASE(one_worker_alone_gets_the_whole_rate),
        CASE(two_workers_at_once_pass_a_limit_by_one_at_the_most),
    };
    return cmocka_run_group_tests_name("guard_tally", cases, NULL, NULL);
}
