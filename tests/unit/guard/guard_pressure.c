// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_pressure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { WORKERS = 2 };
static struct guard_pressure parts[WORKERS];
static struct guard_pressure *const pressure = &parts[0];
static uint64_t now_us;

static void marks(uint64_t high, uint64_t low)
{
    for (int i = 0; i < WORKERS; i++)
        guard_pressure_marks(&parts[i], high, low);
}

static int set_up(void **state)
{
    memset(parts, 0, sizeof parts);
    now_us = 7000000;
    marks(10000, 2000);
    return 0;
}

// So many SYNs a second to each worker, evenly, and a look every 10 ms as a worker does.
static void run_both(const uint64_t per_second[WORKERS], uint64_t ms)
{
    const struct guard_pressure *const all[] = {&parts[0], &parts[1]};
    for (uint64_t i = 0; i < ms; i++, now_us += 1000)
        for (int w = 0; w < WORKERS; w++) {
            for (uint64_t n = 0; n < per_second[w] / 1000; n++)
                guard_pressure_count(&parts[w], 1, now_us + n * 1000000 / per_second[w]);
            if ((i + (uint64_t)w * 7) % 10 == 0)
                guard_pressure_advance(&parts[w], all, WORKERS, now_us);
        }
}

static void run(uint64_t per_second, uint64_t ms)
{
    run_both((uint64_t[]){per_second, 0}, ms);
}

static void below_the_high_mark_is_peace(void **state)
{
    run(9000, 20000);
    assert_false(pressure->attack);
}

static void above_the_high_mark_is_attack_within_a_window(void **state)
{
    run(20000, 101);
    assert_true(pressure->attack);
}

static void the_mark_itself_is_peace_and_one_more_is_not(void **state)
{
    for (int i = 0; i < 1001; i++)
        guard_pressure_count(pressure, 1, now_us);
    assert_false(pressure->attack);
    guard_pressure_count(pressure, 1, now_us);
    assert_true(pressure->attack);
}

static void between_the_marks_nothing_changes(void **state)
{
    run(5000, 10000);
    assert_false(pressure->attack);
    run(20000, 200);
    run(5000, 30000);
    assert_true(pressure->attack);
}

static void an_attack_ends_after_a_calm(void **state)
{
    run(20000, 200);
    run(1000, 4700);
    assert_true(pressure->attack);
    run(1000, 600);
    assert_false(pressure->attack);
}

static void an_attack_ends_when_no_syn_comes_at_all(void **state)
{
    run(20000, 200);
    run(0, 5300);
    assert_false(pressure->attack);
}

static void a_low_mark_above_the_high_one_counts_as_equal(void **state)
{
    marks(1000, 50000);
    run(2000, 1000);
    assert_true(pressure->attack);
    run(2000, 10000);
    assert_true(pressure->attack);
}

static void what_one_worker_sees_all_are_told_within_a_window(void **state)
{
    run_both((uint64_t[]){0, 20000}, 100);
    assert_true(parts[0].attack && parts[1].attack);
}

static void no_worker_alone_is_above_the_mark_but_all_together(void **state)
{
    run_both((uint64_t[]){4000, 4000}, 20000);
    assert_false(parts[0].attack || parts[1].attack);
    run_both((uint64_t[]){7000, 7000}, 200);
    assert_true(parts[0].attack && parts[1].attack);
    run_both((uint64_t[]){2000, 2000}, 20000); // each at the low mark, both above it
    assert_true(parts[0].attack && parts[1].attack);
}

static void an_attack_ends_for_all_within_a_look_of_each_other(void **state)
{
    run_both((uint64_t[]){20000, 1000}, 200);
    for (int ms = 0; ms < 10000 && parts[0].attack && parts[1].attack; ms++)
        run_both((uint64_t[]){0, 1000}, 1);
    assert_in_range(now_us, 7000000 + 200000 + 4900000, 7000000 + 200000 + 5200000);
    run_both((uint64_t[]){0, 1000}, 20);
    assert_false(parts[0].attack || parts[1].attack);
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
        CASE(what_one_worker_sees_all_are_told_within_a_window),
        CASE(no_worker_alone_is_above_the_mark_but_all_together),
        CASE(an_attack_ends_for_all_within_a_look_of_each_other),
        CASE(a_low_mark_above_the_high_one_counts_as_equal),
    };
    return cmocka_run_group_tests_name("guard_pressure", cases, NULL, NULL);
}
