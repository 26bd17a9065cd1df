// SPDX-License-Identifier: BSD-3-Clause
/* The frame of a child; what the two make of it is told by their own tests. */
#include "lookup/lookup_child.h"

#include "contract/attach.h"
#include "lookup/lookup_wait.h"
#include "plane_fake.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct plane_fake plane;
static uint64_t *turns; // shared with the child

struct echo { // answers every question with itself, unless told to fail or to wait
    struct lookup_port port;
    int open_error;
    bool is_open;
};

static int echo_open(void *context, const char **ret_doing)
{
    struct echo *echo = context;
    *ret_doing = "open";
    echo->is_open = echo->open_error == 0;
    return echo->open_error;
}

static void echo_take(void *context, unsigned worker, const struct message *question,
                      uint64_t now_ms)
{
    struct echo *echo = context;
    struct message answer =
        message_make((enum message_kind)question->kind, STATUS_UNAVAILABLE, question->handle);
    lookup_port_answer(&echo->port, worker, &answer);
}

static void echo_work(void *context, uint64_t now_ms)
{
}
static void echo_want(void *context, uint64_t now_ms, struct lookup_wants *wants)
{
}

static void echo_close(void *context)
{
    CHECK(((struct echo *)context)->is_open == (((struct echo *)context)->open_error == 0));
}

static int run(int socket, const void *config)
{
    struct echo echo = {.open_error = *(const int *)config,
                        .port.client = {.socket = -1, .bell = -1}};
    struct lookup_child child = {
        .name = "echo",
        .role = ROLE_AUTH,
        .sandbox = SANDBOX_AUTH,
        .kinds = 1U << MESSAGE_AUTH,
        .user = "nobody",
        .parent = getppid(),
        .turns = turns,
        .open = echo_open,
        .work = echo_work,
        .take = echo_take,
        .want = echo_want,
        .close = echo_close,
        .context = &echo,
        .port = &echo.port,
    };
    return lookup_child_run(&child, socket);
}

static int start(void **state)
{
    static const int fine = 0;
    return plane_fake_open(&plane, ROLE_AUTH, run, &fine) ? 0 : 1;
}

static void what_cannot_be_opened_ends_it(void **state)
{
    static const int error = -ENOMEM;
    assert_true(plane_fake_open(&plane, ROLE_AUTH, run, &error));
    assert_int_equal(plane_fake_close(&plane), 1);
}

static void broken_channel_ends_it(void **state)
{
    struct message question = message_make(MESSAGE_AUTH, STATUS_ASKED, 1);
    plane.channels[0].out.memory->tail += SPSC_SLOTS * 7;
    (void)plane_fake_ask(&plane, 1, &question); // rings
    doorbell_ring(plane.bell[DOORBELL_BUTTON]);
    assert_int_equal(plane_fake_wait(&plane), 1);
}

static void question_of_each_worker_is_answered(void **state)
{
    for (unsigned i = 0; i < 1000; i++) {
        struct message question = message_make(MESSAGE_AUTH, STATUS_ASKED, i), answer;
        question.auth_question.user_size = 1;
        question.auth_question.user[0] = 'a';
        assert_true(plane_fake_ask(&plane, i % PLANE_WORKERS, &question));
        assert_true(plane_fake_answer(&plane, i % PLANE_WORKERS, &answer, 10000, NULL, NULL));
        assert_int_equal(answer.handle, i);
    }
    assert_int_equal(plane_fake_close(&plane), 0);
}

static void idle_child_goes_on_taking_turns(void **state)
{
    uint64_t begin = __atomic_load_n(turns, __ATOMIC_RELAXED), end_ms = lookup_now_ms() + 20000;
    while (__atomic_load_n(turns, __ATOMIC_RELAXED) < begin + 2 && lookup_now_ms() < end_ms)
        poll(NULL, 0, 10);
    assert_true(__atomic_load_n(turns, __ATOMIC_RELAXED) >= begin + 2);
    assert_int_equal(plane_fake_close(&plane), 0);
}

static void sigterm_ends_it(void **state)
{
    assert_int_equal(kill(plane.child, SIGTERM), 0);
    assert_int_equal(plane_fake_wait(&plane), 0);
    plane.child = 0;
    plane_fake_close(&plane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_opened_ends_it),
        cmocka_unit_test_setup(broken_channel_ends_it, start),
        cmocka_unit_test_setup(question_of_each_worker_is_answered, start),
        cmocka_unit_test_setup(idle_child_goes_on_taking_turns, start),
        cmocka_unit_test_setup(sigterm_ends_it, start),
    };
    turns = mmap(NULL, sizeof *turns, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (turns == MAP_FAILED)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
