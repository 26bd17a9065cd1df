// SPDX-License-Identifier: BSD-3-Clause
#include "support/session_rig.h"

#include "guard/guard.h"
#include "rules/rules.h"
#include "support/eal_fixture.h"
#include "support/link_sim_packet.h"
#include "tls/tls_client.h"

#include <rte_mbuf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEP_US = 1000, QUEUE = 4096, PATIENCE_US = 60000000, USER_CLIENT = 1 };

struct wire_packet {
    struct rte_mbuf *m;
    bool to_shield;
    enum leg leg;
};

struct end { // the shield, or the world
    struct rig *rig;
    struct guard *guard;
    struct guard_lists *lists;
    struct policy *policy;
    struct tcp *tcp;
    struct counter_block counters;
};

struct rig {
    uint64_t now_us;
    struct rte_mempool *mbufs;
    struct end shield, world;
    struct sessions *sessions;
    struct snapshot snapshot;
    struct wire_packet queue[QUEUE];
    unsigned queue_size;
    struct rig_peer *clients[RIG_PEERS], *backends[RIG_PEERS];
    size_t expected[RIG_PEERS * 2];
    unsigned clients_count, backends_count;
    struct message asked[MESSAGE_KIND_COUNT];
    bool attached, started, local_off, backends_silent;
    struct report report;
    bool reported;
    struct addr client, shield_outside, shield_inside, backend;
};

static void emit(void *context, struct rte_mbuf *m, enum leg leg)
{
    struct end *end = context;
    struct rig *rig = end->rig;
    assert_true(rig->queue_size < QUEUE);
    rig->queue[rig->queue_size++] =
        (struct wire_packet){.m = m, .to_shield = end == &rig->world, .leg = leg};
}

static struct rig_peer *peer_of(struct rig *rig, handle connection)
{
    for (unsigned i = 0; i < rig->clients_count; i++)
        if (rig->clients[i]->connection == connection)
            return rig->clients[i];
    for (unsigned i = 0; i < rig->backends_count; i++)
        if (rig->backends[i]->connection == connection)
            return rig->backends[i];
    return NULL;
}

static handle accepted(struct rig *rig, struct end *end, const struct packet *p,
                       const struct tcp_handshake *handshake, unsigned service)
{
    if (end == &rig->shield)
        return sessions_accept(rig->sessions, p, handshake, service, rig->now_us);
    struct rig_peer *peer = calloc(1, sizeof *peer);
    assert_true(rig->backends_count < RIG_PEERS);
    rig->backends[rig->backends_count++] = peer;
    peer->connected = true;
    return peer->connection = tcp_accept(end->tcp, p, handshake, 0, rig->now_us);
}

static void deliver(struct rig *rig, struct wire_packet wire)
{
    struct end *end = wire.to_shield ? &rig->shield : &rig->world;
    enum leg leg = LEG_OUTSIDE;
    struct packet p;
    assert_true(link_sim_packet_parse(wire.m, leg, &p));
    if (end == &rig->shield && addr_equal(&p.dst, &rig->shield_inside))
        leg = p.leg = LEG_INSIDE;
    handle h = tcp_lookup(end->tcp, &p);
    if (h != HANDLE_NONE) {
        tcp_input(end->tcp, h, wire.m, &p, rig->now_us);
        return;
    }
    struct guard_look look;
    guard_look(end->guard, &p, 1, &look);
    struct rte_mbuf *synacks[GUARD_BURST];
    struct tcp_handshake handshake;
    bool silent = rig->backends_silent && end == &rig->world;
    if (!silent && p.tcp_flags == TCP_SYN &&
        guard_syn(end->guard, wire.m, &p, &look, rig->now_us) == REASON_NONE) {
        assert_int_equal(guard_answer(end->guard, synacks, rig->now_us), 1);
        emit(end, synacks[0], leg);
        return;
    }
    if (guard_ack(end->guard, &p, &look, rig->now_us, false, &handshake) == REASON_NONE &&
        guard_connection_begun(end->guard, &p, &look, rig->now_us, &handshake) == REASON_NONE) {
        h = accepted(rig, end, &p, &handshake, (unsigned)look.service);
        if (h != HANDLE_NONE) {
            tcp_input(end->tcp, h, wire.m, &p, rig->now_us);
            return;
        }
        guard_connection_closed(end->guard, &p.src, (unsigned)look.service);
    }
    rte_pktmbuf_free(wire.m);
}

static void listen_to(struct rig *rig, struct rig_peer *peer)
{
    struct span span;
    while (!peer->deaf && tcp_peek(rig->world.tcp, peer->connection, &span, 1)) {
        assert_true(peer->size + span.size < RIG_TEXT);
        memcpy(peer->text + peer->size, span.at, span.size);
        peer->size += span.size;
        tcp_consume(rig->world.tcp, peer->connection, span.size);
    }
}

static void world_event(struct rig *rig, const struct tcp_event *event)
{
    struct rig_peer *peer = peer_of(rig, event->connection);
    if (!peer)
        return;
    peer->connected |= (event->bits & TCP_EVENT_CONNECTED) != 0;
    peer->finished |= (event->bits & TCP_EVENT_FINISHED) != 0;
    peer->closed |= (event->bits & TCP_EVENT_CLOSED) != 0;
    listen_to(rig, peer);
}

static void step(struct rig *rig)
{
    rig->now_us += STEP_US;
    unsigned count = rig->queue_size;
    static struct wire_packet now[QUEUE];
    memcpy(now, rig->queue, count * sizeof now[0]);
    rig->queue_size = 0;
    for (unsigned i = 0; i < count; i++)
        deliver(rig, now[i]);
    struct tcp_event event;
    while (tcp_event_next(rig->shield.tcp, &event))
        sessions_event(rig->sessions, &event, rig->now_us);
    while (tcp_event_next(rig->world.tcp, &event))
        world_event(rig, &event);
    sessions_advance(rig->sessions, rig->now_us);
    tcp_advance(rig->shield.tcp, rig->now_us);
    tcp_advance(rig->world.tcp, rig->now_us);
}

void rig_run(struct rig *rig, uint64_t us)
{
    for (uint64_t end = rig->now_us + us; rig->now_us < end;)
        step(rig);
}

static const struct addr *local(void *context, const struct addr *backend)
{
    struct rig *rig = ((struct end *)context)->rig;
    return rig->local_off ? NULL : &rig->shield_inside;
}

static bool ask(void *context, enum attach_role role, const struct message *question)
{
    struct rig *rig = ((struct end *)context)->rig;
    if (rig->attached)
        rig->asked[question->kind] = *question;
    return rig->attached;
}

static void report(void *context, const struct message *message)
{
    struct rig *rig = ((struct end *)context)->rig;
    rig->report = message->report;
    rig->reported = true;
}

static enum reason charge(void *context, enum charge charge, const struct addr *client,
                          struct span user, uint64_t *shadowed)
{
    struct end *end = context;
    return guard_charge(end->guard, charge, client, user, end->rig->now_us, shadowed);
}

static void client_gone(void *context, const struct addr *client, unsigned service)
{
    guard_connection_closed(((struct end *)context)->guard, client, service);
}

static struct policy *base_policy(const struct rig *rig)
{
    struct policy *p = calloc(1, sizeof *p + sizeof(struct policy_domain));
    *p = (struct policy){.magic = POLICY_MAGIC,
                         .version = contract_version,
                         .size = sizeof *p + sizeof(struct policy_domain),
                         .generation = 1,
                         .services_count = 3,
                         .backends_count = 3};
    for (int i = 0; i < LIMIT_COUNT; i++)
        p->limits[i] = limit_facts((enum limit)i)->value;
    p->limits[LIMIT_BACKEND_CHECK_SECONDS] = p->limits[LIMIT_BACKEND_SPARES] = 0;
    for (int leg = 0; leg < LEG_COUNT; leg++) {
        snprintf(p->boot.legs[leg].device, sizeof p->boot.legs[leg].device, "net_null%d", leg);
        p->boot.legs[leg].mtu = 1500;
    }
    p->boot.legs[LEG_OUTSIDE].addr[FAMILY_V4] = rig->shield_outside;
    p->boot.legs[LEG_INSIDE].addr[FAMILY_V4] = rig->shield_inside;
    p->boot.workers = 1;
    p->boot.mbufs = p->boot.connections = p->boot.sessions = p->boot.sources = 1024;
    snprintf(p->smtp.host_name, sizeof p->smtp.host_name, "mail.example.net");
    p->smtp.spf_helo = ACTION_OFF;
    static const uint16_t ports[] = {25, 143, 110};
    static const uint8_t kinds[] = {PROTOCOL_SMTP, PROTOCOL_IMAP, PROTOCOL_POP3};
    for (uint8_t i = 0; i < 3; i++) {
        p->services[i] =
            (struct policy_service){.port = ports[i], .protocol = kinds[i], .backend = i};
        snprintf(p->services[i].name, sizeof p->services[i].name, "service%d", i);
        p->backends[i] = (struct policy_backend){
            .protocol = kinds[i],
            .servers_count = 1,
            .servers = {{.addr = rig->backend, .port = RIG_BACKEND_PORT, .weight = 1}}};
    }
    struct policy_range *ranges[] = {&p->relay_networks, &p->prefixes, &p->rules,
                                     &p->rules_database, &p->domains};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        ranges[i]->offset = sizeof *p;
    p->domains.count = 1;
    struct policy_domain *domain = (struct policy_domain *)(p + 1);
    snprintf(domain->name, sizeof domain->name, "example.net");
    const char *what;
    assert_true(policy_is_sound(p, p->size, &what));
    return p;
}

static void end_open(struct rig *rig, struct end *end, struct policy *policy)
{
    const char *what;
    *end = (struct end){.rig = rig, .policy = policy};
    struct guard_config guard = {.sources = 1024,
                                 .sessions = 1024,
                                 .workers = 1,
                                 .numa_node = -1,
                                 .mtu = 1500,
                                 .receive_bytes = 262144,
                                 .key = {{3, 4}},
                                 .counters = &end->counters};
    end->guard = guard_open(&guard);
    end->lists = guard_lists_build(policy, &what);
    assert_non_null(end->guard);
    assert_non_null(end->lists);
    guard_policy(end->guard, policy, end->lists);
    struct tcp_config tcp = {.connections = 256,
                             .send_bytes = 262144,
                             .receive_bytes = 262144,
                             .mtu = {1500, 1500},
                             .workers = 1,
                             .key = {{5, end == &rig->shield}},
                             .mbufs = rig->mbufs,
                             .counters = &end->counters,
                             .emit = emit,
                             .context = end};
    end->tcp = tcp_open(&tcp);
    assert_non_null(end->tcp);
}

struct rig *rig_open(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    static struct rte_mempool *mbufs;
    eal_fixture_start();
    if (!mbufs)
        mbufs = eal_fixture_pool("rig", 16383);
    rig->mbufs = mbufs;
    rig->now_us = 1000000;
    rig->attached = true;
    assert_true(addr_parse("198.51.100.10", &rig->client));
    assert_true(addr_parse("198.51.100.1", &rig->shield_outside));
    assert_true(addr_parse("203.0.113.1", &rig->shield_inside));
    assert_true(addr_parse("203.0.113.10", &rig->backend));
    struct policy *world = base_policy(rig);
    world->services_count = 1;
    world->services[0].port = RIG_BACKEND_PORT;
    world->boot.legs[LEG_OUTSIDE].addr[FAMILY_V4] = rig->backend;
    world->limits[LIMIT_CONNECTIONS_SOURCE] = 1000;
    end_open(rig, &rig->shield, base_policy(rig));
    end_open(rig, &rig->world, world);
    struct sessions_config sessions = {.sessions = RIG_SESSIONS,
                                       .tcp = rig->shield.tcp,
                                       .counters = &rig->shield.counters,
                                       .local = local,
                                       .ask = ask,
                                       .report = report,
                                       .client_gone = client_gone,
                                       .charge = charge,
                                       .context = &rig->shield};
    rig->sessions = sessions_open(&sessions);
    assert_non_null(rig->sessions);
    return rig;
}

static void start(struct rig *rig)
{
    const char *what;
    if (rig->started)
        return;
    rig->started = true;
    rig->snapshot.policy = rig->shield.policy;
    rig->snapshot.rules = rules_build(rig->shield.policy, &what);
    assert_non_null(rig->snapshot.rules);
    rig->snapshot.uses[0].scratch = rules_scratch_open(rig->snapshot.rules);
    sessions_snapshot(rig->sessions, &rig->snapshot, rig->now_us);
}

static void end_close(struct end *end)
{
    tcp_shut(end->tcp);
    guard_shut(end->guard);
    guard_lists_free(end->lists);
    free(end->policy);
}

void rig_close(struct rig *rig)
{
    for (unsigned i = 0; i < rig->clients_count; i++)
        tcp_release(rig->world.tcp, rig->clients[i]->connection);
    for (unsigned i = 0; i < rig->backends_count; i++)
        tcp_release(rig->world.tcp, rig->backends[i]->connection);
    rig->shield.policy->limits[LIMIT_BACKEND_CHECK_SECONDS] = 0;
    rig_run(rig, 5000000);
    assert_int_equal(sessions_count(rig->sessions), 0);
    assert_int_equal(tcp_connections(rig->shield.tcp), 0);
    sessions_shut(rig->sessions);
    end_close(&rig->shield);
    end_close(&rig->world);
    if (rig->snapshot.rules) {
        rules_scratch_close(rig->snapshot.uses[0].scratch);
        rules_free(rig->snapshot.rules);
        assert_int_equal(rig->snapshot.uses[0].sessions, 0);
    }
    tls_context_free(rig->snapshot.tls);
    tls_clients_free(rig->snapshot.tls_clients);
    for (unsigned i = 0; i < rig->queue_size; i++)
        rte_pktmbuf_free(rig->queue[i].m);
    assert_int_equal(rte_mempool_in_use_count(rig->mbufs), 0);
    for (unsigned i = 0; i < rig->clients_count; i++)
        free(rig->clients[i]);
    for (unsigned i = 0; i < rig->backends_count; i++)
        free(rig->backends[i]);
    free(rig);
}

struct policy *rig_policy(struct rig *rig)
{
    return rig->shield.policy;
}

struct rig_peer *rig_connect(struct rig *rig, uint16_t service_port)
{
    start(rig);
    enum reason reason;
    struct rig_peer *peer = calloc(1, sizeof *peer);
    assert_true(rig->clients_count < RIG_PEERS);
    rig->clients[rig->clients_count++] = peer;
    peer->connection = tcp_connect(rig->world.tcp, &rig->client, &rig->shield_outside, service_port,
                                   LEG_OUTSIDE, USER_CLIENT, rig->now_us, &reason);
    assert_int_not_equal(peer->connection, HANDLE_NONE);
    for (int i = 0; i < 100 && !peer->connected; i++)
        step(rig);
    rig_run(rig, 3 * STEP_US); // the final ACK makes the session
    return peer;
}

struct rig_peer *rig_backend(struct rig *rig, unsigned n)
{
    return n < rig->backends_count ? rig->backends[n] : NULL;
}

void rig_send(struct rig *rig, struct rig_peer *peer, struct span data)
{
    uint64_t until = rig->now_us + PATIENCE_US;
    while (data.size && !peer->closed) {
        data = span_skip(data, tcp_send(rig->world.tcp, peer->connection, data));
        step(rig);
        assert_true(rig->now_us < until);
    }
}

void rig_say(struct rig *rig, struct rig_peer *peer, const char *text)
{
    rig_send(rig, peer, span_text(text));
}

bool rig_try(struct rig *rig, struct rig_peer *peer, const char *text)
{
    struct span data = span_text(text);
    for (uint64_t until = rig->now_us + 1000000; rig->now_us < until; step(rig))
        if (tcp_send_room(rig->world.tcp, peer->connection) >= data.size)
            return tcp_send(rig->world.tcp, peer->connection, data) == data.size;
    return false;
}

void rig_deaf(struct rig *rig, struct rig_peer *peer, bool deaf)
{
    peer->deaf = deaf;
    listen_to(rig, peer);
}

void rig_backends_silent(struct rig *rig)
{
    rig->backends_silent = true;
}

void rig_serve_tls(struct rig *rig, struct tls_context *tls)
{
    rig->snapshot.tls = tls;
}

void rig_dial_tls(struct rig *rig, struct tls_clients *clients)
{
    rig->snapshot.tls_clients = clients;
}

void rig_local_off(struct rig *rig)
{
    rig->local_off = true;
}

void rig_hang_up(struct rig *rig, struct rig_peer *peer)
{
    tcp_finish(rig->world.tcp, peer->connection);
    rig_run(rig, 10 * STEP_US);
}

void rig_reset(struct rig *rig, struct rig_peer *peer)
{
    tcp_abort(rig->world.tcp, peer->connection);
    rig_run(rig, 10 * STEP_US);
}

static size_t *expected_of(struct rig *rig, const struct rig_peer *peer)
{
    for (unsigned i = 0; i < rig->clients_count; i++)
        if (rig->clients[i] == peer)
            return &rig->expected[i];
    for (unsigned i = 0; i < rig->backends_count; i++)
        if (rig->backends[i] == peer)
            return &rig->expected[RIG_PEERS + i];
    fail_msg("no such peer");
    return NULL;
}

void rig_expect(struct rig *rig, struct rig_peer *peer, const char *text)
{
    size_t *expected = expected_of(rig, peer);
    for (uint64_t until = rig->now_us + PATIENCE_US; rig->now_us < until; step(rig)) {
        const char *hit =
            memmem(peer->text + *expected, peer->size - *expected, text, strlen(text));
        if (hit) {
            *expected = (size_t)(hit - peer->text) + strlen(text);
            return;
        }
    }
    fail_msg("\"%s\" did not come; what came: \"%.*s\"", text, (int)(peer->size - *expected),
             peer->text + *expected);
}

const struct message *rig_asked(const struct rig *rig, enum message_kind kind)
{
    return rig->asked[kind].kind ? &rig->asked[kind] : NULL;
}

void rig_answer(struct rig *rig, const struct message *answer)
{
    sessions_answer(rig->sessions, answer, rig->now_us);
}

void rig_attach(struct rig *rig, bool attached)
{
    rig->attached = attached;
}

struct sessions *rig_sessions(struct rig *rig)
{
    return rig->sessions;
}

const struct counter_block *rig_counters(const struct rig *rig)
{
    return &rig->shield.counters;
}

const struct report *rig_report(const struct rig *rig)
{
    return rig->reported ? &rig->report : NULL;
}

uint64_t rig_now(const struct rig *rig)
{
    return rig->now_us;
}
