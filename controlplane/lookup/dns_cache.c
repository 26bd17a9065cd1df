// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dns_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { GRAIN = 64 }; // sizes and places in the ring are multiples of it

struct dns_kept {
    struct lookup_digest key;
    struct dns_kept *chain;
    uint64_t until_ms;
    uint32_t size;  // with the records and bytes behind it, or of the gap
    uint16_t count; // records
    uint16_t bytes_used;
    bool linked;                 // false: a gap, or replaced by a newer answer
    struct dns_record records[]; // then bytes
};
static_assert(sizeof(struct dns_kept) <= GRAIN, "every gap can hold one");
static_assert(DNS_BYTES_MAX <= UINT16_MAX && DNS_RECORDS_MAX <= UINT16_MAX, "they fit");

enum { KEPT_MAX = sizeof(struct dns_kept) + sizeof(struct dns_answer) + GRAIN };

int dns_cache_init(struct dns_cache *cache, size_t bytes)
{
    CHECK(bytes >= KEPT_MAX && bytes % GRAIN == 0);
    memset(cache, 0, sizeof *cache);
    int error = lookup_secret_make(&cache->secret);
    if (error)
        return error;
    cache->size = bytes;
    cache->bytes = aligned_alloc(GRAIN, bytes);
    return cache->bytes ? 0 : -ENOMEM;
}

void dns_cache_done(struct dns_cache *cache)
{
    free(cache->bytes);
    cache->bytes = NULL;
}

struct lookup_digest dns_cache_key(const struct dns_cache *cache, const char *name,
                                   enum dns_type type)
{
    uint8_t bytes[DNS_NAME_SIZE + 1];
    size_t size = 0;
    bytes[size++] = (uint8_t)type;
    for (const char *c = name; *c && size < sizeof bytes; c++)
        bytes[size++] = (uint8_t)(*c >= 'A' && *c <= 'Z' ? *c + 'a' - 'A' : *c);
    return lookup_digest_of(&cache->secret, span_of(bytes, size));
}

static struct dns_kept **link_of(struct dns_cache *cache, struct lookup_digest key)
{
    const size_t buckets = sizeof cache->buckets / sizeof cache->buckets[0];
    struct dns_kept **link = &cache->buckets[key.word[0] % buckets];
    while (*link && !lookup_digest_equal((*link)->key, key))
        link = &(*link)->chain;
    return link;
}

bool dns_cache_find(struct dns_cache *cache, struct lookup_digest key, uint64_t now_ms,
                    struct dns_answer *ret_answer)
{
    const struct dns_kept *kept = *link_of(cache, key);
    if (!kept || kept->until_ms <= now_ms)
        return false;
    size_t records_size = kept->count * sizeof(struct dns_record);
    ret_answer->status = kept->count ? DNS_FOUND : DNS_EMPTY;
    ret_answer->ttl = (uint32_t)((kept->until_ms - now_ms + 999) / 1000);
    ret_answer->count = kept->count;
    ret_answer->bytes_used = kept->bytes_used;
    memcpy(ret_answer->records, kept->records, records_size);
    memcpy(ret_answer->bytes, kept->records + kept->count, kept->bytes_used);
    return true;
}

static struct dns_kept *kept_at(const struct dns_cache *cache, uint64_t place)
{
    return (struct dns_kept *)(cache->bytes + place % cache->size);
}

static void unlink_kept(struct dns_kept **link)
{
    struct dns_kept *kept = *link;
    *link = kept->chain;
    kept->linked = false;
}

// Room for the next `size` bytes, which do not reach over the ring's end.
static struct dns_kept *room_take(struct dns_cache *cache, uint32_t size)
{
    while (cache->next + size - cache->oldest > cache->size) {
        struct dns_kept *oldest = kept_at(cache, cache->oldest);
        if (oldest->linked)
            unlink_kept(link_of(cache, oldest->key));
        cache->oldest += oldest->size;
    }
    struct dns_kept *room = kept_at(cache, cache->next);
    room->size = size;
    room->linked = false;
    cache->next += size;
    return room;
}

static uint32_t keep_s(const struct dns_answer *answer)
{
    uint32_t most =
        answer->status == DNS_FOUND ? DNS_CACHE_KEEP_MOST_S : DNS_CACHE_KEEP_EMPTY_MOST_S;
    return answer->ttl < most ? answer->ttl : most;
}

void dns_cache_put(struct dns_cache *cache, struct lookup_digest key,
                   const struct dns_answer *answer, uint64_t now_ms)
{
    if (answer->status == DNS_FAILED || answer->ttl == 0)
        return;
    size_t records_size = answer->count * sizeof(struct dns_record);
    size_t wanted = sizeof(struct dns_kept) + records_size + answer->bytes_used;
    uint32_t size = (uint32_t)((wanted + GRAIN - 1) / GRAIN * GRAIN);
    uint64_t to_end = cache->size - cache->next % cache->size;
    if (to_end < size)
        room_take(cache, (uint32_t)to_end); // a gap
    struct dns_kept *kept = room_take(cache, size);
    struct dns_kept **link = link_of(cache, key);
    if (*link)
        unlink_kept(link);
    link = link_of(cache, key);
    kept->key = key;
    kept->until_ms = now_ms + 1000ULL * keep_s(answer);
    kept->count = (uint16_t)answer->count;
    kept->bytes_used = (uint16_t)answer->bytes_used;
    kept->linked = true;
    kept->chain = NULL; // link is its chain's end
    memcpy(kept->records, answer->records, records_size);
    memcpy(kept->records + kept->count, answer->bytes, answer->bytes_used);
    *link = kept;
}
