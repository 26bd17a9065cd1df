// SPDX-License-Identifier: BSD-3-Clause
#include "mail_rig.h"

#include "support/mail_end.h"
#include "tcp_pair.h"
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

struct way { // of packets to one of the ends
    struct rte_mbuf *ring[RING];
    uint32_t head, tail;
};

struct mail_rig {
    struct mail_rig_play play;
    uint64_t now_us;
    struct rte_mempool *mbufs;
    struct mail_end shield, world;
    struct way to_shield, to_world;
    uint64_t busy_ns; // of the shield
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
    const struct mail_end *from = context;
    struct mail_rig *rig = from->config.rig;
    struct way *to = from == &rig->shield ? &rig->to_world : &rig->to_shield;
    CHECK(to->tail - to->head < RING);
    to->ring[to->tail++ % RING] = m;
}

static struct packet parse(const struct rte_mbuf *m)
{
    const uint8_t *to = rte_pktmbuf_mtod_offset(m, const uint8_t *, 16);
    return tcp_pair_parse(m, true, to[0] == 203 ? LEG_INSIDE : LEG_OUTSIDE);
}

static handle accept_at(struct mail_end *end, const struct packet *p,
                        const struct tcp_handshake *handshake, unsigned service)
{
    struct mail_rig *rig = end->config.rig;
    if (end == &rig->shield)
        return sessions_accept(end->sessions, p, handshake, service, rig->now_us);
    uint32_t n = rig->backends_opened++ % BACKENDS;
    struct mail_rig_peer *backend = &rig->backends[n];
    *backend = (struct mail_rig_peer){0};
    backend->connection = tcp_accept(end->tcp, p, handshake, USER_BACKEND + n, rig->now_us);
    backend->from = p->src;
    mail_rig_say(rig, backend, span_text(rig->play.greeting));
    return backend->connection;
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

size_t mail_rig_send(struct mail_rig *rig, struct mail_rig_peer *peer, struct span data)
{
    return tcp_send(rig->world.tcp, peer->connection, data);
}

void mail_rig_leave(struct mail_rig *rig, struct mail_rig_peer *peer)
{
    peer->leaving = true;
    tcp_finish(rig->world.tcp, peer->connection);
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
    if (event->bits & TCP_EVENT_WRITABLE && rig->play.room)
        rig->play.room(rig, peer);
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
        sessions_answer(rig->shield.sessions, &answer, rig->now_us);
    }
}

// Packets are parsed before the shield's clock starts, as net would have done it.
static void take_packets(struct mail_end *end, struct way *way, uint64_t *busy_ns)
{
    static struct packet packets[RING];
    uint32_t first = way->head, count = way->tail - way->head;
    for (uint32_t i = 0; i < count; i++)
        packets[i] = parse(way->ring[(first + i) % RING]);
    way->head = way->tail;
    uint64_t start_ns = tcp_pair_clock_ns();
    for (uint32_t i = 0; i < count; i++)
        mail_end_deliver(end, way->ring[(first + i) % RING], &packets[i], accept_at);
    *busy_ns += tcp_pair_clock_ns() - start_ns;
}

static void round_of(struct mail_rig *rig)
{
    struct tcp_event event;
    uint64_t worlds_ns = 0;
    rig->now_us += ROUND_US;
    take_packets(&rig->shield, &rig->to_shield, &rig->busy_ns);
    uint64_t start_ns = tcp_pair_clock_ns();
    while (tcp_event_next(rig->shield.tcp, &event))
        sessions_event(rig->shield.sessions, &event, rig->now_us);
    answer_questions(rig);
    sessions_advance(rig->shield.sessions, rig->now_us);
    tcp_advance(rig->shield.tcp, rig->now_us);
    rig->busy_ns += tcp_pair_clock_ns() - start_ns;

    take_packets(&rig->world, &rig->to_world, &worlds_ns);
    while (tcp_event_next(rig->world.tcp, &event))
        world_event(rig, &event);
    tcp_advance(rig->world.tcp, rig->now_us);
}

uint64_t mail_rig_run(struct mail_rig *rig, uint64_t sessions)
{
    rig->wanted = sessions;
    rig->busy_ns = 0;
    unsigned parallel = rig->play.parallel ? rig->play.parallel : CLIENTS;
    for (unsigned n = 0; n < parallel && rig->wanted; n++)
        client_connect(rig, n);
    uint64_t patience = sessions * 1000 + 100000; // rounds
    while (sessions_count(rig->shield.sessions) > 0 || rig->wanted ||
           rig->to_shield.head != rig->to_shield.tail || rig->to_world.head != rig->to_world.tail) {
        round_of(rig);
        CHECK(patience-- > 0);
    }
    return rig->busy_ns;
}

static const struct addr *local(void *context, const struct addr *backend)
{
    static struct addr inside;
    struct mail_rig *rig = ((struct mail_end *)context)->config.rig;
    inside = address(203, 0, 113, (uint8_t)(1 + rig->locals++ % INSIDE_ADDRESSES));
    return &inside;
}

static bool ask(void *context, enum attach_role role, const struct message *question)
{
    struct mail_rig *rig = ((struct mail_end *)context)->config.rig;
    CHECK(rig->questions_count < QUESTIONS);
    rig->questions[rig->questions_count++] = *question;
    return true;
}

static void report(void *context, const struct message *message)
{
}

static struct policy *policy_make(const struct mail_rig *rig, const struct addr *own, uint16_t port)
{
    struct policy *p = mail_end_policy(own, own);
    for (int i = 0; i < LIMIT_COUNT; i++) // none that is in the way
        if (limit_facts((enum limit)i)->by_class || i == LIMIT_SYN_ATTACK_HIGH ||
            i == LIMIT_SYN_ATTACK_LOW)
            p->limits[i] = limit_facts((enum limit)i)->most;
    mail_end_serve(p, rig->play.protocol, port, &rig->backend, BACKEND_PORT);
    return p;
}

static void end_open(struct mail_rig *rig, struct mail_end *end, const struct addr *own,
                     uint16_t port)
{
    const struct mail_end_config config = {.mbufs = rig->mbufs,
                                           .connections = 8 * CLIENTS,
                                           .sources = 1 << 17,
                                           .queue_bytes = 65536,
                                           .key = end == &rig->shield,
                                           .now_us = &rig->now_us,
                                           .emit = emit,
                                           .rig = rig};
    mail_end_open(end, &config, policy_make(rig, own, port));
}

static void way_drop(struct way *way)
{
    for (; way->head != way->tail; way->head++)
        rte_pktmbuf_free(way->ring[way->head % RING]);
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
    rig->shield.policy->services[0].tls = rig->play.tls;
    rig->tickets = tls_tickets_open(rig->now_us);
    rig->shield.snapshot.tls =
        tls_context_build(rig->shield.policy, rig->tickets, text, sizeof text, &what);
    rig->client_tls = SSL_CTX_new(TLS_client_method());
    CHECK(rig->tickets && rig->shield.snapshot.tls && rig->client_tls);
    peer_done();
    SSL_CTX_set_app_data(rig->client_tls, rig);
    SSL_CTX_set_session_cache_mode(rig->client_tls, SSL_SESS_CACHE_CLIENT);
    if (rig->play.resumes)
        SSL_CTX_sess_set_new_cb(rig->client_tls, keep_ticket);
}

struct mail_rig *mail_rig_open(const struct mail_rig_play *play)
{
    struct mail_rig *rig = calloc(1, sizeof *rig);
    CHECK(rig);
    rig->play = *play;
    rig->now_us = 1000000;
    rig->mbufs = rte_mempool_lookup("pair");
    rig->outside = address(198, 51, 100, 1);
    rig->backend = address(192, 0, 2, 10);
    end_open(rig, &rig->shield, &rig->outside, SERVICE_PORT);
    end_open(rig, &rig->world, &rig->backend, BACKEND_PORT);
    struct sessions_config sessions = {
        .sessions = 2 * CLIENTS, .local = local, .ask = ask, .report = report};
    mail_end_sessions(&rig->shield, &sessions);
    if (play->tls != TLS_OFF)
        tls_make(rig);
    mail_end_begin(&rig->shield);
    if (play->resumes) {
        mail_rig_run(rig, 1);
        CHECK(rig->ticket);
    }
    return rig;
}

void mail_rig_shut(struct mail_rig *rig)
{
    way_drop(&rig->to_shield);
    way_drop(&rig->to_world);
    mail_end_shut(&rig->shield);
    mail_end_shut(&rig->world);
    tls_tickets_shut(rig->tickets);
    SSL_SESSION_free(rig->ticket);
    SSL_CTX_free(rig->client_tls);
    free(rig);
}

struct sessions *mail_rig_sessions(struct mail_rig *rig)
{
    return rig->shield.sessions;
}
