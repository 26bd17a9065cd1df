// SPDX-License-Identifier: BSD-3-Clause
#include "loop/dial_desk.h"

#include "base/span.h"
#include "contract/attach.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct dial_desk {
    uv_poll_t poll;
    uv_timer_t timer; // from the question to the connection
    unsigned handles; // not closed yet
    int socket;
    char place[DIAL_PLACE_SIZE];
};

union place {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_in6 in6;
    struct sockaddr_in in;
};

static socklen_t unix_fill(const char *path, union place *place)
{
    place->un = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof place->un.sun_path)
        return 0;
    memcpy(place->un.sun_path, path, strlen(path));
    return sizeof place->un;
}

// The size of the address, or 0.
static socklen_t place_fill(const char *text, union place *place)
{
    char host[DIAL_PLACE_SIZE];
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (text[0] == '/')
        return unix_fill(text, place);
    if (!colon || !span_to_u64(span_text(colon + 1), UINT16_MAX, &port))
        return 0;
    bool v6 = text[0] == '[';
    snprintf(host, sizeof host, "%.*s", (int)(colon - text) - 2 * v6, text + v6);
    if (v6)
        return uv_ip6_addr(host, (int)port, &place->in6) == 0 ? sizeof place->in6 : 0;
    return uv_ip4_addr(host, (int)port, &place->in) == 0 ? sizeof place->in : 0;
}

static int place_connect(const char *text)
{
    union place place;
    socklen_t size = place_fill(text, &place);
    if (size == 0)
        return -EINVAL;
    int fd = socket(place.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, &place.any, size) == 0 || errno == EINPROGRESS)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

static void on_question(uv_poll_t *poll, int status, int events);

static void on_time(uv_timer_t *timer)
{
    struct dial_desk *desk = timer->data;
    int fd = place_connect(desk->place);
    uint32_t refusal = fd < 0 ? (uint32_t)-fd : 0;
    int error = attach_send(desk->socket, &refusal, sizeof refusal, &fd, fd < 0 ? 0 : 1);
    if (fd >= 0)
        close(fd);
    if (!error)
        uv_poll_start(&desk->poll, UV_READABLE, on_question);
}

static void on_question(uv_poll_t *poll, int status, int events)
{
    struct dial_desk *desk = poll->data;
    uint32_t question;
    int error = attach_receive(desk->socket, &question, sizeof question, NULL, 0, NULL);
    if (error == -EAGAIN)
        return;
    uv_poll_stop(poll); // gone, or its answer is due
    if (!error)
        uv_timer_start(&desk->timer, on_time, DIAL_DESK_PAUSE_MS, 0);
}

int dial_desk_open(struct dial_desk **ret_desk, uv_loop_t *loop, const char *place,
                   int *ret_child_end)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -errno;
    struct dial_desk *desk = calloc(1, sizeof *desk);
    CHECK(desk);
    snprintf(desk->place, sizeof desk->place, "%s", place);
    desk->socket = pair[0];
    desk->handles = 2;
    CHECK(uv_poll_init(loop, &desk->poll, pair[0]) == 0);
    CHECK(uv_timer_init(loop, &desk->timer) == 0);
    desk->poll.data = desk->timer.data = desk;
    uv_poll_start(&desk->poll, UV_READABLE, on_question);
    *ret_desk = desk;
    *ret_child_end = pair[1];
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct dial_desk *desk = handle->data;
    if (--desk->handles == 0)
        free(desk);
}

void dial_desk_close(struct dial_desk *desk)
{
    if (!desk)
        return;
    uv_close((uv_handle_t *)&desk->poll, on_closed);
    uv_close((uv_handle_t *)&desk->timer, on_closed);
    close(desk->socket);
}
