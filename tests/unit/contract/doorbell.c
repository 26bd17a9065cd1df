// SPDX-License-Identifier: BSD-3-Clause
#include "contract/doorbell.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int ends[DOORBELL_ENDS];

static int set_up(void **state)
{
    return doorbell_open(ends);
}

static int tear_down(void **state)
{
    for (int i = 0; i < DOORBELL_ENDS; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    return 0;
}

static bool rings(void)
{
    struct pollfd bell = {.fd = ends[DOORBELL_BELL], .events = POLLIN};
    return poll(&bell, 1, 0) == 1;
}

static void a_sleeper_that_never_listens_does_not_hold_the_ringer_up(void **state)
{
    assert_int_equal(fcntl(ends[DOORBELL_BELL], F_SETFL, O_RDWR), 0); // blocking
    for (int i = 0; i < 1 << 16; i++)
        doorbell_ring(ends[DOORBELL_BUTTON]);
    assert_true(rings());
}

static void a_ringer_that_took_the_ring_back_does_not_hold_the_sleeper_up(void **state)
{
    char byte;
    doorbell_ring(ends[DOORBELL_BUTTON]);
    assert_int_equal(recv(ends[DOORBELL_BELL], &byte, 1, 0), 1);
    assert_int_equal(fcntl(ends[DOORBELL_BELL], F_SETFL, O_RDWR), 0);
    assert_true(doorbell_hear(ends[DOORBELL_BELL]));
}

static void a_dead_side_is_no_signal_and_no_error_but_told_to_the_sleeper(void **state)
{
    close(ends[DOORBELL_BUTTON]);
    ends[DOORBELL_BUTTON] = -1;
    assert_false(doorbell_hear(ends[DOORBELL_BELL]));
    tear_down(state);
    assert_int_equal(doorbell_open(ends), 0);
    close(ends[DOORBELL_BELL]);
    ends[DOORBELL_BELL] = -1;
    doorbell_ring(ends[DOORBELL_BUTTON]); // SIGPIPE would end the test
}

static void a_ring_is_heard_once(void **state)
{
    assert_false(rings());
    doorbell_ring(ends[DOORBELL_BUTTON]);
    doorbell_ring(ends[DOORBELL_BUTTON]);
    assert_true(rings());
    assert_true(doorbell_hear(ends[DOORBELL_BELL]));
    assert_false(rings());
    assert_true(doorbell_hear(ends[DOORBELL_BELL]));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(a_sleeper_that_never_listens_does_not_hold_the_ringer_up),
        CASE(a_ringer_that_took_the_ring_back_does_not_hold_the_sleeper_up),
        CASE(a_dead_side_is_no_signal_and_no_error_but_told_to_the_sleeper),
        CASE(a_ring_is_heard_once),
    };
    return cmocka_run_group_tests_name("doorbell", cases, NULL, NULL);
}
