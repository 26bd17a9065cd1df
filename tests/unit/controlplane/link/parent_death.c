// SPDX-License-Identifier: BSD-3-Clause
#include "link/parent_death.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void parent_that_is_gone_already_ends_the_child_at_once(void **state)
{
    int status;
    pid_t not_the_parent = getppid();
    pid_t child = fork();
    if (child == 0)
        _exit(parent_death_follow(not_the_parent) == 0 ? 7 : 8);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

// A parent that has a child which follows it and says so on `alive`.
static _Noreturn void parent_run(int alive)
{
    pid_t self = getpid();
    if (fork() == 0) {
        bool follows = parent_death_follow(self) == 0 && write(alive, "x", 1) == 1;
        while (follows)
            pause();
        _exit(1);
    }
    close(alive);
    for (;;)
        pause();
}

static void child_ends_with_a_parent_that_is_killed(void **state)
{
    char byte;
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t parent = fork();
    if (parent == 0) {
        close(ends[0]);
        parent_run(ends[1]);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_int_equal(read(ends[0], &byte, 1), 0); // the child, which held the other end, is gone
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parent_that_is_gone_already_ends_the_child_at_once),
        cmocka_unit_test(child_ends_with_a_parent_that_is_killed),
    };
    alarm(60); // rather than wait for ever
    return cmocka_run_group_tests(tests, NULL, NULL);
}
