// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/lookup_port.h"

#include "contract/doorbell.h"
#include "lookup/lookup_wait.h"

#include "contract/attach.h"
#include "plane_fake.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// Both ends in this process: a thread would only make it slower to read.
static struct lookup_port port;
static struct spsc_channel workers[2];
static int plane_socket, button;

static int start(void **state)
{
    int pair[2], fds[3];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return 1;
    plane_socket = pair[0];
    int bell[DOORBELL_ENDS];
    if (doorbell_open(bell) < 0)
        return 1;
    button = bell[DOORBELL_BUTTON];
    fds[2] = bell[DOORBELL_BELL];
    for (int i = 0; i < 2; i++) {
        fds[i] = spsc_channel_create();
        if (spsc_channel_open(&workers[i], fds[i], SPSC_ASKER) < 0)
            return 1;
    }
    struct attach_welcome welcome = {ATTACH_MAGIC, contract_version, 2, sizeof(struct message),
                                     SPSC_SLOTS};
    int error = attach_send(plane_socket, &welcome, sizeof welcome, fds, 3);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    return error || lookup_port_open(&port, pair[1], ROLE_DNS, 1U << MESSAGE_RDNS, 1000);
}

static int stop(void **state)
{
    lookup_port_close(&port);
    for (int i = 0; i < 2; i++)
        spsc_channel_close(&workers[i]);
    close(button);
    return close(plane_socket);
}

static struct message question(enum message_kind kind, uint64_t handle)
{
    return message_make(kind, STATUS_ASKED, handle);
}

static void plane_that_hangs_up_instead_of_welcome_is_an_error(void **state)
{
    struct lookup_port refused;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    close(pair[0]);
    assert_true(lookup_port_open(&refused, pair[1], ROLE_DNS, 0, 1000) < 0);
    close(pair[1]);
}

static void unsound_foreign_and_answering_messages_are_dropped(void **state)
{
    struct message m = question(MESSAGE_RDNS, 1), got;
    unsigned worker;
    m.version = 9;
    assert_true(spsc_put(&workers[0].out, &m));
    m = question(MESSAGE_SPF, 2);
    assert_true(spsc_put(&workers[0].out, &m));
    m = message_make(MESSAGE_RDNS, STATUS_OK, 3);
    assert_true(spsc_put(&workers[0].out, &m));
    assert_false(lookup_port_take(&port, &worker, &got));
    assert_int_equal(port.counters.unsound, 3);
    assert_int_equal(port.counters.questions, 0);
}

static void answers_wait_for_room_and_the_last_are_dropped(void **state)
{
    struct message got;
    struct message m = message_make(MESSAGE_RDNS, STATUS_OK, 0);
    for (uint64_t i = 0; i < SPSC_SLOTS + LOOKUP_WAITING_MAX + 1; i++) {
        m.handle = i;
        lookup_port_answer(&port, 1, &m);
    }
    assert_int_equal(port.waiting_count, LOOKUP_WAITING_MAX);
    assert_int_equal(port.counters.answers_dropped, 1);
    lookup_port_flush(&port); // nothing was taken yet
    assert_int_equal(port.waiting_count, LOOKUP_WAITING_MAX);
    uint64_t taken = 0;
    for (int round = 0; round < 4; round++) {
        while (spsc_take(&workers[1].in, &got))
            assert_int_equal(got.handle, taken++);
        lookup_port_flush(&port);
    }
    assert_int_equal(taken, SPSC_SLOTS + LOOKUP_WAITING_MAX);
    assert_int_equal(port.counters.answers_dropped, 1);
}

static void one_busy_worker_does_not_starve_another(void **state)
{
    struct message m, got;
    unsigned worker;
    for (uint64_t i = 0; i < 10; i++) {
        m = question(MESSAGE_RDNS, i);
        assert_true(spsc_put(&workers[0].out, &m));
    }
    assert_true(spsc_put(&workers[1].out, &m));
    assert_true(lookup_port_take(&port, &worker, &got));
    unsigned first = worker;
    assert_true(lookup_port_take(&port, &worker, &got));
    assert_true(worker != first);
}

static void channel_with_impossible_indices_is_broken(void **state)
{
    struct message got;
    unsigned worker;
    assert_false(lookup_port_is_broken(&port));
    workers[1].memory->questions.tail = 100000;
    assert_false(lookup_port_take(&port, &worker, &got));
    assert_true(lookup_port_is_broken(&port));
}

static uint64_t waited_us(int timeout_ms)
{
    uint64_t before_us = lookup_now_us();
    assert_true(lookup_port_wait(&port, NULL, 0, timeout_ms));
    return lookup_now_us() - before_us;
}

static void what_is_ready_is_not_slept_on(void **state)
{
    struct message m = question(MESSAGE_RDNS, 1);
    assert_true(spsc_put(&workers[1].out, &m));
    assert_true(waited_us(10000) < 5000000);
    assert_false(spsc_wants_bell(&workers[1].out));
}

static void a_sleeper_asks_for_the_bell_and_wakes_by_it(void **state)
{
    doorbell_ring(button);
    assert_true(waited_us(10000) < 5000000);
    assert_false(spsc_wants_bell(&workers[0].out));
    assert_true(waited_us(2) >= 2000); // and is silent again
}

static void a_data_plane_that_is_gone_or_took_the_bell_back_ends_the_child(void **state)
{
    close(button);
    assert_false(lookup_port_wait(&port, NULL, 0, 10000));
    button = dup(plane_socket);
    shutdown(plane_socket, SHUT_RDWR);
    assert_false(lookup_port_wait(&port, NULL, 0, 10000));
}

static void a_flood_of_questions_does_not_hide_the_end_of_the_data_plane(void **state)
{
    struct message m = question(MESSAGE_RDNS, 1);
    assert_true(spsc_put(&workers[0].out, &m)); // never taken: always ready
    shutdown(plane_socket, SHUT_RDWR);
    int turns = 0;
    while (turns <= LOOKUP_BUSY_TURNS && lookup_port_wait(&port, NULL, 0, 10000))
        turns++;
    assert_int_equal(turns, LOOKUP_BUSY_TURNS);
}

static void lingering_is_learnt_from_short_sleeps_and_forgotten_in_long_ones(void **state)
{
    port.linger_us = LOOKUP_LINGER_US;
    (void)waited_us(1);
    assert_int_equal(port.linger_us, 0);
    for (int i = 0; i < 1000 && port.linger_us < LOOKUP_LINGER_LEAST_US; i++) {
        doorbell_ring(button); // no sleep at all
        (void)waited_us(1000);
    }
    assert_in_range(port.linger_us, LOOKUP_LINGER_LEAST_US, LOOKUP_LINGER_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plane_that_hangs_up_instead_of_welcome_is_an_error),
        cmocka_unit_test_setup_teardown(unsound_foreign_and_answering_messages_are_dropped, start,
                                        stop),
        cmocka_unit_test_setup_teardown(answers_wait_for_room_and_the_last_are_dropped, start,
                                        stop),
        cmocka_unit_test_setup_teardown(one_busy_worker_does_not_starve_another, start, stop),
        cmocka_unit_test_setup_teardown(channel_with_impossible_indices_is_broken, start, stop),
        cmocka_unit_test_setup_teardown(what_is_ready_is_not_slept_on, start, stop),
        cmocka_unit_test_setup_teardown(a_sleeper_asks_for_the_bell_and_wakes_by_it, start, stop),
        cmocka_unit_test_setup_teardown(
            a_data_plane_that_is_gone_or_took_the_bell_back_ends_the_child, start, stop),
        cmocka_unit_test_setup_teardown(
            a_flood_of_questions_does_not_hide_the_end_of_the_data_plane, start, stop),
        cmocka_unit_test_setup_teardown(
            lingering_is_learnt_from_short_sleeps_and_forgotten_in_long_ones, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
