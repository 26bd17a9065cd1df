// SPDX-License-Identifier: BSD-3-Clause
/* The server and its clients share one thread: a client's bytes wait in the kernel while the loop
 * runs. */
#include "report/metrics_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS_MAX = 200 }; // of the loop, until a client has its answer

static uv_loop_t loop;
static struct metrics_server *server;
static unsigned written; // times that the text was asked for
static char answer[4096];

static void write_metrics(void *context, FILE *out)
{
    written++;
    fprintf(out, "%s 1\n", (const char *)context);
}

static int open_server(const char *address, struct metrics_server **ret_server)
{
    static char name[] = "weir_test";
    return metrics_server_open(ret_server, &loop, address, write_metrics, name);
}

static int up(void **state)
{
    written = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    return open_server("127.0.0.1:0", &server);
}

static int down(void **state)
{
    metrics_server_close(server);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    return uv_loop_close(&loop);
}

static int client_open(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons(metrics_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void client_send(int fd, const char *request)
{
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

// Runs the loop until the server has closed this connection; `answer` holds what it sent.
static void client_finish(int fd)
{
    size_t used = 0;
    ssize_t got = -1;
    for (int i = 0; i < ROUNDS_MAX && got != 0; i++) {
        uv_run(&loop, UV_RUN_ONCE);
        got = recv(fd, answer + used, sizeof answer - 1 - used, MSG_DONTWAIT);
        used += got > 0 ? (size_t)got : 0;
    }
    answer[used] = '\0';
    close(fd);
    assert_int_equal(got, 0);
}

static void ask(const char *line)
{
    char request[512];
    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", line);
    int fd = client_open();
    client_send(fd, request);
    client_finish(fd);
}

static bool answer_begins(const char *want)
{
    return strncmp(answer, want, strlen(want)) == 0;
}

static void what_is_no_address_and_port_is_refused(void **state)
{
    static const char *const addresses[] = {"",
                                            "127.0.0.1",
                                            ":9100",
                                            "localhost:9100",
                                            "127.0.0.1:",
                                            "127.0.0.1:65536",
                                            "127.0.0.1:-1",
                                            "127.0.0.1:http",
                                            "127.0.0.256:9100",
                                            "[::1]"};
    struct metrics_server *none = NULL;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        assert_int_equal(open_server(addresses[i], &none), -EINVAL);
    assert_null(none);
}

static void address_of_others_and_taken_port_are_refused(void **state)
{
    char taken[32];
    struct metrics_server *none = NULL;
    snprintf(taken, sizeof taken, "127.0.0.1:%u", metrics_server_port(server));
    assert_int_equal(open_server(taken, &none), -EADDRINUSE);
    assert_int_equal(open_server("192.0.2.1:0", &none), -EADDRNOTAVAIL);
    assert_null(none);
}

static void other_paths_are_404(void **state)
{
    static const char *const lines[] = {"GET /", "GET /metrics/", "GET /Metrics", "GET /../metrics",
                                        "GET /metric"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ask(lines[i]);
        assert_true(answer_begins("HTTP/1.1 404 "));
    }
    assert_int_equal(written, 0);
}

static void other_methods_are_405_and_say_what_is_allowed(void **state)
{
    static const char *const lines[] = {"POST /metrics", "PUT /metrics", "DELETE /metrics",
                                        "OPTIONS /metrics", "DANCE /elsewhere"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ask(lines[i]);
        assert_true(answer_begins("HTTP/1.1 405 "));
        assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
    }
    assert_int_equal(written, 0);
}

static void what_is_no_http_ends_the_connection(void **state)
{
    int fd = client_open();
    client_send(fd, "\x16\x03\x01 nonsense\r\n\r\n");
    client_finish(fd);
    assert_int_equal(written, 0);
}

static void client_beyond_the_limit_waits_until_one_leaves(void **state)
{
    int idle[METRICS_CONNECTIONS_MAX];
    char byte;
    for (int i = 0; i < METRICS_CONNECTIONS_MAX; i++) {
        idle[i] = client_open();
        client_send(idle[i], "GET");
        uv_run(&loop, UV_RUN_ONCE);
    }
    int more = client_open();
    client_send(more, "GET /metrics HTTP/1.0\r\n\r\n");
    uv_run(&loop, UV_RUN_ONCE);
    uv_run(&loop, UV_RUN_ONCE);
    assert_true(recv(more, &byte, 1, MSG_DONTWAIT) < 0);
    close(idle[0]);
    client_finish(more);
    assert_non_null(strstr(answer, "weir_test 1\n"));
    for (int i = 1; i < METRICS_CONNECTIONS_MAX; i++)
        close(idle[i]);
}

static void close_in_the_middle_of_a_request_is_clean(void **state)
{
    char byte;
    int fd = client_open();
    client_send(fd, "GET /metrics HTTP/1.1\r\nHo");
    uv_run(&loop, UV_RUN_ONCE);
    metrics_server_close(server);
    server = NULL;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

static void metrics_are_written_anew_for_each_get(void **state)
{
    for (unsigned i = 1; i <= 3; i++) {
        ask("GET /metrics");
        assert_true(answer_begins("HTTP/1.1 200 "));
        assert_non_null(strstr(answer, "\r\nContent-Type: text/plain; version=0.0.4\r\n"));
        assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\nweir_test 1\n");
        assert_int_equal(written, i);
    }
    ask("GET /metrics?name=x");
    assert_true(answer_begins("HTTP/1.1 200 "));
}

static void head_is_answered_without_a_body(void **state)
{
    ask("HEAD /metrics");
    assert_true(answer_begins("HTTP/1.1 200 "));
    assert_non_null(strstr(answer, "\r\nContent-Length: 12\r\n"));
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_no_address_and_port_is_refused, up, down),
        cmocka_unit_test_setup_teardown(address_of_others_and_taken_port_are_refused, up, down),
        cmocka_unit_test_setup_teardown(other_paths_are_404, up, down),
        cmocka_unit_test_setup_teardown(other_methods_are_405_and_say_what_is_allowed, up, down),
        cmocka_unit_test_setup_teardown(what_is_no_http_ends_the_connection, up, down),
        cmocka_unit_test_setup_teardown(client_beyond_the_limit_waits_until_one_leaves, up, down),
        cmocka_unit_test_setup_teardown(close_in_the_middle_of_a_request_is_clean, up, down),
        cmocka_unit_test_setup_teardown(metrics_are_written_anew_for_each_get, up, down),
        cmocka_unit_test_setup_teardown(head_is_answered_without_a_body, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
