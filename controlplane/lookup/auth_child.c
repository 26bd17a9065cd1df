// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"
#include "lookup/auth_questions.h"
#include "lookup/lookup.h"
#include "lookup/lookup_port.h"
#include "lookup/lookup_sandbox.h"
#include "lookup/lookup_wait.h"

#include <string.h>

enum { WELCOME_MS = 30000, REFRESH_MS = 1000 };

struct child {
    struct lookup_port port;
    struct passwd_file file;
    struct auth_pool *pool;
    struct auth_questions *questions;
    uint64_t refreshed_ms;
};

static void on_answer(void *context, unsigned worker, const struct message *answer)
{
    struct child *child = context;
    lookup_port_answer(&child->port, worker, answer);
}

/* Privileges are dropped before the threads are made (setuid would have to stop them) and before
 * the file is read: what its user cannot read now it could not read again when it changes. */
static bool child_open(struct child *child, int socket, const struct auth_child_config *config)
{
    const char *doing = "attach to the data plane";
    int error = lookup_port_open(&child->port, socket, ROLE_AUTH, 1U << MESSAGE_AUTH, WELCOME_MS);
    if (!error) {
        doing = "drop privileges";
        error = lookup_sandbox_drop(config->user, config->parent);
    }
    if (!error) {
        doing = "take over SIGTERM";
        error = lookup_wait_open();
    }
    if (!error) {
        doing = "start threads";
        error = auth_pool_open(&child->pool);
    }
    passwd_file_init(&child->file, config->passwd_file);
    if (!error) {
        doing = "take memory";
        struct auth_questions_config questions = {&child->file, child->pool, on_answer, child};
        error = auth_questions_open(&child->questions, &questions);
    }
    if (!error) {
        doing = "close the sandbox";
        error = lookup_sandbox_close(SANDBOX_AUTH);
    }
    if (error)
        log_error("what=\"auth child cannot %s\" error=\"%s\" user=%s", doing, strerror(-error),
                  config->user);
    return !error;
}

static void child_close(struct child *child)
{
    const struct lookup_counters *port = &child->port.counters;
    if (child->questions) {
        const struct auth_questions_counters *asked = auth_questions_counters(child->questions);
        log_info("what=\"auth child ends\" questions=%lu answers=%lu unsound=%lu dropped=%lu "
                 "right=%lu wrong=%lu throttled=%lu unavailable=%lu hashed=%lu remembered=%lu",
                 port->questions, port->answers, port->unsound, port->answers_dropped, asked->right,
                 asked->wrong, asked->throttled, asked->unavailable, asked->hashed,
                 asked->remembered);
    }
    if (child->pool)
        auth_pool_close(child->pool);
    if (child->questions)
        auth_questions_close(child->questions);
    passwd_file_done(&child->file);
    if (child->port.waiting)
        lookup_port_close(&child->port);
}

// Returns how many questions there were; LOOKUP_TAKE_MAX: maybe more.
static unsigned questions_take(struct child *child, uint64_t now_ms)
{
    struct message question;
    unsigned worker, count = 0;
    while (count < LOOKUP_TAKE_MAX && lookup_port_take(&child->port, &worker, &question)) {
        auth_questions_take(child->questions, worker, &question, now_ms);
        count++;
    }
    message_wipe(&question);
    return count;
}

static bool turn(struct child *child)
{
    uint64_t now_ms = lookup_now_ms();
    if (child->refreshed_ms == 0 || now_ms - child->refreshed_ms >= REFRESH_MS) {
        auth_questions_refresh(child->questions);
        child->refreshed_ms = now_ms;
    }
    auth_questions_finish(child->questions, now_ms);
    bool more = questions_take(child, now_ms) == LOOKUP_TAKE_MAX;
    lookup_port_flush(&child->port);
    if (lookup_port_is_broken(&child->port))
        return false;

    int timeout_ms = child->port.waiting_count > 0 ? LOOKUP_RETRY_MS : REFRESH_MS;
    if (more || !lookup_port_sleep(&child->port))
        timeout_ms = 0;
    struct pollfd fds[] = {
        {.fd = child->port.client.socket, .events = POLLIN},
        {.fd = child->port.client.doorbell, .events = POLLIN},
        {.fd = auth_pool_fd(child->pool), .events = POLLIN},
    };
    bool go_on = lookup_wait(fds, 3, timeout_ms);
    lookup_port_wake(&child->port);
    return go_on && !fds[0].revents;
}

int auth_child_run(int socket, const struct auth_child_config *config)
{
    struct child child = {.port.client = {.socket = -1, .doorbell = -1}};
    int result = 1;
    if (child_open(&child, socket, config)) {
        while (turn(&child))
            continue;
        result = lookup_port_is_broken(&child.port) ? 1 : 0;
        if (result)
            log_error("what=\"a worker's channel is broken\"");
    }
    child_close(&child);
    return result;
}
