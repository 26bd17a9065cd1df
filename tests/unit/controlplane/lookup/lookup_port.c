// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/lookup_port.h"

#include "contract/attach.h"
#include "plane_fake.h"
#include <string.h>
#include <sys/eventfd.h>
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
static int plane_socket, doorbell;

static int start(void **state)
{
    int pair[2], fds[3];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return 1;
    plane_socket = pair[0];
    doorbell = fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (int i = 0; i < 2; i++) {
        fds[i] = spsc_channel_create();
        if (spsc_channel_open(&workers[i], fds[i], SPSC_ASKER) < 0)
            return 1;
    }
    struct attach_welcome welcome = {ATTACH_MAGIC, CONTRACT_VERSION, 2, sizeof(struct message),
                                     SPSC_SLOTS};
    int error = attach_send(plane_socket, &welcome, sizeof welcome, fds, 3);
    close(fds[0]);
    close(fds[1]);
    return error || lookup_port_open(&port, pair[1], ROLE_DNS, 1U << MESSAGE_RDNS, 1000);
}

static int stop(void **state)
{
    lookup_port_close(&port);
    for (int i = 0; i < 2; i++)
        spsc_channel_close(&workers[i]);
    close(doorbell);
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

static void sleep_is_refused_while_questions_are_there(void **state)
{
    struct message m = question(MESSAGE_RDNS, 1), got;
    unsigned worker;
    assert_true(lookup_port_sleep(&port));
    assert_true(spsc_wants_bell(&workers[1].out));
    lookup_port_wake(&port);
    assert_false(spsc_wants_bell(&workers[1].out));
    assert_true(spsc_put(&workers[1].out, &m));
    assert_false(lookup_port_sleep(&port));
    assert_false(spsc_wants_bell(&workers[0].out));
    assert_true(lookup_port_take(&port, &worker, &got));
    assert_int_equal(worker, 1);
    assert_true(lookup_port_sleep(&port));
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
        cmocka_unit_test_setup_teardown(sleep_is_refused_while_questions_are_there, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
