// SPDX-License-Identifier: BSD-3-Clause
#include "worker_rig.h"

#include <rte_cycles.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void time_goes_on_when_the_cycle_counter_is_set_back(void **state)
{
    struct worker_rig *rig = *state;
    struct worker *w = rig->worker;
    uint64_t hour = 3600 * rte_get_tsc_hz();
    worker_rig_turns(rig, 1);
    w->cycles += hour; // it was ahead
    w->config.clock_start += hour;
    uint64_t now_us = w->now_us;
    worker_rig_turns(rig, 2);
    assert_in_range(w->now_us - now_us, 0, 60000000);
    w->config.clock_start = w->cycles = UINT64_MAX - 5; // another CPU's, when the first turn begins
    worker_rig_turns(rig, 2);
    assert_in_range(w->now_us, 0, 60000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(time_goes_on_when_the_cycle_counter_is_set_back,
                                        worker_rig_setup, worker_rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
