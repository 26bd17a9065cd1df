// SPDX-License-Identifier: BSD-3-Clause
#include "rules/rules.h"
#include "session/session_internal.h"

static struct session *session_of(struct mail_host *host)
{
    return (struct session *)host; // its first member
}

static size_t host_room(struct mail_host *host, enum mail_side side)
{
    return session_stream_room(session_of(host), side);
}

static void host_send(struct mail_host *host, enum mail_side side, struct span data)
{
    struct session *s = session_of(host);
    if (s->phase == SESSION_TALK || s->phase == SESSION_HANDSHAKE)
        session_stream_send(s, side, data);
}

static void host_start_tls(struct mail_host *host)
{
    session_of(host)->tls_wanted = true; // done when the machine has returned
}

static void host_ask(struct mail_host *host, const struct message *question)
{
    session_question_ask(session_of(host), question);
}

static bool host_tell(struct mail_host *host, const struct message *message)
{
    const struct sessions_config *config = &session_of(host)->all->config;
    return config->ask(config->context, sessions_role_of((enum message_kind)message->kind),
                       message);
}

static bool host_binding(const struct mail_host *host, uint8_t *out)
{
    const struct session *s = (const struct session *)host; // its first member
    return s->tls && tls_binding(s->tls, out);
}

static void backend_forget(struct session *s)
{
    session_stream_drop(s, SIDE_BACKEND);
    s->connection[SIDE_BACKEND] = HANDLE_NONE;
    s->backend_connected = s->connect_failed = false;
    s->connect_us = UINT64_MAX;
    s->finished[SIDE_BACKEND] = s->finished_told[SIDE_BACKEND] = false;
}

static void host_disconnect(struct mail_host *host)
{
    struct session *s = session_of(host);
    session_stream_flush(s);
    tcp_release(s->all->config.tcp, s->connection[SIDE_BACKEND]);
    backend_forget(s);
}

static void host_connect(struct mail_host *host, unsigned backend)
{
    struct session *s = session_of(host);
    const struct sessions_config *config = &s->all->config;
    if (s->connection[SIDE_BACKEND] != HANDLE_NONE)
        host_disconnect(host);
    backend_forget(s);

    const struct policy_backend *b = &host->policy->backends[backend];
    const struct addr *local = config->local(config->context, &b->addr);
    enum reason reason = REASON_NO_ROUTE;
    s->backend = (uint8_t)backend;
    s->host.report.backend = (uint8_t)backend;
    if (local)
        s->connection[SIDE_BACKEND] = tcp_connect(
            config->tcp, local, &b->addr, b->port, LEG_INSIDE,
            s->self | (uint64_t)SIDE_BACKEND << TRACE_BACKEND_BIT, s->all->now_us, &reason);
    if (s->connection[SIDE_BACKEND] == HANDLE_NONE) {
        if (reason == REASON_NO_ROUTE) // the others tcp has counted
            session_refuse(s, reason);
        s->connect_failed = true;
        return;
    }
    s->connect_us =
        s->all->now_us + host->policy->limits[LIMIT_BACKEND_CONNECT_SECONDS] * (uint64_t)1000000;
}

static void host_scan_start(struct mail_host *host)
{
    struct session *s = session_of(host);
    struct snapshot_use *use = &s->snapshot->uses[s->all->config.worker];
    rules_scan_close(s->scan, use->scratch);
    s->scan = rules_scan_open(s->snapshot->rules);
}

static bool host_scan_feed(struct mail_host *host, enum rule_part part, struct span data,
                           uint32_t *ret_rule)
{
    struct session *s = session_of(host);
    struct snapshot_use *use = &s->snapshot->uses[s->all->config.worker];
    uint32_t before = rules_matched(s->scan);
    bool act = rules_feed(s->scan, use->scratch, part, data, ret_rule);
    counter_add(s->all->config.counters, COUNTER_RULES_MATCHED, rules_matched(s->scan) - before);
    return act;
}

static void host_deadline(struct mail_host *host, uint64_t at_us)
{
    session_of(host)->deadline_us = at_us;
}

static void host_finish(struct mail_host *host, enum reason reason)
{
    session_end(session_of(host), reason);
}

static void host_count(struct mail_host *host, enum reason reason)
{
    session_refuse(session_of(host), reason);
}

static void host_shadow(struct mail_host *host, enum reason reason)
{
    counter_shadow(session_of(host)->all->config.counters, reason);
}

const struct mail_host_ops session_host_ops = {
    .room = host_room,
    .send = host_send,
    .start_tls = host_start_tls,
    .ask = host_ask,
    .tell = host_tell,
    .binding = host_binding,
    .connect = host_connect,
    .disconnect = host_disconnect,
    .scan_start = host_scan_start,
    .scan_feed = host_scan_feed,
    .deadline = host_deadline,
    .finish = host_finish,
    .count = host_count,
    .shadow = host_shadow,
};
