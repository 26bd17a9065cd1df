// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_passwd.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

// crypt(3) of "wonderland".
#define SLOW                                                                                       \
    "$6$rounds=20000$salt$"                                                                        \
    "8xv.vc8qZVuWoaUGY5cRMv8APe5XfMGUvAlg5UiaCvaRMY5yfjNovPFw2OZpwzwjHUVbWdlx36CExPsUdUwl60"

static char path[32];
static struct auth_passwd *passwd;
static struct auth_backend backend;

static void file_write(const char *text)
{
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
    auth_passwd_refresh(passwd);
}

static int start(void **state)
{
    snprintf(path, sizeof path, "/tmp/weir-passwd-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || auth_passwd_open(&passwd, path, true) < 0)
        return 1;
    close(fd);
    backend = auth_passwd_backend(passwd);
    file_write("alice:{PLAIN}wonderland\nbob:{CRYPT}!\ncarol:{NTLM}x\ndave:{PLAIN}dave\n");
    return 0;
}

static int stop(void **state)
{
    auth_passwd_close(passwd);
    unlink(path);
    return 0;
}

static bool begin(const char *user, const char *password)
{
    struct auth_question question = {.password_size = (uint8_t)strlen(password)};
    memcpy(question.password, password, strlen(password));
    struct auth_try try = {
        .id = 3, .question = &question, .user = span_text(user), .until_ms = UINT64_MAX};
    return backend.begin(passwd, &try, 0);
}

static struct auth_result wait_result(void)
{
    struct auth_result result;
    while (!backend.take(passwd, &result)) {
        struct pollfd fd = {.fd = auth_passwd_fd(passwd), .events = POLLIN};
        assert_true(poll(&fd, 1, 10000) >= 0);
    }
    assert_int_equal(result.id, 3);
    return result;
}

static enum auth_outcome outcome_of(const char *user, const char *password)
{
    assert_true(begin(user, password));
    return wait_result().outcome;
}

static void without_users_nothing_is_begun(void **state)
{
    file_write("");
    assert_false(begin("alice", "wonderland"));
}

static void missing_or_bad_file_keeps_the_users_and_is_told(void **state)
{
    uint64_t generation = backend.generation(passwd);
    file_write("nonsense\n");
    assert_int_equal(auth_passwd_error(passwd), EBADMSG);
    assert_int_equal(outcome_of("alice", "wonderland"), OUTCOME_RIGHT);
    assert_int_equal(unlink(path), 0);
    for (int i = 0; i < 2; i++) {
        auth_passwd_refresh(passwd);
        assert_int_equal(auth_passwd_error(passwd), ENOENT);
        assert_int_equal(outcome_of("alice", "wonderland"), OUTCOME_RIGHT);
    }
    assert_int_equal(backend.generation(passwd), generation);
    file_write("alice:{PLAIN}other\n");
    assert_int_equal(auth_passwd_error(passwd), 0);
    assert_true(backend.generation(passwd) > generation);
    assert_int_equal(outcome_of("alice", "wonderland"), OUTCOME_WRONG);
}

static void unknown_and_locked_users_are_hashed_and_wrong(void **state)
{
    static const char *const users[] = {"nobody", "bob", "carol", "\xff\xfe"};
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++)
        assert_int_equal(outcome_of(users[i], "wonderland"), OUTCOME_WRONG);
}

static void password_of_another_user_is_wrong(void **state)
{
    assert_int_equal(outcome_of("nobody", "dave"), OUTCOME_WRONG);
    assert_int_equal(outcome_of("alice", "dave"), OUTCOME_WRONG);
    assert_int_equal(outcome_of("dave", ""), OUTCOME_WRONG);
}

static void password_changed_during_its_hash_is_wrong(void **state)
{
    assert_true(begin("alice", "wonderland"));
    file_write("alice:{PLAIN}looking glass\n");
    assert_int_equal(wait_result().outcome, OUTCOME_WRONG);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int order(const void *a, const void *b)
{
    return *(const uint64_t *)a < *(const uint64_t *)b ? -1 : 1;
}

// Medians of interleaved attempts: without the hash for the unknown the ratio would be 0.01.
static void unknown_user_takes_as_long_as_a_wrong_password(void **state)
{
    enum { EACH = 31 };
    static const char *const users[] = {"alice", "nobody"};
    uint64_t took[2][EACH];
    file_write("alice:{SHA512-CRYPT}" SLOW "\n");
    for (int i = 0; i < EACH; i++)
        for (int who = 0; who < 2; who++) {
            uint64_t begun = now_ns();
            assert_int_equal(outcome_of(users[who], "guess"), OUTCOME_WRONG);
            took[who][i] = now_ns() - begun;
        }
    qsort(took[0], EACH, sizeof took[0][0], order);
    qsort(took[1], EACH, sizeof took[1][0], order);
    double ratio = (double)took[1][EACH / 2] / (double)took[0][EACH / 2];
    if (ratio < 0.8 || ratio > 1.25)
        fail_msg("unknown user %.2f times as long", ratio);
    assert_int_equal(outcome_of("alice", "wonderland"), OUTCOME_RIGHT); // the hash was a real one
}

static void right_password_tells_the_login(void **state)
{
    assert_true(begin("alice", "wonderland"));
    struct auth_result result = wait_result();
    assert_int_equal(result.outcome, OUTCOME_RIGHT);
    assert_true(span_equal(span_of(result.user, result.user_size), span_text("alice")));
    assert_int_equal(auth_passwd_users(passwd), 4);
}

// RFC 7677, section 3: user "user", password "pencil".
#define KEYS                                                                                       \
    "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"   \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static struct auth_step_result step_of(bool first, const char *response)
{
    struct sasl_question question = {0};
    struct auth_step step = {.id = 7,
                             .first = first,
                             .mechanism = MECHANISM_SCRAM_SHA_256,
                             .question = &question,
                             .response = span_text(response)};
    struct auth_step_result result;
    assert_true(backend.step(passwd, &step, 0));
    assert_true(backend.take_step(passwd, &result));
    assert_false(backend.take_step(passwd, &result));
    assert_int_equal(result.id, 7);
    return result;
}

static void scram_is_offered_while_all_who_log_in_have_keys(void **state)
{
    assert_int_equal(backend.mechanisms(passwd), 0);
    file_write("user:" KEYS "\nother:{PLAIN}x\n");
    assert_int_equal(backend.mechanisms(passwd), 0);
    assert_int_equal(step_of(true, "n,,n=user,r=x").outcome, OUTCOME_UNAVAILABLE);
    file_write("bob:{CRYPT}!\nuser:" KEYS "\ncarol:{NTLM}x\n");
    assert_int_equal(backend.mechanisms(passwd), MECHANISMS_SCRAM);
    file_write("bob:{CRYPT}!\n");
    assert_int_equal(backend.mechanisms(passwd), 0);
}

static void who_exists_is_not_told_by_a_challenge(void **state)
{
    file_write("bob:{CRYPT}!\nuser:" KEYS "\n");
    struct auth_step_result real = step_of(true, "n,,n=User,r=x");
    assert_int_equal(real.outcome, OUTCOME_CHALLENGE);
    static const char *const others[] = {"n,,n=nobody,r=x", "n,,n=bob,r=x", "n,,n=\xff\xfe,r=x"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct auth_step_result one = step_of(true, others[i]), again = step_of(true, others[i]);
        assert_int_equal(one.outcome, OUTCOME_CHALLENGE);
        assert_int_equal(one.challenge_size, real.challenge_size);
        size_t nonce = span_find(span_of(one.challenge, one.challenge_size), ',');
        assert_memory_equal(one.challenge + nonce, again.challenge + nonce,
                            one.challenge_size - nonce);
        assert_memory_not_equal(one.challenge, again.challenge, nonce); // never twice
        assert_int_equal(step_of(false, "c=biws,r=x,p=AAAA").outcome, OUTCOME_WRONG);
    }
}

static void what_was_dropped_does_not_come_back(void **state)
{
    file_write("user:" KEYS "\n");
    struct sasl_question question = {0};
    struct auth_step step = {.id = 1,
                             .first = true,
                             .mechanism = MECHANISM_SCRAM_SHA_256,
                             .question = &question,
                             .response = span_text("n,,n=user,r=x")};
    struct auth_step_result result;
    assert_true(backend.step(passwd, &step, 0));
    step.id = 2;
    assert_true(backend.step(passwd, &step, 0));
    backend.drop(passwd, 1);
    assert_true(backend.take_step(passwd, &result));
    assert_int_equal(result.id, 2);
    assert_false(backend.take_step(passwd, &result));
    step.mechanism = MECHANISM_XOAUTH2;
    assert_false(backend.step(passwd, &step, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_users_nothing_is_begun, start, stop),
        cmocka_unit_test_setup_teardown(missing_or_bad_file_keeps_the_users_and_is_told, start,
                                        stop),
        cmocka_unit_test_setup_teardown(unknown_and_locked_users_are_hashed_and_wrong, start, stop),
        cmocka_unit_test_setup_teardown(password_of_another_user_is_wrong, start, stop),
        cmocka_unit_test_setup_teardown(password_changed_during_its_hash_is_wrong, start, stop),
        cmocka_unit_test_setup_teardown(unknown_user_takes_as_long_as_a_wrong_password, start,
                                        stop),
        cmocka_unit_test_setup_teardown(right_password_tells_the_login, start, stop),
        cmocka_unit_test_setup_teardown(scram_is_offered_while_all_who_log_in_have_keys, start,
                                        stop),
        cmocka_unit_test_setup_teardown(who_exists_is_not_told_by_a_challenge, start, stop),
        cmocka_unit_test_setup_teardown(what_was_dropped_does_not_come_back, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
