// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Fixed-size objects, all memory taken at start, spoken of by handle.
 *
 * A handle is generation << 32 | index + 1, so 0 is never valid. Giving an object back raises its
 * generation: a handle kept too long finds NULL, never somebody else's object. One thread owns a
 * pool. take and give are O(1) and do not allocate. Objects are not cleared by the pool.
 */

#include "base/check.h"

#include <stddef.h>
#include <stdint.h>

typedef uint64_t handle;

enum { HANDLE_NONE = 0 };

struct pool {
    uint8_t *objects;      // count * size bytes
    uint32_t *generations; // odd while taken
    uint32_t *free_next;   // index of the next free object
    uint32_t free_head;    // index, or count when exhausted
    uint32_t count;        // objects in all
    uint32_t used;         // objects taken
    uint32_t size;         // bytes of an object, a multiple of 64
};

// Objects are aligned to 64 bytes. 0 or -ENOMEM.
int pool_init(struct pool *pool, uint32_t count, size_t size) MUST_CHECK;
void pool_done(struct pool *pool);

handle pool_take(struct pool *pool, void **ret_object); // HANDLE_NONE when exhausted
void pool_give(struct pool *pool, handle h);            // h must be valid
void *pool_get(const struct pool *pool, handle h);      // NULL when given back or never taken

// For walks: the handle of the object at `index`, HANDLE_NONE when it is free.
handle pool_at(const struct pool *pool, uint32_t index);
