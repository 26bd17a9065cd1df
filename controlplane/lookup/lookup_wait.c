// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/lookup_wait.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

static volatile sig_atomic_t stop_wanted;
static sigset_t while_waiting;

static void on_stop(int signal)
{
    stop_wanted = 1;
}

int lookup_wait_open(void)
{
    struct sigaction action = {.sa_handler = on_stop};
    sigset_t blocked;
    stop_wanted = 0;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &blocked, &while_waiting) < 0)
        return -errno;
    sigdelset(&while_waiting, SIGTERM);
    return sigaction(SIGTERM, &action, NULL) < 0 ? -errno : 0;
}

bool lookup_wait(struct pollfd *fds, unsigned count, int timeout_ms)
{
    struct timespec time = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L};
    if (ppoll(fds, count, timeout_ms < 0 ? NULL : &time, &while_waiting) < 0)
        for (unsigned i = 0; i < count; i++)
            fds[i].revents = 0;
    return !stop_wanted;
}

uint64_t lookup_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t lookup_now_ms(void)
{
    return lookup_now_us() / 1000;
}
