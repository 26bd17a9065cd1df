// SPDX-License-Identifier: BSD-3-Clause
#include "base/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pool_init(struct pool *pool, uint32_t count, size_t size)
{
    CHECK(count > 0 && count < UINT32_MAX && size > 0 && size < UINT32_MAX / 2);
    *pool = (struct pool){.count = count, .size = (uint32_t)((size + 63) / 64 * 64)};
    pool->objects = aligned_alloc(64, (size_t)count * pool->size);
    pool->generations = calloc(count, sizeof *pool->generations);
    pool->free_next = malloc((size_t)count * sizeof *pool->free_next);
    if (!pool->objects || !pool->generations || !pool->free_next) {
        pool_done(pool);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++)
        pool->free_next[i] = i + 1;
    return 0;
}

void pool_done(struct pool *pool)
{
    free(pool->objects);
    free(pool->generations);
    free(pool->free_next);
    memset(pool, 0, sizeof *pool);
}

handle pool_at(const struct pool *pool, uint32_t index)
{
    CHECK(index < pool->count);
    uint32_t generation = pool->generations[index];
    return generation & 1 ? (uint64_t)generation << 32 | (index + 1) : HANDLE_NONE;
}

handle pool_take(struct pool *pool, void **ret_object)
{
    uint32_t index = pool->free_head;
    if (index == pool->count)
        return HANDLE_NONE;
    pool->free_head = pool->free_next[index];
    pool->generations[index]++;
    pool->used++;
    *ret_object = pool->objects + (size_t)index * pool->size;
    return pool_at(pool, index);
}

void *pool_get(const struct pool *pool, handle h)
{
    uint32_t index = (uint32_t)h - 1;
    uint32_t generation = (uint32_t)(h >> 32);
    if (index >= pool->count || !(generation & 1) || pool->generations[index] != generation)
        return NULL;
    return pool->objects + (size_t)index * pool->size;
}

void pool_give(struct pool *pool, handle h)
{
    CHECK(pool_get(pool, h) != NULL);
    uint32_t index = (uint32_t)h - 1;
    pool->generations[index]++;
    pool->free_next[index] = pool->free_head;
    pool->free_head = index;
    pool->used--;
}
