// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_tallies.h"

#include "guard/guard_memory.h"

#include <errno.h>

enum { WAYS = 4, BUCKETS_LEAST = 1 << 14, BUCKETS_MOST = 1 << 26 };
static const uint64_t OWES = UINT64_C(1) << 40; // outweighs any day

struct guard_tallies_bucket {
    uint64_t keys[WAYS]; // 0: free; written last
    struct guard_tally tallies[WAYS];
};

int guard_tallies_init(struct guard_tallies *table, uint32_t most, int numa_node,
                       const struct siphash_key *key)
{
    CHECK(most > 0 && most <= BUCKETS_MOST);
    uint32_t buckets = BUCKETS_LEAST;
    while (buckets < most)
        buckets *= 2;
    *table = (struct guard_tallies){.mask = buckets - 1, .key = *key};
    table->size = buckets * sizeof *table->buckets;
    table->buckets = guard_memory_take(table->size, numa_node);
    return table->buckets ? 0 : -ENOMEM;
}

void guard_tallies_done(struct guard_tallies *table)
{
    guard_memory_give(table->buckets, table->size);
    memset(table, 0, sizeof *table);
}

uint64_t guard_tallies_number(const struct addr *addr, uint8_t bits)
{
    bool v4 = addr_is_v4(addr);
    CHECK(v4 ? bits == 128 || bits == 120 : bits == 64 || bits == 56 || bits == 48);
    uint64_t number;
    memcpy(&number, addr->bytes + (v4 ? 8 : 0), sizeof number);
    number = __builtin_bswap64(number);
    if (v4) // ffff:ffff::/32 is multicast, nobody's source
        number |= UINT64_C(0xffffffff) << 32;
    unsigned width = v4 ? 128 : 64;
    if (bits < width)
        number = (number >> (width - bits) << (width - bits)) | bits;
    return number;
}

struct guard_tallies_place guard_tallies_place_of(const struct guard_tallies *table,
                                                  uint64_t number)
{
    number++; // 0 is free; 255.255.255.255 is nobody's source
    number += number == 0;
    uint64_t hash = siphash(&table->key, &number, sizeof number);
    return (struct guard_tallies_place){
        .key = number,
        .buckets = {(uint32_t)hash & table->mask, (uint32_t)(hash >> 32) & table->mask},
    };
}

struct guard_tally *guard_tallies_find(const struct guard_tallies *table,
                                       const struct guard_tallies_place *place)
{
    for (int b = 0; b < 2; b++) {
        struct guard_tallies_bucket *bucket = &table->buckets[place->buckets[b]];
        for (int way = 0; way < WAYS; way++)
            if (bucket->keys[way] == place->key)
                return &bucket->tallies[way];
    }
    return NULL;
}

static void replace(struct guard_tallies_bucket *bucket, int way, uint64_t key)
{
    __atomic_store_n(&bucket->keys[way], 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); // no reader takes the new words for the old key's
    bucket->tallies[way] = (struct guard_tally){0};
    __atomic_store_n(&bucket->keys[way], key, __ATOMIC_RELEASE);
}

struct guard_tally *guard_tallies_take(struct guard_tallies *table,
                                       const struct guard_tallies_place *place, uint64_t now_us)
{
    struct guard_tally *known = guard_tallies_find(table, place);
    if (known)
        return known;
    struct guard_tallies_bucket *best = NULL;
    int best_way = 0;
    uint64_t best_worth = UINT64_MAX;
    unsigned least_used = WAYS + 1;
    for (int b = 0; b < 2; b++) {
        struct guard_tallies_bucket *bucket = &table->buckets[place->buckets[b]];
        unsigned used = 0;
        for (int way = 0; way < WAYS; way++)
            used += bucket->keys[way] != 0 && bucket->tallies[way].open > 0;
        for (int way = 0; way < WAYS; way++) {
            struct guard_tally_sum sum = {0};
            guard_tally_add(&sum, &bucket->tallies[way], now_us);
            if (bucket->keys[way] && sum.open > 0)
                continue;
            bool owes = guard_tally_tat(&sum) > (int64_t)now_us;
            uint64_t worth = bucket->keys[way] ? sum.today + 1 + (owes ? OWES : 0) : 0;
            if (worth < best_worth || (worth == best_worth && used < least_used)) {
                best = bucket;
                best_way = way;
                best_worth = worth;
                least_used = used;
            }
        }
    }
    if (!best)
        return NULL;
    replace(best, best_way, place->key);
    return &best->tallies[best_way];
}

void guard_tallies_add(const struct guard_tallies *table, const struct guard_tallies_place *place,
                       uint64_t now_us, struct guard_tally_sum *sum)
{
    for (int b = 0; b < 2; b++) {
        const struct guard_tallies_bucket *bucket = &table->buckets[place->buckets[b]];
        for (int way = 0; way < WAYS; way++) {
            if (__atomic_load_n(&bucket->keys[way], __ATOMIC_ACQUIRE) != place->key)
                continue;
            struct guard_tally_sum with = *sum;
            guard_tally_add(&with, &bucket->tallies[way], now_us);
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            if (__atomic_load_n(&bucket->keys[way], __ATOMIC_RELAXED) == place->key)
                *sum = with;
            return;
        }
    }
}
