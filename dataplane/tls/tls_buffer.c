// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_buffer.h"

#include "base/check.h"

#include <stdlib.h>

enum { STEP = 2048 }; // bytes that an allocation is a multiple of: one segment's worth

uint8_t *tls_buffer_room(struct tls_buffer *buffer, size_t wanted)
{
    size_t waiting = tls_buffer_waiting(buffer);
    if (buffer->size - buffer->end < wanted && buffer->begin > 0) {
        memmove(buffer->at, buffer->at + buffer->begin, waiting);
        size_t stale = waiting > buffer->begin ? waiting : buffer->begin;
        explicit_bzero(buffer->at + stale, buffer->end - stale);
        buffer->begin = 0;
        buffer->end = waiting;
    }
    if (buffer->size - buffer->end < wanted) {
        size_t least = waiting + wanted;
        size_t size = least > 2 * buffer->size ? least : 2 * buffer->size;
        size = (size + STEP - 1) / STEP * STEP;
        uint8_t *at = malloc(size);
        if (!at)
            return NULL;
        if (waiting)
            memcpy(at, buffer->at + buffer->begin, waiting);
        tls_buffer_done(buffer);
        *buffer = (struct tls_buffer){.at = at, .end = waiting, .size = size};
    }
    return buffer->at + buffer->end;
}

bool tls_buffer_put(struct tls_buffer *buffer, struct span data)
{
    if (data.size == 0)
        return true;
    uint8_t *room = tls_buffer_room(buffer, data.size);
    if (!room)
        return false;
    memcpy(room, data.at, data.size);
    buffer->end += data.size;
    return true;
}

void tls_buffer_skip(struct tls_buffer *buffer, size_t size)
{
    CHECK(size <= tls_buffer_waiting(buffer));
    buffer->begin += size;
    if (buffer->begin == buffer->end)
        tls_buffer_done(buffer);
}

void tls_buffer_done(struct tls_buffer *buffer)
{
    if (buffer->at)
        explicit_bzero(buffer->at + buffer->begin, tls_buffer_waiting(buffer));
    free(buffer->at);
    *buffer = (struct tls_buffer){0};
}
