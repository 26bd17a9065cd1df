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
    return s->streams[SIDE_CLIENT].tls && tls_binding(s->streams[SIDE_CLIENT].tls, out);
}

static void host_connect(struct mail_host *host, unsigned backend)
{
    session_backend_connect(session_of(host), backend);
}

static void host_disconnect(struct mail_host *host)
{
    session_backend_close(session_of(host));
}

static void host_offer(struct mail_host *host, struct mail_offer *ret_offer)
{
    servers_offer(&session_of(host)->all->servers, host->policy, host->service, ret_offer);
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

enum reason session_charge(struct session *s, enum charge charge, struct span user)
{
    const struct sessions_config *config = &s->all->config;
    return config->charge(config->context, charge, &s->host.client, user, &s->shadowed.words[0]);
}

static enum reason host_login(struct mail_host *host, struct span user)
{
    struct session *s = session_of(host);
    const struct sessions_config *config = &s->all->config;
    const struct policy_service *service = &host->policy->services[host->service];
    CHECK(s->ticket == 0);
    return config->login(config->context, (enum protocol)service->protocol, &host->client, user,
                         &s->ticket, &s->shadowed.words[0]);
}

void session_logout(struct session *s)
{
    const struct sessions_config *config = &s->all->config;
    if (s->ticket)
        config->logout(config->context, &s->host.client, s->ticket);
    s->ticket = 0;
}

static void host_logout(struct mail_host *host)
{
    session_logout(session_of(host));
}

bool session_enforce(struct session *s, enum limit limit, bool ends)
{
    CHECK(!limit_why_modeless(limit));
    switch ((enum limit_mode)s->host.modes[limit]) {
    case MODE_ENFORCE:
        return true;
    case MODE_SHADOW:
        if (!ends || !limit_set_has(&s->shadowed, limit))
            counter_shadow(s->all->config.counters, limit_facts(limit)->reason);
        limit_set_add(&s->shadowed, limit);
        return false;
    case MODE_OFF:
        return false;
    case MODE_COUNT:
        break;
    }
    check_failed("a mode", __FILE__, __LINE__);
}

static bool host_enforce(struct mail_host *host, enum limit limit, bool ends)
{
    return session_enforce(session_of(host), limit, ends);
}

static void host_hold(struct mail_host *host, uint64_t us)
{
    struct session *s = session_of(host);
    s->hold_us = s->all->now_us + us;
}

static enum reason host_charge(struct mail_host *host, enum charge charge, struct span user)
{
    return session_charge(session_of(host), charge, user);
}

static bool host_is_known(const struct mail_host *host)
{
    const struct session *s = (const struct session *)host; // its first member
    const struct sessions_config *config = &s->all->config;
    return !config->is_known || config->is_known(config->context, &host->client);
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
    .offer = host_offer,
    .scan_start = host_scan_start,
    .scan_feed = host_scan_feed,
    .deadline = host_deadline,
    .finish = host_finish,
    .charge = host_charge,
    .login = host_login,
    .logout = host_logout,
    .enforce = host_enforce,
    .hold = host_hold,
    .count = host_count,
    .shadow = host_shadow,
    .is_known = host_is_known,
};
