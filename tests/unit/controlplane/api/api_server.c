// SPDX-License-Identifier: BSD-3-Clause
/* The control API as clients meet it: what it refuses, what it says, and that no client holds it
 * up. */
#include "support/control_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct control_fixture f;

static int up(void **state)
{
    control_fixture_up(&f, 2, "");
    return 0;
}

static int down(void **state)
{
    control_fixture_down(&f);
    return 0;
}

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

// Takes the response over.
static void assert_ok(json_t *response)
{
    const char *error = json_string_value(json_object_get(response, "error"));
    if (!json_is_true(json_object_get(response, "ok")))
        fail_msg("refused: %s", error ? error : "?");
    json_decref(response);
}

static void assert_refused(json_t *response, const char *want)
{
    const char *error = json_string_value(json_object_get(response, "error"));
    assert_true(json_is_false(json_object_get(response, "ok")));
    assert_string_equal(error, want);
    json_decref(response);
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void what_is_no_request_is_refused_and_the_next_line_served(void **state)
{
    static const char *const lines[] = {
        "\n",           "nonsense\n", "[1]\n",
        "\"status\"\n", "{}}\n",      "{\"command\":\"status\",\"command\":\"status\"}\n",
        "\xff\xfe\n"};
    int fd = control_fixture_connect(&f);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        send_text(fd, lines[i]);
        assert_refused(control_fixture_receive(fd), "expected a JSON object a line");
    }
    send_text(fd, "{}\n");
    assert_refused(control_fixture_receive(fd), "command: expected a text");
    send_text(fd, "{\"command\":\"dance\"}\n");
    assert_refused(control_fixture_receive(fd), "unknown command");
    send_text(fd, "{\"command\":\"status\"}\n");
    assert_ok(control_fixture_receive(fd));
    close(fd);
}

static void line_at_the_limit_is_read_and_one_beyond_ends_the_connection(void **state)
{
    enum { LIMIT = 65536 };
    static char line[LIMIT + 1];
    int fd = control_fixture_connect(&f);
    memset(line, ' ', sizeof line);
    memcpy(line, "{\"command\":\"status\"}", 20);
    line[LIMIT - 1] = '\n';
    assert_int_equal(send(fd, line, LIMIT, MSG_NOSIGNAL), LIMIT);
    assert_ok(control_fixture_receive(fd));
    line[LIMIT - 1] = ' ';
    assert_int_equal(send(fd, line, LIMIT, MSG_NOSIGNAL), LIMIT);
    assert_refused(control_fixture_receive(fd), "a request has at most 65536 bytes");
    assert_null(control_fixture_receive(fd));
    close(fd);
}

static void wrong_arguments_are_named_with_what_was_expected(void **state)
{
    static const struct {
        const char *request, *want;
    } rows[] = {
        {"{\"command\":\"bans add\"}", "address: expected a text"},
        {"{\"command\":\"bans add\",\"address\":\"x\"}",
         "address: expected an IPv4 or IPv6 address"},
        {"{\"command\":\"bans add\",\"address\":\"192.0.2.1\",\"seconds\":0}",
         "seconds: expected a number from 1 to 31622400"},
        {"{\"command\":\"bans remove\",\"address\":\"192.0.2.1\"}", "no such ban"},
        {"{\"command\":\"lists add\",\"list\":\"grey\",\"prefix\":\"192.0.2.0/24\"}",
         "list: expected allow, deny, martian or a class of the configuration"},
        {"{\"command\":\"lists add\",\"list\":\"deny\",\"prefix\":\"192.0.2.1/24\"}",
         "prefix: expected a prefix such as 192.0.2.0/24 or 2001:db8::/32, host bits zero"},
        {"{\"command\":\"lists remove\",\"list\":\"deny\",\"prefix\":\"192.0.2.0/24\"}",
         "deny: 192.0.2.0/24: is not on the list"},
        {"{\"command\":\"limits get\",\"name\":\"speed\"}",
         "name: no such limit; `weirctl limits` lists them"},
        {"{\"command\":\"limits set\",\"name\":\"connections_source\",\"value\":0}",
         "value: expected a number from 1 to 1000000"},
        {"{\"command\":\"limits set\",\"name\":\"connections_source\",\"value\":1000001}",
         "value: expected a number from 1 to 1000000"},
        {"{\"command\":\"limits set\",\"name\":\"connections_source\",\"value\":\"1\"}",
         "value: expected a number from 1 to 1000000"},
        {"{\"command\":\"sessions kill\",\"id\":-1}",
         "id: expected a number from 0 to 9223372036854775807"},
        {"{\"command\":\"sessions kill\",\"id\":5}", "no such session"},
    };
    int fd = control_fixture_connect(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        send_text(fd, rows[i].request);
        send_text(fd, "\n");
        assert_refused(control_fixture_receive(fd), rows[i].want);
    }
    close(fd);
    assert_int_equal(fake_dataplane_taken(f.fake), 1);
}

static void refused_policy_changes_nothing(void **state)
{
    fake_dataplane_refuse(f.fake, "deny: table full");
    assert_refused(control_fixture_ask(&f, "{s:s, s:s, s:s}", "command", "lists add", "list",
                                       "deny", "prefix", "192.0.2.0/24"),
                   "deny: table full");
    assert_refused(control_fixture_ask(&f, "{s:s, s:s, s:i}", "command", "limits set", "name",
                                       "connections_source", "value", 7),
                   "deny: table full");
    fake_dataplane_refuse(f.fake, NULL);
    json_t *response = control_fixture_ask(&f, "{s:s}", "command", "lists list");
    assert_int_equal(json_array_size(json_object_get(response, "deny")), 0);
    json_decref(response);
    response = control_fixture_ask(&f, "{s:s, s:s}", "command", "limits get", "name",
                                   "connections_source");
    assert_int_equal(number(response, "value"), 50);
    json_decref(response);
}

static void silent_worker_makes_an_order_time_out(void **state)
{
    fake_dataplane_mute(f.fake, true, false);
    assert_refused(control_fixture_ask(&f, "{s:s}", "command", "bans list"),
                   "a worker did not answer within 2000 ms");
    fake_dataplane_mute(f.fake, false, false);
    assert_ok(control_fixture_ask(&f, "{s:s}", "command", "bans list"));
}

static void client_that_does_not_read_holds_up_nobody(void **state)
{
    int lazy[8];
    for (int i = 0; i < 8; i++) {
        lazy[i] = control_fixture_connect(&f);
        for (int request = 0; request < 50; request++)
            send_text(lazy[i], "{\"command\":\"stats\"}\n");
    }
    assert_ok(control_fixture_ask(&f, "{s:s}", "command", "status"));
    for (int i = 0; i < 8; i++)
        close(lazy[i]);
    assert_ok(control_fixture_ask(&f, "{s:s}", "command", "status"));
}

static void client_that_leaves_before_its_answer_is_forgotten(void **state)
{
    fake_dataplane_mute(f.fake, true, false);
    for (int i = 0; i < 20; i++) {
        int fd = control_fixture_connect(&f);
        send_text(fd, "{\"command\":\"bans list\"}\n");
        close(fd);
    }
    fake_dataplane_mute(f.fake, false, false);
    assert_ok(control_fixture_ask(&f, "{s:s}", "command", "bans list"));
}

static void one_client_too_many_is_closed(void **state)
{
    enum { CLIENTS = 64 };
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = control_fixture_connect(&f);
        send_text(fds[i], "{\"command\":\"limits list\"}\n");
        assert_ok(control_fixture_receive(fds[i]));
    }
    int more = control_fixture_connect(&f);
    assert_null(control_fixture_receive(more));
    close(more);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
}

static void requests_sent_ahead_are_answered_in_order(void **state)
{
    int fd = control_fixture_connect(&f);
    send_text(fd, "{\"command\":\"bans list\"}\n{\"command\":\"limits list\"}\n{\"command\":");
    send_text(fd, "\"lists list\"}\n");
    static const char *const keys[] = {"bans", "limits", "allow"};
    for (int i = 0; i < 3; i++) {
        json_t *response = control_fixture_receive(fd);
        assert_non_null(json_object_get(response, keys[i]));
        json_decref(response);
    }
    close(fd);
}

static void bans_go_to_every_worker_and_come_back_joined(void **state)
{
    for (int i = 0; i < 40; i++) { // more than a page
        char address[32];
        snprintf(address, sizeof address, "192.0.2.%d", i);
        assert_ok(control_fixture_ask(&f, "{s:s, s:s, s:i}", "command", "bans add", "address",
                                      address, "seconds", 60));
    }
    assert_ok(control_fixture_ask(&f, "{s:s, s:s}", "command", "bans add", "address",
                                  "2001:db8::1:2:3:4"));
    assert_int_equal(fake_dataplane_bans(f.fake, 0), 41);
    assert_int_equal(fake_dataplane_bans(f.fake, 1), 41);
    json_t *response = control_fixture_ask(&f, "{s:s}", "command", "bans list");
    json_t *bans = json_object_get(response, "bans");
    assert_int_equal(json_array_size(bans), 41);
    json_t *last = json_array_get(bans, 40);
    assert_string_equal(json_string_value(json_object_get(last, "address")), "2001:db8::/64");
    assert_string_equal(json_string_value(json_object_get(last, "reason")), "operator");
    assert_int_equal(number(last, "seconds"), 3600);
    assert_int_equal(number(last, "workers"), 2);
    json_decref(response);
    assert_ok(
        control_fixture_ask(&f, "{s:s, s:s}", "command", "bans remove", "address", "192.0.2.3"));
    assert_int_equal(fake_dataplane_bans(f.fake, 1), 40);
}

static void list_changes_are_published_at_once(void **state)
{
    assert_ok(control_fixture_ask(&f, "{s:s, s:s, s:s}", "command", "lists add", "list", "deny",
                                  "prefix", "192.0.2.0/24"));
    assert_int_equal(control_fixture_listed(&f, CLASS_DENY), 1);
    assert_refused(control_fixture_ask(&f, "{s:s, s:s, s:s}", "command", "lists add", "list",
                                       "deny", "prefix", "192.0.2.0/24"),
                   "deny: 192.0.2.0/24: is on the list already");
    assert_ok(control_fixture_ask(&f, "{s:s, s:s, s:s}", "command", "lists remove", "list", "deny",
                                  "prefix", "192.0.2.0/24"));
    assert_int_equal(control_fixture_listed(&f, CLASS_DENY), 0);
}

static void limit_changes_are_published_at_once(void **state)
{
    static const uint64_t edges[] = {1, 1000000};
    for (int i = 0; i < 2; i++) {
        assert_ok(control_fixture_ask(&f, "{s:s, s:s, s:I}", "command", "limits set", "name",
                                      "Connections_Source", "value", (json_int_t)edges[i]));
        struct policy *policy = fake_dataplane_policy(f.fake);
        assert_int_equal(policy->limits[LIMIT_CONNECTIONS_SOURCE], edges[i]);
        free(policy);
    }
}

static void many_changes_at_once_all_take_effect(void **state)
{
    enum { CHANGES = 50 };
    int fds[CHANGES];
    for (int i = 0; i < CHANGES; i++) {
        char text[128];
        fds[i] = control_fixture_connect(&f);
        snprintf(text, sizeof text,
                 "{\"command\":\"lists add\",\"list\":\"allow\",\"prefix\":\"10.%d.0.0/16\"}\n", i);
        send_text(fds[i], text);
    }
    for (int i = 0; i < CHANGES; i++) {
        assert_ok(control_fixture_receive(fds[i]));
        close(fds[i]);
    }
    assert_int_equal(control_fixture_listed(&f, CLASS_ALLOW), CHANGES);
}

static void sessions_of_all_workers_are_walked_and_killed(void **state)
{
    fake_dataplane_sessions(f.fake, 0, 3);
    fake_dataplane_sessions(f.fake, 1, 1001);
    json_t *response = control_fixture_ask(&f, "{s:s}", "command", "sessions list");
    json_t *sessions = json_object_get(response, "sessions");
    assert_int_equal(json_array_size(sessions), 1004);
    assert_true(json_is_false(json_object_get(response, "truncated")));
    const char *user = json_string_value(json_object_get(json_array_get(sessions, 0), "user"));
    assert_string_equal(user, "a\x1b[1m\xef\xbf\xbd");
    json_decref(response);
    assert_ok(control_fixture_ask(&f, "{s:s, s:i}", "command", "sessions kill", "id", 1001000));
    assert_refused(control_fixture_ask(&f, "{s:s, s:i}", "command", "sessions kill", "id", 1001001),
                   "no such session");
}

static void status_and_stats_tell_what_runs(void **state)
{
    counter_add(fake_dataplane_counters(f.fake, 0), COUNTER_RX_PACKETS, 2);
    counter_add(fake_dataplane_counters(f.fake, 1), COUNTER_RX_PACKETS, 3);
    json_t *response = control_fixture_ask(&f, "{s:s}", "command", "stats");
    json_t *first = json_array_get(json_object_get(response, "counters"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "rx_packets");
    assert_int_equal(number(first, "total"), 5);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(first, "workers"), 1)), 3);
    assert_int_equal(json_array_size(json_object_get(response, "reasons")), REASON_COUNT - 1);
    json_decref(response);

    response = control_fixture_ask(&f, "{s:s}", "command", "status");
    assert_int_equal(number(json_object_get(response, "controlplane"), "pid"), f.pid);
    assert_int_equal(number(json_object_get(response, "dataplane"), "workers"), 2);
    assert_int_equal(number(json_object_get(response, "dataplane"), "pid"), getpid());
    assert_int_equal(number(json_object_get(response, "policy"), "generation"), 1);
    assert_int_equal(json_array_size(json_object_get(response, "children")), 2);
    assert_int_equal(json_array_size(json_object_get(response, "services")), 1);
    json_decref(response);
}

static void config_is_checked_without_effect_and_reloaded_with(void **state)
{
    char want[256];
    assert_ok(control_fixture_ask(&f, "{s:s}", "command", "config check"));
    control_fixture_config(&f, "limits: {connections_source: 9}\n");
    assert_ok(control_fixture_ask(&f, "{s:s}", "command", "config check"));
    assert_int_equal(fake_dataplane_taken(f.fake), 1);
    assert_ok(control_fixture_ask(&f, "{s:s}", "command", "config reload"));
    assert_int_equal(fake_dataplane_taken(f.fake), 2);
    struct policy *policy = fake_dataplane_policy(f.fake);
    assert_int_equal(policy->limits[LIMIT_CONNECTIONS_SOURCE], 9);
    free(policy);

    control_fixture_config(&f, "limits: {connections_source: x}\n");
    snprintf(want, sizeof want,
             "%s:17:30: limits.connections_source: expected a number from 1 to 1000000, not \"x\"",
             f.config);
    assert_refused(control_fixture_ask(&f, "{s:s}", "command", "config check"), want);
    assert_refused(control_fixture_ask(&f, "{s:s}", "command", "config reload"), want);
    assert_int_equal(fake_dataplane_taken(f.fake), 2);
}

static void change_without_a_data_plane_is_kept_for_it(void **state)
{
    fake_dataplane_stop(f.fake);
    f.fake = NULL;
    json_t *response;
    do { // until the loss is noticed
        response = control_fixture_ask(&f, "{s:s}", "command", "stats");
        bool attached = json_is_true(json_object_get(response, "ok"));
        json_decref(response);
        if (!attached)
            break;
    } while (true);
    response = control_fixture_ask(&f, "{s:s, s:s, s:s}", "command", "lists add", "list", "deny",
                                   "prefix", "192.0.2.0/24");
    assert_true(json_is_false(json_object_get(response, "published")));
    assert_ok(response);
    assert_refused(control_fixture_ask(&f, "{s:s}", "command", "bans list"),
                   "the data plane is not attached");
    f.fake = fake_dataplane_start(f.dataplane, 1);
    assert_true(control_fixture_until(&f, control_fixture_is_up, NULL, 10000));
    assert_int_equal(control_fixture_listed(&f, CLASS_DENY), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_no_request_is_refused_and_the_next_line_served, up,
                                        down),
        cmocka_unit_test_setup_teardown(
            line_at_the_limit_is_read_and_one_beyond_ends_the_connection, up, down),
        cmocka_unit_test_setup_teardown(wrong_arguments_are_named_with_what_was_expected, up, down),
        cmocka_unit_test_setup_teardown(refused_policy_changes_nothing, up, down),
        cmocka_unit_test_setup_teardown(silent_worker_makes_an_order_time_out, up, down),
        cmocka_unit_test_setup_teardown(client_that_does_not_read_holds_up_nobody, up, down),
        cmocka_unit_test_setup_teardown(client_that_leaves_before_its_answer_is_forgotten, up,
                                        down),
        cmocka_unit_test_setup_teardown(one_client_too_many_is_closed, up, down),
        cmocka_unit_test_setup_teardown(requests_sent_ahead_are_answered_in_order, up, down),
        cmocka_unit_test_setup_teardown(bans_go_to_every_worker_and_come_back_joined, up, down),
        cmocka_unit_test_setup_teardown(list_changes_are_published_at_once, up, down),
        cmocka_unit_test_setup_teardown(limit_changes_are_published_at_once, up, down),
        cmocka_unit_test_setup_teardown(many_changes_at_once_all_take_effect, up, down),
        cmocka_unit_test_setup_teardown(sessions_of_all_workers_are_walked_and_killed, up, down),
        cmocka_unit_test_setup_teardown(status_and_stats_tell_what_runs, up, down),
        cmocka_unit_test_setup_teardown(config_is_checked_without_effect_and_reloaded_with, up,
                                        down),
        cmocka_unit_test_setup_teardown(change_without_a_data_plane_is_kept_for_it, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
