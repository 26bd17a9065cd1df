// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/lookup_wait.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void time_that_passes_is_no_stop(void **state)
{
    assert_int_equal(lookup_wait_open(), 0);
    uint64_t before_ms = lookup_now_ms();
    assert_true(lookup_wait(NULL, 0, 5));
    assert_true(lookup_now_ms() >= before_ms + 4);
}

static void signal_before_the_wait_is_not_lost(void **state)
{
    assert_int_equal(lookup_wait_open(), 0);
    assert_int_equal(kill(getpid(), SIGTERM), 0); // blocked until the wait
    assert_false(lookup_wait(NULL, 0, 60000));
}

static void readable_descriptor_ends_the_wait(void **state)
{
    int pair[2];
    assert_int_equal(lookup_wait_open(), 0);
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    struct pollfd fd = {.fd = pair[0], .events = POLLIN};
    assert_true(lookup_wait(&fd, 1, -1));
    assert_true(fd.revents & POLLIN);
    close(pair[0]);
    close(pair[1]);
}

static void sooner_of_two_times_is_chosen_and_never_is_latest(void **state)
{
    assert_int_equal(lookup_sooner_ms(-1, -1), -1);
    assert_int_equal(lookup_sooner_ms(-1, 5), 5);
    assert_int_equal(lookup_sooner_ms(5, -1), 5);
    assert_int_equal(lookup_sooner_ms(5, 0), 0);
    assert_int_equal(lookup_sooner_ms(3, 5), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_that_passes_is_no_stop),
        cmocka_unit_test(signal_before_the_wait_is_not_lost),
        cmocka_unit_test(readable_descriptor_ends_the_wait),
        cmocka_unit_test(sooner_of_two_times_is_chosen_and_never_is_latest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
