// SPDX-License-Identifier: BSD-3-Clause
/* Against a back end that is none: it knows alice and dave, and answers when the test says so. */
#include "lookup/auth_questions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct auth_questions *questions;
static uint64_t limits[LIMIT_COUNT];
static uint8_t modes[LIMIT_COUNT];
static uint64_t now_ms, generation;
static unsigned answers;
static struct message last;

static struct {
    unsigned count, begun, known; // under way; begun ever, known ones of them
    bool refuses, fails;          // to begin; to find out
    struct auth_result results[AUTH_TRIES_MAX];
} fake;

static bool fake_begin(void *context, const struct auth_try *try, uint64_t now)
{
    struct span password = span_of(try->question->password, try->question->password_size);
    struct auth_result *result = &fake.results[fake.count];
    if (fake.refuses)
        return false;
    assert_true(fake.count < AUTH_TRIES_MAX);
    *result = (struct auth_result){.id = try->id, .user_size = (uint8_t)try->user.size};
    memcpy(result->user, try->user.at, try->user.size);
    bool right =
        (span_equal(try->user, span_text("alice")) &&
         span_equal(password, span_text("wonderland"))) ||
        (span_equal(try->user, span_text("dave")) && span_equal(password, span_text("dave")));
    result->outcome = fake.fails ? OUTCOME_UNAVAILABLE : right ? OUTCOME_RIGHT : OUTCOME_WRONG;
    if (span_equal(password, span_text("expired")))
        result->outcome = OUTCOME_REFUSED;
    fake.count++;
    fake.begun++;
    fake.known += try->known;
    return true;
}

static bool fake_take(void *context, struct auth_result *ret_result)
{
    if (fake.count == 0)
        return false;
    *ret_result = fake.results[--fake.count];
    return true;
}

static uint32_t no_mechanisms(void *context)
{
    return 0;
}

static bool no_step(void *context, struct auth_step_result *ret_result)
{
    return false;
}

static uint64_t fake_generation(void *context)
{
    return generation;
}

static void on_answer(void *context, unsigned worker, const struct message *answer)
{
    assert_true(message_is_sound(answer));
    last = *answer;
    answers++;
}

static int start(void **state)
{
    struct auth_questions_config config = {.backend = {.begin = fake_begin,
                                                       .take = fake_take,
                                                       .take_step = no_step,
                                                       .mechanisms = no_mechanisms,
                                                       .generation = fake_generation},
                                           .limits = limits,
                                           .modes = modes,
                                           .answer = on_answer};
    for (int i = 0; i < LIMIT_COUNT; i++)
        limits[i] = limit_facts((enum limit)i)->value;
    memset(&fake, 0, sizeof fake);
    now_ms = 1000000;
    answers = 0;
    return auth_questions_open(&questions, &config) < 0;
}

static int stop(void **state)
{
    auth_questions_close(questions);
    return 0;
}

static void ask(const char *addr, const char *user, const char *password)
{
    struct message m = message_make(MESSAGE_AUTH, STATUS_ASKED, 77);
    assert_true(addr_parse(addr, &m.auth_question.client.addr));
    m.auth_question.user_size = (uint8_t)strlen(user);
    memcpy(m.auth_question.user, user, strlen(user));
    m.auth_question.password_size = (uint8_t)strlen(password);
    memcpy(m.auth_question.password, password, strlen(password));
    auth_questions_take(questions, 0, &m, now_ms);
}

// enum auth_verdict, or -1 when it was unavailable.
static int verdict_of(const char *addr, const char *user, const char *password)
{
    unsigned before = answers;
    ask(addr, user, password);
    auth_questions_finish(questions, now_ms);
    assert_int_equal(answers, before + 1);
    assert_int_equal(last.handle, 77);
    return last.status == STATUS_OK ? last.auth_answer.verdict : -1;
}

static uint64_t figure(enum auth_figure which)
{
    return auth_questions_figures(questions)[which];
}

static void guess_often(const char *addr, const char *user, int times)
{
    char password[32];
    for (int i = 0; i < times; i++) {
        snprintf(password, sizeof password, "guess%d", i);
        assert_int_equal(verdict_of(addr, user, password), AUTH_WRONG);
    }
}

static void back_end_that_cannot_begin_makes_it_unavailable(void **state)
{
    fake.refuses = true;
    for (int i = 0; i < 100; i++)
        assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), -1);
    fake.refuses = false;
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT); // not counted
    assert_int_equal(figure(FIGURE_UNAVAILABLE), 100);
}

static void back_end_that_fails_counts_no_guess_and_is_asked_again(void **state)
{
    char password[32];
    fake.fails = true;
    for (int i = 0; i < 100; i++) {
        snprintf(password, sizeof password, "guess%d", i % 50);
        assert_int_equal(verdict_of("192.0.2.1", "alice", password), -1);
    }
    fake.fails = false;
    assert_int_equal(verdict_of("192.0.2.1", "alice", "guess0"), AUTH_WRONG);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
}

static void user_not_let_in_made_no_guess(void **state)
{
    for (int i = 0; i < 100; i++)
        assert_int_equal(verdict_of("192.0.2.1", "alice", "expired"), AUTH_WRONG);
    assert_int_equal(fake.begun, 100); // not remembered
}

static void unknown_user_and_wrong_password_get_the_same_answer(void **state)
{
    struct message wrong;
    assert_int_equal(verdict_of("192.0.2.1", "alice", "guess"), AUTH_WRONG);
    wrong = last;
    assert_int_equal(verdict_of("192.0.2.1", "nobody", "guess"), AUTH_WRONG);
    assert_memory_equal(&wrong, &last, sizeof last);
    assert_int_equal(fake.begun, 2);
}

static void sixth_different_guess_must_wait_and_is_not_verified(void **state)
{
    guess_often("192.0.2.1", "alice", 5);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "another"), AUTH_THROTTLED);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_THROTTLED);
    assert_int_equal(fake.begun, 5);
    auth_questions_count(questions, now_ms);
    assert_int_equal(figure(FIGURE_WAITING_PAIRS), 1);
    assert_int_equal(figure(FIGURE_WAITING_SOURCES), 0);
    now_ms += 5000;
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
}

static void guesses_of_many_connections_and_addresses_wait_soon(void **state)
{
    char password[32], addr[32];
    int throttled = 0;
    for (int i = 0; i < 36; i++) {
        snprintf(password, sizeof password, "guess%d", i);
        snprintf(addr, sizeof addr, "198.51.100.%d", 10 + i % 3);
        throttled += verdict_of(addr, i % 2 ? "alice" : "dave", password) == AUTH_THROTTLED;
        now_ms += 100;
    }
    assert_int_equal(throttled, 36 - 3 * 10);
}

static void limits_count_as_they_are_now(void **state)
{
    limits[LIMIT_AUTH_GUESSES_PAIR] = 2;
    limits[LIMIT_AUTH_DELAY_SECONDS] = 1000;
    guess_often("192.0.2.1", "alice", 2);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "another"), AUTH_THROTTLED);
    now_ms += 999999;
    assert_int_equal(verdict_of("192.0.2.1", "alice", "another"), AUTH_THROTTLED);
    limits[LIMIT_AUTH_GUESSES_PAIR] = 10;
    assert_int_equal(verdict_of("192.0.2.1", "alice", "another"), AUTH_WRONG);
}

static void address_is_throttled_over_all_users(void **state)
{
    char user[32];
    for (int i = 0; i < 10; i++) {
        snprintf(user, sizeof user, "user%d", i);
        assert_int_equal(verdict_of("2001:db8::1", user, "guess"), AUTH_WRONG);
    }
    assert_int_equal(verdict_of("2001:db8::ffff", "dave", "dave"), AUTH_THROTTLED); // same /64
    assert_int_equal(verdict_of("2001:db8:0:1::1", "dave", "dave"), AUTH_RIGHT);
}

static void prefix_is_throttled_over_all_addresses(void **state)
{
    char addr[32];
    for (int i = 0; i < 100; i++) {
        snprintf(addr, sizeof addr, "192.0.2.%d", i);
        assert_int_equal(verdict_of(addr, "alice", "guess"), AUTH_WRONG);
    }
    assert_int_equal(verdict_of("192.0.2.200", "dave", "dave"), AUTH_THROTTLED);
    assert_int_equal(verdict_of("192.0.3.1", "dave", "dave"), AUTH_RIGHT);
}

static void strangers_do_not_lock_a_user_out(void **state)
{
    guess_often("192.0.2.66", "alice", 5);
    assert_int_equal(verdict_of("192.0.2.66", "alice", "x"), AUTH_THROTTLED);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
}

static void strangers_beside_a_user_do_not_lock_him_out_either(void **state)
{
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    limits[LIMIT_AUTH_GUESSES_PREFIX] = 10;
    guess_often("192.0.2.66", "dave", 5);
    guess_often("192.0.2.67", "dave", 5);
    assert_int_equal(verdict_of("192.0.2.1", "dave", "dave"), AUTH_THROTTLED);
    now_ms += 301 * 1000; // alice's login is verified again
    limits[LIMIT_AUTH_DELAY_SECONDS] = 3600;
    assert_int_equal(verdict_of("192.0.2.1", "dave", "dave"), AUTH_THROTTLED);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    assert_int_equal(fake.known, 1);
}

static void flood_of_guesses_leaves_room_for_known_pairs(void **state)
{
    char addr[32], password[32];
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    generation++; // so that it is verified again
    auth_questions_finish(questions, now_ms);
    for (int i = 0; i < 1000; i++) {
        snprintf(addr, sizeof addr, "10.%d.0.1", i % 250);
        snprintf(password, sizeof password, "guess%d", i);
        ask(addr, "alice", password);
    }
    assert_int_equal(figure(FIGURE_UNDER_WAY), AUTH_STRANGERS_MAX);
    assert_int_equal(figure(FIGURE_UNAVAILABLE), 1000 - AUTH_STRANGERS_MAX);
    ask("192.0.2.1", "alice", "wonderland");
    assert_int_equal(fake.known, 1);
    auth_questions_finish(questions, now_ms);
    assert_int_equal(figure(FIGURE_RIGHT), 2);
    assert_int_equal(figure(FIGURE_UNDER_WAY), 0);
}

static void one_prefix_has_a_share_of_what_is_under_way(void **state)
{
    char addr[32], password[32];
    limits[LIMIT_AUTH_GUESSES_PREFIX] = 1000;
    for (int i = 0; i < 250; i++) {
        snprintf(addr, sizeof addr, "10.0.0.%d", i);
        snprintf(password, sizeof password, "guess%d", i);
        ask(addr, "alice", password);
    }
    assert_int_equal(figure(FIGURE_UNDER_WAY), AUTH_PREFIX_MAX);
    ask("10.0.1.1", "alice", "guess");
    assert_int_equal(figure(FIGURE_UNDER_WAY), AUTH_PREFIX_MAX + 1);
}

static void one_wrong_password_again_and_again_counts_once(void **state)
{
    for (int i = 0; i < 100; i++)
        assert_int_equal(verdict_of("192.0.2.1", "alice", "old password"), AUTH_WRONG);
    assert_int_equal(fake.begun, 1);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
}

static void good_login_makes_that_address_and_user_known_only(void **state)
{
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    guess_often("192.0.2.1", "alice", 49);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    guess_often("192.0.2.1", "dave", 5);
    assert_int_equal(verdict_of("192.0.2.1", "dave", "dave"), AUTH_THROTTLED);
}

static void known_pair_must_wait_too_in_the_end(void **state)
{
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    guess_often("192.0.2.1", "alice", 50);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "another"), AUTH_THROTTLED);
    auth_questions_count(questions, now_ms);
    assert_int_equal(figure(FIGURE_WAITING_KNOWN), 1);
    assert_int_equal(figure(FIGURE_WAITING_SOURCES), 0);
}

static void pair_is_known_for_a_day(void **state)
{
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    now_ms += 24 * 3600 * 1000;
    guess_often("192.0.2.1", "alice", 5);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_THROTTLED);
}

static void good_logins_are_no_guesses(void **state)
{
    for (int i = 0; i < 100; i++)
        assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    assert_int_equal(fake.begun, 1);
    now_ms += limits[LIMIT_AUTH_CACHE_SECONDS] * 1000;
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    assert_int_equal(fake.begun, 2);
}

static void equal_attempts_at_a_time_are_verified_once(void **state)
{
    for (int i = 0; i < 30; i++)
        ask("192.0.2.1", "alice", "wonderland");
    auth_questions_finish(questions, now_ms);
    assert_int_equal(answers, 30);
    assert_int_equal(last.auth_answer.verdict, AUTH_RIGHT);
    assert_int_equal(fake.begun, 1);
}

static void what_was_right_or_wrong_is_forgotten_with_the_generation(void **state)
{
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "guess"), AUTH_WRONG);
    generation++;
    auth_questions_finish(questions, now_ms);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "guess"), AUTH_WRONG);
    assert_int_equal(fake.begun, 4);
}

static void login_comes_back_as_the_back_end_has_it(void **state)
{
    for (int i = 0; i < 2; i++) { // verified, then remembered
        assert_int_equal(verdict_of("192.0.2.1", "ALICE", "wonderland"), AUTH_RIGHT);
        assert_int_equal(last.auth_answer.user_size, 5);
        assert_memory_equal(last.auth_answer.user, "alice", 5);
    }
}

static void password_is_kept_nowhere(void **state)
{
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "looking glass"), AUTH_WRONG);
    assert_null(memmem(questions, 16384, "wonderland", 10));
    assert_null(memmem(questions, 16384, "looking", 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(back_end_that_cannot_begin_makes_it_unavailable, start,
                                        stop),
        cmocka_unit_test_setup_teardown(back_end_that_fails_counts_no_guess_and_is_asked_again,
                                        start, stop),
        cmocka_unit_test_setup_teardown(user_not_let_in_made_no_guess, start, stop),
        cmocka_unit_test_setup_teardown(unknown_user_and_wrong_password_get_the_same_answer, start,
                                        stop),
        cmocka_unit_test_setup_teardown(sixth_different_guess_must_wait_and_is_not_verified, start,
                                        stop),
        cmocka_unit_test_setup_teardown(guesses_of_many_connections_and_addresses_wait_soon, start,
                                        stop),
        cmocka_unit_test_setup_teardown(limits_count_as_they_are_now, start, stop),
        cmocka_unit_test_setup_teardown(address_is_throttled_over_all_users, start, stop),
        cmocka_unit_test_setup_teardown(prefix_is_throttled_over_all_addresses, start, stop),
        cmocka_unit_test_setup_teardown(strangers_do_not_lock_a_user_out, start, stop),
        cmocka_unit_test_setup_teardown(strangers_beside_a_user_do_not_lock_him_out_either, start,
                                        stop),
        cmocka_unit_test_setup_teardown(flood_of_guesses_leaves_room_for_known_pairs, start, stop),
        cmocka_unit_test_setup_teardown(one_prefix_has_a_share_of_what_is_under_way, start, stop),
        cmocka_unit_test_setup_teardown(one_wrong_password_again_and_again_counts_once, start,
                                        stop),
        cmocka_unit_test_setup_teardown(good_login_makes_that_address_and_user_known_only, start,
                                        stop),
        cmocka_unit_test_setup_teardown(known_pair_must_wait_too_in_the_end, start, stop),
        cmocka_unit_test_setup_teardown(pair_is_known_for_a_day, start, stop),
        cmocka_unit_test_setup_teardown(good_logins_are_no_guesses, start, stop),
        cmocka_unit_test_setup_teardown(equal_attempts_at_a_time_are_verified_once, start, stop),
        cmocka_unit_test_setup_teardown(what_was_right_or_wrong_is_forgotten_with_the_generation,
                                        start, stop),
        cmocka_unit_test_setup_teardown(login_comes_back_as_the_back_end_has_it, start, stop),
        cmocka_unit_test_setup_teardown(password_is_kept_nowhere, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
