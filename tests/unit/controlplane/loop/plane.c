// SPDX-License-Identifier: BSD-3-Clause
/* weir-controlplane from outside: its start and end, and what it does when others die. */
#include "support/control_fixture.h"

#include "base/packet.h"

#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct control_fixture f;

static int run_program(const char *arguments, char *text, size_t size)
{
    char command[256];
    snprintf(command, sizeof command, "%s %s 2>&1", CONTROLPLANE, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    text[fread(text, 1, size - 1, pipe)] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void usage_errors_say_how(void **state)
{
    char text[2048];
    assert_int_equal(run_program("", text, sizeof text), 2);
    assert_non_null(strstr(text, "--config FILE is needed"));
    assert_int_equal(run_program("--config a b", text, sizeof text), 2);
    assert_int_equal(run_program("--colour", text, sizeof text), 2);
    assert_int_equal(run_program("--help", text, sizeof text), 0);
    assert_non_null(strstr(text, "usage: weir-controlplane"));
}

static void unusable_configuration_ends_with_its_place_and_code_1(void **state)
{
    char arguments[128], text[2048], want[128];
    control_fixture_lay(&f, "colour: red\n");
    for (int check = 0; check < 2; check++) {
        snprintf(arguments, sizeof arguments, "--config %s%s", f.config, check ? " --check" : "");
        assert_int_equal(run_program(arguments, text, sizeof text), 1);
        snprintf(want, sizeof want, "%s:17:1: colour: unknown key, expected one of: ", f.config);
        assert_int_equal(strncmp(text, want, strlen(want)), 0);
    }
    control_fixture_down(&f);
}

static void check_says_ok_and_starts_nothing(void **state)
{
    char arguments[128], text[2048], want[128];
    control_fixture_lay(&f, "");
    snprintf(arguments, sizeof arguments, "--config %s --check", f.config);
    assert_int_equal(run_program(arguments, text, sizeof text), 0);
    snprintf(want, sizeof want, "%s: ok\n", f.config);
    assert_string_equal(text, want);
    assert_int_equal(access(f.api, F_OK), -1);
    control_fixture_down(&f);
}

static void child_does_not_run_by_hand(void **state)
{
    char text[2048];
    assert_int_equal(run_program("--child dns --parent 1", text, sizeof text), 1);
    assert_int_equal(run_program("--child cook --parent 0", text, sizeof text), 1);
}

static void first_policy_refused_ends_the_program(void **state)
{
    char text[4096];
    control_fixture_lay(&f, "");
    f.fake = fake_dataplane_start(f.dataplane, 1);
    fake_dataplane_refuse(f.fake, "certificate /x.pem: not there");
    control_fixture_launch(&f);
    assert_int_equal(control_fixture_wait(&f), 1);
    control_fixture_read(f.errors, text, sizeof text);
    assert_non_null(strstr(text, "certificate /x.pem: not there"));
    assert_int_equal(access(f.api, F_OK), -1);
    control_fixture_down(&f);
}

static bool api_is_there(struct control_fixture *fixture, void *arg)
{
    return access(fixture->api, F_OK) == 0;
}

static void second_instance_is_refused_and_harms_nothing(void **state)
{
    char arguments[128], text[2048];
    control_fixture_up(&f, 1, "");
    snprintf(arguments, sizeof arguments, "--config %s", f.config);
    assert_int_equal(run_program(arguments, text, sizeof text), 1);
    assert_non_null(strstr(text, "another weir-controlplane runs"));
    assert_int_equal(control_fixture_pid(&f, "controlplane"), f.pid);
    assert_true(control_fixture_is_up(&f, NULL));
    json_decref(control_fixture_ask(&f, "{s:s}", "command", "status"));
    control_fixture_down(&f);
}

static void data_plane_that_comes_later_is_found(void **state)
{
    control_fixture_lay(&f, "");
    control_fixture_launch(&f);
    assert_true(control_fixture_until(&f, api_is_there, NULL, 10000));
    json_t *response = control_fixture_ask(&f, "{s:s}", "command", "status");
    assert_true(json_is_false(json_object_get(json_object_get(response, "dataplane"), "attached")));
    json_decref(response);
    f.fake = fake_dataplane_start(f.dataplane, 2);
    assert_true(control_fixture_until(&f, control_fixture_is_up, NULL, 10000));
    struct policy *policy = fake_dataplane_policy(f.fake);
    assert_string_equal(policy->smtp.host_name, "mail.example.net");
    free(policy);
    control_fixture_down(&f);
}

static void end_removes_sockets_and_pid_files(void **state)
{
    static const char *const names[] = {"controlplane", "dns", "auth", "control.sock"};
    control_fixture_up(&f, 1, "");
    pid_t dns = control_fixture_pid(&f, "dns"), auth = control_fixture_pid(&f, "auth");
    struct stat status;
    assert_int_equal(stat(f.api, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true(control_fixture_is_alive(dns) && control_fixture_is_alive(auth));
    kill(f.pid, SIGTERM);
    assert_int_equal(control_fixture_wait(&f), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", f.directory, names[i]);
        assert_int_equal(access(path, F_OK), -1);
    }
    assert_false(control_fixture_is_alive(dns) || control_fixture_is_alive(auth));
    control_fixture_down(&f);
}

static void data_plane_that_dies_is_attached_again_with_its_policy(void **state)
{
    control_fixture_up(&f, 1, "lists: {deny: [192.0.2.0/24]}\n");
    fake_dataplane_stop(f.fake);
    f.fake = fake_dataplane_start(f.dataplane, 2);
    assert_true(control_fixture_until(&f, control_fixture_is_up, NULL, 10000));
    assert_int_equal(control_fixture_listed(&f, CLASS_DENY), 1);
    control_fixture_down(&f);
}

static void broken_ring_is_thrown_away_and_replaced(void **state)
{
    control_fixture_up(&f, 2, "");
    unsigned taken = fake_dataplane_taken(f.fake);
    fake_dataplane_break_ring(f.fake, 1);
    for (int i = 0; i < 10000 && fake_dataplane_taken(f.fake) == taken; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_true(control_fixture_until(&f, control_fixture_is_up, NULL, 10000));
    control_fixture_down(&f);
}

enum { LIES = 400, TOUCHES = 25 };

struct lies {
    struct rng rng;
    unsigned told;
};

static bool all_lies_are_told(struct control_fixture *fixture, void *arg)
{
    struct lies *lies = (struct lies *)arg;
    fake_dataplane_lie(fixture->fake, &lies->rng, TOUCHES);
    return ++lies->told == LIES;
}

static void data_plane_that_lies_on_every_ring_harms_nobody_for_good(void **state)
{
    struct lies lies = {.told = 0};
    char text[256];
    rng_seed(&lies.rng, 3);
    control_fixture_up(&f, 2, "");
    fake_dataplane_mute(f.fake, true, false);
    assert_true(control_fixture_until(&f, all_lies_are_told, &lies, 60000));
    assert_true(control_fixture_is_alive(f.pid));
    fake_dataplane_stop(f.fake);
    f.fake = fake_dataplane_start(f.dataplane, 2);
    assert_true(control_fixture_until(&f, control_fixture_is_up, NULL, 10000));
    assert_int_equal(control_fixture_weirctl(&f, "sessions list", text, sizeof text), 0);
    control_fixture_down(&f);
}

struct replaced {
    const char *name;
    pid_t old;
};

static bool is_replaced(struct control_fixture *fixture, void *arg)
{
    const struct replaced *r = (const struct replaced *)arg;
    pid_t now = control_fixture_pid(fixture, r->name);
    return now != 0 && now != r->old && control_fixture_is_up(fixture, NULL);
}

static void killed_child_is_started_again(void **state)
{
    static const char *const names[] = {"dns", "auth"};
    control_fixture_up(&f, 1, "");
    for (int i = 0; i < 2; i++) {
        struct replaced child = {names[i], control_fixture_pid(&f, names[i])};
        assert_true(child.old > 0);
        kill(child.old, SIGKILL);
        assert_true(control_fixture_until(&f, is_replaced, &child, 10000));
    }
    json_t *response = control_fixture_ask(&f, "{s:s}", "command", "status");
    json_t *children = json_object_get(response, "children");
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            json_integer_value(json_object_get(json_array_get(children, i), "restarts")), 1);
    json_decref(response);
    control_fixture_down(&f);
}

static bool is_gone(struct control_fixture *fixture, void *arg)
{
    return !control_fixture_is_alive(*(const pid_t *)arg);
}

static void killed_control_plane_takes_its_children_along_and_comes_back(void **state)
{
    control_fixture_up(&f, 2, "");
    pid_t dns = control_fixture_pid(&f, "dns"), auth = control_fixture_pid(&f, "auth");
    kill(f.pid, SIGKILL);
    assert_int_equal(control_fixture_wait(&f), 128 + SIGKILL);
    assert_true(control_fixture_until(&f, is_gone, &dns, 5000));
    assert_true(control_fixture_until(&f, is_gone, &auth, 5000));

    // The fake sees a dead child only by its socket, so wait for new ones by their pid files.
    control_fixture_launch(&f);
    struct replaced child = {"auth", auth};
    assert_true(control_fixture_until(&f, is_replaced, &child, 2000));
    json_decref(control_fixture_ask(&f, "{s:s}", "command", "status"));
    control_fixture_down(&f);
}

static void children_answer_on_their_rings(void **state)
{
    static const struct {
        const char *password;
        enum auth_verdict want;
    } rows[] = {{"wonderlust", AUTH_WRONG}, {"wonderland", AUTH_RIGHT}};
    control_fixture_up(&f, 1, "");
    for (int i = 0; i < 2; i++) {
        struct message question = message_make(MESSAGE_AUTH, STATUS_ASKED, 7), answer;
        const char *user = "alice@example.net";
        assert_true(addr_parse("198.51.100.10", &question.auth_question.client.addr));
        question.auth_question.user_size = (uint8_t)strlen(user);
        question.auth_question.password_size = (uint8_t)strlen(rows[i].password);
        memcpy(question.auth_question.user, user, strlen(user));
        memcpy(question.auth_question.password, rows[i].password, strlen(rows[i].password));
        assert_true(fake_dataplane_ask(f.fake, ROLE_AUTH, 0, &question, &answer, 10000));
        assert_int_equal(answer.handle, 7);
        assert_int_equal(answer.status, STATUS_OK);
        assert_int_equal(answer.auth_answer.verdict, rows[i].want);
    }
    struct message question = message_make(MESSAGE_RDNS, STATUS_ASKED, 8), answer;
    assert_true(addr_parse("198.51.100.10", &question.rdns_question.addr));
    assert_true(fake_dataplane_ask(f.fake, ROLE_DNS, 0, &question, &answer, 10000));
    assert_int_equal(answer.handle, 8);
    assert_int_equal(answer.status, STATUS_OK);
    assert_int_equal(answer.rdns_answer.verdict, RDNS_TEMPERROR);
    control_fixture_down(&f);
}

// `arg`: what the fault holds, NULL: there is none. The user stays.
static bool auth_has_fault(struct control_fixture *fixture, void *arg)
{
    json_t *status = control_fixture_ask(fixture, "{s:s}", "command", "status");
    const json_t *auth = json_object_get(status, "auth");
    const char *fault = json_string_value(json_object_get(auth, "fault"));
    bool as_wanted = arg ? fault && strstr(fault, arg) : !fault;
    bool has = as_wanted && json_integer_value(json_object_get(auth, "users")) == 1;
    json_decref(status);
    return has;
}

static void passwd_file_that_is_gone_is_told_by_status_and_reload(void **state)
{
    char file[64];
    control_fixture_up(&f, 1, "");
    snprintf(file, sizeof file, "%s/passwd", f.directory);
    assert_true(control_fixture_until(&f, auth_has_fault, NULL, 10000));
    assert_int_equal(unlink(file), 0);
    char text[] = "passwd: No such file or directory";
    assert_true(control_fixture_until(&f, auth_has_fault, text, 10000));
    json_t *response = control_fixture_ask(&f, "{s:s}", "command", "config reload");
    const char *error = json_string_value(json_object_get(response, "error"));
    assert_non_null(strstr(error, "auth.passwd_file: expected a file that can be read"));
    json_decref(response);
    control_fixture_down(&f);
}

static void limit_set_live_holds_the_auth_child(void **state)
{
    control_fixture_up(&f, 1, "");
    pid_t auth = control_fixture_pid(&f, "auth");
    json_decref(control_fixture_ask(&f, "{s:s, s:s, s:i}", "command", "limits set", "name",
                                    "auth_guesses_pair", "value", 1));
    for (int i = 0; i < 2; i++) {
        struct message question = message_make(MESSAGE_AUTH, STATUS_ASKED, 7), answer;
        assert_true(addr_parse("198.51.100.10", &question.auth_question.client.addr));
        question.auth_question.user_size = question.auth_question.password_size = 1;
        question.auth_question.user[0] = 'u';
        question.auth_question.password[0] = (char)('a' + i);
        assert_true(fake_dataplane_ask(f.fake, ROLE_AUTH, 0, &question, &answer, 10000));
        assert_int_equal(answer.auth_answer.verdict, i == 0 ? AUTH_WRONG : AUTH_THROTTLED);
    }
    assert_int_equal(control_fixture_pid(&f, "auth"), auth); // it is the same process
    control_fixture_down(&f);
}

static bool policy_is_newer(struct control_fixture *fixture, void *arg)
{
    return fake_dataplane_taken(fixture->fake) > *(const unsigned *)arg;
}

static void hangup_reads_the_configuration_again(void **state)
{
    char text[4096];
    control_fixture_up(&f, 1, "");
    unsigned taken = fake_dataplane_taken(f.fake);
    control_fixture_config(&f, "lists: {deny: [192.0.2.0/24, '2001:db8::/32']}\n");
    kill(f.pid, SIGHUP);
    assert_true(control_fixture_until(&f, policy_is_newer, &taken, 10000));
    struct policy *policy = fake_dataplane_policy(f.fake);
    assert_int_equal(control_fixture_listed(&f, CLASS_DENY), 2);
    assert_int_equal(policy->generation, 2);
    free(policy);

    control_fixture_config(&f, "lists: {deny: [nonsense]}\n");
    json_t *response = control_fixture_ask(&f, "{s:s}", "command", "config reload");
    assert_true(json_is_false(json_object_get(response, "ok")));
    json_decref(response);
    control_fixture_read(f.errors, text, sizeof text);
    assert_non_null(strstr(text, "configuration not reloaded"));
    assert_int_equal(fake_dataplane_taken(f.fake), taken + 1);
    control_fixture_down(&f);
}

static bool log_has_line(struct control_fixture *fixture, void *arg)
{
    char text[4096];
    control_fixture_read(fixture->session_log, text, sizeof text);
    return strchr(text, '\n') != NULL;
}

static void session_report_becomes_one_json_line(void **state)
{
    control_fixture_up(&f, 2, "");
    struct message m = message_make(MESSAGE_REPORT, STATUS_OK, 0);
    m.report = (struct report){.facts = {
                                   .id = 42,
                                   .started_us = 1767225599000000, // 2025-12-31T23:59:59Z
                                   .duration_us = 1500000,
                                   .reason = REASON_SMTP_RELAY_DENIED,
                                   .service = 0,
                                   .backend = 255,
                                   .tls_version = 3,
                                   .rdns = RDNS_CONFIRMED,
                                   .spf = 255,
                                   .refusals = 1,
                               }};
    report_add(&m.report, TEXT_HELO, span_of("a\"\n\xff\0", 5));
    assert_true(addr_parse("2001:db8::1", &m.report.facts.client));
    assert_true(fake_dataplane_send(f.fake, ROLE_OPS, 1, &m));
    assert_true(control_fixture_until(&f, log_has_line, NULL, 10000));

    json_error_t error;
    json_t *line = json_load_file(f.session_log, 0, &error);
    assert_non_null(line);
    const struct {
        const char *key, *want;
    } rows[] = {
        {"time", "2026-01-01T00:00:00.500Z"},
        {"started", "2025-12-31T23:59:59.000Z"},
        {"service", "smtp"},
        {"client", "2001:db8::1"},
        {"reason", "smtp_relay_denied"},
        {"tls", "1.3"},
        {"rdns", "confirmed"},
        {"helo", "a\"\n\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(json_string_value(json_object_get(line, rows[i].key)), rows[i].want);
    assert_true(json_is_null(json_object_get(line, "spf")));
    assert_true(json_is_null(json_object_get(line, "user")));
    assert_int_equal(json_integer_value(json_object_get(line, "id")), 42);
    json_decref(line);
    control_fixture_down(&f);
}

static void many_reports_lose_none(void **state)
{
    enum { REPORTS = 5000 };
    control_fixture_up(&f, 2, "");
    struct message m = message_make(MESSAGE_REPORT, STATUS_OK, 0);
    for (unsigned i = 0; i < REPORTS; i++) {
        m.report.facts.id = i;
        while (!fake_dataplane_send(f.fake, ROLE_OPS, i % 2, &m))
            sched_yield();
    }
    json_int_t lines = 0;
    for (int i = 0; i < 10000 && lines < REPORTS; i++) {
        json_t *response = control_fixture_ask(&f, "{s:s}", "command", "status");
        lines = json_integer_value(
            json_object_get(json_object_get(response, "controlplane"), "session_lines"));
        json_decref(response);
    }
    assert_int_equal(lines, REPORTS);
    control_fixture_down(&f);
}

static int metrics_get(const char *request, char *text, size_t size)
{
    json_t *response = control_fixture_ask(&f, "{s:s}", "command", "status");
    json_int_t port = json_integer_value(
        json_object_get(json_object_get(response, "controlplane"), "metrics_port"));
    json_decref(response);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    size_t used = 0;
    for (ssize_t got; (got = recv(fd, text + used, size - 1 - used, 0)) > 0;)
        used += (size_t)got;
    text[used] = '\0';
    close(fd);
    return strncmp(text, "HTTP/1.1 ", 9) == 0 ? (int)strtol(text + 9, NULL, 10) : -1;
}

static void metrics_tell_every_counter_and_reason(void **state)
{
    static char text[1 << 18];
    control_fixture_up(&f, 2, "");
    counter_add(fake_dataplane_counters(f.fake, 1), COUNTER_RX_PACKETS, 77);
    counter_refuse(fake_dataplane_counters(f.fake, 0), REASON_DENY_LIST);
    const char *ask = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_int_equal(metrics_get(ask, text, sizeof text), 200);
    assert_non_null(strstr(text, "\nweir_rx_packets_total{worker=\"1\"} 77\n"));
    assert_non_null(strstr(
        text, "\nweir_refused_total{reason=\"deny_list\",station=\"guard\",worker=\"0\"} 1\n"));
    assert_non_null(strstr(text, "\n# TYPE weir_sessions_open gauge\n"));
    assert_non_null(strstr(text, "\nweir_dataplane_attached 1\n"));
    assert_non_null(strstr(text, "\nweir_child_up{child=\"dns\"} 1\n"));
    assert_non_null(strstr(text, "\n# TYPE weir_auth_waiting_pairs gauge\n"));
    assert_non_null(strstr(text, "\nweir_auth_wrong_total 0\n"));
    ask = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_int_equal(metrics_get(ask, text, sizeof text), 404);
    ask = "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_int_equal(metrics_get(ask, text, sizeof text), 405);
    control_fixture_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage_errors_say_how),
        cmocka_unit_test(unusable_configuration_ends_with_its_place_and_code_1),
        cmocka_unit_test(check_says_ok_and_starts_nothing),
        cmocka_unit_test(child_does_not_run_by_hand),
        cmocka_unit_test(first_policy_refused_ends_the_program),
        cmocka_unit_test(second_instance_is_refused_and_harms_nothing),
        cmocka_unit_test(data_plane_that_comes_later_is_found),
        cmocka_unit_test(end_removes_sockets_and_pid_files),
        cmocka_unit_test(data_plane_that_dies_is_attached_again_with_its_policy),
        cmocka_unit_test(data_plane_that_lies_on_every_ring_harms_nobody_for_good),
        cmocka_unit_test(broken_ring_is_thrown_away_and_replaced),
        cmocka_unit_test(killed_child_is_started_again),
        cmocka_unit_test(killed_control_plane_takes_its_children_along_and_comes_back),
        cmocka_unit_test(children_answer_on_their_rings),
        cmocka_unit_test(passwd_file_that_is_gone_is_told_by_status_and_reload),
        cmocka_unit_test(limit_set_live_holds_the_auth_child),
        cmocka_unit_test(hangup_reads_the_configuration_again),
        cmocka_unit_test(session_report_becomes_one_json_line),
        cmocka_unit_test(many_reports_lose_none),
        cmocka_unit_test(metrics_tell_every_counter_and_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
