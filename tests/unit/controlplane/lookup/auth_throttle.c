// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct throttle_rate rate = {.burst = 5, .window_ms = 60000};
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

static void sixth_attempt_is_one_too_many(void **state)
{
    charge(1, 4, 1000);
    assert_true(auth_throttle_may(&throttle, 1, rate, 1000));
    charge(1, 1, 1000);
    assert_false(auth_throttle_may(&throttle, 1, rate, 1000));
}

static void another_attempt_grows_back_after_its_share_of_the_window(void **state)
{
    charge(1, 5, 1000);
    assert_false(auth_throttle_may(&throttle, 1, rate, 1000 + 11999));
    assert_true(auth_throttle_may(&throttle, 1, rate, 1000 + 12000));
}

static void refund_takes_the_charge_back(void **state)
{
    charge(1, 5, 1000);
    auth_throttle_refund(&throttle, 1, rate);
    assert_true(auth_throttle_may(&throttle, 1, rate, 1000));
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
        cmocka_unit_test_setup_teardown(sixth_attempt_is_one_too_many, start, stop),
        cmocka_unit_test_setup_teardown(another_attempt_grows_back_after_its_share_of_the_window,
                                        start, stop),
        cmocka_unit_test_setup_teardown(refund_takes_the_charge_back, start, stop),
        cmocka_unit_test_setup_teardown(keys_do_not_pay_for_each_other, start, stop),
        cmocka_unit_test_setup_teardown(full_bucket_forgets_the_least_debt, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
