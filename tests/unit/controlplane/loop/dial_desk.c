// SPDX-License-Identifier: BSD-3-Clause
#include "loop/dial_desk.h"

#include "contract/attach.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static uv_loop_t loop;
static char path[64];

// Asks once and runs the loop until the answer is there. The errno; 0: *ret_fd is connected.
static uint32_t ask(int end, int *ret_fd)
{
    uint32_t record = 0;
    int count = 0, error = -EAGAIN;
    *ret_fd = -1;
    assert_int_equal(attach_send(end, &record, sizeof record, NULL, 0), 0);
    while (error == -EAGAIN) {
        uv_run(&loop, UV_RUN_ONCE);
        error = attach_receive(end, &record, sizeof record, ret_fd, 1, &count);
    }
    assert_int_equal(error, 0);
    assert_int_equal(count, record == 0);
    return record;
}

static void desk_done(struct dial_desk *desk, int end)
{
    dial_desk_close(desk);
    close(end);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static struct dial_desk *desk_at(const char *place, int *ret_end)
{
    struct dial_desk *desk;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(dial_desk_open(&desk, &loop, place, ret_end), 0);
    return desk;
}

static void places_that_are_none_are_refused_by_errno(void **state)
{
    static const struct {
        const char *place;
        int error;
    } rows[] = {{"/nonexistent/auth", ENOENT},
                {"nonsense", EINVAL},
                {"localhost:1", EINVAL},
                {"127.0.0.1:65536", EINVAL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int end, fd;
        struct dial_desk *desk = desk_at(rows[i].place, &end);
        assert_int_equal(ask(end, &fd), rows[i].error);
        desk_done(desk, end);
    }
}

static void child_that_goes_away_is_no_harm(void **state)
{
    int end;
    struct dial_desk *desk = desk_at("/nonexistent/auth", &end);
    close(end);
    uv_run(&loop, UV_RUN_ONCE);
    desk_done(desk, -1);
}

static void each_question_gets_a_fresh_connection_after_a_pause(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int end, fd;
    snprintf(path, sizeof path, "/tmp/weir-dial-%d", (int)getpid());
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 4), 0);
    struct dial_desk *desk = desk_at(path, &end);
    for (int i = 0; i < 2; i++) {
        uint64_t begun_ms = uv_now(&loop);
        assert_int_equal(ask(end, &fd), 0);
        assert_true(uv_now(&loop) - begun_ms >= DIAL_DESK_PAUSE_MS);
        int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_int_equal(send(peer, "x", 1, 0), 1);
        char byte;
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
        close(fd);
        close(peer);
    }
    desk_done(desk, end);
    close(listener);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_that_are_none_are_refused_by_errno),
        cmocka_unit_test(child_that_goes_away_is_no_harm),
        cmocka_unit_test(each_question_gets_a_fresh_connection_after_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
