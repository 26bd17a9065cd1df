// SPDX-License-Identifier: BSD-3-Clause
#include "support/session_rig.h"

#include "support/eal_fixture.h"
#include "support/link_sim_packet.h"
#include "support/mail_end.h"

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

struct rig {
    uint64_t now_us;
    struct rte_mempool *mbufs;
    struct mail_end shield, world;
    struct wire_packet queue[QUEUE];
    unsigned queue_size;
    struct rig_peer *clients[RIG_PEERS], *backends[RIG_PEERS];
    size_t expected[RIG_PEERS * 2];
    unsigned clients_count, backends_count;
    struct message asked[MESSAGE_KIND_COUNT];
    bool attached, started, local_off, backends_silent;
    uint8_t class; // of clients
    struct report report;
    bool reported;
    struct addr client, shield_outside, shield_inside, backend;
};

static void emit(void *context, struct rte_mbuf *m, enum leg leg)
{
    struct mail_end *end = context;
    struct rig *rig = end->config.rig;
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

static handle accept_at(struct mail_end *end, const struct packet *p,
                        const struct tcp_handshake *handshake, unsigned service)
{
    struct rig *rig = end->config.rig;
    if (end == &rig->shield) {
        struct tcp_handshake of_class = *handshake;
        of_class.class = rig->class;
        return sessions_accept(end->sessions, p, &of_class, service, rig->now_us);
    }
    struct rig_peer *peer = calloc(1, sizeof *peer);
    assert_true(rig->backends_count < RIG_PEERS);
    rig->backends[rig->backends_count++] = peer;
    peer->connected = true;
    return peer->connection = tcp_accept(end->tcp, p, handshake, 0, rig->now_us);
}

static void deliver(struct rig *rig, struct wire_packet wire)
{
    struct mail_end *end = wire.to_shield ? &rig->shield : &rig->world;
    struct packet p;
    assert_true(link_sim_packet_parse(wire.m, LEG_OUTSIDE, &p));
    if (end == &rig->shield && addr_equal(&p.dst, &rig->shield_inside))
        p.leg = LEG_INSIDE;
    if (rig->backends_silent && end == &rig->world && p.tcp_flags == TCP_SYN)
        rte_pktmbuf_free(wire.m);
    else
        mail_end_deliver(end, wire.m, &p, accept_at);
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
        sessions_event(rig->shield.sessions, &event, rig->now_us);
    while (tcp_event_next(rig->world.tcp, &event))
        world_event(rig, &event);
    sessions_advance(rig->shield.sessions, rig->now_us);
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
    struct rig *rig = ((struct mail_end *)context)->config.rig;
    return rig->local_off ? NULL : &rig->shield_inside;
}

static bool ask(void *context, enum attach_role role, const struct message *question)
{
    struct rig *rig = ((struct mail_end *)context)->config.rig;
    if (rig->attached)
        rig->asked[question->kind] = *question;
    return rig->attached;
}

static void report(void *context, const struct message *message)
{
    struct rig *rig = ((struct mail_end *)context)->config.rig;
    rig->report = message->report;
    rig->reported = true;
}

static void end_open(struct rig *rig, struct mail_end *end, struct policy *policy)
{
    const struct mail_end_config config = {.mbufs = rig->mbufs,
                                           .connections = 256,
                                           .sources = 1024,
                                           .queue_bytes = 262144,
                                           .key = end == &rig->shield,
                                           .now_us = &rig->now_us,
                                           .emit = emit,
                                           .rig = rig};
    mail_end_open(end, &config, policy);
}

static struct policy *shield_policy(const struct rig *rig)
{
    struct policy *policy = mail_end_policy(&rig->shield_outside, &rig->shield_inside);
    mail_end_serve(policy, PROTOCOL_SMTP, 25, &rig->backend, RIG_BACKEND_PORT);
    mail_end_serve(policy, PROTOCOL_IMAP, 143, &rig->backend, RIG_BACKEND_PORT);
    mail_end_serve(policy, PROTOCOL_POP3, 110, &rig->backend, RIG_BACKEND_PORT);
    return policy;
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
    struct policy *world = mail_end_policy(&rig->backend, &rig->backend);
    mail_end_serve(world, PROTOCOL_SMTP, RIG_BACKEND_PORT, &rig->backend, RIG_BACKEND_PORT);
    world->limits[LIMIT_CONNECTIONS_SOURCE] = 1000;
    end_open(rig, &rig->shield, shield_policy(rig));
    end_open(rig, &rig->world, world);
    struct sessions_config sessions = {
        .sessions = RIG_SESSIONS, .local = local, .ask = ask, .report = report};
    mail_end_sessions(&rig->shield, &sessions);
    return rig;
}

static void start(struct rig *rig)
{
    if (!rig->started)
        mail_end_begin(&rig->shield);
    rig->started = true;
}

void rig_close(struct rig *rig)
{
    for (unsigned i = 0; i < rig->clients_count; i++)
        tcp_release(rig->world.tcp, rig->clients[i]->connection);
    for (unsigned i = 0; i < rig->backends_count; i++)
        tcp_release(rig->world.tcp, rig->backends[i]->connection);
    rig->shield.policy->limits[LIMIT_BACKEND_CHECK_SECONDS] = 0;
    rig_run(rig, 5000000);
    assert_int_equal(sessions_count(rig->shield.sessions), 0);
    assert_int_equal(tcp_connections(rig->shield.tcp), 0);
    mail_end_shut(&rig->shield);
    mail_end_shut(&rig->world);
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

void rig_limit(struct rig *rig, enum limit limit, uint64_t value, enum limit_mode mode)
{
    struct mail_end *end = &rig->shield;
    start(rig);
    end->policy->limits[limit] = value;
    end->policy->modes[limit] = (uint8_t)mode;
    sessions_snapshot(end->sessions, &end->snapshot, rig->now_us);
    guard_policy(end->guard, end->policy, end->lists);
}

void rig_class(struct rig *rig, uint8_t class)
{
    rig->class = class;
}

void rig_ban(struct rig *rig)
{
    struct ban ban = {.addr = rig->client, .seconds = 60};
    assert_true(guard_ban_add(rig->shield.guard, &ban, rig->now_us));
    sessions_bar(rig->shield.sessions);
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
    rig->shield.snapshot.tls = tls;
}

void rig_dial_tls(struct rig *rig, struct tls_clients *clients)
{
    rig->shield.snapshot.tls_clients = clients;
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
    sessions_answer(rig->shield.sessions, answer, rig->now_us);
}

void rig_attach(struct rig *rig, bool attached)
{
    rig->attached = attached;
}

struct sessions *rig_sessions(struct rig *rig)
{
    return rig->shield.sessions;
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
