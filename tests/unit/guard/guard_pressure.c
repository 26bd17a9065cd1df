// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_pressure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct guard_pressure pressure;
static uint64_t now_us;

static int set_up(void **state)
{
    pressure = (struct guard_pressure){0};
    now_us = 7000000;
    guard_pressure_marks(&pressure, 10000, 2000);
    return 0;
}

// So many SYNs a second, evenly, and a look every 10 ms as the worker does.
static void run(uint64_t per_second, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        for (uint64_t n = 0; n < per_second / 1000; n++)
            guard_pressure_count(&pressure, now_us + n * 1000000 / per_second);
        now_us += 1000;
        if (i % 10 == 0)
            guard_pressure_advance(&pressure, now_us);
    }
}

static void below_the_high_mark_is_peace(void **state)
{
    run(9000, 20000);
    assert_false(pressure.attack);
}

static void above_the_high_mark_is_attack_within_a_window(void **state)
{
    run(20000, 101);
    assert_true(pressure.attack);
}

static void the_mark_itself_is_peace_and_one_more_is_not(void **state)
{
    for (int i = 0; i < 1001; i++)
        guard_pressure_count(&pressure, now_us);
    assert_false(pressure.attack);
    guard_pressure_count(&pressure, now_us);
    assert_true(pressure.attack);
}

static void between_the_marks_nothing_changes(void **state)
{
    run(5000, 10000);
    assert_false(pressure.attack);
    run(20000, 200);
    run(5000, 30000);
    assert_true(pressure.attack);
}

static void an_attack_ends_after_a_calm(void **state)
{
    run(20000, 200);
    run(1000, 4700);
    assert_true(pressure.attack);
    run(1000, 600);
    assert_false(pressure.attack);
}

static void an_attack_ends_when_no_syn_comes_at_all(void **state)
{
    run(20000, 200);
    run(0, 5300);
    assert_false(pressure.attack);
}

static void a_low_mark_above_the_high_one_counts_as_equal(void **state)
{
    guard_pressure_marks(&pressure, 1000, 50000);
    run(2000, 1000);
    assert_true(pressure.attack);
    run(2000, 10000);
    assert_true(pressure.attack);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest cases[] = {
        CASE(below_the_high_mark_is_peace),
        CASE(above_the_high_mark_is_attack_within_a_window),
        CASE(the_mark_itself_is_peace_and_one_more_is_not),
        CASE(between_the_marks_nothing_changes),
        CASE(an_attack_ends_after_a_calm),
        CASE(an_attack_ends_when_no_syn_comes_at_all),
        CASE(a_low_mark_above_the_high_one_counts_as_equal),
    };
    return cmocka_run_group_tests_name("guard_pressure", cases, NULL, NULL);
}
