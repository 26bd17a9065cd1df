// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/lookup_sandbox.h"

#include "link/parent_death.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_ASAN 1
#endif
#endif
#ifndef SANDBOX_ASAN
#define SANDBOX_ASAN 0
#endif

enum { MEMORY_MAX_MB = 1024, FILES_MAX = 512 };

static int user_drop(const char *user)
{
    if (geteuid() != 0)
        return 0; // for development: there is nothing to give up
    errno = 0;
    const struct passwd *entry = getpwnam(user);
    if (!entry)
        return errno ? -errno : -ENOENT;
    if (entry->pw_uid == 0)
        return -EPERM;
    if (setgroups(0, NULL) < 0 || setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) < 0 ||
        setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) < 0)
        return -errno;
    return setuid(0) == 0 ? -EPERM : 0;
}

static int limit_set(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit limit = {.rlim_cur = most, .rlim_max = most};
    return setrlimit(resource, &limit) < 0 ? -errno : 0;
}

int lookup_sandbox_drop(const char *user, int parent)
{
    int error = user_drop(user);
    if (!error)
        error = parent_death_follow(parent);
    if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        error = -errno;
    if (!error)
        error = limit_set(RLIMIT_CORE, 0);
    if (!error)
        error = limit_set(RLIMIT_NOFILE, FILES_MAX);
    if (!error && !SANDBOX_ASAN)
        error = limit_set(RLIMIT_AS, (rlim_t)MEMORY_MAX_MB << 20);
    return error;
}

static const int common_calls[] = {
    SCMP_SYS(brk),          SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(close),        SCMP_SYS(epoll_ctl),     SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_wait),   SCMP_SYS(exit),          SCMP_SYS(exit_group),
    SCMP_SYS(fstat),        SCMP_SYS(futex),         SCMP_SYS(getpid),
    SCMP_SYS(getrandom),    SCMP_SYS(gettid),        SCMP_SYS(gettimeofday),
    SCMP_SYS(lseek),        SCMP_SYS(madvise),       SCMP_SYS(mremap),
    SCMP_SYS(munmap),       SCMP_SYS(newfstatat),    SCMP_SYS(poll),
    SCMP_SYS(ppoll),        SCMP_SYS(read),          SCMP_SYS(restart_syscall),
    SCMP_SYS(rseq),         SCMP_SYS(rt_sigaction),  SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sched_yield),   SCMP_SYS(set_robust_list),
    SCMP_SYS(sigaltstack),  SCMP_SYS(tgkill),        SCMP_SYS(uname),
    SCMP_SYS(write),
};

static const int dns_calls[] = {
    SCMP_SYS(bind),        SCMP_SYS(connect),    SCMP_SYS(fcntl),  SCMP_SYS(getpeername),
    SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(ioctl),  SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),     SCMP_SYS(sendmsg),    SCMP_SYS(sendto), SCMP_SYS(setsockopt),
    SCMP_SYS(writev),
};

static int allow_all(scmp_filter_ctx filter, const int *calls, size_t count)
{
    int error = 0;
    for (size_t i = 0; i < count && !error; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return error;
}

static int allow_data_memory(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return error;
}

static int allow_dns(scmp_filter_ctx filter)
{
    int error = allow_all(filter, dns_calls, sizeof dns_calls / sizeof dns_calls[0]);
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                 SCMP_A0(SCMP_CMP_EQ, AF_INET));
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                 SCMP_A0(SCMP_CMP_EQ, AF_INET6));
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 0);
    return error;
}

// Connections are made by the parent and taken from its socket (recvmsg); what is sent goes where
// the descriptor goes.
static int allow_auth(scmp_filter_ctx filter)
{
    const unsigned writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));
    if (!error)
        error =
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, SCMP_A4(SCMP_CMP_EQ, 0));
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 0);
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(recvmsg), 0);
    return error ? error : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(recvfrom), 0); // bell
}

int lookup_sandbox_close(enum lookup_sandbox which)
{
    scmp_filter_ctx filter = seccomp_init(SANDBOX_ASAN ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return -ENOMEM;
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!error)
        error = allow_all(filter, common_calls, sizeof common_calls / sizeof common_calls[0]);
    if (!error)
        error = allow_data_memory(filter);
    if (!error)
        error = which == SANDBOX_DNS ? allow_dns(filter) : allow_auth(filter);
    if (!error)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return error;
}

bool lookup_sandbox_is_strict(void)
{
    return !SANDBOX_ASAN;
}
