// SPDX-License-Identifier: BSD-3-Clause
#include "link/dataplane_link.h"

#include "base/log.h"
#include "contract/doorbell.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS_MAX = 4, MESSAGES_A_ROUND = SPSC_SLOTS };
static_assert(sizeof(struct attach_result) != sizeof(struct attach_welcome), "told apart by size");

static const char *const state_names[] = {"down", "offered", "up"};

const char *dataplane_link_state_name(enum dataplane_link_state state)
{
    CHECK(state <= LINK_UP);
    return state_names[state];
}

static void dataplane_link_enter(struct dataplane_link *link, enum dataplane_link_state state)
{
    bool allowed = state == LINK_DOWN || (state == LINK_OFFERED && link->state == LINK_DOWN) ||
                   (state == LINK_UP && link->state == LINK_OFFERED);
    CHECK(allowed);
    link->state = state;
}

static void watch_closed(uv_handle_t *handle)
{
    free(handle);
}

static void watch_stop(uv_poll_t **watch)
{
    if (*watch)
        uv_close((uv_handle_t *)*watch, watch_closed);
    *watch = NULL;
}

static uv_poll_t *watch_start(struct dataplane_link *link, int fd, uv_poll_cb callback)
{
    uv_poll_t *watch = calloc(1, sizeof *watch);
    CHECK(watch);
    if (uv_poll_init(link->loop, watch, fd) < 0) {
        free(watch);
        return NULL;
    }
    watch->data = link;
    CHECK(uv_poll_start(watch, UV_READABLE, callback) == 0);
    return watch;
}

static void on_retry(uv_timer_t *timer);
static void on_overdue(uv_timer_t *timer);

static void connection_close(struct dataplane_link *link)
{
    watch_stop(&link->socket_watch);
    watch_stop(&link->bell_watch);
    uv_timer_stop(&link->again);
    link->client.socket = -1; // closed below, once
    attach_client_close(&link->client);
    if (link->socket >= 0)
        close(link->socket);
    link->socket = -1;
    link->results_due = 0;
    link->accepted = false;
    link->pid = 0;
}

void dataplane_link_drop(struct dataplane_link *link, const char *cause)
{
    if (link->state == LINK_DOWN)
        return;
    log_warning("what=\"data plane lost\" cause=\"%s\"", cause);
    dataplane_link_enter(link, LINK_DOWN);
    link->owner.down(link->owner.context);
    connection_close(link);
    uv_timer_start(&link->timer, on_retry, DATAPLANE_LINK_RETRY_MS, DATAPLANE_LINK_RETRY_MS);
}

static void on_overdue(uv_timer_t *timer)
{
    dataplane_link_drop((struct dataplane_link *)timer->data, "no answer to a policy in time");
}

static void deadline_set(struct dataplane_link *link)
{
    if (link->state == LINK_UP && link->results_due == 0)
        uv_timer_stop(&link->timer);
    else
        uv_timer_start(&link->timer, on_overdue,
                       link->state == LINK_UP ? DATAPLANE_LINK_RESULT_MS : DATAPLANE_LINK_START_MS,
                       0);
}

// One round over all rings. True when every one was found empty.
static bool messages_round(struct dataplane_link *link)
{
    bool all_empty = true;
    for (unsigned worker = 0; worker < link->client.workers; worker++) {
        struct spsc *in = &link->client.channels[worker].in;
        struct message message;
        unsigned taken = 0;
        // A handler may drop the link, and with it the rings.
        while (link->state == LINK_UP && taken < MESSAGES_A_ROUND && spsc_take(in, &message)) {
            taken++;
            if (message_is_sound(&message) && message.status != STATUS_ASKED)
                link->owner.message(link->owner.context, worker, &message);
            else
                link->messages_bad++;
        }
        all_empty = all_empty && taken < MESSAGES_A_ROUND;
    }
    return all_empty;
}

static bool all_asleep(struct dataplane_link *link)
{
    bool asleep = true;
    for (unsigned worker = 0; worker < link->client.workers; worker++)
        if (!spsc_sleep(&link->client.channels[worker].in))
            asleep = false;
    return asleep;
}

static bool any_broken(const struct dataplane_link *link)
{
    for (unsigned worker = 0; worker < link->client.workers; worker++)
        if (spsc_channel_is_broken(&link->client.channels[worker]))
            return true;
    return false;
}

static void on_again(uv_timer_t *timer);

static void messages_take(struct dataplane_link *link)
{
    for (unsigned worker = 0; worker < link->client.workers; worker++)
        spsc_wake(&link->client.channels[worker].in);
    bool asleep = false;
    for (int round = 0; round < ROUNDS_MAX && !asleep; round++)
        asleep = messages_round(link) && all_asleep(link);
    link->owner.messages_end(link->owner.context);
    if (link->state != LINK_UP)
        return;
    if (any_broken(link)) {
        dataplane_link_drop(link, "ring index out of range");
        return;
    }
    if (!asleep) // others get their turn first
        uv_timer_start(&link->again, on_again, 0, 0);
}

static void on_again(uv_timer_t *timer)
{
    messages_take((struct dataplane_link *)timer->data);
}

static void on_bell(uv_poll_t *watch, int status, int events)
{
    struct dataplane_link *link = (struct dataplane_link *)watch->data;
    if (status < 0 || !doorbell_hear(link->client.bell))
        dataplane_link_drop(link, "doorbell broken");
    else if (link->state == LINK_UP)
        messages_take(link);
}

static void up_when_ready(struct dataplane_link *link)
{
    if (link->state != LINK_OFFERED || !link->accepted || link->client.workers == 0)
        return;
    link->bell_watch = watch_start(link, link->client.bell, on_bell);
    if (!link->bell_watch) {
        dataplane_link_drop(link, "doorbell cannot be watched");
        return;
    }
    dataplane_link_enter(link, LINK_UP);
    link->waiting_said = false;
    deadline_set(link);
    log_info("what=\"attached to the data plane\" workers=%u pid=%d", link->client.workers,
             link->pid);
    link->owner.up(link->owner.context);
    messages_take(link);
}

static void take_result(struct dataplane_link *link)
{
    struct attach_result result;
    int error = attach_client_result(link->socket, &result);
    if (error || link->results_due == 0) {
        dataplane_link_drop(link, error ? strerror(-error) : "a result that nobody asked for");
        return;
    }
    link->results_due--;
    link->accepted = link->accepted || result.error == 0;
    deadline_set(link);
    link->owner.result(link->owner.context, &result);
    up_when_ready(link);
}

static void take_welcome(struct dataplane_link *link)
{
    int error = link->client.workers ? -EPROTO
                                     : attach_client_welcome(&link->client, link->socket, ROLE_OPS);
    if (error)
        dataplane_link_drop(link, strerror(-error));
    else
        up_when_ready(link);
}

// Result and welcome may come in either order, so the record's size says which it is.
static void on_socket(uv_poll_t *watch, int status, int events)
{
    struct dataplane_link *link = (struct dataplane_link *)watch->data;
    char peeked;
    ssize_t size = recv(link->socket, &peeked, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size < 0)
        dataplane_link_drop(link, strerror(errno));
    else if (size == 0)
        dataplane_link_drop(link, "it closed the connection");
    else if (size == (ssize_t)sizeof(struct attach_result))
        take_result(link);
    else if (size == (ssize_t)sizeof(struct attach_welcome))
        take_welcome(link);
    else
        dataplane_link_drop(link, "a record of no known size");
}

static int connect_and_greet(struct dataplane_link *link)
{
    int fd = attach_client_connect(link->path);
    if (fd < 0)
        return fd;
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    int error = attach_client_hello(fd, ROLE_OPS);
    if (!error && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        error = -errno;
    if (!error) {
        link->socket_watch = watch_start(link, fd, on_socket); // makes it non-blocking
        error = link->socket_watch ? 0 : -ENOMEM;
    }
    if (error) {
        close(fd);
        return error;
    }
    link->socket = fd;
    link->pid = peer.pid;
    return 0;
}

static void on_retry(uv_timer_t *timer)
{
    struct dataplane_link *link = (struct dataplane_link *)timer->data;
    int error = connect_and_greet(link);
    if (error) {
        if (!link->waiting_said)
            log_info("what=\"waiting for the data plane\" socket=%s cause=\"%s\"", link->path,
                     strerror(-error));
        link->waiting_said = true;
        return;
    }
    dataplane_link_enter(link, LINK_OFFERED);
    deadline_set(link);
    link->owner.connected(link->owner.context);
}

void dataplane_link_init(struct dataplane_link *link, uv_loop_t *loop, const char *path,
                         const struct dataplane_link_owner *owner)
{
    *link = (struct dataplane_link){.loop = loop,
                                    .owner = *owner,
                                    .state = LINK_DOWN,
                                    .socket = -1,
                                    .client = {.socket = -1, .bell = -1}};
    snprintf(link->path, sizeof link->path, "%s", path);
    CHECK(uv_timer_init(loop, &link->timer) == 0 && uv_timer_init(loop, &link->again) == 0);
    link->timer.data = link->again.data = link;
}

void dataplane_link_start(struct dataplane_link *link)
{
    uv_timer_start(&link->timer, on_retry, 0, DATAPLANE_LINK_RETRY_MS);
}

void dataplane_link_stop(struct dataplane_link *link)
{
    link->state = LINK_DOWN;
    connection_close(link);
    if (!uv_is_closing((uv_handle_t *)&link->timer)) {
        uv_close((uv_handle_t *)&link->timer, NULL);
        uv_close((uv_handle_t *)&link->again, NULL);
    }
}

int dataplane_link_send(struct dataplane_link *link, int memfd, uint64_t generation, uint64_t size)
{
    CHECK(link->state != LINK_DOWN);
    int error = attach_client_send_policy(link->socket, memfd, generation, size);
    if (error)
        return error;
    link->results_due++;
    deadline_set(link);
    return 0;
}
