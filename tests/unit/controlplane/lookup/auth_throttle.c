// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct throttle_rate rate = {.free = 5, .delay_ms = 1000, .forgive_ms = 60000};
static struct auth_throttle throttle;

static int start(void **state)
{
    return auth_throttle_init(&throttle);
}

static int stop(void **state)
{
    auth_throttle_done(&throttle);
    return 0;
}

static void charge(uint64_t key, unsigned times, uint64_t now_ms)
{
    while (times-- > 0)
        auth_throttle_charge(&throttle, key, rate, now_ms);
}

static void sixth_attempt_must_wait(void **state)
{
    charge(1, 4, 1000);
    assert_true(auth_throttle_may(&throttle, 1, rate, 1000));
    charge(1, 1, 1000);
    assert_false(auth_throttle_may(&throttle, 1, rate, 1000));
}

// Milliseconds from the last charge until another attempt may be made.
static uint64_t wait_of(uint64_t key, uint64_t now_ms)
{
    uint64_t wait_ms = 0;
    while (!auth_throttle_may(&throttle, key, rate, now_ms + wait_ms))
        wait_ms++;
    return wait_ms;
}

static void each_further_guess_doubles_the_wait(void **state)
{
    charge(1, 5, 1000);
    assert_int_equal(wait_of(1, 1000), 1000);
    charge(1, 1, 1000);
    assert_int_equal(wait_of(1, 1000), 2000);
    charge(1, 1, 1000);
    assert_int_equal(wait_of(1, 1000), 4000);
}

static void whoever_goes_on_for_ever_is_held_to_the_pace_of_forgiving(void **state)
{
    uint64_t now_ms = 1000;
    int guesses = 0;
    for (; now_ms < 1000 + 100 * 60000; now_ms++)
        if (auth_throttle_may(&throttle, 1, rate, now_ms)) {
            auth_throttle_charge(&throttle, 1, rate, now_ms);
            guesses++;
        }
    assert_in_range(guesses, 100 * 5 / 2, 100 * 5 + 10); // 5 a minute
}

static void guesses_are_forgiven_one_by_one(void **state)
{
    charge(1, 6, 1000);
    assert_int_equal(wait_of(1, 1000), 2000);
    charge(2, 6, 1000);
    charge(2, 1, 1000 + 24000); // two were forgiven before
    assert_int_equal(wait_of(2, 1000 + 24000), 1000);
    assert_true(auth_throttle_may(&throttle, 1, rate, 1000 + 6 * 12000));
}

static void those_that_must_wait_are_counted(void **state)
{
    charge(1, 4, 1000);
    charge(2, 5, 1000);
    charge(3, 9, 1000);
    assert_int_equal(auth_throttle_count(&throttle, rate, 1000), 2);
    assert_int_equal(auth_throttle_count(&throttle, rate, 2000), 1);
    assert_int_equal(auth_throttle_count(&throttle, rate, 1000000), 0);
}

static void refund_takes_the_charge_back(void **state)
{
    charge(1, 5, 1000);
    auth_throttle_refund(&throttle, 1, rate);
    assert_true(auth_throttle_may(&throttle, 1, rate, 1000));
}

// Who logs in from where others guess: they would not get in one after the other else.
static void a_right_attempt_does_not_begin_the_wait_anew(void **state)
{
    charge(1, 5, 1000);
    assert_false(auth_throttle_may(&throttle, 1, rate, 1999));
    for (int i = 0; i < 3; i++) {
        assert_true(auth_throttle_may(&throttle, 1, rate, 2000));
        charge(1, 1, 2000);
        assert_false(auth_throttle_may(&throttle, 1, rate, 2000)); // until it is known
        auth_throttle_refund(&throttle, 1, rate);
    }
    charge(1, 1, 2000);
    assert_int_equal(wait_of(1, 2000), 2000);
}

static void keys_do_not_pay_for_each_other(void **state)
{
    charge(1, 50, 1000);
    assert_true(auth_throttle_may(&throttle, 2, rate, 1000));
    assert_true(auth_throttle_may(&throttle, 1 + THROTTLE_BUCKETS, rate, 1000));
}

static void full_bucket_forgets_the_least_debt(void **state)
{
    charge(0, 5, 1000);
    for (uint64_t i = 1; i <= 100; i++)
        charge(i * THROTTLE_BUCKETS, 1, 1000);
    assert_false(auth_throttle_may(&throttle, 0, rate, 1000));
    assert_true(auth_throttle_may(&throttle, THROTTLE_BUCKETS, rate, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sixth_attempt_must_wait, start, stop),
        cmocka_unit_test_setup_teardown(each_further_guess_doubles_the_wait, start, stop),
        cmocka_unit_test_setup_teardown(whoever_goes_on_for_ever_is_held_to_the_pace_of_forgiving,
                                        start, stop),
        cmocka_unit_test_setup_teardown(guesses_are_forgiven_one_by_one, start, stop),
        cmocka_unit_test_setup_teardown(those_that_must_wait_are_counted, start, stop),
        cmocka_unit_test_setup_teardown(refund_takes_the_charge_back, start, stop),
        cmocka_unit_test_setup_teardown(a_right_attempt_does_not_begin_the_wait_anew, start, stop),
        cmocka_unit_test_setup_teardown(keys_do_not_pay_for_each_other, start, stop),
        cmocka_unit_test_setup_teardown(full_bucket_forgets_the_least_debt, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
