// SPDX-License-Identifier: BSD-3-Clause
#include "mail/excess.h"
#include "session/session_internal.h"

size_t session_stream_room(const struct session *s, enum mail_side side)
{
    if (side == SIDE_BACKEND && !s->backend_connected)
        return 0;
    return stream_room(s->all, &s->streams[side]);
}

void session_stream_send(struct session *s, enum mail_side side, struct span data)
{
    if (side == SIDE_CLIENT)
        s->host.report.bytes_out += data.size;
    if (!stream_send(s->all, &s->streams[side], data))
        session_end(s, REASON_SESSION_NO_BUFFER);
}

bool session_stream_flush(struct session *s)
{
    bool empty = true;
    for (int side = 0; side < SIDES; side++)
        empty &= stream_flush(s->all, &s->streams[side]);
    return empty;
}

static bool backend_has_room(const struct session *s)
{
    return !s->backend_connected ||
           session_stream_room(s, SIDE_BACKEND) >= LINE_BYTES_MAX + REPLY_MAX;
}

// May the machine be called with input of that side? The backend's is read even when the backend
// does not read ours, or two full directions would wait for each other for ever.
static bool machine_has_room(const struct session *s, enum mail_side side)
{
    return session_stream_room(s, SIDE_CLIENT) >= REPLY_MAX &&
           (side == SIDE_BACKEND || backend_has_room(s));
}

static void watch_stall(struct session *s)
{
    if (s->host.stalled || backend_has_room(s) ||
        !stream_input_waits(s->all, &s->streams[SIDE_CLIENT]))
        return;
    s->host.stalled = true;
    s->stall_us = excess_end_us(&s->host, LIMIT_BACKEND_SECONDS, s->all->now_us);
}

static void stall_ends(struct session *s)
{
    s->host.stalled = false;
    s->stall_us = UINT64_MAX;
}

void session_stream_stall_over(struct session *s)
{
    struct stream *backend = &s->streams[SIDE_BACKEND];
    tcp_abort(s->all->config.tcp, backend->connection);
    backend->connection = HANDLE_NONE;
    backend->finished = true;
    stall_ends(s);
}

// May something else than more input still move the machine?
static bool machine_may_wait(const struct session *s)
{
    for (int slot = 0; slot < QUESTION_KINDS; slot++)
        if (s->questions[slot] != HANDLE_NONE || s->answer_failed[slot])
            return true;
    return s->streams[SIDE_BACKEND].connection != HANDLE_NONE || s->dial != HANDLE_NONE ||
           s->news != NEWS_NONE;
}

// Whoever waits to be read waits in TCP, whose window closes.
static bool is_held(const struct session *s, enum mail_side side)
{
    return side == SIDE_CLIENT && s->all->now_us < s->hold_us;
}

bool session_stream_is_spent(struct session *s, enum mail_side side)
{
    if (!stream_input_waits(s->all, &s->streams[side]))
        return true;
    if (!machine_has_room(s, side) || is_held(s, side) || s->host.waits[side])
        return false;
    if (!machine_may_wait(s)) // it was offered all there is, and left this
        return true;
    return !stream_has_line(s->all, &s->streams[side]);
}

static size_t offer(struct session *s, enum mail_side side, struct span input)
{
    uint64_t now_us = s->all->now_us;
    size_t taken = side == SIDE_CLIENT
                       ? s->protocol->client_input(session_machine(s), input, now_us)
                       : s->protocol->backend_input(session_machine(s), input, now_us);
    CHECK(taken <= input.size);
    if (side == SIDE_CLIENT) {
        s->host.report.bytes_in += taken;
        stall_ends(s);
    }
    return taken;
}

static bool fill(struct session *s, enum mail_side side)
{
    switch (stream_fill(s->all, &s->streams[side])) {
    case STREAM_OK:
        return true;
    case STREAM_NO_BUFFER:
        session_end(s, REASON_SESSION_NO_BUFFER);
        return false;
    case STREAM_BAD_RECORD:
        break;
    }
    if (side == SIDE_CLIENT)
        session_end(s, REASON_TLS_RECORD_BAD);
    else
        s->streams[side].finished = true; // as good as closed
    return false;
}

// Without anything left over, bytes go from the packet buffer to the machine uncopied.
static bool pump_uncopied(struct session *s, enum mail_side side)
{
    struct tcp *tcp = s->all->config.tcp;
    struct span spans[2];
    handle connection = s->streams[side].connection;
    unsigned count = tcp_peek(tcp, connection, spans, 2);
    if (count == 0)
        return false;
    size_t taken = offer(s, side, spans[0]);
    if (connection != s->streams[side].connection)
        return true; // the machine has changed its backend: the old bytes went with it
    tcp_consume(tcp, connection, taken);
    // A line that two packets share is whole only now, and no event may come for it.
    bool joined = taken < spans[0].size && count > 1 && fill(s, side);
    return taken > 0 || joined;
}

bool session_stream_pump(struct session *s, enum mail_side side)
{
    CHECK(side == SIDE_CLIENT || side == SIDE_BACKEND);
    struct stream *stream = &s->streams[side];
    if (!s->machine_started || s->tls_wanted || is_held(s, side))
        return false;
    if (side == SIDE_CLIENT)
        watch_stall(s);
    if (!machine_has_room(s, side))
        return false;
    if (side == SIDE_BACKEND && !s->backend_connected)
        return false;
    if (!stream->tls && stream_input(stream).size == 0)
        return pump_uncopied(s, side);

    fill(s, side);
    if (s->phase != SESSION_TALK || stream_input(stream).size == 0)
        return false;
    handle connection = stream->connection;
    size_t taken = offer(s, side, stream_input(stream));
    if (connection == stream->connection && stream_input(stream).size >= taken)
        stream_skip(s->all, stream, taken);
    return taken > 0;
}

void session_stream_start_tls(struct session *s)
{
    struct tcp *tcp = s->all->config.tcp;
    struct stream *client = &s->streams[SIDE_CLIENT];
    // What came behind STARTTLS in the clear was never meant by the client (CVE-2011-0411).
    if (s->machine_started && stream_input_waits(s->all, client)) {
        session_refuse(s, REASON_TLS_PLAINTEXT_INJECTED);
        stream_skip(s->all, client, stream_input(client).size);
        tcp_consume(tcp, client->connection, tcp_readable(tcp, client->connection));
    }
    enum reason reason = session_charge(s, CHARGE_TLS, (struct span){0});
    if (reason != REASON_NONE) {
        session_end(s, reason);
        return;
    }
    const struct policy_service *service = &s->host.policy->services[s->host.service];
    client->tls = tls_open(s->snapshot->tls, (enum protocol)service->protocol);
    if (!client->tls) {
        session_end(s, REASON_TLS_NO_MEMORY);
        return;
    }
    s->phase = SESSION_HANDSHAKE;
    s->deadline_us = UINT64_MAX;
    s->phase_us = excess_end_us(&s->host, LIMIT_TLS_HANDSHAKE_SECONDS, s->all->now_us);
}

static void note_tls_facts(struct session *s)
{
    struct tls_facts facts;
    tls_facts(s->streams[SIDE_CLIENT].tls, &facts);
    s->host.tls = true;
    s->host.tls_version = facts.version;
    s->host.report.tls_version = facts.version;
    span_to_text(span_text(facts.cipher), s->host.tls_cipher, sizeof s->host.tls_cipher);
}

bool session_stream_handshake(struct session *s)
{
    struct stream *client = &s->streams[SIDE_CLIENT];
    bool fed = stream_feed(s->all, client);
    if (tls_has_step(client->tls) && !session_handshake_may_step(s->all, &s->handshake))
        return false;
    int done = stream_step(client, fed);
    if (done > 0)
        note_tls_facts(s);
    else if (done < 0)
        session_end(s, tls_refusal(client->tls));
    return done < 0 || (done == 0 && fed);
}
