// SPDX-License-Identifier: BSD-3-Clause
#include "contract/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int pair[2];

static int set_up(void **state)
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int tear_down(void **state)
{
    close(pair[0]);
    close(pair[1]);
    return 0;
}

// Descriptors open now: what came with a refused record must not stay.
static int descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void a_record_of_another_size_is_refused_and_its_descriptors_closed(void **state)
{
    uint64_t record = 7;
    int fd = eventfd(0, EFD_CLOEXEC);
    int before = descriptors();
    static const size_t sizes[] = {1, 7};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(attach_send(pair[0], &record, sizes[i], &fd, 1), 0);
        uint64_t got;
        int fds[2], count = 0;
        assert_int_equal(attach_receive(pair[1], &got, sizeof got, fds, 2, &count), -EPROTO);
    }
    uint64_t longer[2] = {0};
    assert_int_equal(attach_send(pair[0], longer, sizeof longer, &fd, 1), 0);
    int fds[2], count = 0;
    assert_int_equal(attach_receive(pair[1], &record, sizeof record, fds, 2, &count), -EPROTO);
    assert_int_equal(descriptors(), before);
    close(fd);
}

static void more_descriptors_than_wanted_are_refused_and_closed(void **state)
{
    uint64_t record = 7;
    int fd = eventfd(0, EFD_CLOEXEC), many[ATTACH_FDS_MAX];
    for (int i = 0; i < ATTACH_FDS_MAX; i++)
        many[i] = fd;
    int before = descriptors(), count = 0;
    assert_int_equal(attach_send(pair[0], &record, sizeof record, many, 1), 0);
    assert_int_equal(attach_receive(pair[1], &record, sizeof record, NULL, 0, &count), -EPROTO);
    assert_int_equal(attach_send(pair[0], &record, sizeof record, many, ATTACH_FDS_MAX), 0);
    int fds[2];
    assert_int_equal(attach_receive(pair[1], &record, sizeof record, fds, 2, &count), -EPROTO);
    assert_int_equal(descriptors(), before);
    close(fd);
}

static void an_ended_or_empty_connection_is_told_apart(void **state)
{
    uint64_t record;
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    assert_int_equal(attach_receive(pair[1], &record, sizeof record, NULL, 0, NULL), -EAGAIN);
    shutdown(pair[0], SHUT_WR);
    assert_int_equal(attach_receive(pair[1], &record, sizeof record, NULL, 0, NULL), -ECONNRESET);
    close(pair[1]);
    assert_int_equal(attach_send(pair[0], &record, sizeof record, NULL, 0), -EPIPE);
}

static void a_record_arrives_whole_with_all_its_descriptors(void **state)
{
    struct attach_hello hello = {ATTACH_MAGIC, contract_version, ROLE_DNS}, got;
    int many[ATTACH_FDS_MAX], fds[ATTACH_FDS_MAX], count = 0;
    int fd = eventfd(3, EFD_CLOEXEC);
    for (int i = 0; i < ATTACH_FDS_MAX; i++)
        many[i] = fd;
    assert_int_equal(attach_send(pair[0], &hello, sizeof hello, many, ATTACH_FDS_MAX), 0);
    assert_int_equal(attach_receive(pair[1], &got, sizeof got, fds, ATTACH_FDS_MAX, &count), 0);
    assert_memory_equal(&hello, &got, sizeof got);
    assert_int_equal(count, ATTACH_FDS_MAX);
    uint64_t value = 0;
    assert_int_equal(read(fds[ATTACH_FDS_MAX - 1], &value, sizeof value), sizeof value);
    assert_int_equal(value, 3);
    for (int i = 0; i < count; i++) {
        assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        close(fds[i]);
    }
    close(fd);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(a_record_of_another_size_is_refused_and_its_descriptors_closed),
        CASE(more_descriptors_than_wanted_are_refused_and_closed),
        CASE(an_ended_or_empty_connection_is_told_apart),
        CASE(a_record_arrives_whole_with_all_its_descriptors),
    };
    return cmocka_run_group_tests_name("attach", cases, NULL, NULL);
}
