// SPDX-License-Identifier: BSD-3-Clause
#include "link/attach_client.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORKERS = 2 };

static int ends[2]; // ours, the data plane's
static struct attach_client client;

static int pair_open(void **state)
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int pair_close(void **state)
{
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static int counters_memfd(uint32_t version, uint32_t workers, int seals)
{
    int fd = memfd_create("counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct counter_area area = {.version = version, .workers = workers};
    assert_int_equal(pwrite(fd, &area, sizeof area, 0), sizeof area);
    if (seals)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static struct attach_welcome welcome_sound(void)
{
    return (struct attach_welcome){.magic = ATTACH_MAGIC,
                                   .version = contract_version,
                                   .workers = WORKERS,
                                   .slot_size = sizeof(struct message),
                                   .slots = SPSC_SLOTS};
}

// Sends the record with `channels` channels, a doorbell, and `counters` unless -1; closes those.
static void welcome_send(const struct attach_welcome *welcome, int channels, int counters)
{
    int fds[ATTACH_FDS_MAX], count = 0;
    for (; count < channels; count++)
        fds[count] = spsc_channel_create();
    fds[count++] = eventfd(0, EFD_CLOEXEC);
    if (counters >= 0)
        fds[count++] = counters;
    assert_int_equal(attach_send(ends[1], welcome, sizeof *welcome, fds, count), 0);
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

static void assert_refused(enum attach_role role, int want)
{
    client.socket = 12345;
    assert_int_equal(attach_client_welcome(&client, ends[0], role), want);
    assert_int_equal(client.socket, 12345);
}

static void welcome_with_a_wrong_field_is_refused(void **state)
{
    for (int i = 0; i < 6; i++) {
        struct attach_welcome welcome = welcome_sound();
        switch (i) {
        case 0:
            welcome.magic++;
            break;
        case 1:
            welcome.version++;
            break;
        case 2:
            welcome.workers = 0;
            break;
        case 3:
            welcome.workers = WORKERS_MAX + 1;
            break;
        case 4:
            welcome.slot_size /= 2;
            break;
        case 5:
            welcome.slots *= 2;
            break;
        }
        welcome_send(&welcome, WORKERS, -1);
        assert_refused(ROLE_DNS, -EPROTO);
    }
}

static void descriptors_too_many_or_too_few_are_refused(void **state)
{
    struct attach_welcome welcome = welcome_sound();
    welcome_send(&welcome, WORKERS - 1, -1);
    assert_refused(ROLE_DNS, -EPROTO);
    welcome_send(&welcome, WORKERS + 1, -1);
    assert_refused(ROLE_DNS, -EPROTO);
    welcome_send(&welcome, WORKERS, -1);
    assert_refused(ROLE_OPS, -EPROTO);
    assert_int_equal(attach_send(ends[1], &welcome, sizeof welcome, NULL, 0), 0);
    assert_refused(ROLE_DNS, -EPROTO);
}

static void counters_that_could_fault_or_are_others_are_refused(void **state)
{
    struct attach_welcome welcome = welcome_sound();
    welcome_send(&welcome, WORKERS, counters_memfd(contract_version, WORKERS, 0));
    assert_refused(ROLE_OPS, -EPROTO);
    welcome_send(&welcome, WORKERS, counters_memfd(contract_version + 1, WORKERS, F_SEAL_SHRINK));
    assert_refused(ROLE_OPS, -EPROTO);
    welcome_send(&welcome, WORKERS, counters_memfd(contract_version, 1, F_SEAL_SHRINK));
    assert_refused(ROLE_OPS, -EPROTO);
    int small = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(fcntl(small, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    welcome_send(&welcome, WORKERS, small);
    assert_refused(ROLE_OPS, -EPROTO);
}

static void channel_that_is_none_is_refused(void **state)
{
    struct attach_welcome welcome = welcome_sound();
    int fds[WORKERS + 1] = {spsc_channel_create(), memfd_create("no channel", MFD_CLOEXEC),
                            eventfd(0, EFD_CLOEXEC)};
    assert_int_equal(attach_send(ends[1], &welcome, sizeof welcome, fds, WORKERS + 1), 0);
    for (int i = 0; i < WORKERS + 1; i++)
        close(fds[i]);
    assert_refused(ROLE_DNS, -EPROTO);
}

static void data_plane_that_says_nothing_or_leaves_is_an_error(void **state)
{
    assert_int_equal(attach_client_open(&client, ends[0], ROLE_DNS, 10), -ETIMEDOUT);
    struct attach_hello hello;
    assert_int_equal(attach_receive(ends[1], &hello, sizeof hello, NULL, 0, NULL), 0);
    assert_int_equal(hello.role, ROLE_DNS);
    assert_int_equal(hello.version, contract_version);
    shutdown(ends[1], SHUT_RDWR);
    assert_true(attach_client_open(&client, ends[0], ROLE_DNS, 10) < 0);
    assert_int_equal(attach_client_connect("/nowhere.sock"), -ENOENT);
}

static void result_text_is_ended_whatever_came(void **state)
{
    struct attach_result sent = {.magic = ATTACH_MAGIC, .error = -EINVAL}, got;
    memset(sent.text, 'x', sizeof sent.text);
    assert_int_equal(attach_send(ends[1], &sent, sizeof sent, NULL, 0), 0);
    assert_int_equal(attach_client_result(ends[0], &got), 0);
    assert_int_equal(strlen(got.text), sizeof got.text - 1);
    sent.error = 1;
    assert_int_equal(attach_send(ends[1], &sent, sizeof sent, NULL, 0), 0);
    assert_int_equal(attach_client_result(ends[0], &got), -EPROTO);
}

static void sound_welcome_opens_everything_once(void **state)
{
    struct attach_welcome welcome = welcome_sound();
    int before = open("/dev/null", O_RDONLY); // the lowest free descriptor
    close(before);
    welcome_send(&welcome, WORKERS,
                 counters_memfd(contract_version, WORKERS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK));
    assert_int_equal(attach_client_welcome(&client, dup(ends[0]), ROLE_OPS), 0);
    assert_int_equal(client.workers, WORKERS);
    assert_non_null(client.counters);
    struct message message = message_make(MESSAGE_BAN_LIST, STATUS_ASKED, 1);
    assert_true(spsc_put(&client.channels[1].out, &message));
    attach_client_close(&client);
    attach_client_close(&client);
    int after = open("/dev/null", O_RDONLY);
    close(after);
    assert_int_equal(before, after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(welcome_with_a_wrong_field_is_refused, pair_open,
                                        pair_close),
        cmocka_unit_test_setup_teardown(descriptors_too_many_or_too_few_are_refused, pair_open,
                                        pair_close),
        cmocka_unit_test_setup_teardown(counters_that_could_fault_or_are_others_are_refused,
                                        pair_open, pair_close),
        cmocka_unit_test_setup_teardown(channel_that_is_none_is_refused, pair_open, pair_close),
        cmocka_unit_test_setup_teardown(data_plane_that_says_nothing_or_leaves_is_an_error,
                                        pair_open, pair_close),
        cmocka_unit_test_setup_teardown(result_text_is_ended_whatever_came, pair_open, pair_close),
        cmocka_unit_test_setup_teardown(sound_welcome_opens_everything_once, pair_open, pair_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
