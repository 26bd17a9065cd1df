// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/lookup_child.h"

#include "base/log.h"
#include "lookup/lookup.h"
#include "lookup/lookup_wait.h"

#include <string.h>

enum { WELCOME_MS = 30000 };

static bool child_open(const struct lookup_child *child, int socket)
{
    const char *doing = "take over SIGTERM";
    int error = lookup_wait_open();
    if (!error) {
        doing = "attach to the data plane";
        error = lookup_port_open(child->port, socket, child->role, child->kinds, WELCOME_MS);
    }
    if (!error) {
        doing = "drop privileges";
        error = lookup_sandbox_drop(child->user, child->parent);
    }
    if (!error)
        error = child->open(child->context, &doing);
    if (!error) {
        doing = "close the sandbox";
        error = lookup_sandbox_close(child->sandbox);
    }
    if (error)
        log_error("what=\"%s child cannot %s\" error=\"%s\" user=%s", child->name, doing,
                  strerror(-error), child->user);
    return !error;
}

static void child_close(const struct lookup_child *child)
{
    const struct lookup_counters *port = &child->port->counters;
    log_info("what=\"%s child ends\" questions=%lu answers=%lu unsound=%lu dropped=%lu",
             child->name, port->questions, port->answers, port->unsound, port->answers_dropped);
    child->close(child->context);
    if (child->port->waiting)
        lookup_port_close(child->port);
}

// Returns how many questions there were; LOOKUP_TAKE_MAX: maybe more.
static unsigned questions_take(const struct lookup_child *child, uint64_t now_ms)
{
    struct message question;
    unsigned worker, count = 0;
    while (count < LOOKUP_TAKE_MAX && lookup_port_take(child->port, &worker, &question)) {
        child->take(child->context, worker, &question, now_ms);
        count++;
    }
    message_wipe(&question); // it may have held a password
    return count;
}

static bool turn(const struct lookup_child *child)
{
    struct lookup_port *port = child->port;
    uint64_t now_ms = lookup_now_ms();
    __atomic_store_n(child->turns, *child->turns + 1, __ATOMIC_RELAXED);
    child->work(child->context, now_ms);
    bool more = questions_take(child, now_ms) == LOOKUP_TAKE_MAX;
    lookup_port_flush(port);
    if (lookup_port_is_broken(port))
        return false;

    struct lookup_wants wants = {.timeout_ms = -1};
    child->want(child->context, now_ms, &wants);
    wants.timeout_ms = lookup_sooner_ms(wants.timeout_ms, LOOKUP_TURN_MS);
    if (port->waiting_count > 0)
        wants.timeout_ms = lookup_sooner_ms(wants.timeout_ms, LOOKUP_RETRY_MS);
    if (more)
        wants.timeout_ms = 0;
    return lookup_port_wait(port, wants.fds, wants.fds_count, wants.timeout_ms);
}

int lookup_child_run(const struct lookup_child *child, int socket)
{
    int result = 1;
    if (child_open(child, socket)) {
        while (turn(child))
            continue;
        result = lookup_port_is_broken(child->port) ? 1 : 0;
        if (result)
            log_error("what=\"a worker's channel is broken\"");
    }
    child_close(child);
    return result;
}
