// SPDX-License-Identifier: BSD-3-Clause
#include "support/mail_end.h"

#include "rules/rules.h"
#include "tls/tls_client.h"

#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>

struct policy *mail_end_policy(const struct addr *outside, const struct addr *inside)
{
    struct policy *p = calloc(1, sizeof *p + sizeof(struct policy_domain));
    CHECK(p);
    p->magic = POLICY_MAGIC;
    p->version = contract_version;
    p->size = sizeof *p + sizeof(struct policy_domain);
    p->generation = 1;
    for (int i = 0; i < LIMIT_COUNT; i++)
        p->limits[i] = limit_facts((enum limit)i)->value;
    p->limits[LIMIT_BACKEND_CHECK_SECONDS] = p->limits[LIMIT_BACKEND_SPARES] = 0;
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        snprintf(p->boot.legs[leg].device, sizeof p->boot.legs[leg].device, "net_null%d", leg);
        p->boot.legs[leg].mtu = 1500;
    }
    p->boot.legs[LEG_OUTSIDE].addr[FAMILY_V4] = *outside;
    p->boot.legs[LEG_INSIDE].addr[FAMILY_V4] = *inside;
    p->boot.workers = 1;
    p->boot.mbufs = p->boot.connections = p->boot.sessions = p->boot.sources = 1024;
    snprintf(p->smtp.host_name, sizeof p->smtp.host_name, "mail.example.net");
    policy_verdicts_default(&p->smtp);
    struct policy_range *ranges[] = {&p->relay_networks, &p->prefixes, &p->rules,
                                     &p->rules_database, &p->domains};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        ranges[i]->offset = sizeof *p;
    return p;
}

void mail_end_serve(struct policy *policy, enum protocol protocol, uint16_t port,
                    const struct addr *server, uint16_t server_port)
{
    uint8_t n = (uint8_t)policy->services_count++;
    policy->backends_count++;
    CHECK(policy->backends_count == policy->services_count && n < BACKENDS_MAX);
    struct policy_service *service = &policy->services[n];
    *service = (struct policy_service){.port = port, .protocol = (uint8_t)protocol, .backend = n};
    snprintf(service->name, sizeof service->name, "service%d", n);
    policy->backends[n] =
        (struct policy_backend){.protocol = (uint8_t)protocol,
                                .servers_count = 1,
                                .servers = {{.addr = *server, .port = server_port, .weight = 1}}};
    if (protocol == PROTOCOL_SMTP && policy->domains.count == 0) {
        struct policy_domain *domain = (struct policy_domain *)(policy + 1);
        snprintf(domain->name, sizeof domain->name, "example.net");
        domain->backend = n;
        policy->domains.count = 1;
    }
    const char *what;
    CHECK(policy_is_sound(policy, policy->size, &what));
}

void mail_end_open(struct mail_end *end, const struct mail_end_config *config,
                   struct policy *policy)
{
    const char *what;
    *end = (struct mail_end){.config = *config, .policy = policy};
    struct guard_config guard = {.sources = config->sources,
                                 .sessions = config->connections,
                                 .workers = 1,
                                 .numa_node = -1,
                                 .mtu = 1500,
                                 .receive_bytes = config->queue_bytes,
                                 .key = {{3, 4}},
                                 .counters = &end->counters};
    struct tcp_config tcp = {.connections = config->connections,
                             .numa_node = -1,
                             .send_bytes = config->queue_bytes,
                             .receive_bytes = config->queue_bytes,
                             .mtu = {1500, 1500},
                             .workers = 1,
                             .key = {{5, config->key}},
                             .mbufs = config->mbufs,
                             .counters = &end->counters,
                             .emit = config->emit,
                             .context = end};
    end->guard = guard_open(&guard);
    end->lists = guard_lists_build(policy, &what);
    end->tcp = tcp_open(&tcp);
    CHECK(end->guard && end->lists && end->tcp);
    guard_policy(end->guard, policy, end->lists);
    tcp_advance(end->tcp, *config->now_us);
}

static enum reason charge(void *context, enum charge charge, const struct addr *client,
                          struct span user, uint64_t *shadowed)
{
    struct mail_end *end = context;
    return guard_charge(end->guard, charge, client, user, *end->config.now_us, shadowed);
}

static enum reason login(void *context, enum protocol protocol, const struct addr *client,
                         struct span user, uint64_t *ret_ticket, uint64_t *shadowed)
{
    struct mail_end *end = context;
    return guard_login(end->guard, protocol, client, user, *end->config.now_us, ret_ticket,
                       shadowed);
}

static void logout(void *context, const struct addr *client, uint64_t ticket)
{
    guard_logout(((struct mail_end *)context)->guard, client, ticket);
}

static bool is_barred(void *context, const struct addr *client)
{
    struct mail_end *end = context;
    return guard_is_barred(end->guard, client, *end->config.now_us);
}

static void client_gone(void *context, const struct addr *client, unsigned service)
{
    guard_connection_closed(((struct mail_end *)context)->guard, client, service);
}

void mail_end_sessions(struct mail_end *end, struct sessions_config *config)
{
    config->tcp = end->tcp;
    config->counters = &end->counters;
    config->client_gone = client_gone;
    config->charge = charge;
    config->login = login;
    config->logout = logout;
    config->is_barred = is_barred;
    config->context = end;
    end->sessions = sessions_open(config);
    CHECK(end->sessions);
}

void mail_end_begin(struct mail_end *end)
{
    const char *what;
    struct snapshot *snapshot = &end->snapshot;
    snapshot->policy = end->policy;
    snapshot->rules = rules_build(end->policy, &what);
    CHECK(snapshot->rules);
    snapshot->uses[0].scratch = rules_scratch_open(snapshot->rules);
    sessions_snapshot(end->sessions, snapshot, *end->config.now_us);
}

void mail_end_shut(struct mail_end *end)
{
    if (end->sessions)
        sessions_shut(end->sessions);
    CHECK(end->snapshot.uses[0].sessions == 0);
    if (end->snapshot.rules) {
        rules_scratch_close(end->snapshot.uses[0].scratch);
        rules_free(end->snapshot.rules);
    }
    tls_context_free(end->snapshot.tls);
    tls_clients_free(end->snapshot.tls_clients);
    tcp_shut(end->tcp);
    guard_shut(end->guard);
    guard_lists_free(end->lists);
    free(end->policy);
}

static enum reason judge_syn(struct mail_end *end, struct rte_mbuf *m, const struct packet *packet,
                             const struct guard_look *look)
{
    struct rte_mbuf *synacks[GUARD_BURST];
    enum reason reason = guard_syn(end->guard, m, packet, look, *end->config.now_us);
    if (reason != REASON_NONE)
        return reason;
    CHECK(guard_answer(end->guard, 0, synacks, *end->config.now_us) == 1);
    end->config.emit(end, synacks[0], (enum leg)packet->leg);
    return REASON_NONE;
}

static handle judge_ack(struct mail_end *end, const struct packet *packet,
                        const struct guard_look *look, mail_end_accept *accept)
{
    uint64_t now_us = *end->config.now_us;
    struct tcp_handshake handshake;
    if (guard_ack(end->guard, packet, look, now_us, false, &handshake) != REASON_NONE ||
        guard_connection_begun(end->guard, packet, look, now_us, &handshake) != REASON_NONE)
        return HANDLE_NONE;
    handle h = accept(end, packet, &handshake, (unsigned)look->service);
    if (h == HANDLE_NONE)
        guard_connection_closed(end->guard, &packet->src, (unsigned)look->service);
    return h;
}

void mail_end_deliver(struct mail_end *end, struct rte_mbuf *m, const struct packet *packet,
                      mail_end_accept *accept)
{
    handle h = tcp_lookup(end->tcp, packet);
    if (h == HANDLE_NONE) {
        struct guard_look look;
        guard_look(end->guard, packet, 1, &look);
        if (packet->tcp_flags != TCP_SYN)
            h = judge_ack(end, packet, &look, accept);
        else if (judge_syn(end, m, packet, &look) == REASON_NONE)
            return; // its mbuf is the answer now
    }
    if (h == HANDLE_NONE)
        rte_pktmbuf_free(m);
    else
        tcp_input(end->tcp, h, m, packet, *end->config.now_us);
}
