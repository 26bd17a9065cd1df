// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"
#include "lookup/dns_questions.h"
#include "lookup/lookup.h"
#include "lookup/lookup_port.h"
#include "lookup/lookup_sandbox.h"
#include "lookup/lookup_wait.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WELCOME_MS = 30000 };

struct child {
    struct lookup_port port;
    struct dns_resolver *resolver;
    struct dns_questions *questions;
};

static void servers_join(const struct dns_child_config *config, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < config->servers_count && i < LOOKUP_SERVERS_MAX; i++) {
        int more = snprintf(text + used, size - used, "%s%s", i ? "," : "", config->servers[i]);
        CHECK(more >= 0 && used + (size_t)more < size);
        used += (size_t)more;
    }
}

static void on_answer(void *context, unsigned worker, const struct message *answer)
{
    struct child *child = context;
    lookup_port_answer(&child->port, worker, answer);
}

// Everything that needs files or privileges, in order; what is open stays for close.
static bool child_open(struct child *child, int socket, const struct dns_child_config *config)
{
    char servers[LOOKUP_SERVERS_MAX * (LOOKUP_SERVER_TEXT + 1)];
    servers_join(config, servers, sizeof servers);
    struct dns_resolver_config resolver = {servers, config->timeout_ms};
    const char *doing = "take over SIGTERM";
    int error = lookup_wait_open();
    if (!error) {
        doing = "open resolver channels";
        error = dns_resolver_open(&child->resolver, &resolver);
    }
    if (!error) {
        doing = "take memory";
        struct dns_questions_config questions = {child->resolver, config->timeout_ms,
                                                 config->host_name, on_answer, child};
        error = dns_questions_open(&child->questions, &questions);
    }
    if (!error) {
        doing = "attach to the data plane";
        error = lookup_port_open(&child->port, socket, ROLE_DNS,
                                 1U << MESSAGE_RDNS | 1U << MESSAGE_SPF, WELCOME_MS);
    }
    if (!error) {
        doing = "drop privileges";
        error = lookup_sandbox_drop(config->user, config->parent);
    }
    if (!error) {
        doing = "close the sandbox";
        error = lookup_sandbox_close(SANDBOX_DNS);
    }
    if (error)
        log_error("what=\"dns child cannot %s\" error=\"%s\" user=%s servers=%s", doing,
                  strerror(-error), config->user, servers);
    return !error;
}

static void child_close(struct child *child)
{
    const struct lookup_counters *port = &child->port.counters;
    if (child->questions) {
        const struct dns_questions_counters *asked = dns_questions_counters(child->questions);
        log_info("what=\"dns child ends\" questions=%lu answers=%lu unsound=%lu dropped=%lu "
                 "cached=%lu joined=%lu refused=%lu expired=%lu queries=%lu",
                 port->questions, port->answers, port->unsound, port->answers_dropped,
                 asked->from_cache, asked->joined, asked->refused, asked->expired,
                 dns_resolver_asked(child->resolver));
    }
    if (child->resolver)
        dns_resolver_close(child->resolver);
    if (child->questions)
        dns_questions_close(child->questions);
    if (child->port.waiting)
        lookup_port_close(&child->port);
}

// Returns how many questions there were; LOOKUP_TAKE_MAX: maybe more.
static unsigned questions_take(struct child *child, uint64_t now_ms)
{
    struct message question;
    unsigned worker, count = 0;
    while (count < LOOKUP_TAKE_MAX && lookup_port_take(&child->port, &worker, &question)) {
        dns_questions_take(child->questions, worker, &question, now_ms);
        count++;
    }
    return count;
}

static bool turn(struct child *child)
{
    uint64_t now_ms = lookup_now_ms();
    dns_questions_expire(child->questions, now_ms);
    dns_resolver_run(child->resolver, now_ms);
    bool more = questions_take(child, now_ms) == LOOKUP_TAKE_MAX;
    lookup_port_flush(&child->port);
    if (lookup_port_is_broken(&child->port))
        return false;

    int timeout_ms = lookup_sooner_ms(dns_resolver_timeout_ms(child->resolver),
                                      dns_questions_timeout_ms(child->questions, now_ms));
    if (child->port.waiting_count > 0)
        timeout_ms = lookup_sooner_ms(timeout_ms, LOOKUP_RETRY_MS);
    if (more || !lookup_port_sleep(&child->port))
        timeout_ms = 0;
    struct pollfd fds[] = {
        {.fd = child->port.client.socket, .events = POLLIN},
        {.fd = child->port.client.doorbell, .events = POLLIN},
        {.fd = dns_resolver_fd(child->resolver), .events = POLLIN},
    };
    bool go_on = lookup_wait(fds, 3, timeout_ms);
    lookup_port_wake(&child->port);
    return go_on && !fds[0].revents;
}

int dns_child_run(int socket, const struct dns_child_config *config)
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
