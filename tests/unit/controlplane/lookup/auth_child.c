// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/lookup.h"

#include "contract/attach.h"
#include "contract/mechanism.h"
#include "plane_fake.h"

#include <crypt.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// Four lanes: threads, if libargon2 had its way.
#define ARGON2_USER                                                                                \
    "carol@example.net:{ARGON2ID}$argon2id$v=19$m=256,t=2,p=4$c2FsdHNhbHQ$"                        \
    "wO9kbTTFw3ryolt93nnLpKu5YbyyGH7AAw91DEC3zPg\n"

static struct plane_fake plane;
static char path[] = "/tmp/weir-passwd-XXXXXX";

static struct lookup_area *area; // shared with the child

static int run(int socket, const void *config)
{
    area->auth = *(const struct auth_child_config *)config;
    return auth_child_run(socket, -1, area);
}

static void area_take(void)
{
    area = mmap(NULL, sizeof *area, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(area != MAP_FAILED);
    for (int i = 0; i < LIMIT_COUNT; i++)
        area->limits[i] = limit_facts((enum limit)i)->value;
}

static void file_write(const char *text)
{
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
}

static int start(void **state)
{
    struct auth_child_config config = {.allow_plain = true, .user = "nobody", .parent = getpid()};
    area_take();
    struct crypt_data data = {0};
    char text[512];
    snprintf(path, sizeof path, "/tmp/weir-passwd-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || fchmod(fd, 0644) < 0)
        return 1;
    close(fd);
    const char *hash = crypt_rn("wonderland", "$6$rounds=1000$salt$", &data, sizeof data);
    snprintf(text, sizeof text, "# users\nalice@example.net:{SHA512-CRYPT}%s\n" ARGON2_USER, hash);
    file_write(text);
    snprintf(config.passwd_file, sizeof config.passwd_file, "%s", path);
    if (plane_fake_open(&plane, ROLE_AUTH, run, &config))
        return 0;
    unlink(path); // no teardown follows a setup that failed
    return 1;
}

static int file_remove(void **state)
{
    return unlink(path);
}

static int stop(void **state)
{
    unlink(path);
    return plane_fake_close(&plane);
}

static struct message question(const char *user, const char *password, uint64_t handle)
{
    struct message m = message_make(MESSAGE_AUTH, STATUS_ASKED, handle);
    assert_true(addr_parse("192.0.2.1", &m.auth_question.client.addr));
    m.auth_question.user_size = (uint8_t)strlen(user);
    m.auth_question.password_size = (uint8_t)strlen(password);
    memcpy(m.auth_question.user, user, strlen(user));
    memcpy(m.auth_question.password, password, strlen(password));
    return m;
}

static struct message answer_of(struct message asked)
{
    struct message answer;
    assert_true(plane_fake_ask(&plane, 0, &asked));
    assert_true(plane_fake_answer(&plane, 0, &answer, 10000, NULL, NULL));
    assert_true(message_is_sound(&answer));
    assert_int_equal(answer.kind, MESSAGE_AUTH);
    assert_int_equal(answer.handle, asked.handle);
    return answer;
}

static int verdict_of(const char *user, const char *password)
{
    struct message answer = answer_of(question(user, password, 1));
    return answer.status == STATUS_OK ? answer.auth_answer.verdict : -1;
}

static void wrong_password_and_unknown_user_get_the_same_answer(void **state)
{
    struct message a = answer_of(question("alice@example.net", "guess", 5));
    struct message b = answer_of(question("nobody@example.net", "guess", 5));
    assert_int_equal(a.auth_answer.verdict, AUTH_WRONG);
    assert_memory_equal(&a, &b, sizeof a);
}

static void dns_questions_are_dropped(void **state)
{
    struct message m = message_make(MESSAGE_RDNS, STATUS_ASKED, 1);
    assert_true(plane_fake_ask(&plane, 0, &m));
    assert_int_equal(verdict_of("alice@example.net", "wonderland"), AUTH_RIGHT);
}

static void argon2_is_computed_within_the_sandbox(void **state)
{
    assert_int_equal(verdict_of("carol@example.net", "wonderlane"), AUTH_WRONG);
    assert_int_equal(verdict_of("carol@example.net", "wonderland"), AUTH_RIGHT);
}

static void sixth_guess_in_a_minute_is_throttled(void **state)
{
    char guess[32];
    for (int i = 0; i < 5; i++) {
        snprintf(guess, sizeof guess, "guess%d", i);
        assert_int_equal(verdict_of("alice@example.net", guess), AUTH_WRONG);
    }
    assert_int_equal(verdict_of("alice@example.net", "guess5"), AUTH_THROTTLED);
}

static void password_does_not_stay_in_the_ring(void **state)
{
    assert_int_equal(verdict_of("alice@example.net", "wonderland"), AUTH_RIGHT);
    const void *memory = plane.channels[0].memory;
    assert_null(memmem(memory, sizeof *plane.channels[0].memory, "wonderland", 10));
}

static void right_password_tells_the_login_in_lower_case(void **state)
{
    struct message answer = answer_of(question("Alice@Example.NET", "wonderland", 9));
    assert_int_equal(answer.auth_answer.verdict, AUTH_RIGHT);
    assert_int_equal(answer.auth_answer.user_size, strlen("alice@example.net"));
    assert_memory_equal(answer.auth_answer.user, "alice@example.net", 17);
}

static void changed_file_is_taken_within_the_sandbox(void **state)
{
    int verdict = -1;
    assert_int_equal(verdict_of("alice@example.net", "wonderland"), AUTH_RIGHT);
    file_write("bob@example.net:{PLAIN}builder\n");
    for (int tries = 0; tries < 300 && verdict != AUTH_RIGHT; tries++) {
        poll(NULL, 0, 10);
        verdict = verdict_of("bob@example.net", "builder");
    }
    assert_int_equal(verdict, AUTH_RIGHT);
    assert_int_equal(verdict_of("alice@example.net", "wonderland"), AUTH_WRONG);
}

static bool figure_becomes(enum auth_figure figure, uint64_t value)
{
    for (int tries = 0; tries < 500; tries++) {
        if (__atomic_load_n(&area->figures[figure], __ATOMIC_RELAXED) == value)
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

static void missing_file_is_told_while_the_users_stay(void **state)
{
    assert_true(figure_becomes(FIGURE_USERS, 2));
    assert_int_equal(unlink(path), 0);
    assert_true(figure_becomes(FIGURE_BACKEND_ERROR, ENOENT));
    assert_int_equal(verdict_of("alice@example.net", "wonderland"), AUTH_RIGHT);
    file_write("bob@example.net:{PLAIN}builder\n");
    assert_true(figure_becomes(FIGURE_BACKEND_ERROR, 0));
    assert_true(figure_becomes(FIGURE_USERS, 1));
}

static void limit_changed_while_it_runs_counts(void **state)
{
    __atomic_store_n(&area->limits[LIMIT_AUTH_GUESSES_PAIR], 1, __ATOMIC_RELAXED);
    assert_int_equal(verdict_of("alice@example.net", "guess"), AUTH_WRONG);
    assert_int_equal(verdict_of("alice@example.net", "another"), AUTH_THROTTLED);
    assert_true(figure_becomes(FIGURE_THROTTLED, 1));
    assert_true(figure_becomes(FIGURE_WAITING_PAIRS, 1));
}

static void file_without_users_makes_it_unavailable(void **state)
{
    struct auth_child_config config = {
        .passwd_file = "/nonexistent", .user = "nobody", .parent = getpid()};
    area_take();
    assert_true(plane_fake_open(&plane, ROLE_AUTH, run, &config));
    assert_int_equal(verdict_of("alice@example.net", "wonderland"), -1);
    assert_int_equal(plane_fake_close(&plane), 0);
}

static void child_without_its_user_does_not_start(void **state)
{
    struct auth_child_config config = {
        .passwd_file = "/nonexistent", .user = "no-such-user", .parent = getpid()};
    area_take();
    assert_true(plane_fake_open(&plane, ROLE_AUTH, run, &config));
    assert_int_equal(plane_fake_wait(&plane), geteuid() == 0 ? 1 : 0);
    plane.child = 0;
    plane_fake_close(&plane);
}

static void child_ends_with_sigterm(void **state)
{
    assert_int_equal(verdict_of("alice@example.net", "wonderland"), AUTH_RIGHT);
    assert_int_equal(kill(plane.child, SIGTERM), 0);
    assert_int_equal(plane_fake_wait(&plane), 0);
    plane.child = 0;
    plane_fake_close(&plane);
}

static void what_the_back_end_has_is_offered_unasked(void **state)
{
    char text[] = "user:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
                  "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
                  "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";
    plane.offered = UINT32_MAX;
    verdict_of("alice@example.net", "wonderland");
    assert_int_equal(plane.offered, 0); // not all have keys
    file_write(text);
    for (int i = 0; i < 1000 && plane.offered == 0; i++) {
        struct message m = question("user", "pencil", 1);
        assert_true(plane_fake_ask(&plane, 0, &m));
        assert_true(plane_fake_answer(&plane, 0, &m, 10000, NULL, NULL));
        poll(NULL, 0, 10);
    }
    assert_int_equal(plane.offered, MECHANISMS_SCRAM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_password_and_unknown_user_get_the_same_answer, start,
                                        stop),
        cmocka_unit_test_setup_teardown(dns_questions_are_dropped, start, stop),
        cmocka_unit_test_setup_teardown(argon2_is_computed_within_the_sandbox, start, stop),
        cmocka_unit_test_setup_teardown(sixth_guess_in_a_minute_is_throttled, start, stop),
        cmocka_unit_test_setup_teardown(password_does_not_stay_in_the_ring, start, stop),
        cmocka_unit_test_setup_teardown(missing_file_is_told_while_the_users_stay, start, stop),
        cmocka_unit_test_setup_teardown(limit_changed_while_it_runs_counts, start, stop),
        cmocka_unit_test(file_without_users_makes_it_unavailable),
        cmocka_unit_test(child_without_its_user_does_not_start),
        cmocka_unit_test_setup_teardown(right_password_tells_the_login_in_lower_case, start, stop),
        cmocka_unit_test_setup_teardown(changed_file_is_taken_within_the_sandbox, start, stop),
        cmocka_unit_test_setup_teardown(child_ends_with_sigterm, start, file_remove),
        cmocka_unit_test_setup_teardown(what_the_back_end_has_is_offered_unasked, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
