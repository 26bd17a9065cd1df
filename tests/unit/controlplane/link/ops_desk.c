// SPDX-License-Identifier: BSD-3-Clause
#include "link/ops_desk.h"

#include "support/ops_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uv_loop_t loop;
static struct dataplane_link uplink;
static struct ops_rig rig;
static struct ops_desk desk;
static unsigned answers, ends;
static int last_error;

static void on_answer(void *context, unsigned worker, const struct message *answer)
{
    answers++;
}

static void on_done(void *context, int error)
{
    ends++;
    last_error = error;
}

static int up(void **state)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    ops_rig_up(&rig, &loop, &uplink);
    ops_desk_init(&desk, &loop, &uplink);
    answers = ends = 0;
    last_error = 1;
    return 0;
}

static int down(void **state)
{
    ops_desk_done(&desk);
    ops_rig_down(&rig);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    return uv_loop_close(&loop);
}

static int ask(enum message_kind kind)
{
    static const struct ops_owner owner = {.answer = on_answer, .done = on_done};
    struct message question = message_make(kind, STATUS_ASKED, 0);
    return ops_desk_ask(&desk, &question, &owner);
}

// That worker's answer to the next question in its ring.
static struct message answer_of(unsigned worker)
{
    struct message message;
    assert_true(ops_rig_take(&rig, worker, &message));
    message.status = STATUS_OK;
    return message;
}

static void answer(unsigned worker)
{
    struct message message = answer_of(worker);
    ops_desk_answer(&desk, worker, &message);
}

static void link_that_is_not_up_takes_no_question(void **state)
{
    uplink.state = LINK_OFFERED;
    assert_int_equal(ask(MESSAGE_BAN_LIST), -ENOTCONN);
    uplink.state = LINK_UP;
    assert_int_equal(ends, 0);
}

static void desk_takes_its_limit_and_not_one_more(void **state)
{
    for (int i = 0; i < OPS_ASKS_MAX; i++)
        assert_int_equal(ask(MESSAGE_BAN_LIST), 0);
    assert_int_equal(ask(MESSAGE_BAN_LIST), -EBUSY);
    answer(0);
    answer(1);
    assert_int_equal(ends, 1);
    assert_int_equal(ask(MESSAGE_BAN_LIST), 0);
}

static void full_ring_of_one_worker_refuses_and_the_other_answers_nobody(void **state)
{
    struct message filler = message_make(MESSAGE_BAN_LIST, STATUS_ASKED, UINT64_MAX);
    while (spsc_put(&uplink.client.channels[1].out, &filler))
        ;
    assert_int_equal(ask(MESSAGE_BAN_LIST), -EBUSY);
    answer(0);
    assert_int_equal(answers + ends, 0);
    assert_int_equal(desk.answers_late, 1);
}

static void answers_to_nobody_are_counted_and_dropped(void **state)
{
    assert_int_equal(ask(MESSAGE_BAN_LIST), 0);
    struct message right = answer_of(0), wrong = right;
    wrong.handle += 1ull << 32; // another generation
    ops_desk_answer(&desk, 0, &wrong);
    wrong.handle = right.handle + 1; // nobody's
    ops_desk_answer(&desk, 0, &wrong);
    wrong.handle = OPS_ASKS_MAX; // beyond the table
    ops_desk_answer(&desk, 0, &wrong);
    wrong = right;
    wrong.kind = MESSAGE_BAN_ADD; // to another question
    ops_desk_answer(&desk, 0, &wrong);
    assert_int_equal(answers, 0);
    ops_desk_answer(&desk, 0, &right);
    ops_desk_answer(&desk, 0, &right); // twice
    assert_int_equal(answers, 1);
    assert_int_equal(ends, 0);
    answer(1);
    ops_desk_answer(&desk, 1, &right); // after the end
    assert_int_equal(ends, 1);
    assert_int_equal(desk.answers_late, 6);
}

static void data_plane_that_goes_ends_every_ask_once(void **state)
{
    assert_int_equal(ask(MESSAGE_BAN_LIST), 0);
    assert_int_equal(ask(MESSAGE_SESSION_LIST), 0);
    ops_desk_down(&desk);
    ops_desk_down(&desk);
    assert_int_equal(ends, 2);
    assert_int_equal(last_error, -ENOTCONN);
}

static void silent_worker_ends_the_ask_by_its_deadline(void **state)
{
    assert_int_equal(ask(MESSAGE_BAN_LIST), 0);
    answer(0);
    desk.asks[0].deadline_ms = uv_now(&loop) + 1;
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0); // ends when nothing is awaited any more
    assert_int_equal(answers, 1);
    assert_int_equal(ends, 1);
    assert_int_equal(last_error, -ETIMEDOUT);
}

static void list_without_end_is_left_at_its_limit(void **state)
{
    assert_int_equal(ask(MESSAGE_BAN_LIST), 0);
    answer(1);
    for (uint32_t page = 0; page < OPS_PAGES_MAX; page++) {
        struct message message = answer_of(0);
        message.ban_page.next = 7;
        ops_desk_answer(&desk, 0, &message);
    }
    assert_int_equal(ends, 1);
    assert_int_equal(answers, OPS_PAGES_MAX + 1);
}

static void page_for_which_the_ring_has_no_room_ends_the_ask(void **state)
{
    assert_int_equal(ask(MESSAGE_SESSION_LIST), 0);
    struct message message = answer_of(0);
    message.session_page.next = 1;
    while (spsc_put(&uplink.client.channels[0].out, &message))
        ;
    ops_desk_answer(&desk, 0, &message);
    assert_int_equal(ends, 1);
    assert_int_equal(last_error, -EBUSY);
}

static void lists_are_walked_page_by_page(void **state)
{
    assert_int_equal(ask(MESSAGE_SESSION_LIST), 0);
    struct message message = answer_of(0);
    assert_int_equal(message.page_question.cursor, 0);
    message.session_page.next = 41;
    ops_desk_answer(&desk, 0, &message);
    message = answer_of(0);
    assert_int_equal(message.page_question.cursor, 41);
    memset(message.bytes, 0, sizeof message.bytes);
    ops_desk_answer(&desk, 0, &message);
    assert_int_equal(ends, 0);
    answer(1);
    assert_int_equal(ends, 1);
    assert_int_equal(last_error, 0);
    assert_int_equal(answers, 3);
}

static void every_worker_is_asked_and_the_end_comes_with_the_last(void **state)
{
    assert_int_equal(ask(MESSAGE_BAN_LIST), 0);
    assert_int_equal(ask(MESSAGE_SESSION_LIST), 0);
    answer(1);
    assert_int_equal(ends, 0);
    answer(0);
    assert_int_equal(ends, 1);
    answer(0);
    answer(1);
    assert_int_equal(ends, 2);
    assert_int_equal(last_error, 0);
    assert_int_equal(desk.answers_late, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(link_that_is_not_up_takes_no_question, up, down),
        cmocka_unit_test_setup_teardown(desk_takes_its_limit_and_not_one_more, up, down),
        cmocka_unit_test_setup_teardown(
            full_ring_of_one_worker_refuses_and_the_other_answers_nobody, up, down),
        cmocka_unit_test_setup_teardown(answers_to_nobody_are_counted_and_dropped, up, down),
        cmocka_unit_test_setup_teardown(data_plane_that_goes_ends_every_ask_once, up, down),
        cmocka_unit_test_setup_teardown(silent_worker_ends_the_ask_by_its_deadline, up, down),
        cmocka_unit_test_setup_teardown(list_without_end_is_left_at_its_limit, up, down),
        cmocka_unit_test_setup_teardown(page_for_which_the_ring_has_no_room_ends_the_ask, up, down),
        cmocka_unit_test_setup_teardown(lists_are_walked_page_by_page, up, down),
        cmocka_unit_test_setup_teardown(every_worker_is_asked_and_the_end_comes_with_the_last, up,
                                        down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
