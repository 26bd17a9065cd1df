// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_questions.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char path[32];
static struct passwd_file file;
static struct auth_pool *pool;
static struct auth_questions *questions;
static uint64_t now_ms;
static unsigned answers;
static struct message last;

static void on_answer(void *context, unsigned worker, const struct message *answer)
{
    assert_true(message_is_sound(answer));
    last = *answer;
    answers++;
}

static void file_write(const char *text)
{
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
    auth_questions_refresh(questions);
}

static int start(void **state)
{
    snprintf(path, sizeof path, "/tmp/weir-passwd-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || auth_pool_open(&pool) < 0)
        return 1;
    close(fd);
    passwd_file_init(&file, path);
    struct auth_questions_config config = {&file, pool, on_answer, NULL};
    if (auth_questions_open(&questions, &config) < 0)
        return 1;
    now_ms = 1000000;
    answers = 0;
    file_write("alice:{PLAIN}wonderland\nbob:{CRYPT}!\ncarol:{SCRAM-SHA-256}x\ndave:{PLAIN}dave\n");
    return 0;
}

static int stop(void **state)
{
    auth_pool_close(pool);
    auth_questions_close(questions);
    passwd_file_done(&file);
    unlink(path);
    return 0;
}

static void ask(const char *addr, const char *user, const char *password)
{
    struct message m = message_make(MESSAGE_AUTH, STATUS_ASKED, 77);
    assert_true(addr_parse(addr, &m.auth_question.addr));
    m.auth_question.user_size = (uint8_t)strlen(user);
    memcpy(m.auth_question.user, user, strlen(user));
    m.auth_question.password_size = (uint8_t)strlen(password);
    memcpy(m.auth_question.password, password, strlen(password));
    auth_questions_take(questions, 0, &m, now_ms);
}

static void wait_answers(unsigned wanted)
{
    for (int tries = 0; tries < 5000 && answers < wanted; tries++) {
        auth_questions_finish(questions, now_ms);
        if (answers < wanted)
            poll(NULL, 0, 1);
    }
    assert_int_equal(answers, wanted);
}

// enum auth_verdict, or -1 when it was unavailable.
static int verdict_of(const char *addr, const char *user, const char *password)
{
    unsigned before = answers;
    ask(addr, user, password);
    wait_answers(before + 1);
    assert_int_equal(last.handle, 77);
    return last.status == STATUS_OK ? last.auth_answer.verdict : -1;
}

static uint64_t hashed(void)
{
    return auth_questions_counters(questions)->hashed;
}

static void guess_often(const char *addr, const char *user, int times)
{
    char password[32];
    for (int i = 0; i < times; i++) {
        snprintf(password, sizeof password, "guess%d", i);
        assert_int_equal(verdict_of(addr, user, password), AUTH_WRONG);
    }
}

static void without_users_it_is_unavailable(void **state)
{
    file_write("");
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), -1);
}

static void unknown_and_locked_users_cost_a_hash_and_are_wrong(void **state)
{
    static const char *const users[] = {"nobody", "bob", "carol", "\xff\xfe"};
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        assert_int_equal(verdict_of("192.0.2.1", users[i], "wonderland"), AUTH_WRONG);
        assert_int_equal(hashed(), i + 1);
    }
}

static void password_of_another_user_is_wrong(void **state)
{
    assert_int_equal(verdict_of("192.0.2.1", "nobody", "dave"), AUTH_WRONG);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "dave"), AUTH_WRONG);
    assert_int_equal(verdict_of("192.0.2.1", "dave", ""), AUTH_WRONG);
}

static void sixth_different_guess_is_throttled_without_a_hash(void **state)
{
    guess_often("192.0.2.1", "alice", AUTH_PAIR_BURST);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "another"), AUTH_THROTTLED);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_THROTTLED);
    assert_int_equal(hashed(), AUTH_PAIR_BURST);
    now_ms += AUTH_WINDOW_MS / AUTH_PAIR_BURST;
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
}

static void address_is_throttled_over_all_users(void **state)
{
    char user[32];
    for (int i = 0; i < AUTH_ADDRESS_BURST; i++) {
        snprintf(user, sizeof user, "user%d", i);
        assert_int_equal(verdict_of("2001:db8::1", user, "guess"), AUTH_WRONG);
    }
    assert_int_equal(verdict_of("2001:db8::ffff", "dave", "dave"), AUTH_THROTTLED); // same /64
    assert_int_equal(verdict_of("2001:db8:0:1::1", "dave", "dave"), AUTH_RIGHT);
}

static void strangers_do_not_lock_a_user_out(void **state)
{
    guess_often("192.0.2.66", "alice", AUTH_PAIR_BURST);
    assert_int_equal(verdict_of("192.0.2.66", "alice", "x"), AUTH_THROTTLED);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
}

static void one_wrong_password_again_and_again_counts_once(void **state)
{
    for (int i = 0; i < 100; i++)
        assert_int_equal(verdict_of("192.0.2.1", "alice", "old password"), AUTH_WRONG);
    assert_int_equal(hashed(), 1);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
}

static void good_login_exempts_that_address_and_user_only(void **state)
{
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    guess_often("192.0.2.1", "alice", 2 * AUTH_PAIR_BURST);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    guess_often("192.0.2.1", "dave", AUTH_PAIR_BURST);
    assert_int_equal(verdict_of("192.0.2.1", "dave", "dave"), AUTH_THROTTLED);
}

static void good_logins_are_no_guesses(void **state)
{
    for (int i = 0; i < 3 * AUTH_ADDRESS_BURST; i++)
        assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    assert_int_equal(hashed(), 1);
    now_ms += AUTH_RIGHT_MS;
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    assert_int_equal(hashed(), 2);
}

static void equal_attempts_at_a_time_are_hashed_once(void **state)
{
    for (int i = 0; i < 30; i++)
        ask("192.0.2.1", "alice", "wonderland");
    wait_answers(30);
    assert_int_equal(last.auth_answer.verdict, AUTH_RIGHT);
    assert_int_equal(hashed(), 1);
}

static void changed_password_counts_at_once(void **state)
{
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_RIGHT);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "looking glass"), AUTH_WRONG);
    file_write("alice:{PLAIN}looking glass\n");
    assert_int_equal(verdict_of("192.0.2.1", "alice", "wonderland"), AUTH_WRONG);
    assert_int_equal(verdict_of("192.0.2.1", "alice", "looking glass"), AUTH_RIGHT);
}

static void password_changed_during_its_hash_is_wrong(void **state)
{
    ask("192.0.2.1", "alice", "wonderland");
    file_write("alice:{PLAIN}looking glass\n");
    wait_answers(1);
    assert_int_equal(last.auth_answer.verdict, AUTH_WRONG);
}

static void login_comes_back_in_lower_case(void **state)
{
    assert_int_equal(verdict_of("192.0.2.1", "ALICE", "wonderland"), AUTH_RIGHT);
    assert_int_equal(last.auth_answer.user_size, 5);
    assert_memory_equal(last.auth_answer.user, "alice", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_users_it_is_unavailable, start, stop),
        cmocka_unit_test_setup_teardown(unknown_and_locked_users_cost_a_hash_and_are_wrong, start,
                                        stop),
        cmocka_unit_test_setup_teardown(password_of_another_user_is_wrong, start, stop),
        cmocka_unit_test_setup_teardown(sixth_different_guess_is_throttled_without_a_hash, start,
                                        stop),
        cmocka_unit_test_setup_teardown(address_is_throttled_over_all_users, start, stop),
        cmocka_unit_test_setup_teardown(strangers_do_not_lock_a_user_out, start, stop),
        cmocka_unit_test_setup_teardown(one_wrong_password_again_and_again_counts_once, start,
                                        stop),
        cmocka_unit_test_setup_teardown(good_login_exempts_that_address_and_user_only, start, stop),
        cmocka_unit_test_setup_teardown(good_logins_are_no_guesses, start, stop),
        cmocka_unit_test_setup_teardown(equal_attempts_at_a_time_are_hashed_once, start, stop),
        cmocka_unit_test_setup_teardown(changed_password_counts_at_once, start, stop),
        cmocka_unit_test_setup_teardown(password_changed_during_its_hash_is_wrong, start, stop),
        cmocka_unit_test_setup_teardown(login_comes_back_in_lower_case, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
