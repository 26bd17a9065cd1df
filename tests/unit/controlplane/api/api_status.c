// SPDX-License-Identifier: BSD-3-Clause
#include "api_rig.h"

#include "report/metrics_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static json_t *part(const char *name)
{
    return json_object_get(api_rig.response, name);
}

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void stats_without_a_data_plane_are_refused(void **state)
{
    for (int i = LINK_DOWN; i <= LINK_OFFERED; i++) {
        api_rig.plane.link.state = (enum dataplane_link_state)i;
        api_rig_start("{'command':'stats'}");
        api_rig_refused("the data plane is not attached");
    }
    api_rig.plane.link.state = LINK_UP;
}

static void status_without_a_data_plane_says_so(void **state)
{
    api_rig.plane.link.state = LINK_OFFERED;
    api_rig_start("{'command':'status'}");
    assert_non_null(api_rig_granted());
    assert_string_equal(text(part("dataplane"), "state"), "offered");
    assert_true(json_is_false(json_object_get(part("dataplane"), "attached")));
    assert_true(json_is_null(json_object_get(part("dataplane"), "pid")));
    assert_true(json_is_null(json_object_get(part("dataplane"), "attached_ms")));
    assert_int_equal(number(part("dataplane"), "workers"), 0);
    api_rig.plane.link.state = LINK_UP;
}

static void figures_beyond_json_stay_positive(void **state)
{
    api_rig.plane.session_log.lines = UINT64_MAX;
    api_rig.ops.counters->blocks[0].counters[COUNTER_RX_BYTES] = UINT64_MAX;
    api_rig_start("{'command':'status'}");
    assert_non_null(api_rig_granted());
    assert_int_equal(number(part("controlplane"), "session_lines"), INT64_MAX);
    api_rig_start("{'command':'stats'}");
    assert_non_null(api_rig_granted());
    assert_int_equal(number(json_array_get(part("counters"), COUNTER_RX_BYTES), "total"),
                     INT64_MAX);
}

static void status_tells_what_runs(void **state)
{
    struct plane *plane = &api_rig.plane;
    const struct config *config = plane->publisher.config;
    plane->link.pid = 77;
    plane->publisher.generation_running = 5;
    plane->children.items[CHILD_AUTH].state = CHILD_RUNNING;
    plane->children.items[CHILD_AUTH].pid = 78;
    plane->children.items[CHILD_AUTH].restarts = 2;
    counter_set(&api_rig.ops.counters->blocks[1], COUNTER_BUSY_PERMILLE, 250);
    api_rig_start("{'command':'status'}");
    assert_non_null(api_rig_granted());
    assert_int_equal(number(part("controlplane"), "pid"), getpid());
    assert_true(json_is_null(json_object_get(part("controlplane"), "metrics_port")));
    assert_int_equal(number(part("dataplane"), "pid"), 77);
    assert_int_equal(number(part("dataplane"), "workers"), OPS_RIG_WORKERS);
    const json_t *busy = json_object_get(part("dataplane"), "busy_permille");
    assert_int_equal(json_array_size(busy), OPS_RIG_WORKERS);
    assert_int_equal(json_integer_value(json_array_get(busy, 1)), 250);
    const json_t *dns = json_array_get(part("children"), 0);
    const json_t *auth = json_array_get(part("children"), 1);
    assert_string_equal(text(dns, "name"), "dns");
    assert_string_equal(text(dns, "state"), "stopped");
    assert_true(json_is_null(json_object_get(dns, "pid")));
    assert_string_equal(text(auth, "state"), "running");
    assert_int_equal(number(auth, "pid"), 78);
    assert_int_equal(number(auth, "restarts"), 2);
    assert_int_equal(number(part("policy"), "generation"), 5);
    assert_int_equal(number(part("policy"), "domains"), config->domains_count);
    assert_int_equal(json_array_size(part("services")), config->head.services_count);
    for (int i = 0; i < config->head.services_count; i++) {
        const json_t *service = json_array_get(part("services"), (size_t)i);
        assert_string_equal(text(service, "name"), config->head.services[i].name);
        assert_int_equal(number(service, "port"), config->head.services[i].port);
        assert_non_null(text(service, "protocol"));
        assert_non_null(text(service, "tls"));
        assert_non_null(text(service, "backend"));
    }
}

static void stats_add_up_over_the_workers(void **state)
{
    struct counter_block *blocks = api_rig.ops.counters->blocks;
    for (unsigned worker = 0; worker < OPS_RIG_WORKERS; worker++) {
        for (int i = 0; i < COUNTER_COUNT; i++)
            counter_set(&blocks[worker], (enum counter)i, 1000u * worker + (unsigned)i);
        for (int i = 0; i < REASON_COUNT; i++)
            blocks[worker].reasons[i] = 2000u * worker + (unsigned)i;
    }
    api_rig_start("{'command':'stats'}");
    assert_non_null(api_rig_granted());
    assert_int_equal(json_array_size(part("counters")), COUNTER_COUNT);
    assert_int_equal(json_array_size(part("reasons")), REASON_COUNT - 1);
    for (int i = 0; i < COUNTER_COUNT; i++) {
        const json_t *one = json_array_get(part("counters"), (size_t)i);
        assert_string_equal(text(one, "name"), counter_name((enum counter)i));
        assert_int_equal(json_is_true(json_object_get(one, "gauge")),
                         metrics_text_is_gauge((enum counter)i));
        bool worst = i == COUNTER_TURN_WORST_US || i == COUNTER_BUSY_PERMILLE ||
                     i == COUNTER_ATTACK_MODE || i == COUNTER_DRAINING ||
                     i == COUNTER_BACKEND_SERVERS_DOWN; // not twice as long, or as many
        assert_int_equal(number(one, "total"), 1000 + (worst ? i : 2 * i));
        const json_t *workers = json_object_get(one, "workers");
        assert_int_equal(json_array_size(workers), OPS_RIG_WORKERS);
        assert_int_equal(json_integer_value(json_array_get(workers, 1)), 1000 + i);
    }
    for (int i = 1; i < REASON_COUNT; i++) {
        const json_t *one = json_array_get(part("reasons"), (size_t)i - 1);
        assert_string_equal(text(one, "name"), reason_name((enum reason)i));
        assert_string_equal(text(one, "station"), reason_station((enum reason)i));
        assert_int_equal(number(one, "total"), 2000 + 2 * i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stats_without_a_data_plane_are_refused, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(status_without_a_data_plane_says_so, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(figures_beyond_json_stay_positive, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(status_tells_what_runs, api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(stats_add_up_over_the_workers, api_rig_up, api_rig_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
