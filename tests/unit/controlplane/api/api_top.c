// SPDX-License-Identifier: BSD-3-Clause
#include "api/api_command.h"

#include "api_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct top_row row_of(const char *text, uint64_t least, uint64_t most)
{
    struct top_row row = {.least = least, .most = most};
    assert_true(addr_parse(text, &row.addr));
    return row;
}

static const json_t *row(size_t index)
{
    return json_array_get(json_object_get(api_rig.response, "rows"), index);
}

static void assert_row(size_t index, const char *address, double rate, double most, double share)
{
    assert_string_equal(json_string_value(json_object_get(row(index), "address")), address);
    assert_true(json_number_value(json_object_get(row(index), "rate")) == rate);
    assert_true(json_number_value(json_object_get(row(index), "most")) == most);
    assert_true(json_number_value(json_object_get(row(index), "share")) == share);
}

static void wrong_arguments_reach_no_worker(void **state)
{
    static const struct {
        const char *request, *want;
    } rows[] = {
        {"{'command':'top','by':'bytes'}", "by: expected packets, syns, connections or refusals"},
        {"{'command':'top','by':5}", "by: expected a text"},
        {"{'command':'top','rows':0}", "rows: expected a number from 1 to 1000"},
        {"{'command':'top','rows':1001}", "rows: expected a number from 1 to 1000"},
    };
    struct message question;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        api_rig_start(rows[i].request);
        api_rig_refused(rows[i].want);
        assert_false(ops_rig_take(&api_rig.ops, 0, &question));
    }
}

static void sources_of_all_workers_and_pages_stand_by_rate(void **state)
{
    api_rig_start("{'command':'top','by':'syns'}");
    struct message question;
    assert_true(ops_rig_take(&api_rig.ops, 0, &question));
    assert_int_equal(question.page_question.measure, TOP_SYNS);
    assert_int_equal(question.page_question.scope, TOP_SOURCES);
    question.status = STATUS_OK;
    question.top_page = (struct top_page){.next = 7, .count = 1, .total = 9000, .interval = 4};
    question.top_page.rows[0] = row_of("192.0.2.1", 2000, 3000);
    api_rig_send(0, &question);
    struct message answer = api_rig_answer(0, STATUS_OK); // the second page
    answer.top_page = (struct top_page){.count = 1, .total = 9000, .interval = 4};
    answer.top_page.rows[0] = row_of("2001:db8:1:2::", 5000, 5000);
    api_rig_send(0, &answer);
    answer = api_rig_answer(1, STATUS_OK);
    answer.top_page = (struct top_page){.count = 1, .total = 1000, .interval = 1};
    answer.top_page.rows[0] = row_of("198.51.100.7", 3000, 3000);
    api_rig_send(1, &answer);
    const json_t *response = api_rig_granted();
    assert_int_equal(json_array_size(json_object_get(response, "rows")), 3);
    assert_row(0, "2001:db8:1:2::/64", 5, 5, 0.5);
    assert_row(1, "198.51.100.7", 3, 3, 0.3);
    assert_row(2, "192.0.2.1", 2, 3, 0.2);
    assert_true(json_number_value(json_object_get(response, "total")) == 10);
    assert_int_equal(json_integer_value(json_object_get(response, "sampled")), 4);
    assert_string_equal(json_string_value(json_object_get(response, "by")), "syns");
}

static void a_prefix_on_several_workers_adds_up(void **state)
{
    api_rig_start("{'command':'top','prefixes':true,'rows':1}");
    for (unsigned worker = 0; worker < OPS_RIG_WORKERS; worker++) {
        struct message answer = api_rig_answer(worker, STATUS_OK);
        answer.top_page = (struct top_page){.count = 2, .total = 10000, .interval = 1};
        answer.top_page.rows[0] = row_of(worker ? "192.0.2.0" : "2001:db8:1::", 4000, 4000);
        answer.top_page.rows[1] = row_of("198.51.100.0", 3000, 3500);
        api_rig_send(worker, &answer);
    }
    assert_int_equal(json_array_size(json_object_get(api_rig_granted(), "rows")), 1);
    assert_row(0, "198.51.100.0/24", 6, 7, 0.3);
}

static void a_worker_that_cannot_answer_leaves_those_of_the_others(void **state)
{
    api_rig_start("{'command':'top'}");
    struct message answer = api_rig_answer(0, STATUS_UNAVAILABLE);
    api_rig_send(0, &answer);
    answer = api_rig_answer(1, STATUS_OK);
    api_rig_send(1, &answer);
    assert_int_equal(json_array_size(json_object_get(api_rig_granted(), "rows")), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_rig_up, api_rig_down)
    const struct CMUnitTest tests[] = {
        TEST(wrong_arguments_reach_no_worker),
        TEST(sources_of_all_workers_and_pages_stand_by_rate),
        TEST(a_prefix_on_several_workers_adds_up),
        TEST(a_worker_that_cannot_answer_leaves_those_of_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
