// SPDX-License-Identifier: BSD-3-Clause
#include "mail_rig.h"

#include "guard/guard.h"
#include "rules/rules.h"
#include "tcp_pair.h"
#include "tls/tls.h"
#include "tls_peer.h"

#include <rte_mbuf.h>
#include <stdlib.h>

enum {
    RING = 8192,
    ROUND_US = 100,
    SERVICE_PORT = 25,
    BACKEND_PORT = 2525,
    INSIDE_ADDRESSES = 64, // each has a port for every session that is in TIME_WAIT
    CLIENT_ADDRESSES = 128,
    CLIENTS = MAIL_RIG_PARALLEL,
    BACKENDS = 4 * CLIENTS, // their numbers go round
    QUESTIONS = 2 * CLIENTS,
    USER_BACKEND = 1 << 20, // of connections in the world; below it a client's number
    CIPHERTEXT = 4096,
};

struct end { // the shield, or the world of clients and backends
    struct mail_rig *rig;
    struct guard *guard;
    struct guard_lists *lists;
    struct policy *policy;
    struct tcp *tcp;
    struct counter_block counters;
    struct rte_mbuf *ring[RING]; // on the way to this end
    uint32_t head, tail;
};

struct mail_rig {
    struct mail_rig_play play;
    uint64_t now_us;
    struct rte_mempool *mbufs;
    struct end shield, world;
    uint64_t busy_ns; // of the shield
    struct sessions *sessions;
    struct snapshot snapshot;
    struct tls_tickets *tickets;
    SSL_CTX *client_tls;
    SSL_SESSION *ticket; // that clients resume with
    struct mail_rig_peer clients[CLIENTS], backends[BACKENDS];
    uint32_t backends_opened, connects, locals;
    struct message questions[QUESTIONS];
    unsigned questions_count;
    uint64_t wanted; // sessions that are still to begin
    struct addr outside, backend;
};

static struct addr address(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    uint8_t v4[4] = {a, b, c, d};
    return addr_from_v4(v4);
}

static void emit(void *context, struct rte_mbuf *m, enum leg leg)
{
    struct end *from = context;
    struct end *to = from == &from->rig->shield ? &from->rig->world : &from->rig->shield;
    CHECK(to->tail - to->head < RING);
    to->ring[to->tail++ % RING] = m;
}

static struct packet parse(const struct rte_mbuf *m)
{
    const uint8_t *to = rte_pktmbuf_mtod_offset(m, const uint8_t *, 16);
    return tcp_pair_parse(m, true, to[0] == 203 ? LEG_INSIDE : LEG_OUTSIDE);
}

static handle accept_at(struct end *end, const struct packet *p,
                        const struct tcp_handshake *handshake, unsigned service)
{
    struct mail_rig *rig = end->rig;
    if (end == &rig->shield)
        return sessions_accept(rig->sessions, p, handshake, service, rig->now_us);
    uint32_t n = rig->backends_opened++ % BACKENDS;
    struct mail_rig_peer *backend = &rig->backends[n];
    *backend = (struct mail_rig_peer){0};
    backend->connection = tcp_accept(end->tcp, p, handshake, USER_BACKEND + n, rig->now_us);
    backend->from = p->src;
    mail_rig_say(rig, backend, span_text(rig->play.greeting));
    return backend->connection;
}

static void deliver(struct end *end, struct rte_mbuf *m, const struct packet *p)
{
    uint64_t now_us = end->rig->now_us;
    handle h = tcp_lookup(end->tcp, p);
    if (h != HANDLE_NONE) {
        tcp_input(end->tcp, h, m, p, now_us);
        return;
    }
    struct guard_look look;
    guard_look(end->guard, p, 1, &look);
    struct rte_mbuf *synacks[GUARD_BURST];
    struct tcp_handshake handshake;
    if (p->tcp_flags == TCP_SYN) {
        CHECK(guard_syn(end->guard, m, p, &look, now_us) == REASON_NONE);
        CHECK(guard_answer(end->guard, synacks, now_us) == 1);
        emit(end, synacks[0], (enum leg)p->leg);
        return;
    }
    if (guard_ack(end->guard, p, &look, now_us, false, &handshake) == REASON_NONE &&
        guard_connection_begun(end->guard, p, &look, now_us, &handshake) == REASON_NONE) {
        h = accept_at(end, p, &handshake, (unsigned)look.service);
        CHECK(h != HANDLE_NONE);
        tcp_input(end->tcp, h, m, p, now_us);
        return;
    }
    rte_pktmbuf_free(m); // of a connection that is gone
}

// What the client's TLS has to send.
static void flush(struct mail_rig *rig, struct mail_rig_peer *client)
{
    uint8_t text[CIPHERTEXT];
    int size;
    while ((size = BIO_read(SSL_get_wbio(client->ssl), text, sizeof text)) > 0)
        CHECK(tcp_send(rig->world.tcp, client->connection, span_of(text, (size_t)size)) ==
              (size_t)size);
}

void mail_rig_say(struct mail_rig *rig, struct mail_rig_peer *peer, struct span text)
{
    if (!peer->ssl) {
        CHECK(tcp_send(rig->world.tcp, peer->connection, text) == text.size);
        return;
    }
    CHECK(SSL_write(peer->ssl, text.at, (int)text.size) == (int)text.size);
    flush(rig, peer);
}

void mail_rig_leave(struct mail_rig *rig, struct mail_rig_peer *client)
{
    client->leaving = true;
    tcp_finish(rig->world.tcp, client->connection);
}

static void client_connect(struct mail_rig *rig, unsigned n)
{
    struct addr from = address(198, 18, 0, (uint8_t)(1 + rig->connects++ % CLIENT_ADDRESSES));
    enum reason reason = REASON_NONE;
    struct mail_rig_peer *client = &rig->clients[n];
    *client = (struct mail_rig_peer){0};
    client->connection = tcp_connect(rig->world.tcp, &from, &rig->outside, SERVICE_PORT,
                                     LEG_OUTSIDE, n, rig->now_us, &reason);
    CHECK(client->connection != HANDLE_NONE);
    rig->wanted--;
    if (rig->play.tls == TLS_OFF)
        return;
    client->ssl = SSL_new(rig->client_tls);
    CHECK(client->ssl);
    SSL_set_bio(client->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(client->ssl);
    if (rig->ticket)
        CHECK(SSL_set_session(client->ssl, rig->ticket) == 1);
}

static void hear(struct mail_rig *rig, struct mail_rig_peer *peer, bool is_backend,
                 struct span input)
{
    while (input.size) {
        if (peer->raw) {
            input = span_skip(input, rig->play.raw(rig, peer, input));
            continue;
        }
        struct span piece = span_head(input, span_find(input, '\n') + 1);
        CHECK(peer->size + piece.size < sizeof peer->line);
        memcpy(peer->line + peer->size, piece.at, piece.size);
        peer->size += piece.size;
        input = span_skip(input, piece.size);
        if (peer->line[peer->size - 1] != '\n')
            continue;
        peer->line[peer->size] = '\0';
        peer->size = 0;
        (is_backend ? rig->play.backend : rig->play.client)(rig, peer, peer->line);
    }
}

static void hear_tls(struct mail_rig *rig, struct mail_rig_peer *client, struct span ciphertext)
{
    static uint8_t text[1 << 14];
    CHECK(BIO_write(SSL_get_rbio(client->ssl), ciphertext.at, (int)ciphertext.size) ==
          (int)ciphertext.size);
    bool shaking = !SSL_is_init_finished(client->ssl);
    if (shaking) {
        int result = SSL_do_handshake(client->ssl);
        CHECK(result == 1 || SSL_get_error(client->ssl, result) == SSL_ERROR_WANT_READ);
        flush(rig, client);
        if (result != 1)
            return;
        CHECK(SSL_session_reused(client->ssl) == (rig->ticket != NULL));
        if (rig->play.connected)
            rig->play.connected(rig, client);
    }
    int size;
    while ((size = SSL_read(client->ssl, text, sizeof text)) > 0)
        hear(rig, client, false, span_of(text, (size_t)size));
}

static void listen_to(struct mail_rig *rig, struct mail_rig_peer *peer, bool is_backend)
{
    struct span input;
    while (tcp_peek(rig->world.tcp, peer->connection, &input, 1)) {
        if (peer->ssl)
            hear_tls(rig, peer, input);
        else
            hear(rig, peer, is_backend, input);
        tcp_consume(rig->world.tcp, peer->connection, input.size);
    }
}

static void world_event(struct mail_rig *rig, const struct tcp_event *event)
{
    bool is_backend = event->user >= USER_BACKEND;
    struct mail_rig_peer *peer =
        is_backend ? &rig->backends[event->user - USER_BACKEND] : &rig->clients[event->user];
    if (peer->connection != event->connection)
        return;
    if (event->bits & TCP_EVENT_CONNECTED && peer->ssl) {
        CHECK(SSL_do_handshake(peer->ssl) != 1);
        flush(rig, peer);
    } else if (event->bits & TCP_EVENT_CONNECTED && rig->play.connected) {
        rig->play.connected(rig, peer);
    }
    listen_to(rig, peer, is_backend);
    if (!(event->bits & (TCP_EVENT_FINISHED | TCP_EVENT_CLOSED)))
        return;
    CHECK(is_backend || peer->leaving); // the shield ends no session by itself
    CHECK(event->reason == REASON_NONE);
    if (!(event->bits & TCP_EVENT_CLOSED))
        tcp_release(rig->world.tcp, peer->connection);
    peer->connection = HANDLE_NONE;
    if (peer->ssl) // or its ticket would count as spoilt
        SSL_set_shutdown(peer->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(peer->ssl);
    peer->ssl = NULL;
    if (is_backend)
        guard_connection_closed(rig->world.guard, &peer->from, 0);
    else if (rig->wanted)
        client_connect(rig, (unsigned)event->user);
}

static void answer_questions(struct mail_rig *rig)
{
    unsigned count = rig->questions_count;
    static struct message now[QUESTIONS];
    memcpy(now, rig->questions, count * sizeof now[0]);
    rig->questions_count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct message answer = message_make((enum message_kind)now[i].kind, STATUS_OK, 0);
        answer.handle = now[i].handle;
        rig->play.answer(&now[i], &answer);
        sessions_answer(rig->sessions, &answer, rig->now_us);
    }
}

// Packets are parsed before the shield's clock starts, as net would have done it.
static void take_packets(struct end *end, uint64_t *busy_ns)
{
    static struct packet packets[RING];
    uint32_t first = end->head, count = end->tail - end->head;
    for (uint32_t i = 0; i < count; i++)
        packets[i] = parse(end->ring[(first + i) % RING]);
    end->head = end->tail;
    uint64_t start_ns = tcp_pair_clock_ns();
    for (uint32_t i = 0; i < count; i++)
        deliver(end, end->ring[(first + i) % RING], &packets[i]);
    *busy_ns += tcp_pair_clock_ns() - start_ns;
}

static void round_of(struct mail_rig *rig)
{
    struct tcp_event event;
    uint64_t worlds_ns = 0;
    rig->now_us += ROUND_US;
    take_packets(&rig->shield, &rig->busy_ns);
    uint64_t start_ns = tcp_pair_clock_ns();
    while (tcp_event_next(rig->shield.tcp, &event))
        sessions_event(rig->sessions, &event, rig->now_us);
    answer_questions(rig);
    sessions_advance(rig->sessions, rig->now_us);
    tcp_advance(rig->shield.tcp, rig->now_us);
    rig->busy_ns += tcp_pair_clock_ns() - start_ns;

    take_packets(&rig->world, &worlds_ns);
    while (tcp_event_next(rig->world.tcp, &event))
        world_event(rig, &event);
    tcp_advance(rig->world.tcp, rig->now_us);
}

uint64_t mail_rig_run(struct mail_rig *rig, uint64_t sessions)
{
    rig->wanted = sessions;
    rig->busy_ns = 0;
    for (unsigned n = 0; n < CLIENTS && rig->wanted; n++)
        client_connect(rig, n);
    uint64_t patience = sessions * 1000 + 100000;
    while (sessions_count(rig->sessions) > 0 || rig->wanted ||
           rig->shield.head != rig->shield.tail || rig->world.head != rig->world.tail) {
        round_of(rig);
        CHECK(patience-- > 0);
    }
    return rig->busy_ns;
}

static const struct addr *local(void *context, const struct addr *backend)
{
    static struct addr inside;
    struct mail_rig *rig = ((struct end *)context)->rig;
    inside = address(203, 0, 113, (uint8_t)(1 + rig->locals++ % INSIDE_ADDRESSES));
    return &inside;
}

static bool ask(void *context, enum attach_role role, const struct message *question)
{
    struct mail_rig *rig = ((struct end *)context)->rig;
    CHECK(rig->questions_count < QUESTIONS);
    rig->questions[rig->questions_count++] = *question;
    return true;
}

static void report(void *context, const struct message *message)
{
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

static struct policy *policy_make(const struct mail_rig *rig, const struct addr *own, uint16_t port)
{
    struct policy *p = calloc(1, sizeof *p + sizeof(struct policy_domain));
    CHECK(p);
    p->magic = POLICY_MAGIC;
    p->version = contract_version;
    p->size = sizeof *p + sizeof(struct policy_domain);
    for (int i = 0; i < LIMIT_COUNT; i++)
        p->limits[i] = limit_facts((enum limit)i)->value;
    static const enum limit wide[] = {LIMIT_SYN_RATE_SOURCE,          LIMIT_SYN_BURST_SOURCE,
                                      LIMIT_CONNECTIONS_TOTAL,        LIMIT_CONNECTIONS_SOURCE,
                                      LIMIT_CONNECTIONS_SERVICE,      LIMIT_SYN_ATTACK_HIGH,
                                      LIMIT_SYN_ATTACK_LOW,           LIMIT_CONNECTION_RATE_SOURCE,
                                      LIMIT_CONNECTION_BURST_SOURCE,  LIMIT_CONNECTION_RATE_PREFIX,
                                      LIMIT_CONNECTION_BURST_PREFIX,  LIMIT_CONNECTION_RATE_SERVICE,
                                      LIMIT_CONNECTION_BURST_SERVICE, LIMIT_CONNECTION_RATE_TOTAL,
                                      LIMIT_CONNECTION_BURST_TOTAL,   LIMIT_CONNECTIONS_DAY_SOURCE,
                                      LIMIT_CONNECTIONS_DAY_PREFIX,   LIMIT_TLS_RATE_SOURCE,
                                      LIMIT_TLS_RATE_PREFIX,          LIMIT_MESSAGE_RATE_SOURCE,
                                      LIMIT_RECIPIENT_RATE_SOURCE};
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        p->limits[wide[i]] = limit_facts(wide[i])->most;
    p->boot.legs[LEG_OUTSIDE].addr[FAMILY_V4] = *own;
    p->boot.legs[LEG_OUTSIDE].mtu = p->boot.legs[LEG_INSIDE].mtu = 1500;
    snprintf(p->smtp.host_name, sizeof p->smtp.host_name, "mail.example.net");
    p->smtp.spf_helo = ACTION_OFF;
    p->services_count = p->backends_count = 1;
    p->services[0] = (struct policy_service){.name = "bench",
                                             .port = port,
                                             .protocol = (uint8_t)rig->play.protocol,
                                             .tls = rig->play.tls};
    p->backends[0] = (struct policy_backend){
        .protocol = (uint8_t)rig->play.protocol,
        .servers_count = 1,
        .servers = {{.addr = rig->backend, .port = BACKEND_PORT, .weight = 1}}};
    p->limits[LIMIT_BACKEND_CHECK_SECONDS] = p->limits[LIMIT_BACKEND_SPARES] = 0;
    struct policy_range *ranges[] = {&p->relay_networks, &p->prefixes, &p->rules,
                                     &p->rules_database, &p->domains};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        ranges[i]->offset = sizeof *p;
    p->domains.count = 1;
    struct policy_domain *domain = (struct policy_domain *)(p + 1);
    snprintf(domain->name, sizeof domain->name, "example.net");
    return p;
}

static void end_open(struct mail_rig *rig, struct end *end, struct policy *policy)
{
    const char *what;
    *end = (struct end){.rig = rig, .policy = policy};
    struct guard_config guard = {.sources = 1 << 17,
                                 .sessions = 4096,
                                 .workers = 1,
                                 .numa_node = -1,
                                 .mtu = 1500,
                                 .receive_bytes = 65536,
                                 .key = {{3, 4}},
                                 .counters = &end->counters};
    end->guard = guard_open(&guard);
    end->lists = guard_lists_build(policy, &what);
    CHECK(end->guard && end->lists);
    guard_policy(end->guard, policy, end->lists);
    struct tcp_config tcp = {.connections = 8 * CLIENTS,
                             .send_bytes = 65536,
                             .receive_bytes = 65536,
                             .mtu = {1500, 1500},
                             .workers = 1,
                             .key = {{5, end == &rig->shield}},
                             .mbufs = rig->mbufs,
                             .counters = &end->counters,
                             .emit = emit,
                             .context = end};
    end->tcp = tcp_open(&tcp);
    CHECK(end->tcp);
    tcp_advance(end->tcp, rig->now_us);
}

static void end_shut(struct end *end)
{
    for (; end->head != end->tail; end->head++)
        rte_pktmbuf_free(end->ring[end->head % RING]);
    tcp_shut(end->tcp);
    guard_shut(end->guard);
    guard_lists_free(end->lists);
    free(end->policy);
}

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    struct mail_rig *rig = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (rig->ticket)
        return 0;
    rig->ticket = session;
    // Or OpenSSL would spoil it when it was used once (RFC 8446, appendix C.4).
    SSL_CTX_set_session_cache_mode(SSL_get_SSL_CTX(ssl), SSL_SESS_CACHE_OFF);
    return 1; // the reference is ours
}

static void tls_make(struct mail_rig *rig)
{
    char text[256] = "";
    const char *what = "";
    peer_init();
    peer_certificate(rig->shield.policy, "mail", PEER_EC, "mail.example.net");
    rig->tickets = tls_tickets_open(rig->now_us);
    rig->snapshot.tls =
        tls_context_build(rig->shield.policy, rig->tickets, text, sizeof text, &what);
    rig->client_tls = SSL_CTX_new(TLS_client_method());
    CHECK(rig->tickets && rig->snapshot.tls && rig->client_tls);
    peer_done();
    SSL_CTX_set_app_data(rig->client_tls, rig);
    SSL_CTX_set_session_cache_mode(rig->client_tls, SSL_SESS_CACHE_CLIENT);
    if (rig->play.resumes)
        SSL_CTX_sess_set_new_cb(rig->client_tls, keep_ticket);
}

struct mail_rig *mail_rig_open(const struct mail_rig_play *play)
{
    const char *what;
    struct mail_rig *rig = calloc(1, sizeof *rig);
    CHECK(rig);
    rig->play = *play;
    rig->now_us = 1000000;
    rig->mbufs = rte_mempool_lookup("pair");
    rig->outside = address(198, 51, 100, 1);
    rig->backend = address(192, 0, 2, 10);
    end_open(rig, &rig->shield, policy_make(rig, &rig->outside, SERVICE_PORT));
    end_open(rig, &rig->world, policy_make(rig, &rig->backend, BACKEND_PORT));
    struct sessions_config sessions = {.sessions = 2 * CLIENTS,
                                       .tcp = rig->shield.tcp,
                                       .counters = &rig->shield.counters,
                                       .local = local,
                                       .ask = ask,
                                       .report = report,
                                       .client_gone = client_gone,
                                       .charge = charge,
                                       .context = &rig->shield};
    rig->sessions = sessions_open(&sessions);
    rig->snapshot.policy = rig->shield.policy;
    rig->snapshot.rules = rules_build(rig->shield.policy, &what);
    CHECK(rig->sessions && rig->snapshot.rules);
    rig->snapshot.uses[0].scratch = rules_scratch_open(rig->snapshot.rules);
    if (play->tls != TLS_OFF)
        tls_make(rig);
    sessions_snapshot(rig->sessions, &rig->snapshot, rig->now_us);
    if (play->resumes) {
        mail_rig_run(rig, 1);
        CHECK(rig->ticket);
    }
    return rig;
}

void mail_rig_shut(struct mail_rig *rig)
{
    sessions_shut(rig->sessions);
    end_shut(&rig->shield);
    end_shut(&rig->world);
    rules_scratch_close(rig->snapshot.uses[0].scratch);
    rules_free(rig->snapshot.rules);
    tls_context_free(rig->snapshot.tls);
    tls_tickets_shut(rig->tickets);
    SSL_SESSION_free(rig->ticket);
    SSL_CTX_free(rig->client_tls);
    free(rig);
}
