// SPDX-License-Identifier: BSD-3-Clause
#include "api_rig.h"
#include "contract/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void what_is_no_session_reaches_no_worker(void **state)
{
    struct message question;
    api_rig_start("{'command':'trace','id':'5'}");
    api_rig_refused("id: expected a number from 1 to 9223372036854775807");
    api_rig_start("{'command':'trace','id':0}");
    api_rig_refused("id: expected a number from 1 to 9223372036854775807");
    assert_false(ops_rig_take(&api_rig.ops, 0, &question));
}

static void workers_that_know_nothing_give_an_empty_list(void **state)
{
    api_rig_start("{'command':'trace','id':5}");
    for (unsigned worker = 0; worker < OPS_RIG_WORKERS; worker++) {
        struct message answer = api_rig_answer(worker, STATUS_OK);
        api_rig_send(worker, &answer);
    }
    assert_int_equal(json_array_size(json_object_get(api_rig_granted(), "connections")), 0);
}

static void stories_of_all_workers_and_pages_are_told_in_words(void **state)
{
    api_rig_start("{'command':'trace','id':5}");
    for (unsigned worker = 0; worker < OPS_RIG_WORKERS; worker++)
        for (int page = 0; page < 2; page++) {
            struct message answer = api_rig_answer(worker, STATUS_OK);
            answer.trace_page.next = page == 0 ? 4 : 0;
            answer.trace_page.count = 1;
            struct trace_story *story = &answer.trace_page.stories[0];
            *story = (struct trace_story){
                .user = 5 | (uint64_t)1 << TRACE_BACKEND_BIT, .count = 1, .ended = 1};
            story->events[0] = (struct trace_event){250, 8, TRACE_KEEPALIVE, 1};
            api_rig_send(worker, &answer);
        }
    const json_t *list = json_object_get(api_rig_granted(), "connections");
    assert_int_equal(json_array_size(list), 2 * OPS_RIG_WORKERS);
    const json_t *first = json_array_get(list, 0);
    const json_t *event = json_array_get(json_object_get(first, "events"), 0);
    assert_int_equal(json_integer_value(json_object_get(first, "session")), 5);
    assert_string_equal(json_string_value(json_object_get(first, "leg")), "backend");
    assert_string_equal(json_string_value(json_object_get(event, "text")),
                        "-0.250 s asks whether the peer is there, question 8");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_rig_up, api_rig_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_session_reaches_no_worker),
        TEST(workers_that_know_nothing_give_an_empty_list),
        TEST(stories_of_all_workers_and_pages_are_told_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
