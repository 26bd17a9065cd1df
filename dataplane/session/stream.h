// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One TCP connection of ours, towards a client or towards a backend's server, with TLS over it or
 * without, as a stream of plaintext: what came and was not taken, and what was sent and had no
 * room.
 *
 * Buffers come from the sessions' pool and are held only while something waits. A stream is plain
 * data and may be copied from one owner to the next, who then tells tcp (tcp_give).
 */

#include "base/pool.h"
#include "base/span.h"

struct sessions;
struct tls;

struct stash { // bytes that wait, in a buffer of the pool while there are any
    handle buffer;
    uint8_t *bytes;
    uint32_t start, end;
};

struct stream {
    handle connection;  // HANDLE_NONE: none
    struct tls *tls;    // NULL: in the clear
    struct stash input; // plaintext that nobody has taken
    struct stash spill; // for tcp_send, when it had no room
    bool finished;      // the peer's FIN or end has come
    uint64_t given;     // bytes that tcp took, ever
};

size_t stream_room(const struct sessions *all, const struct stream *stream); // bytes
// False: there was no buffer for what had no room.
bool stream_send(struct sessions *all, struct stream *stream, struct span data) MUST_CHECK;
// Moves what waits; true: nothing waits any more.
bool stream_flush(struct sessions *all, struct stream *stream);
void stream_drop(struct sessions *all, struct stream *stream); // input and spill
// Flushes, ends the connection in an orderly way, frees everything.
void stream_close(struct sessions *all, struct stream *stream);

enum stream_result { STREAM_OK, STREAM_NO_BUFFER, STREAM_BAD_RECORD };
// Moves what came behind what was left.
enum stream_result stream_fill(struct sessions *all, struct stream *stream);
struct span stream_input(const struct stream *stream);
void stream_skip(struct sessions *all, struct stream *stream, size_t size); // of the input
bool stream_input_waits(const struct sessions *all, const struct stream *stream);
// A whole line waits, as far as can be seen.
bool stream_has_line(const struct sessions *all, const struct stream *stream);

// A TLS handshake: what came is fed to it (true: something did), then it takes a step. 1: it is
// done; 0: it waits for more; -1: it failed.
bool stream_feed(struct sessions *all, struct stream *stream);
int stream_step(struct stream *stream, bool fed);
