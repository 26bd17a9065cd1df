// SPDX-License-Identifier: BSD-3-Clause
#include "session/stream.h"

#include "session/session_internal.h"

enum {
    TLS_ROOM = 16384, // plaintext that TLS takes while less than that waits to go out
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
        uint32_t left = stash_size(stash);
        memmove(stash->bytes, stash->bytes + stash->start, left);
        explicit_bzero(stash->bytes + left, stash->start); // what lay behind, or was left there
        stash->end = left;
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

static size_t give(struct sessions *all, struct stream *stream, struct span data)
{
    size_t sent = tcp_send(all->config.tcp, stream->connection, data);
    stream->given += sent;
    return sent;
}

size_t stream_room(const struct sessions *all, const struct stream *stream)
{
    if (stash_size(&stream->spill) > 0)
        return 0;
    if (stream->tls)
        return tls_output(stream->tls).size < TLS_ROOM ? TLS_ROOM : 0;
    return tcp_send_room(all->config.tcp, stream->connection);
}

bool stream_send(struct sessions *all, struct stream *stream, struct span data)
{
    while (stream->tls && data.size) {
        size_t taken = tls_write(stream->tls, data);
        if (taken == 0)
            return false;
        data = span_skip(data, taken);
    }
    if (stash_size(&stream->spill) == 0)
        data = span_skip(data, give(all, stream, data));
    if (data.size == 0)
        return true;
    // Short of room only for replies to events that no input caused; the spill holds several.
    return stash_open(all, &stream->spill) && stash_put(&stream->spill, data) == data.size;
}

static void flush_tls(struct sessions *all, struct stream *stream)
{
    for (;;) {
        struct span waiting = tls_output(stream->tls);
        if (waiting.size == 0)
            return;
        size_t sent = give(all, stream, waiting);
        if (sent == 0)
            return;
        tls_output_sent(stream->tls, sent);
    }
}

bool stream_flush(struct sessions *all, struct stream *stream)
{
    if (stash_size(&stream->spill) > 0) {
        size_t sent = give(all, stream, stash_span(&stream->spill));
        stash_skip(all, &stream->spill, sent);
    }
    if (stash_size(&stream->spill) > 0)
        return false;
    if (!stream->tls)
        return true;
    flush_tls(all, stream);
    return tls_output(stream->tls).size == 0;
}

void stream_drop(struct sessions *all, struct stream *stream)
{
    stash_skip(all, &stream->input, stash_size(&stream->input));
    stash_skip(all, &stream->spill, stash_size(&stream->spill));
}

void stream_close(struct sessions *all, struct stream *stream)
{
    if (stream->tls)
        tls_finish(stream->tls);
    stream_flush(all, stream);
    stream_drop(all, stream);
    tcp_release(all->config.tcp, stream->connection);
    tls_close(stream->tls);
    *stream = (struct stream){0};
}

struct span stream_input(const struct stream *stream)
{
    return stash_span(&stream->input);
}

void stream_skip(struct sessions *all, struct stream *stream, size_t size)
{
    stash_skip(all, &stream->input, size);
}

bool stream_input_waits(const struct sessions *all, const struct stream *stream)
{
    return stash_size(&stream->input) > 0 || tcp_readable(all->config.tcp, stream->connection) > 0;
}

static bool has_line(struct span bytes)
{
    return span_find(bytes, '\n') < bytes.size;
}

bool stream_has_line(const struct sessions *all, const struct stream *stream)
{
    struct span first;
    unsigned count = tcp_peek(all->config.tcp, stream->connection, &first, 1);
    return has_line(stash_span(&stream->input)) || (count > 0 && !stream->tls && has_line(first));
}

// Moves received plaintext behind what was left.
static enum stream_result fill_from_tcp(struct sessions *all, struct stream *stream)
{
    struct span spans[PEEK_SPANS];
    unsigned count = tcp_peek(all->config.tcp, stream->connection, spans, PEEK_SPANS);
    if (count == 0)
        return STREAM_OK;
    if (!stash_open(all, &stream->input))
        return STREAM_NO_BUFFER;
    size_t moved = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t put = stash_put(&stream->input, spans[i]);
        moved += put;
        if (put < spans[i].size)
            break;
    }
    tcp_consume(all->config.tcp, stream->connection, moved);
    return STREAM_OK;
}

bool stream_feed(struct sessions *all, struct stream *stream)
{
    struct span spans[PEEK_SPANS];
    unsigned count = tcp_peek(all->config.tcp, stream->connection, spans, PEEK_SPANS);
    size_t fed = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t took = tls_feed(stream->tls, spans[i]);
        fed += took;
        if (took < spans[i].size)
            break;
    }
    tcp_consume(all->config.tcp, stream->connection, fed);
    return fed > 0;
}

// Decrypts behind what was left.
static enum stream_result fill_from_tls(struct sessions *all, struct stream *stream)
{
    struct stash *input = &stream->input;
    bool had = stash_size(input) > 0;
    enum tls_state state = TLS_OPEN;
    for (bool more = true; more;) {
        more = stream_feed(all, stream);
        if (!stash_open(all, input))
            return STREAM_NO_BUFFER;
        size_t got;
        while ((got = tls_read(stream->tls, input->bytes + input->end,
                               INPUT_BUFFER_SIZE - input->end, &state)) > 0) {
            input->end += (uint32_t)got;
            if (input->end == INPUT_BUFFER_SIZE)
                break;
        }
        if (input->end == INPUT_BUFFER_SIZE || state != TLS_OPEN)
            break;
    }
    if (!had && stash_size(input) == 0)
        stash_skip(all, input, 0); // nothing came: give the buffer back
    if (state == TLS_PEER_CLOSED)
        stream->finished = true;
    return state == TLS_FAILED && stash_size(input) == 0 ? STREAM_BAD_RECORD : STREAM_OK;
}

enum stream_result stream_fill(struct sessions *all, struct stream *stream)
{
    return stream->tls ? fill_from_tls(all, stream) : fill_from_tcp(all, stream);
}

int stream_step(struct stream *stream, bool fed)
{
    enum tls_state state = tls_step(stream->tls);
    if (state == TLS_OPEN)
        return 1;
    return state == TLS_HANDSHAKING && (fed || !stream->finished) ? 0 : -1;
}
