// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_throttle.h"

#include <errno.h>
#include <stdlib.h>

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
        if (bucket[i].full_ms < (*ret_least)->full_ms)
            *ret_least = &bucket[i];
    }
    return NULL;
}

static uint64_t interval_ms(struct throttle_rate rate)
{
    return rate.window_ms / rate.burst;
}

bool auth_throttle_may(const struct auth_throttle *throttle, uint64_t key,
                       struct throttle_rate rate, uint64_t now_ms)
{
    struct throttle_word *least;
    const struct throttle_word *word = word_find(throttle, key, &least);
    if (!word || word->full_ms <= now_ms)
        return true;
    return word->full_ms - now_ms + interval_ms(rate) <= rate.window_ms;
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
    if (word->full_ms < now_ms)
        word->full_ms = now_ms;
    word->full_ms += interval_ms(rate);
}

void auth_throttle_refund(struct auth_throttle *throttle, uint64_t key, struct throttle_rate rate)
{
    struct throttle_word *least;
    struct throttle_word *word = word_find(throttle, key, &least);
    if (word && word->full_ms >= interval_ms(rate))
        word->full_ms -= interval_ms(rate);
}
