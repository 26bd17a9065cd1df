// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"
#include "lookup/dns_questions.h"
#include "lookup/helo_match.h"
#include "lookup/lookup.h"
#include "lookup/lookup_child.h"
#include "lookup/lookup_wait.h"

#include <stdio.h>

struct dns_child {
    const struct dns_child_config *config;
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
    struct dns_child *child = context;
    lookup_port_answer(&child->port, worker, answer);
}

static int dns_open(void *context, const char **ret_doing)
{
    struct dns_child *child = context;
    char servers[LOOKUP_SERVERS_MAX * (LOOKUP_SERVER_TEXT + 1)];
    servers_join(child->config, servers, sizeof servers);
    struct dns_resolver_config resolver = {servers, child->config->timeout_ms};
    *ret_doing = "open resolver channels";
    int error = dns_resolver_open(&child->resolver, &resolver);
    if (error)
        return error;
    *ret_doing = "take memory";
    struct dns_questions_config questions = {child->resolver,
                                             child->config->timeout_ms,
                                             child->config->host_name,
                                             child->config->dnsbl,
                                             child->config->dnsbl_count,
                                             on_answer,
                                             child};
    helo_match_open();
    return dns_questions_open(&child->questions, &questions);
}

static void dns_close(void *context)
{
    struct dns_child *child = context;
    if (child->questions) {
        const struct dns_questions_counters *asked = dns_questions_counters(child->questions);
        const struct dns_resolver_counters *queries = dns_resolver_counters(child->resolver);
        log_info("what=\"dns questions\" cached=%lu joined=%lu refused=%lu expired=%lu queries=%lu "
                 "queries_cached=%lu queries_joined=%lu",
                 asked->from_cache, asked->joined, asked->refused, asked->expired, queries->asked,
                 queries->from_cache, queries->joined);
    }
    if (child->resolver)
        dns_resolver_close(child->resolver);
    if (child->questions)
        dns_questions_close(child->questions);
    helo_match_close();
}

static void dns_work(void *context, uint64_t now_ms)
{
    struct dns_child *child = context;
    dns_questions_expire(child->questions, now_ms);
    dns_resolver_run(child->resolver, now_ms);
}

static void dns_take(void *context, unsigned worker, const struct message *question,
                     uint64_t now_ms)
{
    struct dns_child *child = context;
    dns_questions_take(child->questions, worker, question, now_ms);
}

static void dns_want(void *context, uint64_t now_ms, struct lookup_wants *wants)
{
    struct dns_child *child = context;
    wants->timeout_ms = lookup_sooner_ms(dns_resolver_timeout_ms(child->resolver),
                                         dns_questions_timeout_ms(child->questions, now_ms));
    wants->fds[wants->fds_count++] =
        (struct pollfd){.fd = dns_resolver_fd(child->resolver), .events = POLLIN};
}

int dns_child_run(int socket, struct lookup_area *area)
{
    const struct dns_child_config *config = &area->dns;
    struct dns_child dns = {.config = config, .port.client = {.socket = -1, .bell = -1}};
    struct lookup_child child = {
        .name = "dns",
        .role = ROLE_DNS,
        .sandbox = SANDBOX_DNS,
        .kinds = 1U << MESSAGE_RDNS | 1U << MESSAGE_DNSBL | 1U << MESSAGE_HELO | 1U << MESSAGE_SPF,
        .user = config->user,
        .parent = config->parent,
        .turns = &area->turns,
        .open = dns_open,
        .work = dns_work,
        .take = dns_take,
        .want = dns_want,
        .close = dns_close,
        .context = &dns,
        .port = &dns.port,
    };
    return lookup_child_run(&child, socket);
}
