// SPDX-License-Identifier: BSD-3-Clause
#include "worker_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void send(struct worker_rig *rig, unsigned frames)
{
    for (unsigned i = 0; i < frames; i++) {
        struct rte_mbuf *m = rte_pktmbuf_alloc(worker_rig_pool());
        memset(rte_pktmbuf_append(m, 60), 0, 60);
        worker_tx_transmit(rig->worker, &m, 1, LEG_OUTSIDE);
    }
}

static void frames_wait_for_the_end_of_the_turn(void **state)
{
    struct worker_rig *rig = *state;
    send(rig, 3);
    assert_int_equal(worker_rig_wire_count(LEG_OUTSIDE), 0);
    worker_tx_flush(rig->worker);
    assert_int_equal(worker_rig_wire_count(LEG_OUTSIDE), 3);
    assert_int_equal(rig->counters.counters[COUNTER_TX_PACKETS], 3);
    assert_int_equal(rig->counters.counters[COUNTER_TX_BYTES], 180);
}

static void a_full_batch_leaves_at_once(void **state)
{
    struct worker_rig *rig = *state;
    send(rig, TX_BATCH);
    assert_int_equal(worker_rig_wire_count(LEG_OUTSIDE), TX_BATCH);
}

static void what_the_port_does_not_take_is_counted_and_freed(void **state)
{
    struct worker_rig *rig = *state;
    send(rig, WIRE_SLOTS + 40);
    worker_tx_flush(rig->worker);
    uint64_t refused = rig->counters.reasons[REASON_TX_FULL];
    assert_true(refused > 0);
    assert_int_equal(rig->counters.counters[COUNTER_TX_PACKETS] + refused, WIRE_SLOTS + 40);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, worker_rig_setup, worker_rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(frames_wait_for_the_end_of_the_turn),
        TEST(a_full_batch_leaves_at_once),
        TEST(what_the_port_does_not_take_is_counted_and_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
