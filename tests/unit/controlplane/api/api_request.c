// SPDX-License-Identifier: BSD-3-Clause
#include "api/api_request.h"

#include "api_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void unknown_commands_are_refused(void **state)
{
    static const char *const bodies[] = {"{'command':''}", "{'command':'Status'}",
                                         "{'command':'status '}", "{'command':'bans'}",
                                         "{'command':'status','more':1}"};
    for (size_t i = 0; i < 4; i++) {
        api_rig_start(bodies[i]);
        api_rig_refused("unknown command");
    }
    api_rig_start(bodies[4]); // what it does not know beside its arguments is no matter
    assert_non_null(api_rig_granted());
}

static void command_that_is_no_text_is_refused(void **state)
{
    static const char *const bodies[] = {"{}", "{'command':1}", "{'command':null}",
                                         "{'command':['status']}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        api_rig_start(bodies[i]);
        api_rig_refused("command: expected a text");
    }
}

static void text_that_is_none_is_answered(void **state)
{
    struct api_request *request = api_rig_request("{'name':5}");
    assert_true(api_request_has(request, "name"));
    assert_false(api_request_has(request, "other"));
    assert_null(api_request_text(request, "name"));
    api_rig_refused("name: expected a text");
}

static void number_out_of_its_bounds_is_answered(void **state)
{
    static const char *const bodies[] = {"{}",
                                         "{'n':'5'}",
                                         "{'n':4}",
                                         "{'n':9}",
                                         "{'n':-5}",
                                         "{'n':5.0}",
                                         "{'n':true}",
                                         "{'n':null}",
                                         "{'n':[5]}",
                                         "{'n':-9223372036854775808}",
                                         "{'n':9223372036854775807}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        uint64_t value = 77;
        assert_false(api_request_number(api_rig_request(bodies[i]), "n", 5, 8, &value));
        api_rig_refused("n: expected a number from 5 to 8");
        assert_int_equal(value, 77);
    }
}

static void error_without_end_is_cut_and_foreign_bytes_do_no_harm(void **state)
{
    static char text[2 * CONFIG_ERRORS_SIZE];
    memset(text, 'e', sizeof text - 1);
    api_request_error(api_rig_request("{}"), "%s", text);
    assert_int_equal(json_string_length(json_object_get(api_rig.response, "error")),
                     CONFIG_ERRORS_SIZE - 1);
    api_rig.responses = 0;
    api_request_error(api_rig_request("{}"), "\xff");
    api_rig_refused("not printable");
}

static void answer_to_a_client_that_left_is_dropped(void **state)
{
    struct api_request *request = api_rig_request("{}");
    request->client = NULL;
    api_request_ok(request, json_object());
    request = api_rig_request("{}");
    request->client = NULL;
    api_request_error(request, "too late");
    assert_int_equal(api_rig.responses, 0);
}

static void numbers_at_their_bounds_are_taken(void **state)
{
    uint64_t value;
    struct api_request *request =
        api_rig_request("{'least':5,'most':8,'zero':0,'huge':9223372036854775807}");
    assert_true(api_request_number(request, "least", 5, 8, &value));
    assert_int_equal(value, 5);
    assert_true(api_request_number(request, "most", 5, 8, &value));
    assert_int_equal(value, 8);
    assert_true(api_request_number(request, "zero", 0, 8, &value));
    assert_int_equal(value, 0);
    assert_true(api_request_number(request, "huge", 0, UINT64_MAX, &value));
    assert_int_equal(value, INT64_MAX);
    api_request_ok(request, json_pack("{s:i}", "a", 1));
    assert_int_equal(json_integer_value(json_object_get(api_rig_granted(), "a")), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unknown_commands_are_refused, api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(command_that_is_no_text_is_refused, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(text_that_is_none_is_answered, api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(number_out_of_its_bounds_is_answered, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(error_without_end_is_cut_and_foreign_bytes_do_no_harm,
                                        api_rig_up, api_rig_down),
        cmocka_unit_test_setup_teardown(answer_to_a_client_that_left_is_dropped, api_rig_up,
                                        api_rig_down),
        cmocka_unit_test_setup_teardown(numbers_at_their_bounds_are_taken, api_rig_up,
                                        api_rig_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
