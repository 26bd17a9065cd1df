// SPDX-License-Identifier: BSD-3-Clause
#include "session/session.h"

#include "mail/excess.h"
#include "rules/rules.h"
#include "session/session_internal.h"

#include <stdlib.h>

enum {
    PUMP_ROUNDS = 32, // of one session in one go; the rest comes with its next event
    TIMERS_A_TURN = 256,
    LINGER_US = 2000000,    // for a client that does not close after our FIN
    TAKE_US = 300000000,    // for a client to take what is before it
    FLUSH_US = 30000000,    // for a client that does not read our last words
    STATE_SIZE_MAX = 16384, // of a protocol machine
    DIALS_BESIDE = 1024,    // checks and spares, beside one a session
    VERDICTS_A_SESSION = 4, // one of each kind
    BARRED_A_TURN = 256,    // sessions that are looked at
};

static const struct mail_protocol *const protocols[PROTOCOL_COUNT] = {
    [PROTOCOL_SMTP] = &smtp_protocol,
    [PROTOCOL_IMAP] = &imap_protocol,
    [PROTOCOL_POP3] = &pop3_protocol,
};

const struct mail_protocol *session_protocol(enum protocol protocol)
{
    CHECK(protocol < PROTOCOL_COUNT);
    return protocols[protocol];
}

// What a protocol keeps of its machine while that rests, and while it does not.
static void machine_sizes(size_t *ret_rest, size_t *ret_state)
{
    *ret_rest = *ret_state = 0;
    for (int i = 0; i < PROTOCOL_COUNT; i++) {
        size_t state = protocols[i]->state_size;
        size_t rest = protocols[i]->rests ? protocols[i]->rest_size : state;
        *ret_rest = rest > *ret_rest ? rest : *ret_rest;
        *ret_state = state > *ret_state ? state : *ret_state;
    }
    CHECK(*ret_state <= STATE_SIZE_MAX);
}

static int timers_init(struct wheel *wheel, const struct pool *pool, size_t offset)
{
    return wheel_init(wheel, pool->objects, pool->count, pool->size, offset);
}

struct sessions *sessions_open(const struct sessions_config *config)
{
    struct sessions *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->config = *config;
    all->drain.next = UINT32_MAX; // nobody is to be told
    // Buffers are held only while a line is unfinished or a peer reads slowly: one a session is
    // ample.
    size_t rest_size, state_size;
    machine_sizes(&rest_size, &state_size);
    if (pool_init(&all->pool, config->sessions, sizeof(struct session) + rest_size) < 0 ||
        pool_init(&all->machines, config->sessions, state_size) < 0 ||
        pool_init(&all->questions, config->sessions / 2 + 64, sizeof(struct question)) < 0 ||
        pool_init(&all->buffers, config->sessions + 64, INPUT_BUFFER_SIZE) < 0 ||
        pool_init(&all->dials, config->sessions + DIALS_BESIDE, sizeof(struct dial)) < 0 ||
        timers_init(&all->session_timers, &all->pool, offsetof(struct session, timer)) < 0 ||
        timers_init(&all->question_timers, &all->questions, offsetof(struct question, timer)) < 0 ||
        timers_init(&all->dial_timers, &all->dials, offsetof(struct dial, timer)) < 0 ||
        verdicts_init(&all->verdicts, VERDICTS_A_SESSION * config->sessions, &config->key) < 0) {
        sessions_shut(all);
        return NULL;
    }
    return all;
}

size_t sessions_memory(const struct sessions *all)
{
    const struct pool *pools[] = {&all->pool, &all->machines, &all->questions, &all->buffers,
                                  &all->dials};
    size_t bytes = 0;
    for (unsigned i = 0; i < sizeof pools / sizeof pools[0]; i++)
        bytes += (size_t)pools[i]->count * pools[i]->size;
    return bytes;
}

static void session_free(struct session *s);

void sessions_shut(struct sessions *all)
{
    for (uint32_t i = 0; all->pool.objects && i < all->pool.count; i++) {
        struct session *s = pool_get(&all->pool, pool_at(&all->pool, i));
        if (s)
            session_free(s);
    }
    for (uint32_t i = 0; all->dials.objects && i < all->dials.count; i++)
        dial_drop(all, pool_at(&all->dials, i));
    wheel_done(&all->session_timers);
    wheel_done(&all->question_timers);
    wheel_done(&all->dial_timers);
    pool_done(&all->pool);
    pool_done(&all->machines);
    pool_done(&all->dials);
    pool_done(&all->questions);
    pool_done(&all->buffers);
    verdicts_done(&all->verdicts);
    free(all);
}

static void take_limits(struct sessions *all, const struct policy *policy)
{
    for (unsigned class = 0; class < CLASSES_MAX; class ++)
        for (int i = 0; i < LIMIT_COUNT; i++) {
            all->limits[class][i] = policy_limit(policy, class, (enum limit)i);
            all->modes[class][i] = (uint8_t)policy_mode(policy, class, (enum limit)i);
        }
}

void sessions_snapshot(struct sessions *all, struct snapshot *snapshot, uint64_t now_us)
{
    all->now_us = now_us;
    dial_policy(all);
    servers_policy(&all->servers, snapshot->policy, now_us);
    verdicts_flush(&all->verdicts);
    take_limits(all, snapshot->policy);
    if (all->snapshot)
        __atomic_store_n(&all->snapshot->uses[all->config.worker].current, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&snapshot->uses[all->config.worker].current, 1, __ATOMIC_RELEASE);
    all->snapshot = snapshot;
}

void sessions_clock(struct sessions *all, int64_t unix_us_offset)
{
    all->unix_us_offset = unix_us_offset;
}

uint32_t sessions_count(const struct sessions *all)
{
    return all->pool.used;
}

static void snapshot_use(struct session *s, int change)
{
    uint32_t *sessions = &s->snapshot->uses[s->all->config.worker].sessions;
    __atomic_store_n(sessions, *sessions + (uint32_t)change, __ATOMIC_RELEASE);
}

static void fill_host(struct session *s, const struct packet *ack, unsigned service, unsigned class)
{
    struct mail_host *host = &s->host;
    host->ops = &session_host_ops;
    host->policy = s->snapshot->policy;
    host->limits = s->all->limits[class];
    host->modes = s->all->modes[class];
    host->masters = s->snapshot->masters;
    host->mechanisms = &s->all->mechanisms;
    host->service = (uint8_t)service;
    host->client = ack->src;
    host->local = ack->dst;
    host->client_port = ack->src_port;
    host->local_port = ack->dst_port;
    host->id = s->self;
    host->unix_us_offset = &s->all->unix_us_offset;
    host->report = (struct report_facts){
        .id = s->self,
        .client = ack->src,
        .client_port = ack->src_port,
        .local = ack->dst,
        .local_port = ack->dst_port,
        .service = (uint8_t)service,
        .backend = 255,
        .rdns = 255,
        .helo_match = 255,
        .dnsbl = INT16_MIN,
        .spf = 255,
        .spf_helo = 255,
    };
}

static void session_free(struct session *s)
{
    struct sessions *all = s->all;
    if (s->machine_started)
        s->protocol->done(session_machine(s));
    if (s->machine)
        pool_give(&all->machines, s->machine_block);
    session_question_drop(s);
    session_logout(s);
    session_backend_close(s);
    stream_close(all, &s->streams[SIDE_CLIENT]);
    rules_scan_close(s->scan, s->snapshot->uses[all->config.worker].scratch);
    timer_stop(&all->session_timers, &s->timer);
    session_handshake_forget(all, &s->handshake);
    snapshot_use(s, -1);
    pool_give(&all->pool, s->self);
}

// The session is over for everybody. s is gone after this call.
static void session_gone(struct session *s)
{
    struct sessions *all = s->all;
    struct addr client = s->host.client;
    unsigned service = s->host.service;
    if (s->reason != REASON_NONE && !s->reason_counted)
        session_refuse(s, s->reason);
    session_count(s, COUNTER_SESSIONS_CLOSED);
    session_report_send(s);
    session_free(s);
    all->config.client_gone(all->config.context, &client, service);
}

handle sessions_accept(struct sessions *all, const struct packet *ack,
                       const struct tcp_handshake *handshake, unsigned service, uint64_t now_us)
{
    void *object;
    handle self = pool_take(&all->pool, &object);
    if (self == HANDLE_NONE) {
        counter_refuse(all->config.counters, REASON_SESSION_NO_SLOT);
        return HANDLE_NONE;
    }
    struct session *s = object;
    memset(s, 0, all->pool.size);
    s->all = all;
    s->self = self;
    s->snapshot = all->snapshot;
    s->started_us = s->active_us = now_us;
    s->shadowed.words[0] = handshake->shadowed;
    s->deadline_us = s->phase_us = s->slow_us = s->stall_us = UINT64_MAX;
    s->backend = 255;
    s->slot = SERVER_NONE;
    CHECK(handshake->class < CLASSES_MAX);
    fill_host(s, ack, service, handshake->class);

    const struct policy_service *facts = &s->host.policy->services[service];
    s->protocol = protocols[facts->protocol];
    handle connection = tcp_accept(all->config.tcp, ack, handshake, self, now_us);
    s->streams[SIDE_CLIENT].connection = connection;
    snapshot_use(s, +1);
    if (connection == HANDLE_NONE) {
        session_free(s);
        return HANDLE_NONE;
    }
    session_count(s, COUNTER_SESSIONS_OPENED);
    s->phase = SESSION_TALK;
    all->now_us = now_us;
    if (facts->tls == TLS_IMPLICIT)
        session_stream_start_tls(s);
    session_run(s);
    return connection;
}

void session_timer_update(struct session *s)
{
    uint64_t at = s->deadline_us < s->phase_us ? s->deadline_us : s->phase_us;
    at = s->slow_us < at ? s->slow_us : at;
    at = s->stall_us < at ? s->stall_us : at;
    if (s->hold_us > 0 && s->hold_us < at)
        at = s->hold_us;
    if (s->again)
        at = s->all->now_us;
    if (at == UINT64_MAX)
        timer_stop(&s->all->session_timers, &s->timer);
    else
        timer_set(&s->all->session_timers, &s->timer, at);
}

void session_end(struct session *s, enum reason reason)
{
    if (s->phase == SESSION_FLUSH || s->phase == SESSION_LINGER)
        return;
    s->phase = SESSION_FLUSH;
    s->reason = reason;
    s->deadline_us = s->stall_us = UINT64_MAX;
    s->phase_us = s->all->now_us + FLUSH_US;
    session_question_drop(s);
    session_backend_close(s);
    session_logout(s); // however long the client takes to hear of it
    if (s->streams[SIDE_CLIENT].tls)
        tls_finish(s->streams[SIDE_CLIENT].tls);
}

static void start_machine(struct session *s)
{
    if (s->machine_started)
        return;
    s->machine_started = true;
    s->protocol->start(session_machine(s), &s->host, s->all->now_us);
}

static bool tell_tls_started(struct session *s)
{
    if (s->phase != SESSION_HANDSHAKE || !s->host.tls)
        return false;
    s->phase = SESSION_TALK;
    s->phase_us = UINT64_MAX;
    session_count(s, COUNTER_TLS_HANDSHAKES);
    if (s->machine_started)
        s->protocol->tls_started(session_machine(s), s->all->now_us);
    return true;
}

// What came of connecting, outside the machine's own call.
static bool tell_news(struct session *s)
{
    enum mail_backend_event event = s->news == NEWS_CONNECTED ? BACKEND_CONNECTED : BACKEND_FAILED;
    if (s->news == NEWS_NONE)
        return false;
    s->news = NEWS_NONE;
    s->protocol->backend_event(session_machine(s), event, s->all->now_us);
    return true;
}

// The ends of the two connections, once what came before them has been offered.
static bool tell_finished(struct session *s)
{
    for (int side = 0; side < SIDES && s->phase == SESSION_TALK; side++) {
        if (!s->streams[side].finished || s->finished_told[side] ||
            !session_stream_is_spent(s, (enum mail_side)side))
            continue;
        s->finished_told[side] = true;
        if (side == SIDE_CLIENT) {
            s->protocol->client_closed(session_machine(s), s->all->now_us);
        } else {
            s->backend_connected = s->streams[side].connection != HANDLE_NONE;
            s->protocol->backend_event(session_machine(s), BACKEND_CLOSED, s->all->now_us);
        }
        return true;
    }
    return false;
}

static bool talk_once(struct session *s)
{
    bool moved = false;
    if (s->phase == SESSION_HANDSHAKE)
        moved |= session_stream_handshake(s) || tell_tls_started(s);
    if (s->phase != SESSION_TALK)
        return moved;
    start_machine(s);
    if (s->phase == SESSION_TALK)
        moved |= session_question_tell(s);
    if (s->phase == SESSION_TALK)
        moved |= tell_news(s);
    if (s->phase == SESSION_TALK)
        moved |= session_stream_pump(s, SIDE_BACKEND);
    if (s->phase == SESSION_TALK)
        moved |= session_stream_pump(s, SIDE_CLIENT);
    if (s->phase == SESSION_TALK && !moved)
        moved |= tell_finished(s);
    if (s->tls_wanted && s->phase == SESSION_TALK) {
        s->tls_wanted = false;
        session_stream_start_tls(s);
        moved = true;
    }
    return moved;
}

// A connection that still holds bytes of ours is the session's, or it would count nowhere.
static bool has_unsent(const struct session *s)
{
    return tcp_unsent(s->all->config.tcp, s->streams[SIDE_CLIENT].connection) > 0;
}

// What was sent has gone into TCP: FIN, then read on for a while, so that a client that is still
// sending gets our last reply and not a RST (RFC 9293, section 3.10.4 and RFC 1122, 4.2.2.13).
static void wind_up(struct session *s)
{
    struct tcp *tcp = s->all->config.tcp;
    handle client = s->streams[SIDE_CLIENT].connection;
    if (s->phase == SESSION_FLUSH && session_stream_flush(s)) {
        tcp_finish(tcp, client);
        s->phase = SESSION_LINGER;
        s->phase_us = s->all->now_us + LINGER_US;
        s->take_us = s->all->now_us + TAKE_US;
    }
    tcp_consume(tcp, client, tcp_readable(tcp, client));
}

// Of a session that has logged in: each limit in shadow mode that it has passed, once.
static void count_shadow_logins(struct session *s)
{
    for (int word = 0; word < 2; word++)
        for (uint64_t left = s->shadowed.words[word] & ~s->shadow_logins.words[word]; left;
             left &= left - 1) {
            enum limit limit = (enum limit)(word * 64 + __builtin_ctzll(left));
            counter_shadow_login(s->all->config.counters, limit_facts(limit)->reason);
        }
    s->shadow_logins = s->shadowed;
}

// What a protocol reports of itself in its report, as counters.
static void count_progress(struct session *s)
{
    const struct report_facts *report = &s->host.report;
    if (report->user_size > 0 && !s->login_counted) {
        s->login_counted = true;
        session_count(s, COUNTER_LOGINS_ACCEPTED);
    }
    if (s->login_counted)
        count_shadow_logins(s);
    for (; s->mails_counted < report->mails; s->mails_counted++)
        session_count(s, COUNTER_MAILS_ACCEPTED);
}

void session_run(struct session *s)
{
    int round = 0;
    session_stream_flush(s); // what waits to go out is what the machine waits for
    while (round < PUMP_ROUNDS && talk_once(s)) {
        session_stream_flush(s);
        round++;
    }
    s->again = round == PUMP_ROUNDS; // no event may come for what is left
    session_stream_flush(s);
    count_progress(s);
    if (s->phase == SESSION_FLUSH || s->phase == SESSION_LINGER)
        wind_up(s);
    bool over =
        (s->phase == SESSION_LINGER && s->streams[SIDE_CLIENT].finished && !has_unsent(s)) ||
        s->streams[SIDE_CLIENT].connection == HANDLE_NONE;
    if (over) {
        session_gone(s);
        return;
    }
    session_slow_watch(s);
    session_machine_rest(s);
    session_timer_update(s);
}

static void client_event(struct session *s, const struct tcp_event *event)
{
    if (event->bits & TCP_EVENT_FINISHED)
        s->streams[SIDE_CLIENT].finished = true;
    if (!(event->bits & TCP_EVENT_CLOSED))
        return;
    bool over = s->phase == SESSION_LINGER || s->phase == SESSION_FLUSH;
    if (!over) {
        // The client is gone for good: nobody to flush to. The machine learns it by `done`.
        s->reason_counted = event->reason != REASON_NONE;
        session_end(s, s->reason_counted ? event->reason : REASON_MAIL_CLIENT_LOST);
    }
    s->streams[SIDE_CLIENT].connection = HANDLE_NONE;
}

static void backend_event(struct session *s, const struct tcp_event *event)
{
    struct stream *backend = &s->streams[SIDE_BACKEND];
    if (event->bits & (TCP_EVENT_FINISHED | TCP_EVENT_CLOSED))
        backend->finished = true;
    if (event->bits & TCP_EVENT_CLOSED)
        backend->connection = HANDLE_NONE; // what came before it may still wait
}

void sessions_event(struct sessions *all, const struct tcp_event *event, uint64_t now_us)
{
    handle h = event->user & ~(USER_BACKEND | USER_DIAL);
    all->now_us = now_us;
    if (event->user & USER_DIAL) {
        dial_event(all, h, event);
        return;
    }
    enum mail_side side = event->user & USER_BACKEND ? SIDE_BACKEND : SIDE_CLIENT;
    struct session *s = pool_get(&all->pool, h);
    if (s && side == SIDE_BACKEND && s->dial != HANDLE_NONE) {
        dial_event(all, s->dial, event);
        return;
    }
    if (!s || s->streams[side].connection != event->connection)
        return;
    if (event->bits & TCP_EVENT_READABLE)
        s->active_us = now_us;
    // Data that came with the end is offered before the connection goes.
    if ((event->bits & TCP_EVENT_CLOSED) && s->phase == SESSION_TALK && s->news == NEWS_NONE)
        session_stream_pump(s, side);
    if (side == SIDE_CLIENT)
        client_event(s, event);
    else
        backend_event(s, event);
    session_run(s);
}

static void session_timer_fired(void *context, struct timer *timer)
{
    struct session *s = (struct session *)((uint8_t *)timer - offsetof(struct session, timer));
    uint64_t now_us = s->all->now_us;
    if (s->hold_us <= now_us)
        s->hold_us = 0;
    if (s->phase_us <= now_us) {
        s->phase_us = UINT64_MAX;
        if (s->phase == SESSION_HANDSHAKE) {
            if (session_enforce(s, LIMIT_TLS_HANDSHAKE_SECONDS, true))
                session_end(s, REASON_TLS_HANDSHAKE_TIMEOUT);
            else
                s->phase_us = excess_end_us(&s->host, LIMIT_TLS_HANDSHAKE_SECONDS, now_us);
        } else if (s->phase == SESSION_LINGER && has_unsent(s) && now_us < s->take_us) {
            s->phase_us = now_us + LINGER_US;
        } else { // flush or linger: enough waited
            if (s->phase == SESSION_FLUSH || has_unsent(s))
                tcp_abort(s->all->config.tcp, s->streams[SIDE_CLIENT].connection);
            else
                tcp_release(s->all->config.tcp, s->streams[SIDE_CLIENT].connection);
            s->streams[SIDE_CLIENT].connection = HANDLE_NONE;
        }
    } else if (s->slow_us <= now_us && session_slow_is_over(s)) {
        session_end(s, REASON_SESSION_SLOW_READER);
        tcp_abort(s->all->config.tcp, s->streams[SIDE_CLIENT].connection); // it takes no last words
        s->streams[SIDE_CLIENT].connection = HANDLE_NONE;
    } else if (s->stall_us <= now_us) {
        session_stream_stall_over(s);
    } else if (s->deadline_us <= now_us) {
        s->deadline_us = UINT64_MAX;
        if (s->phase == SESSION_TALK)
            s->protocol->timeout(session_machine(s), now_us);
    }
    session_run(s);
}

static void question_timer_fired(void *context, struct timer *timer)
{
    struct question *q = (struct question *)((uint8_t *)timer - offsetof(struct question, timer));
    struct sessions *all = context;
    struct message answer =
        message_make((enum message_kind)q->message.kind, STATUS_UNAVAILABLE, q->message.handle);
    counter_refuse(all->config.counters, REASON_SESSION_QUESTION_TIMEOUT);
    sessions_answer(all, &answer, all->now_us);
}

// The guard drops what the client still sends, so there is nobody to talk to.
static void session_bar(struct session *s)
{
    session_end(s, REASON_SESSION_BANNED);
    tcp_abort(s->all->config.tcp, s->streams[SIDE_CLIENT].connection);
    s->streams[SIDE_CLIENT].connection = HANDLE_NONE;
    session_run(s);
}

void sessions_bar(struct sessions *all)
{
    all->bar_left = all->pool.count;
}

static void bar_advance(struct sessions *all)
{
    const struct sessions_config *config = &all->config;
    for (int i = 0; i < BARRED_A_TURN && all->bar_left > 0; i++, all->bar_left--) {
        struct session *s = pool_get(&all->pool, pool_at(&all->pool, all->bar_at));
        all->bar_at = (all->bar_at + 1) % all->pool.count;
        if (s && config->is_barred(config->context, &s->host.client))
            session_bar(s);
    }
}

void sessions_advance(struct sessions *all, uint64_t now_us)
{
    all->now_us = now_us;
    bar_advance(all);
    session_handshake_advance(all);
    wheel_advance(&all->session_timers, now_us, TIMERS_A_TURN, session_timer_fired, all);
    wheel_advance(&all->question_timers, now_us, TIMERS_A_TURN, question_timer_fired, all);
    dial_advance(all);
    session_question_advance(all);
    session_drain_advance(all);
}

bool sessions_kill(struct sessions *all, uint64_t id, uint64_t now_us)
{
    struct session *s = pool_get(&all->pool, id);
    if (!s)
        return false;
    all->now_us = now_us;
    session_end(s, REASON_SESSION_KILLED);
    session_run(s);
    return true;
}

void sessions_servers(const struct sessions *all, uint32_t cursor, uint64_t now_us,
                      struct server_page *ret_page)
{
    servers_list(&all->servers, cursor, now_us, ret_page);
}
