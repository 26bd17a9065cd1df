// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_burst_conforms_and_the_next_one_does_not(void **state)
{
    struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, 20, 100);
    uint64_t tat = 0, now = 7 * GUARD_RATE_SECOND_NS;
    for (int i = 0; i < 100; i++)
        assert_true(guard_rate_judge(&tat, &rate, now));
    assert_false(guard_rate_judge(&tat, &rate, now));
    assert_false(guard_rate_judge(&tat, &rate, now + 49999999));
    assert_true(guard_rate_judge(&tat, &rate, now + 50000000));
    assert_false(guard_rate_judge(&tat, &rate, now + 50000000));
}

static void intervals_are_rounded_down(void **state)
{
    for (uint64_t count = 1; count <= 100000000; count += 1 + count / 7) {
        struct guard_rate rate = guard_rate_of(GUARD_RATE_SECOND_NS, count, 1000);
        assert_true(rate.emission * count <= GUARD_RATE_SECOND_NS);
        assert_true((rate.emission + 1) * count > GUARD_RATE_SECOND_NS);
        assert_true(rate.tolerance == 999 * rate.emission);
    }
}

static void a_rate_beyond_the_clock_always_conforms(void **state)
{
    struct guard_rate rate = guard_rate_of(GUARD_RATE_MINUTE_US, 60000001, 1);
    uint64_t tat = 0;
    for (int i = 0; i < 100; i++)
        assert_true(guard_rate_judge(&tat, &rate, 7));
}

static void debt_is_cut_to_what_the_rate_can_run_up(void **state)
{
    struct guard_rate rate = guard_rate_of(1000, 10, 2);
    uint64_t tat = 1000000;
    assert_false(guard_rate_judge(&tat, &rate, 500));
    assert_int_equal(tat, 700);
    assert_true(guard_rate_judge(&tat, &rate, 600));
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_burst_conforms_and_the_next_one_does_not),
        cmocka_unit_test(intervals_are_rounded_down),
        cmocka_unit_test(a_rate_beyond_the_clock_always_conforms),
        cmocka_unit_test(debt_is_cut_to_what_the_rate_can_run_up),
    };
    return cmocka_run_group_tests_name("guard_rate", cases, NULL, NULL);
}
