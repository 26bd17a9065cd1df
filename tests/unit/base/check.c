// SPDX-License-Identifier: BSD-3-Clause
#include "base/check.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void a_false_check_says_where_and_aborts(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        CHECK(1 + 1 == 3);
        _exit(0);
    }
    close(ends[1]);
    char said[256] = "";
    ssize_t size = read(ends[0], said, sizeof said - 1);
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(size > 0);
    assert_non_null(strstr(said, "CHECK(1 + 1 == 3) failed at "));
    assert_non_null(strstr(said, "check.c:"));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void a_true_check_evaluates_once_and_goes_on(void **state)
{
    int times = 0;
    CHECK(++times == 1);
    assert_int_equal(times, 1);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_false_check_says_where_and_aborts),
        cmocka_unit_test(a_true_check_evaluates_once_and_goes_on),
    };
    return cmocka_run_group_tests_name("check", cases, NULL, NULL);
}
