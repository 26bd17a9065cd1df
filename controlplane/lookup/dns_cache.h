// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* DNS answers that are still true, by name (without case) and type: found ones and empty ones, each
 * for its own time to live, at most DNS_CACHE_KEEP_MOST_S or DNS_CACHE_KEEP_EMPTY_MOST_S. An answer
 * with a time of 0 is not kept, nor is a failure.
 *
 * All memory is taken by init: one ring of bytes, in which entries lie one behind the other as they
 * came, each with its records as long as they are. What is put overwrites the oldest; an entry that
 * is used often is asked for again when its turn has come, which costs one query and saves the list
 * that would be written at each use. Keys are digests under a secret, as in lookup_cache.h. One
 * thread.
 */

#include "lookup/dns_answer.h"
#include "lookup/lookup_cache.h"

enum {
    DNS_CACHE_BYTES = 32 << 20,
    DNS_CACHE_KEEP_MOST_S = 3600,
    DNS_CACHE_KEEP_EMPTY_MOST_S = 300,
};

struct dns_cache {
    struct lookup_secret secret;
    uint8_t *bytes;
    uint64_t size;         // of the ring, bytes
    uint64_t oldest, next; // places in the ring, counted on without end; next - oldest <= size
    struct dns_kept *buckets[1 << 16]; // chains
};

int dns_cache_init(struct dns_cache *cache, size_t bytes) MUST_CHECK; // 0 or -errno
void dns_cache_done(struct dns_cache *cache);

// name: text, of any length.
struct lookup_digest dns_cache_key(const struct dns_cache *cache, const char *name,
                                   enum dns_type type);

// False: not known. The answer's ttl is what is left of it.
bool dns_cache_find(struct dns_cache *cache, struct lookup_digest key, uint64_t now_ms,
                    struct dns_answer *ret_answer) MUST_CHECK;
void dns_cache_put(struct dns_cache *cache, struct lookup_digest key,
                   const struct dns_answer *answer, uint64_t now_ms);
