// SPDX-License-Identifier: BSD-3-Clause
#include "report/session_log.h"

#include "base/log.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static char file[] = "/tmp/weir-session-XXXXXX";
static struct session_log log_under_test;
static struct policy policy;

static unsigned lines_of_file(void)
{
    json_error_t error;
    unsigned lines = 0;
    char text[8192];
    FILE *stream = fopen(file, "r");
    assert_non_null(stream);
    while (fgets(text, sizeof text, stream)) {
        json_t *line = json_loads(text, 0, &error);
        lines += json_is_object(line);
        json_decref(line);
    }
    fclose(stream);
    return lines;
}

static void directory_that_is_missing_is_an_error(void **state)
{
    assert_int_equal(session_log_open(&log_under_test, "/nowhere/session.json"), -ENOENT);
}

static void full_device_loses_lines_and_counts_them(void **state)
{
    struct report report = {.facts.backend = 255};
    assert_int_equal(session_log_open(&log_under_test, "/dev/full"), 0);
    for (int i = 0; i < 3; i++) {
        session_log_add(&log_under_test, &report, &policy);
        session_log_flush(&log_under_test);
    }
    assert_int_equal(log_under_test.lines_lost, 3);
    assert_int_equal(log_under_test.lines, 0);
    assert_true(log_under_test.failing);
    session_log_close(&log_under_test);
}

static void torn_line_does_not_spoil_the_next(void **state)
{
    struct report report = {.facts.backend = 255};
    struct rlimit whole, half;
    assert_int_equal(truncate(file, 0), 0);
    assert_int_equal(session_log_open(&log_under_test, file), 0);
    getrlimit(RLIMIT_FSIZE, &whole);
    half = (struct rlimit){.rlim_cur = 100, .rlim_max = whole.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &half), 0);
    session_log_add(&log_under_test, &report, &policy);
    session_log_flush(&log_under_test);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
    assert_int_equal(log_under_test.lines_lost, 1);
    session_log_add(&log_under_test, &report, &policy);
    session_log_flush(&log_under_test);
    assert_int_equal(log_under_test.lines, 1);
    assert_int_equal(lines_of_file(), 1);
    session_log_close(&log_under_test);
}

static void no_file_wanted_is_no_file(void **state)
{
    struct report report = {.facts.backend = 255};
    assert_int_equal(session_log_open(&log_under_test, ""), 0);
    session_log_add(&log_under_test, &report, &policy);
    session_log_close(&log_under_test);
    assert_int_equal(log_under_test.lines + log_under_test.lines_lost, 0);
}

static void hostile_fields_of_full_length_make_valid_lines(void **state)
{
    struct report report = {.facts = {.backend = 255,
                                      .service = SERVICES_MAX - 1,
                                      .user_size = 64,
                                      .started_us = UINT64_MAX,
                                      .duration_us = UINT64_MAX,
                                      .bytes_in = UINT64_MAX,
                                      .rdns = 200,
                                      .spf = 200,
                                      .tls_version = 99}};
    char hostile[REPORT_TEXT_MAX], many[256];
    memset(report.facts.user, 0x01, sizeof report.facts.user);
    memset(hostile, 0xff, sizeof hostile);
    report_add(&report, TEXT_HELO, span_of(hostile, sizeof hostile));
    memset(hostile, '\n', sizeof hostile);
    report_add(&report, TEXT_MAIL_FROM, span_of(hostile, sizeof hostile));
    memset(many, '\0', sizeof many); // no bytes each
    report_add(&report, TEXT_RCPT_TO, span_of(many, sizeof many));
    assert_int_equal(truncate(file, 0), 0);
    assert_int_equal(session_log_open(&log_under_test, file), 0);
    for (int i = 0; i < 200; i++) // more than the buffer holds
        session_log_add(&log_under_test, &report, &policy);
    session_log_close(&log_under_test);
    assert_int_equal(log_under_test.lines, 200);
    assert_int_equal(lines_of_file(), 200);
}

static void renamed_file_is_left_on_reopen(void **state)
{
    struct report report = {.facts.backend = 255};
    char old[64];
    snprintf(old, sizeof old, "%s.1", file);
    assert_int_equal(truncate(file, 0), 0);
    assert_int_equal(session_log_open(&log_under_test, file), 0);
    session_log_add(&log_under_test, &report, &policy);
    assert_int_equal(rename(file, old), 0);
    assert_int_equal(session_log_reopen(&log_under_test), 0);
    session_log_add(&log_under_test, &report, &policy);
    session_log_add(&log_under_test, &report, &policy);
    session_log_close(&log_under_test);
    assert_int_equal(lines_of_file(), 2);
    unlink(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directory_that_is_missing_is_an_error),
        cmocka_unit_test(full_device_loses_lines_and_counts_them),
        cmocka_unit_test(torn_line_does_not_spoil_the_next),
        cmocka_unit_test(no_file_wanted_is_no_file),
        cmocka_unit_test(hostile_fields_of_full_length_make_valid_lines),
        cmocka_unit_test(renamed_file_is_left_on_reopen),
    };
    signal(SIGXFSZ, SIG_IGN);
    log_open("test", LOG_ERROR);
    close(mkstemp(file));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}
