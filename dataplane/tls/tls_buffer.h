// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A queue of bytes that owns memory only while it holds some: an idle session costs nothing here.
 *
 * What waits is wiped wherever it is moved from, and by done: some of it may be decrypted. What is
 * skipped is not.
 *
 * What may be put is the caller's limit. A session has two: ciphertext that OpenSSL has not read
 * yet, and ciphertext that TCP has not taken yet.
 */

#include "base/span.h"

struct tls_buffer {
    uint8_t *at;       // NULL while empty
    size_t begin, end; // bytes [begin, end) wait
    size_t size;       // bytes allocated
};

static inline size_t tls_buffer_waiting(const struct tls_buffer *buffer)
{
    return buffer->end - buffer->begin;
}

static inline struct span tls_buffer_span(const struct tls_buffer *buffer)
{
    return span_of(buffer->at ? buffer->at + buffer->begin : NULL, tls_buffer_waiting(buffer));
}

// Room behind what waits, for the caller to write to and to move `end` over; NULL: no memory.
uint8_t *tls_buffer_room(struct tls_buffer *buffer, size_t wanted);
bool tls_buffer_put(struct tls_buffer *buffer, struct span data); // all of it, or false: no memory
void tls_buffer_skip(struct tls_buffer *buffer, size_t size);     // at most what waits
void tls_buffer_done(struct tls_buffer *buffer);
