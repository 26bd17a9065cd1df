// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A bounded memory with times to live: keyed digests to small fixed values, least recently used
 * out first. All memory is taken by init: capacity * (value_size + 48) bytes, about.
 *
 * Keys are 128-bit digests under a secret, so a stranger who chooses what is looked up can neither
 * pile entries onto one bucket nor make two questions share an entry. One thread owns a cache.
 * Times are the caller's, in milliseconds of one clock.
 */

#include "base/check.h"
#include "base/siphash.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lookup_secret {
    struct siphash_key keys[2];
};

struct lookup_digest {
    uint64_t word[2];
};

// From the kernel's generator. 0 or -errno.
int lookup_secret_make(struct lookup_secret *ret_secret) MUST_CHECK;
struct lookup_digest lookup_digest_of(const struct lookup_secret *secret, struct span bytes);
static inline bool lookup_digest_equal(struct lookup_digest a, struct lookup_digest b)
{
    return ((a.word[0] ^ b.word[0]) | (a.word[1] ^ b.word[1])) == 0;
}

struct lookup_cache_entry;

struct lookup_cache {
    struct lookup_cache_entry *entries;
    uint8_t *values;         // capacity * value_size
    uint32_t *buckets;       // heads of chains, entry index + 1
    uint32_t bucket_mask;    // buckets - 1
    uint32_t capacity;       // entries
    uint32_t count;          // entries in use
    uint32_t value_size;     // bytes
    uint32_t newest, oldest; // ends of the list by use, index + 1
};

int lookup_cache_init(struct lookup_cache *cache, uint32_t capacity, size_t value_size) MUST_CHECK;
void lookup_cache_done(struct lookup_cache *cache); // wipes the values

// The value until the next call on this cache, or NULL when unknown or past its time.
const void *lookup_cache_find(struct lookup_cache *cache, struct lookup_digest key,
                              uint64_t now_ms);
// Until when a value that was just found is known.
uint64_t lookup_cache_until_ms(const struct lookup_cache *cache, const void *value);
// Copies value_size bytes; replaces an older value of the same key.
void lookup_cache_put(struct lookup_cache *cache, struct lookup_digest key, const void *value,
                      uint64_t until_ms);
void lookup_cache_flush(struct lookup_cache *cache);
