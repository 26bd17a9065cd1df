// SPDX-License-Identifier: BSD-3-Clause
#include "worker/attach_server.h"

#include "support/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    int policies, attached[ROLE_COUNT], detached[ROLE_COUNT];
    uint64_t generation;
};

struct rig {
    struct attach_server *server;
    struct seen seen;
    char path[64];
};

static void on_policy(void *context, int fd, const struct attach_policy *facts)
{
    struct rig *rig = context;
    rig->seen.policies++;
    rig->seen.generation = facts->generation;
    close(fd);
}

static void on_attached(void *context, enum attach_role role)
{
    ((struct rig *)context)->seen.attached[role]++;
}

static void on_detached(void *context, enum attach_role role)
{
    ((struct rig *)context)->seen.detached[role]++;
}

static struct attach_server_owner owner_of(struct rig *rig)
{
    return (struct attach_server_owner){
        .policy = on_policy, .attached = on_attached, .detached = on_detached, .context = rig};
}

static int setup(void **state)
{
    static struct rig rig;
    memset(&rig, 0, sizeof rig);
    snprintf(rig.path, sizeof rig.path, "/tmp/weir-attach-%d.sock", (int)getpid());
    struct attach_server_owner owner = owner_of(&rig);
    assert_int_equal(attach_server_open(&rig.server, rig.path, &owner), 0);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    attach_server_close(((struct rig *)*state)->server);
    return 0;
}

static void serve(struct rig *rig)
{
    for (int i = 0; i < 4; i++)
        attach_server_wait(rig->server, 0);
}

static int dial(struct rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, rig->path, sizeof rig->path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int attach(struct rig *rig, enum attach_role role)
{
    struct attach_hello hello = {
        .magic = ATTACH_MAGIC, .version = contract_version, .role = (uint16_t)role};
    int fd = dial(rig);
    assert_int_equal(attach_send(fd, &hello, sizeof hello, NULL, 0), 0);
    serve(rig);
    return fd;
}

static bool is_closed(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void a_hello_of_another_version_is_refused(void **state)
{
    struct rig *rig = *state;
    struct attach_hello hello = {
        .magic = ATTACH_MAGIC, .version = contract_version + 1, .role = ROLE_OPS};
    char text[1000] = "";
    int errors = dup(STDERR_FILENO), log = memfd_create("log", MFD_CLOEXEC);
    assert_true(dup2(log, STDERR_FILENO) >= 0);
    for (int i = 0; i < 3; i++) { // ten times a second it tries again
        int fd = dial(rig);
        assert_int_equal(attach_send(fd, &hello, sizeof hello, NULL, 0), 0);
        serve(rig);
        assert_true(is_closed(fd));
        close(fd);
    }
    assert_true(dup2(errors, STDERR_FILENO) >= 0);
    close(errors);
    assert_int_equal(rig->seen.attached[ROLE_OPS], 0);
    assert_true(pread(log, text, sizeof text - 1, 0) > 0);
    close(log);
    const char *line = strstr(text, "contract version");
    assert_non_null(line);
    assert_null(strstr(line + 1, "contract version")); // it is told once
}

static void bytes_that_are_no_hello_close_the_connection(void **state)
{
    struct rig *rig = *state;
    int fd = dial(rig);
    assert_int_equal(send(fd, "GET / HTTP/1.0", 14, 0), 14);
    serve(rig);
    assert_true(is_closed(fd));
    close(fd);
}

static void a_crowd_without_hello_does_not_keep_a_role_out_for_ever(void **state)
{
    struct rig *rig = *state;
    int crowd[12];
    for (int i = 0; i < 12; i++) {
        crowd[i] = dial(rig);
        serve(rig);
    }
    for (int i = 0; i < 12; i++)
        close(crowd[i]);
    serve(rig);
    int fd = attach(rig, ROLE_OPS);
    assert_int_equal(rig->seen.attached[ROLE_OPS], 1);
    close(fd);
}

static void children_wait_until_the_first_policy_was_taken(void **state)
{
    struct rig *rig = *state;
    int fd = attach(rig, ROLE_DNS);
    assert_int_equal(rig->seen.attached[ROLE_DNS], 0);
    attach_server_ready(rig->server);
    assert_int_equal(rig->seen.attached[ROLE_DNS], 1);
    close(fd);
    serve(rig);
    assert_int_equal(rig->seen.detached[ROLE_DNS], 1);
}

static void a_new_connection_of_a_role_replaces_the_old(void **state)
{
    struct rig *rig = *state;
    int first = attach(rig, ROLE_OPS);
    int second = attach(rig, ROLE_OPS);
    assert_true(is_closed(first));
    assert_int_equal(rig->seen.attached[ROLE_OPS], 2);
    assert_int_equal(rig->seen.detached[ROLE_OPS], 1);
    close(first);
    close(second);
}

static void only_ops_may_bring_a_policy(void **state)
{
    struct rig *rig = *state;
    int fd = attach(rig, ROLE_DNS);
    struct attach_policy facts = {.magic = ATTACH_MAGIC, .generation = 7, .size = 10};
    int memory = memfd_create("p", MFD_CLOEXEC);
    assert_int_equal(attach_send(fd, &facts, sizeof facts, &memory, 1), 0);
    serve(rig);
    assert_true(is_closed(fd));
    assert_int_equal(rig->seen.policies, 0);
    close(fd);

    fd = attach(rig, ROLE_OPS);
    assert_int_equal(attach_send(fd, &facts, sizeof facts, &memory, 1), 0);
    serve(rig);
    assert_int_equal(rig->seen.policies, 1);
    assert_int_equal(rig->seen.generation, 7);
    attach_server_result(rig->server, 7, -EINVAL, "no\nway");
    struct attach_result result;
    assert_int_equal(attach_receive(fd, &result, sizeof result, NULL, 0, NULL), 0);
    assert_int_equal(result.error, -EINVAL);
    assert_string_equal(result.text, "no?way");
    close(memory);
    close(fd);
}

static void a_policy_without_its_descriptor_closes_the_connection(void **state)
{
    struct rig *rig = *state;
    int fd = attach(rig, ROLE_OPS);
    struct attach_policy facts = {.magic = ATTACH_MAGIC};
    assert_int_equal(attach_send(fd, &facts, sizeof facts, NULL, 0), 0);
    serve(rig);
    assert_true(is_closed(fd));
    assert_int_equal(rig->seen.policies, 0);
    close(fd);
}

static void the_welcome_carries_the_descriptors(void **state)
{
    struct rig *rig = *state;
    int fd = attach(rig, ROLE_OPS);
    int given[3] = {0, 1, 2}, got[ATTACH_FDS_MAX], count = 0;
    assert_int_equal(attach_server_welcome(rig->server, ROLE_OPS, 1, given, 3), 0);
    struct attach_welcome welcome;
    assert_int_equal(attach_receive(fd, &welcome, sizeof welcome, got, ATTACH_FDS_MAX, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(welcome.slot_size, sizeof(struct message));
    for (int i = 0; i < count; i++)
        close(got[i]);
    close(fd);
}

static void a_second_server_at_the_same_path_is_refused(void **state)
{
    struct rig *rig = *state;
    struct attach_server *second;
    struct attach_server_owner owner = owner_of(rig);
    assert_int_equal(attach_server_open(&second, rig->path, &owner), -EADDRINUSE);
    serve(rig);
}

static void another_user_is_turned_away(void **state)
{
    struct rig *rig = *state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(rig->path, 0666), 0); // so that it is the check that says no
    pid_t pid = fork();
    if (pid == 0) {
        enum { NOBODY = 65534 };
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        memcpy(address.sun_path, rig->path, sizeof rig->path);
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct attach_hello hello = {ATTACH_MAGIC, contract_version, ROLE_OPS};
        char byte;
        bool dialled = setresuid(NOBODY, NOBODY, NOBODY) == 0 &&
                       connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
        int error = attach_send(fd, &hello, sizeof hello, NULL, 0); // it may be closed already
        _exit(dialled && (error < 0 || recv(fd, &byte, 1, 0) <= 0) ? 0 : 1);
    }
    int status = -1;
    while (waitpid(pid, &status, WNOHANG) == 0)
        attach_server_wait(rig->server, 1);
    assert_int_equal(status, 0);
    assert_int_equal(rig->seen.attached[ROLE_OPS], 0);
}

static int descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void forged_records_and_floods_of_descriptors_leave_nothing_behind(void **state)
{
    struct rig *rig = *state;
    struct rng rng;
    int memory = memfd_create("flood", MFD_CLOEXEC);
    attach_server_ready(rig->server);
    rng_seed(&rng, 1);
    int before = descriptors();
    for (int i = 0; i < 2000; i++) {
        int fd = rng_below(&rng, 2) ? dial(rig) : attach(rig, (enum attach_role)rng_below(&rng, 3));
        for (uint64_t records = rng_below(&rng, 4); records > 0; records--)
            hostile_record(fd, memory, &rng);
        serve(rig);
        close(fd);
        serve(rig);
    }
    assert_int_equal(descriptors(), before);
    int fd = attach(rig, ROLE_OPS);
    assert_false(is_closed(fd));
    close(fd);
    close(memory);
}

static void a_newcomer_is_heard_before_a_crowd_that_stays_and_says_nothing(void **state)
{
    struct rig *rig = *state;
    int crowd[20];
    for (int i = 0; i < 20; i++) {
        crowd[i] = dial(rig);
        serve(rig);
    }
    int fd = attach(rig, ROLE_OPS);
    assert_int_equal(rig->seen.attached[ROLE_OPS], 1);
    assert_true(is_closed(crowd[0]));
    for (int i = 0; i < 20; i++)
        close(crowd[i]);
    close(fd);
}

static void a_dropped_role_may_come_again(void **state)
{
    struct rig *rig = *state;
    int fd = attach(rig, ROLE_OPS);
    attach_server_drop(rig->server, ROLE_OPS, "test");
    attach_server_drop(rig->server, ROLE_OPS, "test"); // gone already
    assert_true(is_closed(fd));
    assert_int_equal(rig->seen.detached[ROLE_OPS], 1);
    int given[1] = {0};
    assert_int_equal(attach_server_welcome(rig->server, ROLE_OPS, 1, given, 1), -EBADF);
    close(fd);
    fd = attach(rig, ROLE_OPS);
    assert_int_equal(rig->seen.attached[ROLE_OPS], 2);
    close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(another_user_is_turned_away),
        TEST(forged_records_and_floods_of_descriptors_leave_nothing_behind),
        TEST(a_newcomer_is_heard_before_a_crowd_that_stays_and_says_nothing),
        TEST(a_dropped_role_may_come_again),
        TEST(a_hello_of_another_version_is_refused),
        TEST(bytes_that_are_no_hello_close_the_connection),
        TEST(a_crowd_without_hello_does_not_keep_a_role_out_for_ever),
        TEST(children_wait_until_the_first_policy_was_taken),
        TEST(a_new_connection_of_a_role_replaces_the_old),
        TEST(only_ops_may_bring_a_policy),
        TEST(a_policy_without_its_descriptor_closes_the_connection),
        TEST(the_welcome_carries_the_descriptors),
        TEST(a_second_server_at_the_same_path_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
