// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/lookup_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char made_file[] = "/tmp/weir-sandbox"; // by a sandbox that does not hold

static int made_file_remove(void **state)
{
    unlink(made_file);
    return 0;
}

// Runs `act` in a process with the sandbox closed: its result, or 1000 + the signal.
static int within(enum lookup_sandbox which, int (*act)(void))
{
    int status;
    int parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        if (lookup_sandbox_drop("nobody", parent) < 0)
            _exit(100);
        if (lookup_sandbox_close(which) < 0)
            _exit(101);
        _exit(act());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int killed(void)
{
    return 1000 + SIGSYS;
}

static int act_execute(void)
{
    char *const arguments[] = {NULL};
    return execve("/no/such/program", arguments, arguments) < 0 ? 1 : 0; // nothing else kills it
}

static int act_fork(void)
{
    return fork() < 0 ? 1 : 0;
}

static int act_listen_on_a_path(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? 1 : 0;
}

static int act_inet_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return fd < 0 ? 1 : close(fd);
}

static int act_open_to_read(void)
{
    int fd = open("/etc/passwd", O_RDONLY);
    return fd < 0 ? errno : close(fd);
}

static int act_open_to_write(void)
{
    return open(made_file, O_WRONLY | O_CREAT, 0600) < 0 ? errno : 0;
}

static int act_map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? 1
               : 0;
}

static int act_look_into_another(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0 ? 1 : 0;
}

static int act_take_memory(void)
{
    return mmap(NULL, 2UL << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}

static int act_nothing(void)
{
    return 7;
}

static void unknown_user_is_an_error(void **state)
{
    if (geteuid() != 0)
        skip();
    assert_int_equal(lookup_sandbox_drop("no-such-user", getppid()), -ENOENT);
}

static void root_is_no_user_to_drop_to(void **state)
{
    if (geteuid() != 0)
        skip();
    assert_int_equal(lookup_sandbox_drop("root", getppid()), -EPERM);
}

static void children_run_no_programs_and_map_no_code(void **state)
{
    if (!lookup_sandbox_is_strict())
        skip();
    assert_int_equal(within(SANDBOX_DNS, act_execute), killed());
    assert_int_equal(within(SANDBOX_AUTH, act_execute), killed());
    assert_int_equal(within(SANDBOX_DNS, act_fork), killed());
    assert_int_equal(within(SANDBOX_AUTH, act_fork), killed());
    assert_int_equal(within(SANDBOX_DNS, act_map_code), killed());
    assert_int_equal(within(SANDBOX_AUTH, act_map_code), killed());
}

static void children_cannot_look_into_others_nor_take_all_memory(void **state)
{
    if (!lookup_sandbox_is_strict())
        skip();
    assert_int_equal(within(SANDBOX_DNS, act_look_into_another), killed());
    assert_int_equal(within(SANDBOX_AUTH, act_look_into_another), killed());
    assert_int_equal(within(SANDBOX_DNS, act_take_memory), ENOMEM);
    assert_int_equal(within(SANDBOX_AUTH, act_take_memory), ENOMEM);
}

static void only_the_dns_child_makes_sockets_and_only_to_the_internet(void **state)
{
    assert_int_equal(within(SANDBOX_DNS, act_inet_socket), 0);
    if (!lookup_sandbox_is_strict())
        skip();
    assert_int_equal(within(SANDBOX_DNS, act_listen_on_a_path), killed());
    assert_int_equal(within(SANDBOX_AUTH, act_inet_socket), killed());
}

static void only_the_auth_child_opens_files_and_only_to_read(void **state)
{
    assert_int_equal(within(SANDBOX_AUTH, act_open_to_read), 0);
    assert_int_equal(within(SANDBOX_DNS, act_open_to_read), EACCES);
    if (!lookup_sandbox_is_strict())
        skip();
    assert_int_equal(within(SANDBOX_DNS, act_open_to_write), EACCES);
    assert_int_equal(within(SANDBOX_AUTH, act_open_to_write), killed());
}

static void what_they_need_goes_on(void **state)
{
    assert_int_equal(within(SANDBOX_DNS, act_nothing), 7);
    assert_int_equal(within(SANDBOX_AUTH, act_nothing), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_user_is_an_error),
        cmocka_unit_test(root_is_no_user_to_drop_to),
        cmocka_unit_test(children_run_no_programs_and_map_no_code),
        cmocka_unit_test(children_cannot_look_into_others_nor_take_all_memory),
        cmocka_unit_test(only_the_dns_child_makes_sockets_and_only_to_the_internet),
        cmocka_unit_test_teardown(only_the_auth_child_opens_files_and_only_to_read,
                                  made_file_remove),
        cmocka_unit_test(what_they_need_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
