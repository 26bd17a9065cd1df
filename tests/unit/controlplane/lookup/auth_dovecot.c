// SPDX-License-Identifier: BSD-3-Clause
/* Against a fake of protocol 1.3, line by line, and against the machine's own Dovecot. */
#include "lookup/auth_dovecot.h"

#include "base/base64.h"

#include "contract/attach.h"
#include "lookup/lookup_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define GREETING "VERSION\t1\t3\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t2\nCOOKIE\tab\nDONE\n"

static struct auth_dovecot *dovecot;
static struct auth_backend backend;
static int dial;   // the parent's end
static int server; // -1: none
static uint64_t now_ms;
static char said[65536]; // by the client, since the last look

static int start(void **state)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
        return 1;
    dial = pair[0];
    server = -1;
    now_ms = 1000;
    if (auth_dovecot_open(&dovecot, pair[1]) < 0)
        return 1;
    backend = auth_dovecot_backend(dovecot);
    return 0;
}

static int stop(void **state)
{
    auth_dovecot_close(dovecot);
    close(dial);
    if (server >= 0)
        close(server);
    return 0;
}

static void run(void)
{
    auth_dovecot_run(dovecot, now_ms);
}

static bool is_asked(void)
{
    uint32_t question;
    return attach_receive(dial, &question, sizeof question, NULL, 0, NULL) == 0;
}

static void hand_over(int fd)
{
    uint32_t refusal = fd < 0 ? (uint32_t)-fd : 0;
    assert_int_equal(attach_send(dial, &refusal, sizeof refusal, &fd, fd < 0 ? 0 : 1), 0);
    run();
}

static void say(const char *text)
{
    assert_int_equal(send(server, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    run();
}

static const char *heard(void)
{
    ssize_t got = recv(server, said, sizeof said - 1, MSG_DONTWAIT);
    said[got > 0 ? got : 0] = '\0';
    return said;
}

static void connect_fake(void)
{
    int pair[2];
    run();
    assert_true(is_asked());
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    server = pair[0];
    hand_over(pair[1]);
    close(pair[1]);
    assert_int_equal(auth_dovecot_state(dovecot), DOVECOT_GREETING);
}

static void up(void)
{
    connect_fake();
    assert_non_null(strstr(heard(), "VERSION\t1\t2\nCPID\t"));
    say(GREETING);
    assert_int_equal(auth_dovecot_state(dovecot), DOVECOT_UP);
}

static bool begin(uint32_t id, const char *user, const char *password)
{
    struct auth_question question = {.client.tls = 1,
                                     .user_size = (uint8_t)strlen(user),
                                     .password_size = (uint8_t)strlen(password)};
    memcpy(question.user, user, strlen(user));
    memcpy(question.password, password, strlen(password));
    assert_true(addr_parse("192.0.2.1", &question.client.addr));
    assert_true(addr_parse("192.0.2.2", &question.client.local));
    struct auth_try try = {
        .id = id, .question = &question, .user = span_text(user), .until_ms = now_ms + 5000};
    return backend.begin(dovecot, &try, now_ms);
}

static void expect(uint32_t id, enum auth_outcome outcome)
{
    struct auth_result result;
    assert_true(backend.take(dovecot, &result));
    assert_int_equal(result.id, id);
    assert_int_equal(result.outcome, outcome);
}

static void nothing_is_begun_without_a_connection(void **state)
{
    assert_false(begin(0, "alice", "x"));
    connect_fake();
    assert_false(begin(0, "alice", "x"));
}

static void refused_dial_is_tried_again_after_a_growing_pause(void **state)
{
    uint64_t pause_ms = DOVECOT_PAUSE_LEAST_MS;
    for (int i = 0; i < 10; i++) {
        run();
        assert_true(is_asked());
        hand_over(-ENOENT);
        assert_int_equal(auth_dovecot_error(dovecot), ENOENT);
        now_ms += pause_ms - 1;
        run();
        assert_false(is_asked());
        now_ms++;
        pause_ms = pause_ms * 2 > DOVECOT_PAUSE_MOST_MS ? DOVECOT_PAUSE_MOST_MS : pause_ms * 2;
    }
}

static void servers_that_break_the_protocol_are_hung_up_on(void **state)
{
    static const char *const greetings[] = {
        "VERSION\t2\t0\n",        "DONE\n",    "VERSION\t1\t2\nMECH\tCRAM-MD5\nDONE\n",
        "VERSION\t1\t2\nOK\t1\n", "VERSION\n", GREETING "OK\tx\n",
        GREETING "DONE\n"};
    for (size_t i = 0; i < sizeof greetings / sizeof greetings[0]; i++) {
        connect_fake();
        say(greetings[i]);
        assert_int_equal(auth_dovecot_state(dovecot), DOVECOT_DOWN);
        assert_int_equal(auth_dovecot_error(dovecot), EPROTO);
        close(server);
        now_ms += DOVECOT_PAUSE_MOST_MS;
    }
}

static void endless_line_ends_the_connection(void **state)
{
    char text[1001];
    memset(text, 'a', 1000);
    text[1000] = '\0';
    up();
    for (int i = 0; i < 9; i++) {
        assert_int_equal(auth_dovecot_state(dovecot), DOVECOT_UP);
        say(text);
    }
    assert_int_equal(auth_dovecot_state(dovecot), DOVECOT_DOWN);
}

static void greeting_has_its_time(void **state)
{
    connect_fake();
    say("VERSION\t1\t2\n");
    now_ms += DOVECOT_GREETING_MS;
    run();
    assert_int_equal(auth_dovecot_state(dovecot), DOVECOT_DOWN);
    assert_int_equal(auth_dovecot_error(dovecot), ETIMEDOUT);
}

static void what_is_under_way_is_unavailable_when_the_connection_ends(void **state)
{
    up();
    assert_true(begin(3, "alice", "x"));
    close(server);
    server = -1;
    run();
    expect(3, OUTCOME_UNAVAILABLE);
    assert_false(begin(3, "alice", "x"));
    uint64_t generation = backend.generation(dovecot);
    now_ms += DOVECOT_PAUSE_LEAST_MS;
    up();
    assert_true(backend.generation(dovecot) > generation);
    assert_true(begin(3, "alice", "x"));
}

static void late_reply_meets_no_other_request(void **state)
{
    up();
    assert_true(begin(0, "alice", "x")); // 1 on the wire
    now_ms += 5000;
    run();
    expect(0, OUTCOME_UNAVAILABLE);
    assert_true(begin(0, "bob", "x")); // 2
    say("OK\t1\tuser=alice\n");
    struct auth_result result;
    assert_false(backend.take(dovecot, &result));
    say("FAIL\t2\tuser=bob\n");
    expect(0, OUTCOME_WRONG);
}

static void replies_find_their_requests_in_any_order(void **state)
{
    up();
    for (uint32_t i = 0; i < AUTH_TRIES_MAX; i++)
        assert_true(begin(i, "alice", "x"));
    run();
    for (uint32_t i = AUTH_TRIES_MAX; i > 0; i--) {
        char text[64];
        snprintf(text, sizeof text, i % 2 ? "OK\t%u\tuser=u%u\n" : "FAIL\t%u\tcode=temp_fail\n", i,
                 i);
        say(text);
        struct auth_result result;
        assert_true(backend.take(dovecot, &result));
        assert_int_equal(result.id, i - 1);
        assert_int_equal(result.outcome, i % 2 ? OUTCOME_RIGHT : OUTCOME_UNAVAILABLE);
    }
}

static void login_that_no_answer_may_hold_is_unavailable(void **state)
{
    up();
    assert_true(begin(0, "alice", "x"));
    say("OK\t1\tuser=a b\n");
    expect(0, OUTCOME_UNAVAILABLE);
    assert_true(begin(0, "\xc3\xa4", "x"));
    say("OK\t2\n");
    expect(0, OUTCOME_UNAVAILABLE);
    assert_true(begin(0, "alice", "x"));
    say("CONT\t3\tAAAA\n");
    expect(0, OUTCOME_UNAVAILABLE);
    assert_true(begin(0, "alice", "x"));
    say("FAIL\t4\tuser_disabled\n");
    expect(0, OUTCOME_REFUSED);
}

// The machine's own Dovecot, its auth service alone, in a folder of its own.

static char folder[] = "/tmp/weir-dovecot-XXXXXX";
static pid_t pid;

static void file_write(const char *name, const char *format, ...)
{
    char path[64];
    va_list arguments;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    va_start(arguments, format);
    vfprintf(stream, format, arguments);
    va_end(arguments);
    fclose(stream);
}

static void dovecot_start(void)
{
    snprintf(folder, sizeof folder, "/tmp/weir-dovecot-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    file_write("users", "alice@example.net:{PLAIN}wonderland\nbob:{PLAIN}builder:::::: nologin\n");
    file_write("dovecot.conf",
               "protocols =\nbase_dir = %s/run\nstate_dir = %s/run\nlog_path = %s/log\n"
               "ssl = no\nauth_mechanisms = plain\nauth_failure_delay = 0\n"
               "passdb {\n driver = passwd-file\n args = %s/users\n}\n"
               "userdb {\n driver = static\n args = uid=8 gid=8 home=/tmp\n}\n"
               "service auth {\n unix_listener %s/auth {\n mode = 0666\n }\n}\n",
               folder, folder, folder, folder, folder);
    pid = fork();
    if (pid == 0) {
        char config[64];
        snprintf(config, sizeof config, "%s/dovecot.conf", folder);
        execlp("dovecot", "dovecot", "-F", "-c", config, (char *)NULL);
        _exit(127);
    }
}

static int real_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/auth", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    for (int tries = 0; tries < 1000; tries++) {
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        poll(NULL, 0, 10);
    }
    fail_msg("Dovecot does not listen");
    return -1;
}

static void real_until(bool (*condition)(void))
{
    uint64_t end_ms = lookup_now_ms() + 20000;
    while (!condition() && lookup_now_ms() < end_ms) {
        struct pollfd fds[2];
        int timeout_ms;
        unsigned count = auth_dovecot_poll(dovecot, now_ms, fds, &timeout_ms);
        poll(fds, count, 10);
        run();
    }
    assert_true(condition());
}

static bool is_up(void)
{
    return auth_dovecot_state(dovecot) == DOVECOT_UP;
}

static struct auth_result results[8];
static uint32_t results_count;

static bool four_results(void)
{
    struct auth_result result;
    while (backend.take(dovecot, &result)) {
        results[result.id] = result;
        results_count++;
    }
    return results_count == 4;
}

static void real_dovecot_judges_logins(void **state)
{
    if (geteuid() != 0 || access("/usr/sbin/dovecot", X_OK) < 0)
        skip();
    dovecot_start();
    run();
    assert_true(is_asked());
    int fd = real_connect();
    hand_over(fd);
    close(fd);
    real_until(is_up);
    results_count = 0;
    assert_true(begin(0, "alice@example.net", "wonderland"));
    assert_true(begin(1, "alice@example.net", "wonderlane"));
    assert_true(begin(2, "nobody\tresp=AAAA", "x\ty\nz"));
    assert_true(begin(3, "alice@example.net", "wonderland"));
    real_until(four_results);
    assert_int_equal(results[0].outcome, OUTCOME_RIGHT);
    assert_int_equal(results[1].outcome, OUTCOME_WRONG);
    assert_int_equal(results[2].outcome, OUTCOME_WRONG);
    assert_int_equal(results[3].outcome, OUTCOME_RIGHT);
    assert_true(
        span_equal(span_of(results[0].user, results[0].user_size), span_text("alice@example.net")));
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

#define OFFER "VERSION\t1\t3\nMECH\tPLAIN\tplaintext\nMECH\tXOAUTH2\nMECH\tNTLM\nDONE\n"

static void up_with_tokens(void)
{
    connect_fake();
    heard();
    say(OFFER);
    assert_int_equal(auth_dovecot_state(dovecot), DOVECOT_UP);
}

static bool step(uint32_t id, bool first, enum mechanism mechanism, const char *response)
{
    struct sasl_question question = {.client.tls = 1};
    struct auth_step next = {.id = id,
                             .first = first,
                             .mechanism = mechanism,
                             .question = &question,
                             .user = span_text("alice"),
                             .response = span_text(response),
                             .until_ms = now_ms + 5000};
    return backend.step(dovecot, &next, now_ms);
}

static struct auth_step_result stepped(uint32_t id, enum auth_outcome outcome)
{
    struct auth_step_result result;
    assert_true(backend.take_step(dovecot, &result));
    assert_int_equal(result.id, id);
    assert_int_equal(result.outcome, outcome);
    return result;
}

static void what_the_server_has_is_offered_while_it_is_there(void **state)
{
    assert_int_equal(backend.mechanisms(dovecot), 0);
    up_with_tokens();
    assert_int_equal(backend.mechanisms(dovecot), 1U << MECHANISM_XOAUTH2);
    assert_false(step(0, true, MECHANISM_SCRAM_SHA_256, "x"));
    assert_false(step(0, false, MECHANISM_XOAUTH2, "x")); // was not begun
    close(server);
    server = -1;
    run();
    assert_int_equal(backend.mechanisms(dovecot), 0);
    assert_false(step(0, true, MECHANISM_XOAUTH2, "x"));
}

static void an_exchange_is_passed_on_round_by_round(void **state)
{
    up_with_tokens();
    assert_true(step(1023, true, MECHANISM_XOAUTH2, "token"));
    run();
    assert_non_null(strstr(heard(), "AUTH\t1\tXOAUTH2\tservice=smtp\tsecured\t"));
    say("CONT\t1\teyJ9\n");
    struct auth_step_result result = stepped(1023, OUTCOME_CHALLENGE);
    assert_int_equal(result.challenge_size, 3);
    assert_memory_equal(result.challenge, "{\"}", 3);
    say("CONT\t1\teyJ9\n"); // nobody asked
    assert_false(backend.take_step(dovecot, &result));
    assert_true(step(1023, false, MECHANISM_XOAUTH2, "\x01"));
    run();
    assert_string_equal(heard(), "CONT\t1\tAQ==\n");
    say("FAIL\t1\tuser=alice\n");
    stepped(1023, OUTCOME_WRONG);
    assert_true(step(1023, true, MECHANISM_XOAUTH2, "token")); // the number is free again
    say("OK\t2\tuser=Alice@example.net\n");
    result = stepped(1023, OUTCOME_RIGHT);
    assert_memory_equal(result.user, "Alice@example.net", result.user_size);
}

static void challenges_that_do_not_fit_make_it_unavailable(void **state)
{
    char text[2 * SASL_CHALLENGE_MAX];
    up_with_tokens();
    for (size_t more = 0; more < 2; more++) {
        static uint8_t bytes[SASL_CHALLENGE_MAX + 1];
        char encoded[BASE64_SIZE(sizeof bytes)];
        base64_encode(span_of(bytes, SASL_CHALLENGE_MAX + more), encoded);
        assert_true(step(0, true, MECHANISM_XOAUTH2, "x"));
        snprintf(text, sizeof text, "CONT\t%zu\t%s\n", more + 1, encoded);
        say(text);
        stepped(0, more ? OUTCOME_UNAVAILABLE : OUTCOME_CHALLENGE);
        backend.drop(dovecot, 0);
    }
    assert_true(step(0, true, MECHANISM_XOAUTH2, "x"));
    say("CONT\t3\tno base64\n");
    stepped(0, OUTCOME_UNAVAILABLE);
}

static void an_exchange_that_is_dropped_is_cancelled(void **state)
{
    struct auth_step_result result;
    up_with_tokens();
    assert_true(step(5, true, MECHANISM_XOAUTH2, "x"));
    backend.drop(dovecot, 5);
    run();
    assert_non_null(strstr(heard(), "\nCANCEL\t1\n"));
    say("OK\t1\tuser=alice\n");
    assert_false(backend.take_step(dovecot, &result));
    backend.drop(dovecot, 5); // once more does nothing
}

static void steps_without_an_answer_are_unavailable(void **state)
{
    up_with_tokens();
    assert_true(step(5, true, MECHANISM_XOAUTH2, "x"));
    now_ms += 5000;
    run();
    stepped(5, OUTCOME_UNAVAILABLE);
    assert_true(step(6, true, MECHANISM_XOAUTH2, "x"));
    close(server);
    server = -1;
    run();
    stepped(6, OUTCOME_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_begun_without_a_connection, start, stop),
        cmocka_unit_test_setup_teardown(refused_dial_is_tried_again_after_a_growing_pause, start,
                                        stop),
        cmocka_unit_test_setup_teardown(servers_that_break_the_protocol_are_hung_up_on, start,
                                        stop),
        cmocka_unit_test_setup_teardown(endless_line_ends_the_connection, start, stop),
        cmocka_unit_test_setup_teardown(greeting_has_its_time, start, stop),
        cmocka_unit_test_setup_teardown(what_is_under_way_is_unavailable_when_the_connection_ends,
                                        start, stop),
        cmocka_unit_test_setup_teardown(late_reply_meets_no_other_request, start, stop),
        cmocka_unit_test_setup_teardown(replies_find_their_requests_in_any_order, start, stop),
        cmocka_unit_test_setup_teardown(login_that_no_answer_may_hold_is_unavailable, start, stop),
        cmocka_unit_test_setup_teardown(real_dovecot_judges_logins, start, stop),
        cmocka_unit_test_setup_teardown(what_the_server_has_is_offered_while_it_is_there, start,
                                        stop),
        cmocka_unit_test_setup_teardown(an_exchange_is_passed_on_round_by_round, start, stop),
        cmocka_unit_test_setup_teardown(challenges_that_do_not_fit_make_it_unavailable, start,
                                        stop),
        cmocka_unit_test_setup_teardown(an_exchange_that_is_dropped_is_cancelled, start, stop),
        cmocka_unit_test_setup_teardown(steps_without_an_answer_are_unavailable, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
