// SPDX-License-Identifier: BSD-3-Clause
/* Flows over this kernel's TCP, with CUBIC as ours has it: linux_end PATTERN, commands on standard
 * input (flow.h). `quiet` is answered at once.
 */

#include "base/check.h"
#include "linux/flow.h"
#include "linux/words.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, READ_BYTES = 1 << 16 };

static int poller;
static int send_error; // of the last send

static int fd_of(const struct flow *f)
{
    return (int)f->stack;
}

static void watch(struct flow *f, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = f};
    CHECK(epoll_ctl(poller, operation, fd_of(f), &event) == 0);
}

static socklen_t address_of(const struct flow *f, struct sockaddr_storage *ret_address)
{
    memset(ret_address, 0, sizeof *ret_address);
    if (addr_is_v4(&f->addr)) {
        struct sockaddr_in *v4 = (void *)ret_address;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(f->port);
        memcpy(&v4->sin_addr, f->addr.bytes + 12, 4);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (void *)ret_address;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(f->port);
    memcpy(&v6->sin6_addr, f->addr.bytes, 16);
    return sizeof *v6;
}

void stack_open(struct flow *f)
{
    struct sockaddr_storage address;
    socklen_t size = address_of(f, &address);
    int yes = 1, fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0);
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) == 0);
    f->stack = (uint64_t)fd;
    if (f->connects) {
        CHECK(connect(fd, (void *)&address, size) == 0 || errno == EINPROGRESS);
        watch(f, EPOLLOUT, EPOLL_CTL_ADD);
        return;
    }
    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
    CHECK(bind(fd, (void *)&address, size) == 0 && listen(fd, 8) == 0);
    watch(f, EPOLLIN, EPOLL_CTL_ADD);
}

size_t stack_send(struct flow *f, struct span bytes)
{
    ssize_t taken = send(fd_of(f), bytes.at, bytes.size, MSG_NOSIGNAL);
    send_error = taken < 0 && errno != EAGAIN ? errno : 0; // no other call will tell of it
    return taken > 0 ? (size_t)taken : 0;
}

void stack_finish(struct flow *f)
{
    shutdown(fd_of(f), SHUT_WR);
}

static void over(struct flow *f, const char *how)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    char options[64];
    getsockopt(fd_of(f), IPPROTO_TCP, TCP_INFO, &info, &size);
    snprintf(options, sizeof options, "%s%s%s%s", info.tcpi_options & TCPI_OPT_SACK ? "sack " : "",
             info.tcpi_options & TCPI_OPT_TIMESTAMPS ? "timestamps " : "",
             info.tcpi_options & TCPI_OPT_WSCALE ? "scaling " : "",
             info.tcpi_options & TCPI_OPT_ECN ? "ecn " : "");
    close(fd_of(f));
    flow_over(f, how, info.tcpi_total_retrans, options);
}

void stack_abort(struct flow *f)
{
    struct linger at_once = {1, 0};
    setsockopt(fd_of(f), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    over(f, "aborted");
}

void stack_leave(struct flow *f)
{
    over(f, "left");
}

static void fail(struct flow *f, int error)
{
    if (error == ECONNRESET || error == EPIPE)
        over(f, "reset");
    else
        over(f, error == ECONNREFUSED ? "refused" : strerror(error));
}

static void accept_one(struct flow *f)
{
    int fd = accept4(fd_of(f), NULL, NULL, SOCK_NONBLOCK), yes = 1;
    if (fd < 0)
        return;
    close(fd_of(f));
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0);
    f->stack = (uint64_t)fd;
    watch(f, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
    flow_up(f);
}

// The bytes that flow_take will not take stay in the socket: it is looked at, and then read.
static void read_all(struct flow *f)
{
    static uint8_t bytes[READ_BYTES];
    while (f->open) {
        ssize_t size = recv(fd_of(f), bytes, sizeof bytes, MSG_PEEK);
        if (size < 0) {
            if (errno != EAGAIN)
                fail(f, errno);
            return;
        }
        if (size == 0) {
            flow_fin(f);
            return;
        }
        size_t taken = flow_take(f, span_of(bytes, (size_t)size));
        if (f->open)
            CHECK(recv(fd_of(f), bytes, taken, 0) == (ssize_t)taken);
    }
}

static void serve(struct flow *f, uint32_t events)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (events & EPOLLERR)
        getsockopt(fd_of(f), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        fail(f, error);
        return;
    }
    if (!f->up && !f->connects) {
        accept_one(f);
        return;
    }
    if (!f->up)
        flow_up(f);
    if (!f->fin_came)
        read_all(f);
    if (!f->open)
        return;
    send_error = 0;
    bool waits = flow_push(f);
    if (send_error)
        fail(f, send_error);
    else if (flow_done(f))
        over(f, "orderly");
    else
        watch(f, (f->fin_came ? 0 : EPOLLIN) | (waits ? EPOLLOUT : 0), EPOLL_CTL_MOD);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: linux_end PATTERN\n");
        return 2;
    }
    flow_pattern(argv[1]);
    poller = epoll_create1(0);
    struct epoll_event commands = {.events = EPOLLIN};
    CHECK(poller >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &commands) == 0);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct flow *f = events[i].data.ptr;
            char line[1024];
            if (f && f->open)
                serve(f, events[i].events);
            else if (!f && !words_read(line, sizeof line))
                return 0;
            else if (!f && !flow_command(line)) {
                puts("{\"quiet\": true}");
                fflush(stdout);
            }
        }
    }
}
