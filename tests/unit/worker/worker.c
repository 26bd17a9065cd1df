// SPDX-License-Identifier: BSD-3-Clause
#include "base/limits.h"
#include "worker_rig.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// The last of many workers: each of them alone would have room.
static void tables_that_could_outgrow_the_memory_are_refused_by_their_keys(void **state)
{
    struct worker_rig *rig = *state;
    static struct guard_peers peers;
    struct policy_boot boot = rig->policy->boot;
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    boot.workers = WORKERS_MAX;
    boot.sessions = (uint32_t)(all / INPUT_BUFFER_SIZE / WORKERS_MAX);
    struct worker_config config = rig->worker->config;
    config.boot = &boot;
    config.index = WORKERS_MAX - 1;
    config.peers = &peers;
    const char *what = "";
    assert_null(worker_open(&config, &what));
    assert_non_null(strstr(what, "boot.sessions"));
}

static void *run(void *worker)
{
    worker_run(worker);
    return NULL;
}

static void a_new_snapshot_is_adopted_and_the_old_one_let_go(void **state)
{
    struct worker_rig *rig = *state;
    worker_rig_turns(rig, 1);
    assert_true(worker_has_adopted(rig->worker));
    assert_int_equal(rig->snapshot.uses[0].current, 1);
    struct snapshot next = rig->snapshot;
    next.uses[0].current = 0;
    worker_set_snapshot(rig->worker, &next);
    assert_false(worker_has_adopted(rig->worker));
    worker_rig_turns(rig, 1);
    assert_true(worker_has_adopted(rig->worker));
    assert_int_equal(rig->snapshot.uses[0].current, 0);
    assert_int_equal(next.uses[0].current, 1);
    assert_int_equal(rig->counters.counters[COUNTER_POLICY_SWAPS], 2);
}

static void a_running_worker_adopts_and_stops(void **state)
{
    struct worker_rig *rig = *state;
    rig->policy->boot.idle_sleep_us = 20;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, rig->worker), 0);
    while (!worker_has_adopted(rig->worker))
        usleep(10);
    worker_stop(rig->worker);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(rig->counters.counters[COUNTER_TURNS] > 0);
}

// Mappings that prefer a node.
static unsigned placed(void)
{
    char line[4096];
    unsigned count = 0;
    FILE *file = fopen("/proc/self/numa_maps", "re");
    if (!file)
        skip(); // a kernel without NUMA
    while (fgets(line, sizeof line, file))
        count += strstr(line, " prefer") != NULL;
    fclose(file);
    return count;
}

static void a_worker_s_tables_are_asked_for_on_its_own_node(void **state)
{
    assert_true(placed() > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, worker_rig_setup, worker_rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(tables_that_could_outgrow_the_memory_are_refused_by_their_keys),
        TEST(a_new_snapshot_is_adopted_and_the_old_one_let_go),
        TEST(a_running_worker_adopts_and_stops),
        TEST(a_worker_s_tables_are_asked_for_on_its_own_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
