// SPDX-License-Identifier: BSD-3-Clause
#include "session/session_internal.h"

enum {
    TLS_ROOM = 16384, // plaintext that the client's TLS takes while less than that waits to go out
    PEEK_SPANS = 8,
};

static uint32_t stash_size(const struct stash *stash)
{
    return stash->end - stash->start;
}

static struct span stash_span(const struct stash *stash)
{
    return span_of(stash->bytes + stash->start, stash_size(stash));
}

static void stash_skip(struct sessions *all, struct stash *stash, size_t size)
{
    stash->start += (uint32_t)size;
    CHECK(stash->start <= stash->end);
    if (stash->start == stash->end && stash->buffer != HANDLE_NONE) {
        explicit_bzero(stash->bytes, stash->end); // credentials may have been among them
        pool_give(&all->buffers, stash->buffer);
        *stash = (struct stash){0};
    }
}

// Makes room behind what waits; false when the buffer pool is exhausted.
static bool stash_open(struct sessions *all, struct stash *stash)
{
    if (stash->buffer == HANDLE_NONE) {
        void *bytes;
        stash->buffer = pool_take(&all->buffers, &bytes);
        if (stash->buffer == HANDLE_NONE)
            return false;
        stash->bytes = bytes;
        stash->start = stash->end = 0;
    }
    if (stash->start > 0) {
        memmove(stash->bytes, stash->bytes + stash->start, stash_size(stash));
        stash->end -= stash->start;
        stash->start = 0;
    }
    return true;
}

static size_t stash_put(struct stash *stash, struct span data)
{
    size_t room = INPUT_BUFFER_SIZE - stash->end;
    size_t size = data.size < room ? data.size : room;
    if (size)
        memcpy(stash->bytes + stash->end, data.at, size);
    stash->end += (uint32_t)size;
    return size;
}

static bool side_is_tls(const struct session *s, enum mail_side side)
{
    return side == SIDE_CLIENT && s->tls != NULL;
}

size_t session_stream_room(const struct session *s, enum mail_side side)
{
    if (side == SIDE_BACKEND && !s->backend_connected)
        return 0;
    if (stash_size(&s->spill[side]) > 0)
        return 0;
    if (side_is_tls(s, side))
        return tls_output(s->tls).size < TLS_ROOM ? TLS_ROOM : 0;
    return tcp_send_room(s->all->config.tcp, s->connection[side]);
}

static void send_tls(struct session *s, struct span data)
{
    while (data.size) {
        size_t taken = tls_write(s->tls, data);
        if (taken == 0) {
            session_end(s, REASON_SESSION_NO_BUFFER);
            return;
        }
        data = span_skip(data, taken);
    }
}

void session_stream_send(struct session *s, enum mail_side side, struct span data)
{
    if (side == SIDE_CLIENT)
        s->host.report.bytes_out += data.size;
    if (side_is_tls(s, side)) {
        send_tls(s, data);
        return;
    }
    struct stash *spill = &s->spill[side];
    if (stash_size(spill) == 0)
        data = span_skip(data, tcp_send(s->all->config.tcp, s->connection[side], data));
    if (data.size == 0)
        return;
    // Short of room only for replies to events that no input caused; the spill holds several.
    if (!stash_open(s->all, spill) || stash_put(spill, data) < data.size)
        session_end(s, REASON_SESSION_NO_BUFFER);
}

static void flush_tls(struct session *s)
{
    for (;;) {
        struct span waiting = tls_output(s->tls);
        if (waiting.size == 0)
            return;
        size_t sent = tcp_send(s->all->config.tcp, s->connection[SIDE_CLIENT], waiting);
        if (sent == 0)
            return;
        tls_output_sent(s->tls, sent);
    }
}

bool session_stream_flush(struct session *s)
{
    bool empty = true;
    for (int side = 0; side < SIDES; side++) {
        struct stash *spill = &s->spill[side];
        if (stash_size(spill) > 0) {
            size_t sent = tcp_send(s->all->config.tcp, s->connection[side], stash_span(spill));
            stash_skip(s->all, spill, sent);
        }
        empty &= stash_size(spill) == 0;
    }
    if (s->tls && stash_size(&s->spill[SIDE_CLIENT]) == 0) {
        flush_tls(s);
        empty &= tls_output(s->tls).size == 0;
    }
    return empty;
}

void session_stream_drop(struct session *s, enum mail_side side)
{
    stash_skip(s->all, &s->input[side], stash_size(&s->input[side]));
    stash_skip(s->all, &s->spill[side], stash_size(&s->spill[side]));
}

static bool input_waits(const struct session *s, enum mail_side side)
{
    return stash_size(&s->input[side]) > 0 ||
           tcp_readable(s->all->config.tcp, s->connection[side]) > 0;
}

static bool has_line(struct span bytes)
{
    return span_find(bytes, '\n') < bytes.size;
}

// May the machine be called with input of that side? The backend's is read even when the backend
// does not read ours, or two full directions would wait for each other for ever.
static bool machine_has_room(const struct session *s, enum mail_side side)
{
    if (session_stream_room(s, SIDE_CLIENT) < REPLY_MAX)
        return false;
    return side == SIDE_BACKEND || !s->backend_connected ||
           session_stream_room(s, SIDE_BACKEND) >= LINE_BYTES_MAX + REPLY_MAX;
}

// May something else than more input still move the machine?
static bool machine_may_wait(const struct session *s)
{
    for (int slot = 0; slot < QUESTION_KINDS; slot++)
        if (s->questions[slot] != HANDLE_NONE || s->answer_failed[slot])
            return true;
    return s->connection[SIDE_BACKEND] != HANDLE_NONE || s->connect_failed;
}

bool session_stream_is_spent(struct session *s, enum mail_side side)
{
    if (!input_waits(s, side))
        return true;
    if (!machine_has_room(s, side))
        return false;
    if (!machine_may_wait(s)) // it was offered all there is, and left this
        return true;
    struct span first;
    unsigned count = tcp_peek(s->all->config.tcp, s->connection[side], &first, 1);
    bool line_in_tcp = count > 0 && !side_is_tls(s, side) && has_line(first);
    return !line_in_tcp && !has_line(stash_span(&s->input[side]));
}

static size_t offer(struct session *s, enum mail_side side, struct span input)
{
    uint64_t now_us = s->all->now_us;
    size_t taken = side == SIDE_CLIENT ? s->protocol->client_input(s->state, input, now_us)
                                       : s->protocol->backend_input(s->state, input, now_us);
    CHECK(taken <= input.size);
    if (side == SIDE_CLIENT)
        s->host.report.bytes_in += taken;
    return taken;
}

// Moves received plaintext behind what the machine has left.
static bool fill_from_tcp(struct session *s, enum mail_side side)
{
    struct tcp *tcp = s->all->config.tcp;
    struct stash *input = &s->input[side];
    struct span spans[PEEK_SPANS];
    unsigned count = tcp_peek(tcp, s->connection[side], spans, PEEK_SPANS);
    if (count == 0)
        return true;
    if (!stash_open(s->all, input))
        return false;
    size_t moved = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t put = stash_put(input, spans[i]);
        moved += put;
        if (put < spans[i].size)
            break;
    }
    tcp_consume(tcp, s->connection[side], moved);
    return true;
}

static bool feed_tls(struct session *s)
{
    struct tcp *tcp = s->all->config.tcp;
    struct span spans[PEEK_SPANS];
    unsigned count = tcp_peek(tcp, s->connection[SIDE_CLIENT], spans, PEEK_SPANS);
    size_t fed = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t took = tls_feed(s->tls, spans[i]);
        fed += took;
        if (took < spans[i].size)
            break;
    }
    tcp_consume(tcp, s->connection[SIDE_CLIENT], fed);
    return fed > 0;
}

// Decrypts behind what the machine has left; false when the session cannot go on.
static bool fill_from_tls(struct session *s)
{
    struct stash *input = &s->input[SIDE_CLIENT];
    bool had = stash_size(input) > 0;
    enum tls_state state = TLS_OPEN;
    for (bool more = true; more;) {
        more = feed_tls(s);
        if (!stash_open(s->all, input))
            return false;
        size_t got;
        while ((got = tls_read(s->tls, input->bytes + input->end, INPUT_BUFFER_SIZE - input->end,
                               &state)) > 0) {
            input->end += (uint32_t)got;
            if (input->end == INPUT_BUFFER_SIZE)
                break;
        }
        if (input->end == INPUT_BUFFER_SIZE || state != TLS_OPEN)
            break;
    }
    if (!had && stash_size(input) == 0)
        stash_skip(s->all, input, 0); // nothing came: give the buffer back
    if (state == TLS_PEER_CLOSED)
        s->finished[SIDE_CLIENT] = true;
    if (state == TLS_FAILED && stash_size(input) == 0)
        session_end(s, REASON_TLS_RECORD_BAD);
    return true;
}

// Without anything left over, bytes go from the packet buffer to the machine uncopied.
static bool pump_uncopied(struct session *s, enum mail_side side)
{
    struct tcp *tcp = s->all->config.tcp;
    struct span spans[2];
    unsigned count = tcp_peek(tcp, s->connection[side], spans, 2);
    if (count == 0)
        return false;
    handle connection = s->connection[side];
    size_t taken = offer(s, side, spans[0]);
    if (connection != s->connection[side])
        return true; // the machine has changed its backend: the old bytes went with it
    tcp_consume(tcp, connection, taken);
    if (taken < spans[0].size && count > 1 && !fill_from_tcp(s, side))
        session_end(s, REASON_SESSION_NO_BUFFER);
    return taken > 0;
}

bool session_stream_pump(struct session *s, enum mail_side side)
{
    CHECK(side == SIDE_CLIENT || side == SIDE_BACKEND);
    struct stash *input = &s->input[side];
    if (!s->machine_started || s->tls_wanted || !machine_has_room(s, side))
        return false;
    if (side == SIDE_BACKEND && !s->backend_connected)
        return false;
    if (!side_is_tls(s, side) && stash_size(input) == 0)
        return pump_uncopied(s, side);

    bool filled = side_is_tls(s, side) ? fill_from_tls(s) : fill_from_tcp(s, side);
    if (!filled)
        session_end(s, REASON_SESSION_NO_BUFFER);
    if (s->phase != SESSION_TALK || stash_size(input) == 0)
        return false;
    handle connection = s->connection[side];
    size_t taken = offer(s, side, stash_span(input));
    if (connection == s->connection[side] && stash_size(input) >= taken)
        stash_skip(s->all, input, taken);
    return taken > 0;
}

void session_stream_start_tls(struct session *s)
{
    struct tcp *tcp = s->all->config.tcp;
    handle client = s->connection[SIDE_CLIENT];
    // What came behind STARTTLS in the clear was never meant by the client (CVE-2011-0411).
    if (s->machine_started && input_waits(s, SIDE_CLIENT)) {
        session_refuse(s, REASON_TLS_PLAINTEXT_INJECTED);
        stash_skip(s->all, &s->input[SIDE_CLIENT], stash_size(&s->input[SIDE_CLIENT]));
        tcp_consume(tcp, client, tcp_readable(tcp, client));
    }
    const struct policy_service *service = &s->host.policy->services[s->host.service];
    s->tls = tls_open(s->snapshot->tls, (enum protocol)service->protocol);
    if (!s->tls) {
        session_end(s, REASON_TLS_NO_MEMORY);
        return;
    }
    s->phase = SESSION_HANDSHAKE;
    s->deadline_us = UINT64_MAX;
    s->phase_us =
        s->all->now_us + s->host.policy->limits[LIMIT_TLS_HANDSHAKE_SECONDS] * (uint64_t)1000000;
}

static void note_tls_facts(struct session *s)
{
    struct tls_facts facts;
    tls_facts(s->tls, &facts);
    s->host.tls = true;
    s->host.tls_version = facts.version;
    s->host.report.tls_version = facts.version;
    span_to_text(span_text(facts.cipher), s->host.tls_cipher, sizeof s->host.tls_cipher);
}

bool session_stream_handshake(struct session *s)
{
    bool fed = feed_tls(s);
    if (tls_has_step(s->tls) && !session_handshake_may_step(s))
        return false;
    switch (tls_step(s->tls)) {
    case TLS_HANDSHAKING:
        if (s->finished[SIDE_CLIENT] && !fed)
            session_end(s, REASON_TLS_HANDSHAKE_FAILED);
        return fed;
    case TLS_OPEN:
        note_tls_facts(s);
        return false;
    case TLS_PEER_CLOSED:
    case TLS_FAILED:
        session_end(s, REASON_TLS_HANDSHAKE_FAILED);
        return true;
    }
    return false;
}
