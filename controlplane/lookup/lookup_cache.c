// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/lookup_cache.h"

#include "base/rng.h"

#include <errno.h>
#include <stdlib.h>

struct lookup_cache_entry {
    struct lookup_digest key;
    uint64_t until_ms;
    uint32_t chain;        // next of the same bucket, index + 1
    uint32_t newer, older; // neighbours by use, index + 1
    uint32_t pad;
};

int lookup_secret_make(struct lookup_secret *ret_secret)
{
    return rng_secret(ret_secret, sizeof *ret_secret);
}

struct lookup_digest lookup_digest_of(const struct lookup_secret *secret, struct span bytes)
{
    return (struct lookup_digest){{siphash(&secret->keys[0], bytes.at, bytes.size),
                                   siphash(&secret->keys[1], bytes.at, bytes.size)}};
}

int lookup_cache_init(struct lookup_cache *cache, uint32_t capacity, size_t value_size)
{
    CHECK(capacity > 0 && capacity < UINT32_MAX / 2 && value_size > 0 && value_size <= 4096);
    uint32_t buckets = 1;
    while (buckets < capacity)
        buckets *= 2;
    *cache = (struct lookup_cache){
        .entries = calloc(capacity, sizeof *cache->entries),
        .values = calloc(capacity, value_size),
        .buckets = calloc(buckets, sizeof *cache->buckets),
        .bucket_mask = buckets - 1,
        .capacity = capacity,
        .value_size = (uint32_t)value_size,
    };
    if (cache->entries && cache->values && cache->buckets)
        return 0;
    lookup_cache_done(cache);
    return -ENOMEM;
}

void lookup_cache_done(struct lookup_cache *cache)
{
    if (cache->values)
        explicit_bzero(cache->values, (size_t)cache->capacity * cache->value_size);
    free(cache->entries);
    free(cache->values);
    free(cache->buckets);
    *cache = (struct lookup_cache){0};
}

static struct lookup_cache_entry *entry_at(const struct lookup_cache *cache, uint32_t number)
{
    return number ? &cache->entries[number - 1] : NULL;
}

static uint32_t *bucket_of(const struct lookup_cache *cache, struct lookup_digest key)
{
    return &cache->buckets[key.word[0] & cache->bucket_mask];
}

static void use_list_remove(struct lookup_cache *cache, uint32_t number)
{
    struct lookup_cache_entry *entry = entry_at(cache, number);
    struct lookup_cache_entry *newer = entry_at(cache, entry->newer);
    struct lookup_cache_entry *older = entry_at(cache, entry->older);
    *(newer ? &newer->older : &cache->newest) = entry->older;
    *(older ? &older->newer : &cache->oldest) = entry->newer;
}

static void use_list_put_newest(struct lookup_cache *cache, uint32_t number)
{
    struct lookup_cache_entry *entry = entry_at(cache, number);
    struct lookup_cache_entry *second = entry_at(cache, cache->newest);
    entry->newer = 0;
    entry->older = cache->newest;
    *(second ? &second->newer : &cache->oldest) = number;
    cache->newest = number;
}

static void chain_remove(struct lookup_cache *cache, uint32_t number)
{
    uint32_t *link = bucket_of(cache, entry_at(cache, number)->key);
    while (*link != number)
        link = &entry_at(cache, *link)->chain;
    *link = entry_at(cache, number)->chain;
}

static uint32_t number_of(const struct lookup_cache *cache, struct lookup_digest key)
{
    uint32_t number = *bucket_of(cache, key);
    while (number && !lookup_digest_equal(entry_at(cache, number)->key, key))
        number = entry_at(cache, number)->chain;
    return number;
}

static uint8_t *value_at(const struct lookup_cache *cache, uint32_t number)
{
    return cache->values + (size_t)(number - 1) * cache->value_size;
}

const void *lookup_cache_find(struct lookup_cache *cache, struct lookup_digest key, uint64_t now_ms)
{
    uint32_t number = number_of(cache, key);
    if (!number || entry_at(cache, number)->until_ms <= now_ms)
        return NULL; // what is past its time ages out of the list by itself
    use_list_remove(cache, number);
    use_list_put_newest(cache, number);
    return value_at(cache, number);
}

uint64_t lookup_cache_until_ms(const struct lookup_cache *cache, const void *value)
{
    size_t index = (size_t)((const uint8_t *)value - cache->values) / cache->value_size;
    return cache->entries[index].until_ms;
}

static uint32_t take_number(struct lookup_cache *cache)
{
    if (cache->count < cache->capacity)
        return ++cache->count;
    uint32_t number = cache->oldest;
    chain_remove(cache, number);
    use_list_remove(cache, number);
    return number;
}

void lookup_cache_put(struct lookup_cache *cache, struct lookup_digest key, const void *value,
                      uint64_t until_ms)
{
    uint32_t number = number_of(cache, key);
    if (number) {
        use_list_remove(cache, number);
    } else {
        number = take_number(cache);
        struct lookup_cache_entry *entry = entry_at(cache, number);
        uint32_t *bucket = bucket_of(cache, key);
        entry->key = key;
        entry->chain = *bucket;
        *bucket = number;
    }
    use_list_put_newest(cache, number);
    entry_at(cache, number)->until_ms = until_ms;
    memcpy(value_at(cache, number), value, cache->value_size);
}

void lookup_cache_flush(struct lookup_cache *cache)
{
    explicit_bzero(cache->values, (size_t)cache->capacity * cache->value_size);
    memset(cache->buckets, 0, ((size_t)cache->bucket_mask + 1) * sizeof *cache->buckets);
    cache->count = cache->newest = cache->oldest = 0;
}
