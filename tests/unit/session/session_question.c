// SPDX-License-Identifier: BSD-3-Clause
#include "play.h"

#include "contract/mechanism.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_question_without_answer_fails_as_the_policy_says(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    rig_expect(rig, client, "220 ");
    assert_int_equal(rig_counters(rig)->reasons[REASON_SESSION_QUESTION_TIMEOUT], 1);
}

static void nobody_attached_fails_at_once(void **state)
{
    struct rig *rig = *state;
    rig_attach(rig, false);
    uint64_t before = rig_now(rig);
    struct rig_peer *client = rig_connect(rig, 25);
    rig_expect(rig, client, "220 ");
    assert_true(rig_now(rig) - before < 1000000);
    assert_int_equal(rig_counters(rig)->reasons[REASON_SESSION_QUESTION_FULL], 1);
}

static void open_questions_are_asked_again_on_a_fresh_channel(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    struct message first = *rig_asked(rig, MESSAGE_RDNS);
    struct message *seen = (struct message *)rig_asked(rig, MESSAGE_RDNS);
    memset(seen, 0, sizeof *seen);
    sessions_ask_again(rig_sessions(rig), ROLE_AUTH);
    assert_null(rig_asked(rig, MESSAGE_RDNS));
    sessions_ask_again(rig_sessions(rig), ROLE_DNS);
    assert_non_null(rig_asked(rig, MESSAGE_RDNS));
    assert_memory_equal(rig_asked(rig, MESSAGE_RDNS), &first, sizeof first);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
}

static void a_question_that_two_children_ended_with_is_given_up(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    struct message *seen = (struct message *)rig_asked(rig, MESSAGE_RDNS);
    sessions_ask_again(rig_sessions(rig), ROLE_DNS);
    assert_int_equal(rig_counters(rig)->reasons[REASON_SESSION_QUESTION_POISON], 0);
    memset(seen, 0, sizeof *seen);
    sessions_ask_again(rig_sessions(rig), ROLE_DNS);
    assert_null(rig_asked(rig, MESSAGE_RDNS));
    assert_int_equal(rig_counters(rig)->reasons[REASON_SESSION_QUESTION_POISON], 1);
    rig_expect(rig, client, "220 "); // the policy tags
}

static void a_question_that_the_fresh_channel_brought_is_not_asked_twice(void **state)
{
    struct rig *rig = *state;
    sessions_ask_again(rig_sessions(rig), ROLE_DNS);
    struct rig_peer *client = rig_connect(rig, 25);
    rig_run(rig, 10000);
    assert_non_null(rig_asked(rig, MESSAGE_RDNS));
    assert_int_equal(rig_counters(rig)->counters[COUNTER_QUESTIONS_ASKED_AGAIN], 0);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
}

static void what_found_the_fresh_channel_full_is_asked_when_there_is_room(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    rig_attach(rig, false);
    sessions_ask_again(rig_sessions(rig), ROLE_DNS);
    rig_run(rig, 10000);
    assert_int_equal(rig_counters(rig)->counters[COUNTER_QUESTIONS_ASKED_AGAIN], 0);
    rig_attach(rig, true);
    rig_run(rig, 10000);
    assert_int_equal(rig_counters(rig)->counters[COUNTER_QUESTIONS_ASKED_AGAIN], 1);
    play_answer_rdns(rig);
    rig_expect(rig, client, "220 ");
}

static void an_answer_to_nobody_is_counted_and_dropped(void **state)
{
    struct rig *rig = *state;
    struct rig_peer *client = rig_connect(rig, 25);
    struct message question = *rig_asked(rig, MESSAGE_RDNS);
    struct message wrong = message_make(MESSAGE_SPF, STATUS_OK, question.handle);
    rig_answer(rig, &wrong);
    wrong = message_make(MESSAGE_RDNS, STATUS_OK, question.handle + ((uint64_t)2 << 32));
    rig_answer(rig, &wrong);
    play_answer_rdns(rig);
    play_answer_rdns(rig);
    assert_int_equal(rig_counters(rig)->reasons[REASON_SESSION_ANSWER_LATE], 3);
    rig_expect(rig, client, "220 ");
}

static void an_offer_answers_nobody_and_is_not_late(void **state)
{
    struct rig *rig = *state;
    struct message offer = message_make(MESSAGE_OFFER, STATUS_OK, 0);
    offer.offer.mechanisms = 1U << MECHANISM_XOAUTH2;
    assert_int_equal(sessions_role_of(MESSAGE_OFFER), ROLE_AUTH);
    assert_int_equal(sessions_role_of(MESSAGE_SASL), ROLE_AUTH);
    sessions_answer(rig_sessions(rig), &offer, rig_now(rig));
    assert_int_equal(rig_counters(rig)->reasons[REASON_SESSION_ANSWER_LATE], 0);
}

// Both sessions' rDNS; what the first was told is the second's, unless something came between.
static void the_second_session_is_asked_for(struct rig *rig, bool asked, uint32_t keep_s,
                                            void (*between)(struct rig *))
{
    struct rig_peer *first = rig_connect(rig, 25);
    struct message *seen = (struct message *)rig_asked(rig, MESSAGE_RDNS);
    struct message answer = message_make(MESSAGE_RDNS, STATUS_OK, seen->handle);
    answer.rdns_answer.verdict = RDNS_NONE;
    answer.keep_s = keep_s;
    memset(seen, 0, sizeof *seen);
    rig_answer(rig, &answer);
    rig_expect(rig, first, "220 ");
    if (between)
        between(rig);
    struct rig_peer *second = rig_connect(rig, 25);
    rig_run(rig, 10000);
    assert_int_equal(rig_asked(rig, MESSAGE_RDNS) != NULL, asked);
    assert_int_equal(rig_counters(rig)->counters[COUNTER_VERDICTS_KNOWN], !asked);
    if (asked)
        play_answer_rdns(rig);
    rig_expect(rig, second, "220 ");
}

static void a_fresh_channel_comes(struct rig *rig)
{
    sessions_ask_again(rig_sessions(rig), ROLE_DNS);
}

static void what_does_not_hold_is_asked_again(void **state)
{
    the_second_session_is_asked_for(*state, true, 0, NULL);
}

static void a_fresh_channel_is_asked_anew(void **state)
{
    the_second_session_is_asked_for(*state, true, 30, a_fresh_channel_comes);
}

static void what_still_holds_is_not_asked_again(void **state)
{
    the_second_session_is_asked_for(*state, false, 30, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, play_setup, play_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_question_without_answer_fails_as_the_policy_says),
        TEST(nobody_attached_fails_at_once),
        TEST(open_questions_are_asked_again_on_a_fresh_channel),
        TEST(a_question_that_two_children_ended_with_is_given_up),
        TEST(a_question_that_the_fresh_channel_brought_is_not_asked_twice),
        TEST(what_found_the_fresh_channel_full_is_asked_when_there_is_room),
        TEST(an_answer_to_nobody_is_counted_and_dropped),
        TEST(what_does_not_hold_is_asked_again),
        TEST(a_fresh_channel_is_asked_anew),
        TEST(what_still_holds_is_not_asked_again),
        TEST(an_offer_answers_nobody_and_is_not_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
