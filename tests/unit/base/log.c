// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int ends[2], kept_stderr;

static int set_up(void **state)
{
    kept_stderr = dup(STDERR_FILENO);
    return kept_stderr < 0 || pipe(ends) < 0 || dup2(ends[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    close(ends[0]);
    close(ends[1]);
    log_open("weir", LOG_INFO);
    return 0;
}

// What was written since; closes the writing ends, so that nothing means an empty text.
static const char *written(void)
{
    static char text[4096];
    dup2(kept_stderr, STDERR_FILENO);
    close(ends[1]);
    ends[1] = dup(kept_stderr);
    size_t size = 0;
    ssize_t got;
    while ((got = read(ends[0], text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    text[size] = '\0';
    return text;
}

static void what_is_below_the_least_level_is_not_said(void **state)
{
    log_open("weir-test", LOG_WARNING);
    log_info("what=\"quiet\"");
    log_debug("what=\"quieter\"");
    assert_string_equal(written(), "");
}

static void a_line_names_program_and_level(void **state)
{
    log_open("weir-test", LOG_INFO);
    log_warning("what=\"cannot open\" port=%d", 7);
    assert_string_equal(written(), "weir-test: level=warning what=\"cannot open\" port=7\n");
}

static void a_line_too_long_is_cut_and_still_ends(void **state)
{
    char big[3000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    log_open("weir-test", LOG_INFO);
    log_error("%s", big);
    const char *text = written();
    size_t size = strlen(text);
    assert_in_range(size, 1000, 1024);
    assert_ptr_equal(strchr(text, '\n'), text + size - 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(what_is_below_the_least_level_is_not_said),
        CASE(a_line_names_program_and_level),
        CASE(a_line_too_long_is_cut_and_still_ends),
    };
    return cmocka_run_group_tests_name("log", cases, NULL, NULL);
}
