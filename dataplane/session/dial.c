// SPDX-License-Identifier: BSD-3-Clause
#include "session/dial.h"

#include "mail/proxy_header.h"
#include "session/session_internal.h"
#include "tls/tls_client.h"

enum {
    TIMERS_A_TURN = 256,
    STEPS_A_RUN = 32,        // lines and records of one dial in one go
    CHECKS_EVERY_US = 10000, // how often it is looked which checks are due
};

static const struct policy_backend *backend_of(const struct dial *d)
{
    return &d->snapshot->policy->backends[d->backend];
}

static uint64_t patience_us(const struct dial *d)
{
    const uint64_t *limits = d->snapshot->policy->limits;
    uint64_t seconds = limits[LIMIT_BACKEND_CONNECT_SECONDS];
    if (d->use == DIAL_CHECK && limits[LIMIT_BACKEND_CHECK_SECONDS] < seconds)
        seconds = limits[LIMIT_BACKEND_CHECK_SECONDS];
    return seconds * 1000000;
}

static void dial_free(struct dial *d)
{
    struct sessions *all = d->all;
    struct server *server = &all->servers.slots[d->slot];
    if (d->use == DIAL_CHECK)
        server->checking = false;
    else if (d->use == DIAL_SPARE && !d->ready)
        server->spares_opening--;
    timer_stop(&all->dial_timers, &d->timer);
    session_handshake_forget(all, &d->handshake);
    stream_close(all, &d->stream);
    pool_give(&all->dials, d->self);
}

// d is gone after this call, and its session has been told.
static void fail(struct dial *d, enum reason reason, bool counted)
{
    struct sessions *all = d->all;
    handle session = d->session;
    uint16_t slot = d->slot;
    if (!counted)
        counter_refuse(all->config.counters, reason);
    servers_failed(&all->servers, slot, reason, all->now_us);
    dial_free(d);
    if (session != HANDLE_NONE)
        session_dialled(all, session, NULL);
}

static void set_apart(struct dial *d)
{
    struct server *server = &d->all->servers.slots[d->slot];
    const uint64_t *limits = d->snapshot->policy->limits;
    server->spares_opening--;
    d->ready = true;
    server->spares[server->spares_count++] = d->self;
    timer_set(&d->all->dial_timers, &d->timer,
              d->all->now_us + limits[LIMIT_BACKEND_SPARE_SECONDS] * 1000000);
}

static void farewell(struct dial *d)
{
    if (stream_send(d->all, &d->stream, span_text(opening_farewell(&d->opening))))
        stream_flush(d->all, &d->stream);
}

// d is gone after this call, unless it is a spare now.
static void ready(struct dial *d)
{
    struct sessions *all = d->all;
    servers_worked(&all->servers, d->slot, &d->opening.offer, d->use == DIAL_CHECK, all->now_us);
    switch ((enum dial_use)d->use) {
    case DIAL_SESSION: {
        handle session = d->session;
        struct stream stream = d->stream;
        struct mail_offer offer = d->opening.offer;
        d->stream = (struct stream){0};
        dial_free(d);
        session_dialled(all, session, &(struct dialled){stream, offer});
        return;
    }
    case DIAL_CHECK:
        farewell(d);
        dial_free(d);
        return;
    case DIAL_SPARE:
        set_apart(d);
        return;
    }
    check_failed("a known use", __FILE__, __LINE__);
}

static bool start_tls(struct dial *d)
{
    d->stream.tls = tls_client_open(d->snapshot->tls_clients, d->backend,
                                    &backend_of(d)->servers[d->server].addr);
    d->securing = d->stream.tls != NULL;
    return d->securing;
}

// REASON_NONE: it goes on; *ret_ready: it is done.
static enum reason take(struct dial *d, enum opening_result result, const char *say,
                        bool *ret_ready)
{
    switch (result) {
    case OPENING_WAIT:
        return stream_send(d->all, &d->stream, span_text(say)) ? REASON_NONE
                                                               : REASON_SESSION_NO_BUFFER;
    case OPENING_TLS: // what came with the reply was sent by nobody who should (CVE-2011-0411)
        if (stream_input_waits(d->all, &d->stream))
            return REASON_MAIL_BACKEND_BAD;
        return start_tls(d) ? REASON_NONE : REASON_TLS_NO_MEMORY;
    case OPENING_READY:
        *ret_ready = true;
        return stream_input_waits(d->all, &d->stream) ? REASON_MAIL_BACKEND_BAD : REASON_NONE;
    case OPENING_REFUSED:
        return REASON_MAIL_BACKEND_REFUSED;
    case OPENING_BAD:
        return REASON_MAIL_BACKEND_BAD;
    }
    check_failed("a known result", __FILE__, __LINE__);
}

// One handshake step or one line. *ret_moved: there may be more to do.
static enum reason step(struct dial *d, bool *ret_moved, bool *ret_ready)
{
    const char *name = d->snapshot->policy->smtp.host_name;
    char say[OPENING_SAY_SIZE];
    if (d->securing) {
        bool fed = stream_feed(d->all, &d->stream);
        if (tls_has_step(d->stream.tls) && !session_handshake_may_step(d->all, &d->handshake))
            return REASON_NONE;
        *ret_moved = fed;
        int done = stream_step(&d->stream, fed);
        if (done <= 0)
            return done < 0 ? REASON_TLS_BACKEND_FAILED : REASON_NONE;
        d->securing = false;
        *ret_moved = true;
        if (d->opening.step != OPENING_HANDSHAKE)
            return REASON_NONE;
        enum opening_result result = opening_secured(&d->opening, name, say);
        return take(d, result, say, ret_ready);
    }
    switch (stream_fill(d->all, &d->stream)) {
    case STREAM_NO_BUFFER:
        return REASON_SESSION_NO_BUFFER;
    case STREAM_BAD_RECORD:
        return REASON_TLS_BACKEND_FAILED;
    case STREAM_OK:
        break;
    }
    size_t taken = 0;
    enum opening_result result =
        opening_input(&d->opening, stream_input(&d->stream), name, &taken, say);
    stream_skip(d->all, &d->stream, taken);
    *ret_moved = taken > 0;
    return take(d, result, say, ret_ready);
}

void dial_run(struct dial *d)
{
    bool moved = true, is_ready = false;
    enum reason reason = REASON_NONE;
    for (int i = 0; i < STEPS_A_RUN && moved && !is_ready && reason == REASON_NONE; i++) {
        moved = false;
        reason = step(d, &moved, &is_ready);
    }
    stream_flush(d->all, &d->stream);
    if (reason == REASON_NONE && !is_ready && moved)
        reason = REASON_MAIL_BACKEND_BAD; // more than any opening needs
    if (reason == REASON_NONE && !is_ready && d->stream.finished && !d->handshake.waits)
        reason = REASON_MAIL_BACKEND_LOST;
    if (reason != REASON_NONE)
        fail(d, reason, false);
    else if (is_ready)
        ready(d);
}

static struct span proxy_header(struct dial *d, uint8_t buffer[PROXY_HEADER_MAX])
{
    const struct session *s = pool_get(&d->all->pool, d->session);
    if (!s)
        return span_of(buffer, proxy_header_make(NULL, buffer));
    const struct mail_host *host = &s->host;
    struct tls_facts tls = {0};
    if (host->tls)
        tls_facts(s->streams[SIDE_CLIENT].tls, &tls);
    const struct proxy_facts facts = {
        .client = host->client,
        .local = host->local,
        .client_port = host->client_port,
        .local_port = host->local_port,
        .id = host->id,
        .tls_version = host->tls_version,
        .cipher = span_text(host->tls_cipher),
        .server_name = span_text(tls.server_name),
    };
    return span_of(buffer, proxy_header_make(&facts, buffer));
}

static enum reason connected(struct dial *d)
{
    const struct policy_backend *backend = backend_of(d);
    uint8_t buffer[PROXY_HEADER_MAX];
    d->connected = true;
    if (backend->identity == IDENTITY_PROXY &&
        !stream_send(d->all, &d->stream, proxy_header(d, buffer)))
        return REASON_SESSION_NO_BUFFER;
    if (backend->tls == TLS_IMPLICIT && !start_tls(d))
        return REASON_TLS_NO_MEMORY;
    return REASON_NONE;
}

handle dial_open(struct sessions *all, enum dial_use use, handle session,
                 const struct snapshot *snapshot, unsigned backend, unsigned server, uint16_t slot)
{
    const struct policy_backend *facts = &snapshot->policy->backends[backend];
    const struct policy_server *to = &facts->servers[server];
    const struct addr *local = all->config.local(all->config.context, &to->addr);
    enum reason reason = local ? REASON_SESSION_NO_SLOT : REASON_NO_ROUTE;
    bool counted = false;
    void *object;
    handle self = local ? pool_take(&all->dials, &object) : HANDLE_NONE;
    if (self != HANDLE_NONE) {
        struct dial *d = object;
        *d = (struct dial){.all = all,
                           .snapshot = snapshot,
                           .self = self,
                           .session = session,
                           .slot = slot,
                           .backend = (uint8_t)backend,
                           .server = (uint8_t)server,
                           .use = (uint8_t)use,
                           .handshake = {.of_dial = true}};
        opening_start(&d->opening, session_protocol((enum protocol)facts->protocol),
                      facts->tls == TLS_STARTTLS);
        uint64_t user = use == DIAL_SESSION ? session | USER_BACKEND : self | USER_DIAL;
        d->stream.connection = tcp_connect(all->config.tcp, local, &to->addr, to->port, LEG_INSIDE,
                                           user, all->now_us, &reason);
        if (d->stream.connection != HANDLE_NONE) {
            timer_set(&all->dial_timers, &d->timer, all->now_us + patience_us(d));
            return self;
        }
        counted = true; // by tcp
        pool_give(&all->dials, self);
    }
    if (!counted)
        counter_refuse(all->config.counters, reason);
    servers_failed(&all->servers, slot, reason, all->now_us);
    return HANDLE_NONE;
}

static void spare_forget(struct dial *d)
{
    struct server *server = &d->all->servers.slots[d->slot];
    unsigned i = 0;
    while (server->spares[i] != d->self)
        i++;
    server->spares_count--;
    memmove(&server->spares[i], &server->spares[i + 1],
            (server->spares_count - i) * sizeof server->spares[0]);
}

// A spare has grown old, or its server has hung up, which is no failure.
static void spare_end(struct dial *d)
{
    spare_forget(d);
    farewell(d);
    dial_free(d);
}

void dial_event(struct sessions *all, handle h, const struct tcp_event *event)
{
    struct dial *d = pool_get(&all->dials, h);
    if (!d || d->stream.connection != event->connection)
        return;
    if (d->ready) {
        if (event->bits & ~(uint32_t)TCP_EVENT_WRITABLE)
            spare_end(d);
        return;
    }
    enum reason reason = REASON_NONE;
    if (event->bits & TCP_EVENT_CONNECTED)
        reason = connected(d);
    bool refused = (event->bits & TCP_EVENT_CLOSED) && !d->connected;
    if (event->bits & (TCP_EVENT_FINISHED | TCP_EVENT_CLOSED))
        d->stream.finished = true;
    if (reason != REASON_NONE)
        fail(d, reason, false);
    else if (refused)
        fail(d, event->reason, true);
    else
        dial_run(d); // d may be gone after this call
}

void dial_drop(struct sessions *all, handle h)
{
    struct dial *d = pool_get(&all->dials, h);
    if (!d)
        return;
    if (d->ready)
        spare_forget(d);
    if (d->ready)
        farewell(d);
    dial_free(d);
}

bool dial_take_spare(struct sessions *all, uint16_t slot, struct dialled *ret_dialled)
{
    struct server *server = &all->servers.slots[slot];
    while (server->spares_count > 0) { // each round has one less
        struct dial *d = pool_get(&all->dials, server->spares[--server->spares_count]);
        bool usable = !stream_input_waits(all, &d->stream) && stream_room(all, &d->stream) > 0;
        if (usable) {
            *ret_dialled = (struct dialled){d->stream, d->opening.offer};
            d->stream = (struct stream){0};
        }
        dial_free(d);
        if (usable)
            return true;
    }
    return false;
}

void dial_more_spares(struct sessions *all, unsigned backend, unsigned server, uint16_t slot,
                      bool found)
{
    const struct policy *policy = all->snapshot->policy;
    uint64_t most = policy->limits[LIMIT_BACKEND_SPARES];
    struct server *s = &all->servers.slots[slot];
    if (policy->backends[backend].protocol != PROTOCOL_SMTP ||
        policy->backends[backend].identity == IDENTITY_PROXY || s->drained)
        return;
    for (int i = found ? 1 : 2; i > 0 && s->spares_count + s->spares_opening < most; i--) {
        if (dial_open(all, DIAL_SPARE, HANDLE_NONE, all->snapshot, backend, server, slot) ==
            HANDLE_NONE)
            return;
        s->spares_opening++;
    }
}

void dial_policy(struct sessions *all)
{
    for (uint32_t i = 0; i < all->dials.count; i++) {
        struct dial *d = pool_get(&all->dials, pool_at(&all->dials, i));
        if (d && d->use != DIAL_SESSION)
            dial_drop(all, d->self);
    }
}

static void timer_fired(void *context, struct timer *timer)
{
    struct dial *d = (struct dial *)((uint8_t *)timer - offsetof(struct dial, timer));
    if (d->ready) {
        spare_end(d);
        return;
    }
    if (d->securing)
        fail(d, REASON_TLS_BACKEND_FAILED, false);
    else
        fail(d, d->connected ? REASON_MAIL_BACKEND_SLOW : REASON_TCP_UNREACHABLE, false);
}

static void check(struct sessions *all, uint16_t slot, uint64_t every_us)
{
    struct server *s = &all->servers.slots[slot];
    if (s->checking || s->check_us > all->now_us)
        return;
    s->check_us = all->now_us + every_us;
    s->checks++;
    counter_add(all->config.counters, COUNTER_BACKEND_CHECKS, 1);
    s->checking = dial_open(all, DIAL_CHECK, HANDLE_NONE, all->snapshot, s->backend_index,
                            s->server_index, slot) != HANDLE_NONE;
}

void dial_advance(struct sessions *all)
{
    wheel_advance(&all->dial_timers, all->now_us, TIMERS_A_TURN, timer_fired, all);
    if (!all->snapshot || all->now_us < all->checks_us)
        return;
    all->checks_us = all->now_us + CHECKS_EVERY_US;
    counter_set(all->config.counters, COUNTER_BACKEND_SERVERS_DOWN, servers_down(&all->servers));
    uint64_t every_us = all->snapshot->policy->limits[LIMIT_BACKEND_CHECK_SECONDS] * 1000000;
    for (uint16_t slot = 0; every_us && slot < SERVER_SLOTS; slot++)
        if (all->servers.slots[slot].listed)
            check(all, slot, every_us);
}
