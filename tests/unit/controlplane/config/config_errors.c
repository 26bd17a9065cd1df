// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct config_errors errors;

static int none(void **state)
{
    errors = (struct config_errors){0};
    return 0;
}

static unsigned lines(void)
{
    unsigned count = 0;
    for (size_t i = 0; i < errors.size; i++)
        count += errors.text[i] == '\n';
    return count;
}

static void first_ones_are_shown_and_all_are_counted(void **state)
{
    static const struct config_place place = {.file = "f", .line = 1, .column = 2, .path = "a"};
    for (unsigned i = 1; i <= CONFIG_ERRORS_SHOWN + 5; i++) {
        config_errors_add(&errors, &place, "error %u", i);
        assert_int_equal(errors.count, i);
        assert_int_equal(lines(), i < CONFIG_ERRORS_SHOWN ? i : CONFIG_ERRORS_SHOWN);
    }
    assert_non_null(strstr(errors.text, "error 20\n"));
    assert_null(strstr(errors.text, "error 21"));
}

static void line_that_does_not_fit_is_left_out_whole(void **state)
{
    char file[1024];
    memset(file, 'f', sizeof file);
    file[sizeof file - 1] = '\0';
    const struct config_place place = {.file = file, .path = ""};
    for (int i = 0; i < 10; i++)
        config_errors_add(&errors, &place, "too long");
    assert_int_equal(errors.count, 10);
    assert_int_equal(lines(), 7); // 1034 bytes each of 8192
    assert_int_equal(errors.size, strlen(errors.text));
    assert_int_equal(errors.text[errors.size - 1], '\n');
    const struct config_place short_one = {.file = "g", .path = ""};
    config_errors_add(&errors, &short_one, "still fits");
    assert_non_null(strstr(errors.text, "\ng: still fits\n"));
}

static void message_without_end_is_cut(void **state)
{
    char what[2000];
    memset(what, 'x', sizeof what);
    what[sizeof what - 1] = '\0';
    const struct config_place place = {.file = "f", .path = ""};
    config_errors_add(&errors, &place, "%s", what);
    assert_int_equal(lines(), 1);
    assert_true(errors.size < 600);
}

static void place_is_told_as_far_as_it_is_known(void **state)
{
    static const struct config_place places[] = {
        {.file = "f", .line = 3, .column = 9, .path = "smtp.host_name"},
        {.file = "f", .line = 3, .column = 9, .path = ""},
        {.file = "f", .path = "limits"},
        {.file = "f", .path = ""},
    };
    for (int i = 0; i < 4; i++)
        config_errors_add(&errors, &places[i], "what %d", i);
    assert_string_equal(errors.text, "f:3:9: smtp.host_name: what 0\n"
                                     "f:3:9: what 1\n"
                                     "f: limits: what 2\n"
                                     "f: what 3\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(first_ones_are_shown_and_all_are_counted, none),
        cmocka_unit_test_setup(line_that_does_not_fit_is_left_out_whole, none),
        cmocka_unit_test_setup(message_without_end_is_cut, none),
        cmocka_unit_test_setup(place_is_told_as_far_as_it_is_known, none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
