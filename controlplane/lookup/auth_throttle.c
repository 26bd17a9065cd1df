// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_throttle.h"

#include <errno.h>
#include <stdlib.h>

enum { DOUBLINGS_MAX = 20 };

int auth_throttle_init(struct auth_throttle *throttle)
{
    throttle->buckets = calloc(THROTTLE_BUCKETS, sizeof *throttle->buckets);
    return throttle->buckets ? 0 : -ENOMEM;
}

void auth_throttle_done(struct auth_throttle *throttle)
{
    free(throttle->buckets);
    throttle->buckets = NULL;
}

static struct throttle_word *word_find(const struct auth_throttle *throttle, uint64_t key,
                                       struct throttle_word **ret_least)
{
    struct throttle_word *bucket = throttle->buckets[key % THROTTLE_BUCKETS];
    *ret_least = &bucket[0];
    for (int i = 0; i < THROTTLE_WAYS; i++) {
        if (bucket[i].key == key)
            return &bucket[i];
        if (bucket[i].forgiven_ms < (*ret_least)->forgiven_ms)
            *ret_least = &bucket[i];
    }
    return NULL;
}

static uint64_t guess_ms(struct throttle_rate rate) // that forgives one guess
{
    return rate.forgive_ms / rate.free ? rate.forgive_ms / rate.free : 1;
}

static bool must_wait(const struct throttle_word *word, struct throttle_rate rate, uint64_t now_ms)
{
    if (word->forgiven_ms <= now_ms)
        return false;
    uint64_t guesses = (word->forgiven_ms - now_ms + guess_ms(rate) - 1) / guess_ms(rate);
    if (guesses < rate.free)
        return false;
    uint64_t doublings = guesses - rate.free;
    uint64_t wait_ms = rate.delay_ms << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
    return now_ms - word->last_ms < wait_ms;
}

bool auth_throttle_may(const struct auth_throttle *throttle, uint64_t key,
                       struct throttle_rate rate, uint64_t now_ms)
{
    struct throttle_word *least;
    const struct throttle_word *word = word_find(throttle, key, &least);
    return !word || !must_wait(word, rate, now_ms);
}

void auth_throttle_charge(struct auth_throttle *throttle, uint64_t key, struct throttle_rate rate,
                          uint64_t now_ms)
{
    struct throttle_word *least;
    struct throttle_word *word = word_find(throttle, key, &least);
    if (!word) {
        word = least;
        *word = (struct throttle_word){.key = key};
    }
    if (word->forgiven_ms < now_ms)
        word->forgiven_ms = now_ms;
    word->forgiven_ms += guess_ms(rate);
    word->before_ms = word->last_ms;
    word->last_ms = now_ms;
}

void auth_throttle_refund(struct auth_throttle *throttle, uint64_t key, struct throttle_rate rate)
{
    struct throttle_word *least;
    struct throttle_word *word = word_find(throttle, key, &least);
    if (!word || word->forgiven_ms < guess_ms(rate))
        return;
    word->forgiven_ms -= guess_ms(rate);
    word->last_ms = word->before_ms;
}

uint32_t auth_throttle_count(const struct auth_throttle *throttle, struct throttle_rate rate,
                             uint64_t now_ms)
{
    uint32_t count = 0;
    for (int i = 0; i < THROTTLE_BUCKETS; i++)
        for (int way = 0; way < THROTTLE_WAYS; way++)
            count += must_wait(&throttle->buckets[i][way], rate, now_ms);
    return count;
}
