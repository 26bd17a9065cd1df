// SPDX-License-Identifier: BSD-3-Clause

/* smtp.proxy: mails a second through the shield's own stations (guard, tcp, session, rules, smtp)
 * on one core, in plaintext: each session is one mail of 4 KB from a client to a backend, every
 * command answered before the next. Clients and backends are a second tcp in the same memory. The
 * first figure is of the shield's time alone, the second of all on the one core. Not in the first:
 * drivers, the parsing of frames and their checksums (net), the control plane, whose answers come
 * in the next round.
 *
 * Time is the CPU time of this thread; the clock that the stations see is simulated.
 *
 * Usage: bench_smtp_proxy [--smoke]
 */

#include "base/tcp_option.h"
#include "guard/guard.h"
#include "rules/rules.h"
#include "session/session.h"

#include <rte_byteorder.h>
#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    PARALLEL = 200,
    RING = 8192,
    ROUND_US = 100,
    BACKEND_PORT = 2525,
    INSIDE_ADDRESSES = 64, // each has a port for every session that is in TIME_WAIT
    CLIENT_ADDRESSES = 128,
    TEXT = 512,
    MAIL_BYTES = 4096,
    QUESTIONS = 2 * PARALLEL,
    MAILS = 200000,
    MAILS_SMOKE = 1000,
};

struct end { // the shield, or the world of clients and backends
    struct bench *bench;
    struct guard *guard;
    struct guard_lists *lists;
    struct policy *policy;
    struct tcp *tcp;
    struct counter_block counters;
    struct rte_mbuf *ring[RING]; // on the way to this end
    uint32_t head, tail;
    uint64_t busy_ns;
};

struct peer {
    handle connection;
    unsigned step; // of a client: how many replies came
    size_t tail;   // of a backend in a message: how much of CR LF . CR LF it has just seen
    bool in_data;
    char text[TEXT]; // the line that is being received
    size_t size;
};

struct bench {
    uint64_t now_us;
    struct rte_mempool *mbufs;
    struct end shield, world;
    struct sessions *sessions;
    struct snapshot snapshot;
    struct peer clients[PARALLEL];
    struct peer *backends; // by a number that goes round
    uint32_t backends_opened, connects, locals;
    struct message questions[QUESTIONS];
    unsigned questions_count;
    uint64_t mails, target;
    char mail[MAIL_BYTES + 8];
    struct addr outside, backend;
};

enum { BACKENDS = 4 * PARALLEL, USER_BACKEND = 1 << 20 };

static const char *const commands[] = {
    "EHLO client.example\r\n",
    "MAIL FROM:<joe@good.example.org>\r\n",
    "RCPT TO:<alice@example.net>\r\n",
    "DATA\r\n",
    NULL, // the mail
    "QUIT\r\n",
};
static const char expected[] = "2222322"; // first digits of greeting and replies
enum { COMMANDS = sizeof commands / sizeof commands[0], REPLY_TO_MAIL = 5 };

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct addr address(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    uint8_t v4[4] = {a, b, c, d};
    return addr_from_v4(v4);
}

static void emit(void *context, struct rte_mbuf *m, enum leg leg)
{
    struct end *from = context;
    struct end *to = from == &from->bench->shield ? &from->bench->world : &from->bench->shield;
    CHECK(to->tail - to->head < RING);
    to->ring[to->tail++ % RING] = m;
}

static struct packet parse(const struct rte_mbuf *m)
{
    const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
    size_t ip_size = sizeof(struct rte_ipv4_hdr);
    const struct rte_tcp_hdr *tcp = (const void *)(ip + ip_size);
    size_t tcp_size = (size_t)(tcp->data_off >> 4) * 4;
    struct packet p = {
        .src = addr_from_v4(ip + 12),
        .dst = addr_from_v4(ip + 16),
        .src_port = rte_be_to_cpu_16(tcp->src_port),
        .dst_port = rte_be_to_cpu_16(tcp->dst_port),
        .leg = ip[16] == 203 ? LEG_INSIDE : LEG_OUTSIDE, // the inside net, as it is set up below
        .ttl = 64,
        .tcp_flags = tcp->tcp_flags,
        .seq = rte_be_to_cpu_32(tcp->sent_seq),
        .ack = rte_be_to_cpu_32(tcp->recv_ack),
        .window = rte_be_to_cpu_16(tcp->rx_win),
        .l4_offset = (uint16_t)ip_size,
        .payload_offset = (uint16_t)(ip_size + tcp_size),
        .payload_size = (uint16_t)(m->data_len - ip_size - tcp_size),
    };
    CHECK(tcp_option_parse(span_of(tcp + 1, tcp_size - sizeof *tcp), &p.options));
    return p;
}

static handle accept_at(struct end *end, const struct packet *p,
                        const struct tcp_handshake *handshake, unsigned service)
{
    struct bench *bench = end->bench;
    if (end == &bench->shield)
        return sessions_accept(bench->sessions, p, handshake, service, bench->now_us);
    uint32_t n = bench->backends_opened++ % BACKENDS;
    struct peer *backend = &bench->backends[n];
    *backend = (struct peer){0};
    backend->connection = tcp_accept(end->tcp, p, handshake, USER_BACKEND + n, bench->now_us);
    CHECK(tcp_send(end->tcp, backend->connection, span_text("220 backend ESMTP\r\n")) > 0);
    return backend->connection;
}

static void deliver(struct end *end, struct rte_mbuf *m, const struct packet *p)
{
    uint64_t now_us = end->bench->now_us;
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
    if (guard_ack(end->guard, p, &look, now_us, &handshake) == REASON_NONE) {
        h = accept_at(end, p, &handshake, (unsigned)look.service);
        CHECK(h != HANDLE_NONE);
        tcp_input(end->tcp, h, m, p, now_us);
        return;
    }
    rte_pktmbuf_free(m); // of a connection that is gone
}

static void say(struct bench *bench, const struct peer *peer, struct span text)
{
    CHECK(tcp_send(bench->world.tcp, peer->connection, text) == text.size);
}

static void client_connect(struct bench *bench, unsigned n)
{
    struct addr from = address(198, 18, 0, (uint8_t)(1 + bench->connects++ % CLIENT_ADDRESSES));
    enum reason reason = REASON_NONE;
    bench->clients[n] = (struct peer){0};
    bench->clients[n].connection = tcp_connect(bench->world.tcp, &from, &bench->outside, 25,
                                               LEG_OUTSIDE, n, bench->now_us, &reason);
    CHECK(bench->clients[n].connection != HANDLE_NONE);
}

static void client_line(struct bench *bench, struct peer *client)
{
    if (client->text[3] == '-')
        return;
    CHECK(client->step < sizeof expected - 1 && client->text[0] == expected[client->step]);
    bench->mails += client->step == REPLY_TO_MAIL;
    if (client->step < COMMANDS) {
        const char *command = commands[client->step];
        say(bench, client, command ? span_text(command) : span_text(bench->mail));
    }
    client->step++;
}

static void backend_line(struct bench *bench, struct peer *backend)
{
    static const char offers[] = "250-backend\r\n250-PIPELINING\r\n250-SIZE\r\n250 8BITMIME\r\n";
    switch (backend->text[0]) {
    case 'E':
        say(bench, backend, span_text(offers));
        return;
    case 'D':
        backend->in_data = true;
        backend->tail = 2;
        say(bench, backend, span_text("354 go ahead\r\n"));
        return;
    case 'Q':
        return;
    default:
        say(bench, backend, span_text("250 2.0.0 Ok\r\n"));
    }
}

// Bytes of the message up to its end.
static size_t backend_message(struct bench *bench, struct peer *backend, struct span text)
{
    static const char end[] = "\r\n.\r\n";
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == (uint8_t)end[backend->tail])
            backend->tail++;
        else
            backend->tail = text.at[i] == '\r';
        if (backend->tail == sizeof end - 1) {
            backend->in_data = false;
            say(bench, backend, span_text("250 2.0.0 Ok: queued\r\n"));
            return i + 1;
        }
    }
    return text.size;
}

static void listen_to(struct bench *bench, struct peer *peer, bool is_backend)
{
    struct span span;
    while (tcp_peek(bench->world.tcp, peer->connection, &span, 1)) {
        struct span left = span;
        while (left.size) {
            if (peer->in_data) {
                left = span_skip(left, backend_message(bench, peer, left));
                continue;
            }
            size_t size = span_find(left, '\n');
            struct span piece = span_head(left, size + 1);
            CHECK(peer->size + piece.size <= sizeof peer->text);
            memcpy(peer->text + peer->size, piece.at, piece.size);
            peer->size += piece.size;
            left = span_skip(left, piece.size);
            if (peer->text[peer->size - 1] != '\n')
                continue;
            peer->size = 0;
            if (is_backend)
                backend_line(bench, peer);
            else
                client_line(bench, peer);
        }
        tcp_consume(bench->world.tcp, peer->connection, span.size);
    }
}

static void world_event(struct bench *bench, const struct tcp_event *event)
{
    bool is_backend = event->user >= USER_BACKEND;
    struct peer *peer =
        is_backend ? &bench->backends[event->user - USER_BACKEND] : &bench->clients[event->user];
    if (peer->connection != event->connection)
        return;
    listen_to(bench, peer, is_backend);
    if (!(event->bits & (TCP_EVENT_FINISHED | TCP_EVENT_CLOSED)))
        return;
    CHECK(is_backend || peer->step == COMMANDS + 1);
    if (!(event->bits & TCP_EVENT_CLOSED))
        tcp_release(bench->world.tcp, peer->connection);
    peer->connection = HANDLE_NONE;
    if (!is_backend && bench->mails + PARALLEL <= bench->target)
        client_connect(bench, (unsigned)event->user);
}

static void answer_questions(struct bench *bench)
{
    unsigned count = bench->questions_count;
    static struct message now[QUESTIONS];
    memcpy(now, bench->questions, count * sizeof now[0]);
    bench->questions_count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct message answer = message_make((enum message_kind)now[i].kind, STATUS_OK, 0);
        answer.handle = now[i].handle;
        if (now[i].kind == MESSAGE_RDNS) {
            answer.rdns_answer.verdict = RDNS_CONFIRMED;
            CHECK(message_name_set(&answer.rdns_answer.name, span_text("client.example")));
        } else {
            answer.spf_answer.result = SPF_PASS;
        }
        sessions_answer(bench->sessions, &answer, bench->now_us);
    }
}

// Packets are parsed before an end's clock starts, as net would have done it.
static void take_packets(struct end *end)
{
    static struct packet packets[RING];
    uint32_t first = end->head, count = end->tail - end->head;
    for (uint32_t i = 0; i < count; i++)
        packets[i] = parse(end->ring[(first + i) % RING]);
    end->head = end->tail;
    uint64_t start_ns = clock_ns();
    for (uint32_t i = 0; i < count; i++)
        deliver(end, end->ring[(first + i) % RING], &packets[i]);
    end->busy_ns += clock_ns() - start_ns;
}

static void round_of(struct bench *bench)
{
    struct end *shield = &bench->shield, *world = &bench->world;
    struct tcp_event event;
    bench->now_us += ROUND_US;
    take_packets(shield);
    uint64_t start_ns = clock_ns();
    while (tcp_event_next(shield->tcp, &event))
        sessions_event(bench->sessions, &event, bench->now_us);
    answer_questions(bench);
    sessions_advance(bench->sessions, bench->now_us);
    tcp_advance(shield->tcp, bench->now_us);
    shield->busy_ns += clock_ns() - start_ns;

    take_packets(world);
    start_ns = clock_ns();
    while (tcp_event_next(world->tcp, &event))
        world_event(bench, &event);
    tcp_advance(world->tcp, bench->now_us);
    world->busy_ns += clock_ns() - start_ns;
}

static const struct addr *local(void *context, const struct addr *backend)
{
    static struct addr inside;
    struct bench *bench = ((struct end *)context)->bench;
    inside = address(203, 0, 113, (uint8_t)(1 + bench->locals++ % INSIDE_ADDRESSES));
    return &inside;
}

static bool ask(void *context, enum attach_role role, const struct message *question)
{
    struct bench *bench = ((struct end *)context)->bench;
    CHECK(bench->questions_count < QUESTIONS);
    bench->questions[bench->questions_count++] = *question;
    return true;
}

static void report(void *context, const struct message *message)
{
}

static void client_gone(void *context, const struct addr *client, unsigned service)
{
    guard_connection_closed(((struct end *)context)->guard, client, service);
}

static struct policy *policy_make(const struct addr *own, uint16_t port, const struct addr *backend)
{
    struct policy *p = calloc(1, sizeof *p + sizeof(struct policy_domain));
    CHECK(p);
    p->magic = POLICY_MAGIC;
    p->version = contract_version;
    p->size = sizeof *p + sizeof(struct policy_domain);
    for (int i = 0; i < LIMIT_COUNT; i++)
        p->limits[i] = limit_facts((enum limit)i)->value;
    static const enum limit wide[] = {LIMIT_SYN_RATE_SOURCE,     LIMIT_SYN_BURST_SOURCE,
                                      LIMIT_CONNECTIONS_TOTAL,   LIMIT_CONNECTIONS_SOURCE,
                                      LIMIT_CONNECTIONS_SERVICE, LIMIT_SYN_ATTACK_HIGH,
                                      LIMIT_SYN_ATTACK_LOW};
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        p->limits[wide[i]] = limit_facts(wide[i])->most;
    p->boot.legs[LEG_OUTSIDE].addr[FAMILY_V4] = *own;
    p->boot.legs[LEG_OUTSIDE].mtu = p->boot.legs[LEG_INSIDE].mtu = 1500;
    snprintf(p->smtp.host_name, sizeof p->smtp.host_name, "mail.example.net");
    p->smtp.spf_helo = ACTION_OFF;
    p->services_count = p->backends_count = 1;
    p->services[0] = (struct policy_service){.name = "smtp", .port = port};
    p->backends[0] = (struct policy_backend){.addr = *backend, .port = BACKEND_PORT};
    struct policy_range *ranges[] = {&p->relay_networks, &p->prefixes, &p->rules,
                                     &p->rules_database, &p->domains};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        ranges[i]->offset = sizeof *p;
    p->domains.count = 1;
    struct policy_domain *domain = (struct policy_domain *)(p + 1);
    snprintf(domain->name, sizeof domain->name, "example.net");
    return p;
}

static void end_open(struct bench *bench, struct end *end, struct policy *policy)
{
    const char *what;
    *end = (struct end){.bench = bench, .policy = policy};
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
    struct tcp_config tcp = {.connections = 8 * PARALLEL,
                             .send_bytes = 65536,
                             .receive_bytes = 65536,
                             .mtu = {1500, 1500},
                             .workers = 1,
                             .key = {{5, end == &bench->shield}},
                             .mbufs = bench->mbufs,
                             .counters = &end->counters,
                             .emit = emit,
                             .context = end};
    end->tcp = tcp_open(&tcp);
    CHECK(end->tcp);
    tcp_advance(end->tcp, bench->now_us);
}

static void end_close(struct end *end)
{
    for (; end->head != end->tail; end->head++)
        rte_pktmbuf_free(end->ring[end->head % RING]);
    tcp_shut(end->tcp);
    guard_shut(end->guard);
    guard_lists_free(end->lists);
    free(end->policy);
}

static void mail_make(char mail[MAIL_BYTES + 8])
{
    size_t size = (size_t)snprintf(mail, MAIL_BYTES,
                                   "From: joe@good.example.org\r\n"
                                   "To: alice@example.net\r\n"
                                   "Subject: bench\r\n\r\n");
    while (size < MAIL_BYTES - 1) {
        bool end_of_line = size % 72 == 70;
        mail[size++] = end_of_line ? '\r' : 'x';
        if (end_of_line)
            mail[size++] = '\n';
    }
    snprintf(mail + size - 2, 8, "\r\n.\r\n");
}

static void bench_open(struct bench *bench, struct rte_mempool *mbufs)
{
    const char *what;
    struct addr unused = address(203, 0, 113, 200);
    *bench = (struct bench){.now_us = 1000000, .mbufs = mbufs};
    bench->outside = address(198, 51, 100, 1);
    bench->backend = address(192, 0, 2, 10);
    bench->backends = calloc(BACKENDS, sizeof bench->backends[0]);
    CHECK(bench->backends);
    mail_make(bench->mail);
    end_open(bench, &bench->shield, policy_make(&bench->outside, 25, &bench->backend));
    end_open(bench, &bench->world, policy_make(&bench->backend, BACKEND_PORT, &unused));
    struct sessions_config sessions = {.sessions = 2 * PARALLEL,
                                       .tcp = bench->shield.tcp,
                                       .counters = &bench->shield.counters,
                                       .local = local,
                                       .ask = ask,
                                       .report = report,
                                       .client_gone = client_gone,
                                       .context = &bench->shield};
    bench->sessions = sessions_open(&sessions);
    bench->snapshot.policy = bench->shield.policy;
    bench->snapshot.rules = rules_build(bench->shield.policy, &what);
    CHECK(bench->sessions && bench->snapshot.rules);
    bench->snapshot.uses[0].scratch = rules_scratch_open(bench->snapshot.rules);
    sessions_snapshot(bench->sessions, &bench->snapshot);
}

static void bench_close(struct bench *bench)
{
    sessions_shut(bench->sessions);
    end_close(&bench->shield);
    end_close(&bench->world);
    rules_scratch_close(bench->snapshot.uses[0].scratch);
    rules_free(bench->snapshot.rules);
    free(bench->backends);
}

static void tell(const char *name, double rate)
{
    printf("{\"bench\":\"smtp.proxy\",\"case\":\"%s\",\"value\":%.0f,\"unit\":\"mails/s\"}\n", name,
           rate);
}

static void run(struct bench *bench, uint64_t mails)
{
    bench->target = bench->mails + mails;
    bench->shield.busy_ns = bench->world.busy_ns = 0;
    uint64_t before = bench->mails, start_ns = clock_ns();
    for (unsigned n = 0; n < PARALLEL; n++)
        client_connect(bench, n);
    uint64_t patience = mails * 1000 + 100000;
    while (sessions_count(bench->sessions) > 0 || bench->mails < bench->target) {
        round_of(bench);
        CHECK(patience-- > 0);
    }
    double done = (double)(bench->mails - before);
    double all_ns = (double)(clock_ns() - start_ns);
    fprintf(stderr,
            "smtp.proxy: %.0f mails, %.2f us of the shield, %.2f us of clients and backends\n",
            done, (double)bench->shield.busy_ns / done / 1e3,
            (double)bench->world.busy_ns / done / 1e3);
    tell("ipv4 4 KB plaintext", done / (double)bench->shield.busy_ns * 1e9);
    tell("ipv4 4 KB plaintext, client and backend on the same core", done / all_ns * 1e9);
}

int main(int argc, char **argv)
{
    bool is_smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
    if (argc > 1 && !is_smoke) {
        fprintf(stderr, "usage: %s [--smoke]\n", argv[0]);
        return 2;
    }
    char words[][16] = {"",
                        "--no-huge",
                        "-m",
                        "256",
                        "--no-pci",
                        "--no-shconf",
                        "--no-telemetry",
                        "--log-level",
                        "*:error"};
    enum { WORDS = sizeof words / sizeof words[0] };
    char *arguments[WORDS] = {argv[0]};
    for (unsigned i = 1; i < WORDS; i++)
        arguments[i] = words[i];
    CHECK(rte_eal_init(WORDS, arguments) >= 0);
    struct rte_mempool *mbufs =
        rte_pktmbuf_pool_create("bench", 32767, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    static struct bench bench;
    CHECK(mbufs);
    bench_open(&bench, mbufs);
    run(&bench, is_smoke ? MAILS_SMOKE : MAILS);
    bench_close(&bench);
    rte_eal_cleanup();
    return 0;
}
