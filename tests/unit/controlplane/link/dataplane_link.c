// SPDX-License-Identifier: BSD-3-Clause
/* The link against a data plane of the test's own: a socket on which it says whatever it likes. */
#include "link/dataplane_link.h"

#include "base/log.h"
#include "contract/doorbell.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORKERS = 2, UNTIL_MS = 20000 };

static char directory[] = "/tmp/weir-link-XXXXXX";
static char path[64];
static uv_loop_t loop;
static uv_timer_t tick; // so that the loop comes back
static struct dataplane_link uplink;
static struct { // the data plane
    int listener, socket, button;
    struct spsc_channel workers[WORKERS];
} peer;
static struct { // what the owner heard
    unsigned connected, results, up, down, messages, batches, last_worker;
    int last_error;
} heard;

static void on_connected(void *context)
{
    heard.connected++;
    int fd = memfd_create("policy", MFD_CLOEXEC);
    assert_int_equal(dataplane_link_send(&uplink, fd, heard.connected, 1), 0);
    close(fd);
}

static void on_result(void *context, const struct attach_result *result)
{
    heard.results++;
    heard.last_error = result->error;
}

static void on_up(void *context)
{
    heard.up++;
}

static void on_down(void *context)
{
    heard.down++;
}

static void on_message(void *context, unsigned worker, const struct message *message)
{
    heard.messages++;
    heard.last_worker = worker;
}

static void on_messages_end(void *context)
{
    heard.batches++;
}

static void on_tick(uv_timer_t *timer)
{
}

static void peer_listen(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    peer.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(peer.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(peer.listener, 4), 0);
}

static int up(void **state)
{
    static const struct dataplane_link_owner owner = {
        .connected = on_connected,
        .result = on_result,
        .up = on_up,
        .down = on_down,
        .message = on_message,
        .messages_end = on_messages_end,
    };
    memset(&heard, 0, sizeof heard);
    memset(&peer, 0, sizeof peer);
    peer.listener = peer.socket = peer.button = -1;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &tick), 0);
    uv_timer_start(&tick, on_tick, 1, 1);
    dataplane_link_init(&uplink, &loop, path, &owner);
    dataplane_link_start(&uplink);
    return 0;
}

static void peer_die(void)
{
    for (int i = 0; i < WORKERS; i++)
        if (peer.workers[i].memory)
            spsc_channel_close(&peer.workers[i]);
    memset(peer.workers, 0, sizeof peer.workers);
    if (peer.button >= 0)
        close(peer.button);
    if (peer.socket >= 0)
        close(peer.socket);
    peer.socket = peer.button = -1;
}

static int down(void **state)
{
    dataplane_link_stop(&uplink);
    peer_die();
    if (peer.listener >= 0)
        close(peer.listener);
    unlink(path);
    uv_close((uv_handle_t *)&tick, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    return uv_loop_close(&loop);
}

// Runs the loop until *what reaches `want`.
static void until(const unsigned *what, unsigned want)
{
    uint64_t end = uv_now(&loop) + UNTIL_MS;
    while (*what < want && uv_now(&loop) < end)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(*what, want);
}

// The next connection: hello, and the policy that the owner sends when told of it.
static void peer_accept(void)
{
    struct attach_hello hello;
    struct attach_policy policy;
    int fd, count = 0;
    until(&heard.connected, heard.connected + 1);
    peer.socket = accept4(peer.listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer.socket >= 0);
    assert_int_equal(attach_receive(peer.socket, &hello, sizeof hello, NULL, 0, NULL), 0);
    assert_int_equal(hello.role, ROLE_OPS);
    assert_int_equal(attach_receive(peer.socket, &policy, sizeof policy, &fd, 1, &count), 0);
    assert_int_equal(policy.generation, heard.connected);
    close(fd);
}

static void peer_result(int error)
{
    struct attach_result result = {.magic = ATTACH_MAGIC, .error = error};
    assert_int_equal(attach_send(peer.socket, &result, sizeof result, NULL, 0), 0);
}

static int counters_create(void)
{
    int fd = memfd_create("counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct counter_area area = {.version = contract_version, .workers = WORKERS};
    assert_int_equal(pwrite(fd, &area, sizeof area, 0), sizeof area);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    return fd;
}

static void peer_welcome(void)
{
    struct attach_welcome welcome = {.magic = ATTACH_MAGIC,
                                     .version = contract_version,
                                     .workers = WORKERS,
                                     .slot_size = sizeof(struct message),
                                     .slots = SPSC_SLOTS};
    int fds[WORKERS + 2];
    for (int i = 0; i < WORKERS; i++) {
        if (peer.workers[i].memory)
            spsc_channel_close(&peer.workers[i]);
        fds[i] = spsc_channel_create();
        assert_int_equal(spsc_channel_open(&peer.workers[i], fds[i], SPSC_ANSWERER), 0);
    }
    if (peer.button >= 0)
        close(peer.button);
    int bell[DOORBELL_ENDS];
    assert_int_equal(doorbell_open(bell), 0);
    peer.button = bell[DOORBELL_BUTTON];
    fds[WORKERS] = bell[DOORBELL_BELL];
    fds[WORKERS + 1] = counters_create();
    assert_int_equal(attach_send(peer.socket, &welcome, sizeof welcome, fds, WORKERS + 2), 0);
    for (int i = 0; i < WORKERS + 2; i++)
        close(fds[i]);
}

static void peer_ring(void)
{
    doorbell_ring(peer.button);
}

static void peer_bring_up(void)
{
    unsigned before = heard.up;
    peer_accept();
    peer_result(0);
    peer_welcome();
    until(&heard.up, before + 1);
    assert_int_equal(uplink.state, LINK_UP);
}

static void data_plane_that_is_not_there_is_tried_again(void **state)
{
    for (int i = 0; i < 10; i++)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(uplink.state, LINK_DOWN);
    assert_int_equal(heard.connected + heard.down, 0);
    peer_listen();
    peer_accept();
    assert_int_equal(uplink.state, LINK_OFFERED);
    assert_int_equal(uplink.pid, getpid());
}

static void record_that_breaks_the_protocol_drops_the_link(void **state)
{
    static const struct attach_result no_magic;
    static const struct attach_welcome no_welcome;
    static const char odd[3];
    static const struct {
        const void *record;
        size_t size;
    } rows[] = {{odd, sizeof odd}, {&no_magic, sizeof no_magic}, {&no_welcome, sizeof no_welcome}};
    peer_listen();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        peer_accept();
        assert_int_equal(attach_send(peer.socket, rows[i].record, rows[i].size, NULL, 0), 0);
        until(&heard.down, i + 1);
        assert_int_equal(uplink.state, LINK_DOWN);
        assert_int_equal(uplink.pid, 0);
        peer_die();
    }
    assert_int_equal(heard.up + heard.results, 0);
}

static void result_that_nobody_asked_for_drops_the_link(void **state)
{
    peer_listen();
    peer_bring_up();
    peer_result(0);
    until(&heard.down, 1);
    assert_int_equal(heard.results, 1);
}

static void second_welcome_drops_the_link(void **state)
{
    peer_listen();
    peer_bring_up();
    peer_welcome();
    until(&heard.down, 1);
    assert_int_equal(heard.up, 1);
}

static void impossible_ring_index_drops_the_link(void **state)
{
    peer_listen();
    peer_bring_up();
    peer.workers[1].out.memory->tail += 7 * SPSC_SLOTS;
    peer_ring();
    until(&heard.down, 1);
    peer_die();
    peer_bring_up(); // with fresh rings
    assert_int_equal(heard.messages, 0);
}

static void questions_and_unsound_messages_are_counted_not_delivered(void **state)
{
    struct message question = message_make(MESSAGE_BAN_LIST, STATUS_ASKED, 1);
    struct message unsound = message_make(MESSAGE_BAN_LIST, STATUS_OK, 1);
    struct message sound = message_make(MESSAGE_BAN_LIST, STATUS_NOT_FOUND, 1);
    unsound.ban_page.count = BANS_PER_MESSAGE + 1;
    peer_listen();
    peer_bring_up();
    assert_true(spsc_put(&peer.workers[1].out, &question));
    assert_true(spsc_put(&peer.workers[1].out, &unsound));
    assert_true(spsc_put(&peer.workers[1].out, &sound));
    assert_true(spsc_wants_bell(&peer.workers[1].out));
    peer_ring();
    until(&heard.messages, 1);
    assert_int_equal(uplink.messages_bad, 2);
    assert_int_equal(heard.last_worker, 1);
    assert_int_equal(uplink.state, LINK_UP);
}

static void first_policy_refused_does_not_bring_it_up(void **state)
{
    peer_listen();
    peer_accept();
    peer_welcome();
    peer_result(-EINVAL);
    until(&heard.results, 1);
    assert_int_equal(heard.last_error, -EINVAL);
    assert_int_equal(uplink.state, LINK_OFFERED);
    on_connected(NULL); // the owner tries another
    peer_result(0);
    until(&heard.up, 1);
}

static void data_plane_that_dies_is_attached_again(void **state)
{
    peer_listen();
    for (unsigned i = 1; i <= 3; i++) {
        peer_bring_up();
        peer_die();
        until(&heard.down, i);
        assert_int_equal(uplink.client.workers, 0);
        assert_null(uplink.client.counters);
        assert_int_equal(uplink.socket, -1);
    }
}

static void what_is_due_has_its_deadline_and_nothing_else(void **state)
{
    peer_listen();
    peer_accept();
    assert_in_range(uv_timer_get_due_in(&uplink.timer), DATAPLANE_LINK_START_MS - 5000,
                    DATAPLANE_LINK_START_MS);
    peer_welcome();
    peer_result(0);
    until(&heard.up, 1);
    assert_false(uv_is_active((uv_handle_t *)&uplink.timer));
    on_connected(NULL);
    assert_in_range(uv_timer_get_due_in(&uplink.timer), DATAPLANE_LINK_RESULT_MS - 5000,
                    DATAPLANE_LINK_RESULT_MS);
    peer_result(-EINVAL);
    until(&heard.results, 2);
    assert_false(uv_is_active((uv_handle_t *)&uplink.timer));
}

static void messages_of_a_full_ring_all_arrive(void **state)
{
    struct message message = message_make(MESSAGE_BAN_ADD, STATUS_OK, 1);
    unsigned sent = 0;
    peer_listen();
    peer_bring_up();
    for (int i = 0; i < WORKERS; i++)
        while (spsc_put(&peer.workers[i].out, &message))
            sent++;
    assert_int_equal(sent, WORKERS * SPSC_SLOTS);
    unsigned batches = heard.batches;
    peer_ring();
    until(&heard.messages, sent);
    until(&heard.batches, batches + 1);
    assert_true(uplink.client.channels[0].in.memory->asleep);
}

static void stop_tells_the_owner_nothing(void **state)
{
    peer_listen();
    peer_bring_up();
    dataplane_link_stop(&uplink);
    dataplane_link_stop(&uplink);
    for (int i = 0; i < 5; i++)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(heard.down, 0);
    assert_string_equal(dataplane_link_state_name(uplink.state), "down");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(data_plane_that_is_not_there_is_tried_again, up, down),
        cmocka_unit_test_setup_teardown(record_that_breaks_the_protocol_drops_the_link, up, down),
        cmocka_unit_test_setup_teardown(result_that_nobody_asked_for_drops_the_link, up, down),
        cmocka_unit_test_setup_teardown(second_welcome_drops_the_link, up, down),
        cmocka_unit_test_setup_teardown(impossible_ring_index_drops_the_link, up, down),
        cmocka_unit_test_setup_teardown(questions_and_unsound_messages_are_counted_not_delivered,
                                        up, down),
        cmocka_unit_test_setup_teardown(first_policy_refused_does_not_bring_it_up, up, down),
        cmocka_unit_test_setup_teardown(data_plane_that_dies_is_attached_again, up, down),
        cmocka_unit_test_setup_teardown(what_is_due_has_its_deadline_and_nothing_else, up, down),
        cmocka_unit_test_setup_teardown(messages_of_a_full_ring_all_arrive, up, down),
        cmocka_unit_test_setup_teardown(stop_tells_the_owner_nothing, up, down),
    };
    log_open("test", LOG_ERROR);
    if (!mkdtemp(directory))
        return 1;
    snprintf(path, sizeof path, "%s/dataplane.sock", directory);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
