// SPDX-License-Identifier: BSD-3-Clause
#include "support/control_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { UP_MS = 20000, RESPONSE_MAX = 1 << 20 };

static const char config_head[] = "interfaces:\n"
                                  "  outside: {device: net_null0, ipv4: 198.51.100.1/24}\n"
                                  "  inside: {device: net_null1, ipv4: 203.0.113.1/24}\n"
                                  "backends:\n"
                                  "  postfix: {address: 203.0.113.10, port: 25, protocol: smtp}\n"
                                  "services:\n"
                                  "  smtp: {port: 25, protocol: smtp, backend: postfix}\n"
                                  "smtp: {host_name: mail.example.net}\n"
                                  "dns: {servers: ['127.0.0.1:9'], timeout_ms: 200}\n";

void control_fixture_config(const struct control_fixture *f, const char *extra)
{
    FILE *stream = fopen(f->config, "w");
    assert_non_null(stream);
    fprintf(stream,
            "%scontrol:\n  dataplane_socket: %s\n  api_socket: %s\n  pid_directory: %s\n"
            "  session_log: %s\n  metrics: 127.0.0.1:0\nauth: {passwd_file: passwd, allow_plain: "
            "true}\n%s",
            config_head, f->dataplane, f->api, f->directory, f->session_log, extra);
    fclose(stream);
}

static void path_set(char path[64], const char *directory, const char *name)
{
    snprintf(path, 64, "%s/%s", directory, name);
}

void control_fixture_lay(struct control_fixture *f, const char *extra)
{
    *f = (struct control_fixture){.directory = "/tmp/weir-control-XXXXXX"};
    assert_non_null(mkdtemp(f->directory));
    assert_int_equal(chmod(f->directory, 0755), 0); // the children are another user
    path_set(f->config, f->directory, "weir.yaml");
    path_set(f->api, f->directory, "control.sock");
    path_set(f->dataplane, f->directory, "dataplane.sock");
    path_set(f->session_log, f->directory, "session.json");
    path_set(f->errors, f->directory, "errors");
    char passwd[64];
    path_set(passwd, f->directory, "passwd");
    FILE *stream = fopen(passwd, "w");
    assert_non_null(stream);
    fputs("alice@example.net:{PLAIN}wonderland\n", stream);
    fclose(stream);
    control_fixture_config(f, extra);
}

void control_fixture_launch(struct control_fixture *f)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // a test that fails leaves nothing behind
        int errors = open(f->errors, O_WRONLY | O_CREAT | O_APPEND, 0644);
        dup2(errors, STDERR_FILENO);
        dup2(errors, STDOUT_FILENO);
        execl(CONTROLPLANE, "weir-controlplane", "--config", f->config, (char *)NULL);
        _exit(127);
    }
    f->pid = pid;
}

bool control_fixture_is_up(struct control_fixture *f, void *arg)
{
    return fake_dataplane_attached(f->fake, ROLE_OPS) &&
           fake_dataplane_attached(f->fake, ROLE_DNS) &&
           fake_dataplane_attached(f->fake, ROLE_AUTH);
}

void control_fixture_up(struct control_fixture *f, unsigned workers, const char *extra)
{
    control_fixture_lay(f, extra);
    f->fake = fake_dataplane_start(f->dataplane, workers);
    control_fixture_launch(f);
    if (control_fixture_until(f, control_fixture_is_up, NULL, UP_MS))
        return;
    char text[4096];
    control_fixture_read(f->errors, text, sizeof text);
    fail_msg("not up: %s", text);
}

void control_fixture_down(struct control_fixture *f)
{
    if (f->pid) {
        kill(f->pid, SIGTERM);
        assert_int_equal(control_fixture_wait(f), 0);
    }
    if (f->fake)
        fake_dataplane_stop(f->fake);
    f->fake = NULL;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", f->directory);
    assert_int_equal(system(command), 0);
}

int control_fixture_wait(struct control_fixture *f)
{
    int status;
    for (int i = 0; i < UP_MS; i++) {
        if (waitpid(f->pid, &status, WNOHANG) == f->pid) {
            f->pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("weir-controlplane does not end");
    return -1;
}

void control_fixture_read(const char *file, char *text, size_t size)
{
    text[0] = '\0';
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t got = read(fd, text, size - 1);
    text[got > 0 ? got : 0] = '\0';
    close(fd);
}

pid_t control_fixture_pid(const struct control_fixture *f, const char *name)
{
    char file[64], text[32];
    path_set(file, f->directory, name);
    control_fixture_read(file, text, sizeof text);
    return (pid_t)strtol(text, NULL, 10);
}

bool control_fixture_is_alive(pid_t pid)
{
    char file[64], text[512];
    snprintf(file, sizeof file, "/proc/%d/stat", (int)pid);
    control_fixture_read(file, text, sizeof text);
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] == ' ' && name_end[2] != 'Z';
}

int control_fixture_connect(const struct control_fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = 20};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", f->api);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    return fd;
}

json_t *control_fixture_receive(int socket)
{
    char *text = malloc(RESPONSE_MAX);
    assert_non_null(text);
    size_t used = 0;
    for (; used < RESPONSE_MAX && (used == 0 || text[used - 1] != '\n'); used++)
        if (recv(socket, text + used, 1, 0) != 1)
            break;
    json_error_t error;
    json_t *response = used ? json_loadb(text, used, 0, &error) : NULL;
    free(text);
    return response;
}

json_t *control_fixture_ask(const struct control_fixture *f, const char *format, ...)
{
    json_error_t error;
    va_list arguments;
    va_start(arguments, format);
    json_t *request = json_vpack_ex(&error, 0, format, arguments);
    va_end(arguments);
    assert_non_null(request);
    char *text = json_dumps(request, JSON_COMPACT);
    size_t size = strlen(text);
    text[size] = '\n';
    int fd = control_fixture_connect(f);
    assert_int_equal(send(fd, text, size + 1, MSG_NOSIGNAL), size + 1);
    json_t *response = control_fixture_receive(fd);
    close(fd);
    free(text);
    json_decref(request);
    assert_non_null(response);
    return response;
}

int control_fixture_weirctl(const struct control_fixture *f, const char *arguments, char *text,
                            size_t size)
{
    char command[512];
    snprintf(command, sizeof command, "WEIR_SOCKET=%s %s %s 2>&1", f->api, WEIRCTL, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t used = fread(text, 1, size - 1, pipe);
    text[used] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

bool control_fixture_until(struct control_fixture *f, control_fixture_condition *condition,
                           void *arg, unsigned timeout_ms)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (;;) {
        if (condition(f, arg))
            return true;
        clock_gettime(CLOCK_MONOTONIC, &now);
        int64_t spent_ms =
            (now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000;
        if (spent_ms > timeout_ms)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

unsigned control_fixture_listed(struct control_fixture *f, unsigned class)
{
    struct policy *policy = fake_dataplane_policy(f->fake);
    assert_non_null(policy);
    const struct policy_class_prefix *prefixes =
        (const struct policy_class_prefix *)policy_at(policy, policy->prefixes);
    unsigned count = 0;
    for (uint32_t i = 0; i < policy->prefixes.count; i++)
        count += prefixes[i].class == class;
    free(policy);
    return count;
}
