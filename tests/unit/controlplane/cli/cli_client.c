// SPDX-License-Identifier: BSD-3-Clause
/* Against a control plane of one answer: a process that reads a line and sends what it was told. */
#include "cli/cli_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LARGE = 1 << 20 };

static char directory[] = "/tmp/weir-cli-XXXXXX";
static char path[64];
static json_t *request;

static int listen_at_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

// Exit code 0 when the request was one JSON object in one line.
static _Noreturn void serve(int listener, const char *answer, size_t size)
{
    char line[256];
    json_error_t error;
    FILE *stream = fdopen(accept(listener, NULL, NULL), "r+");
    bool read_one = stream && fgets(line, sizeof line, stream);
    json_t *got = read_one ? json_loads(line, 0, &error) : NULL;
    bool sound = json_is_object(got) && line[strlen(line) - 1] == '\n';
    if (stream)
        fseek(stream, 0, SEEK_CUR); // between reading and writing
    if (stream && size)
        fwrite(answer, 1, size, stream);
    if (stream)
        fclose(stream);
    _exit(sound ? 0 : 1);
}

// The client's outcome when that is answered.
static int ask_and_get(const char *answer, size_t size, json_t **ret_response)
{
    int status, listener = listen_at_path();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        serve(listener, answer, size);
    close(listener);
    int error = cli_client_ask(path, request, ret_response);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return error;
}

static void nobody_there_is_an_error(void **state)
{
    json_t *response = NULL;
    char long_path[200];
    memset(long_path, 'p', sizeof long_path);
    long_path[sizeof long_path - 1] = '\0';
    assert_int_equal(cli_client_ask("/nowhere/control.sock", request, &response), -ENOENT);
    assert_int_equal(cli_client_ask(long_path, request, &response), -ENAMETOOLONG);
    close(listen_at_path());
    assert_int_equal(cli_client_ask(path, request, &response), -ECONNREFUSED);
    assert_null(response);
}

static void answer_that_breaks_off_is_an_error(void **state)
{
    json_t *response = NULL;
    assert_int_equal(ask_and_get("", 0, &response), -ECONNRESET);
    assert_int_equal(ask_and_get("{\"ok\":true}", 11, &response), -ECONNRESET); // no LF
    assert_null(response);
}

static void answer_that_is_no_object_is_an_error(void **state)
{
    static const char *const answers[] = {"\n",  "nonsense\n", "[]\n",
                                          "5\n", "{\"ok\":\n", "\"\xff\"\n"};
    json_t *response = NULL;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        assert_int_equal(ask_and_get(answers[i], strlen(answers[i]), &response), -EPROTO);
    assert_null(response);
}

static void answer_to_the_first_line_end_is_taken(void **state)
{
    static const char answer[] = "{\"ok\":false,\"error\":\"no\"}\n{}\n";
    json_t *response = NULL;
    assert_int_equal(ask_and_get(answer, sizeof answer - 1, &response), 0);
    assert_string_equal(json_string_value(json_object_get(response, "error")), "no");
    json_decref(response);
}

static void large_answer_is_taken_whole(void **state)
{
    static char answer[LARGE];
    json_t *response = NULL;
    memset(answer, 'x', sizeof answer);
    memcpy(answer, "{\"a\":\"", 6);
    memcpy(answer + LARGE - 3, "\"}\n", 3);
    assert_int_equal(ask_and_get(answer, sizeof answer, &response), 0);
    assert_int_equal(json_string_length(json_object_get(response, "a")), LARGE - 9);
    json_decref(response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_there_is_an_error),
        cmocka_unit_test(answer_that_breaks_off_is_an_error),
        cmocka_unit_test(answer_that_is_no_object_is_an_error),
        cmocka_unit_test(answer_to_the_first_line_end_is_taken),
        cmocka_unit_test(large_answer_is_taken_whole),
    };
    if (!mkdtemp(directory))
        return 1;
    snprintf(path, sizeof path, "%s/control.sock", directory);
    request = json_pack("{s:s}", "command", "status");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(request);
    unlink(path);
    rmdir(directory);
    return failed;
}
