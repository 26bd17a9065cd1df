// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_gate.h"

static const uint8_t yes = 1; // what the caches hold where the key says all

int auth_gate_init(struct auth_gate *gate, const uint64_t *limits, const uint8_t *modes)
{
    *gate = (struct auth_gate){.limits = limits, .modes = modes};
    int error = lookup_secret_make(&gate->secret);
    if (!error)
        error = lookup_cache_init(&gate->wrongs, GATE_WRONGS, sizeof yes);
    if (!error)
        error = lookup_cache_init(&gate->pairs, GATE_PAIRS, sizeof yes);
    for (int level = 0; level < GATE_LEVELS && !error; level++)
        error = auth_throttle_init(&gate->throttles[level]);
    return error;
}

void auth_gate_done(struct auth_gate *gate)
{
    lookup_cache_done(&gate->wrongs);
    lookup_cache_done(&gate->pairs);
    for (int level = 0; level < GATE_LEVELS; level++)
        auth_throttle_done(&gate->throttles[level]);
    explicit_bzero(&gate->secret, sizeof gate->secret);
}

uint64_t auth_gate_limit(const struct auth_gate *gate, enum limit limit)
{
    return __atomic_load_n(&gate->limits[limit], __ATOMIC_RELAXED);
}

uint64_t auth_gate_limit_ms(const struct auth_gate *gate, enum limit limit)
{
    return auth_gate_limit(gate, limit) * 1000;
}

// Parts of a key, each with its size before it, so that no two lists of parts look alike.
struct key_text {
    uint8_t bytes[sizeof(struct addr) + USER_NAME_MAX + sizeof(struct lookup_digest) + 8];
    size_t size;
};

static void key_add(struct key_text *key, const void *part, size_t size)
{
    CHECK(size <= UINT8_MAX && key->size + size < sizeof key->bytes);
    key->bytes[key->size++] = (uint8_t)size;
    if (size)
        memcpy(key->bytes + key->size, part, size);
    key->size += size;
}

static struct lookup_digest key_digest(const struct auth_gate *gate, const struct key_text *key)
{
    return lookup_digest_of(&gate->secret, span_of(key->bytes, key->size));
}

struct auth_keys auth_gate_keys(struct auth_gate *gate, const struct addr *addr, struct span user,
                                struct span credential, uint64_t now_ms)
{
    bool v4 = addr_is_v4(addr);
    struct addr prefix = addr_mask(addr, v4 ? ADDR_V4_BITS + 24 : 48);
    struct addr source = v4 ? *addr : addr_mask(addr, 64);
    struct lookup_digest secret = lookup_digest_of(&gate->secret, credential);
    struct auth_keys keys;
    struct key_text text = {.size = 0};
    key_add(&text, prefix.bytes, sizeof prefix.bytes);
    keys.level[GATE_PREFIX] = key_digest(gate, &text);
    text.size = 0;
    key_add(&text, source.bytes, sizeof source.bytes);
    keys.level[GATE_SOURCE] = key_digest(gate, &text);
    key_add(&text, user.at, user.size);
    keys.level[GATE_PAIR] = keys.level[GATE_KNOWN] = key_digest(gate, &text);
    key_add(&text, &secret, sizeof secret);
    keys.guess = key_digest(gate, &text);
    text.size = 0;
    key_add(&text, user.at, user.size);
    key_add(&text, &secret, sizeof secret);
    keys.login = key_digest(gate, &text);
    keys.known = lookup_cache_find(&gate->pairs, keys.level[GATE_PAIR], now_ms) != NULL;
    explicit_bzero(&text, sizeof text);
    explicit_bzero(&secret, sizeof secret);
    return keys;
}

static int level_first(bool known)
{
    return known ? GATE_KNOWN : GATE_PAIR;
}

static int level_end(bool known)
{
    return known ? GATE_LEVELS : GATE_KNOWN;
}

static const enum limit limit_of[GATE_LEVELS] = {
    [GATE_PAIR] = LIMIT_AUTH_GUESSES_PAIR,
    [GATE_SOURCE] = LIMIT_AUTH_GUESSES_SOURCE,
    [GATE_PREFIX] = LIMIT_AUTH_GUESSES_PREFIX,
    [GATE_KNOWN] = LIMIT_AUTH_GUESSES_KNOWN,
};

static struct throttle_rate rate_of(const struct auth_gate *gate, int level)
{
    return (struct throttle_rate){
        .free = auth_gate_limit(gate, limit_of[level]),
        .delay_ms = auth_gate_limit_ms(gate, LIMIT_AUTH_DELAY_SECONDS),
        .forgive_ms = auth_gate_limit_ms(gate, LIMIT_AUTH_FORGIVE_SECONDS),
    };
}

bool auth_gate_may(const struct auth_gate *gate, const struct auth_keys *keys, uint64_t now_ms,
                   uint8_t *ret_limit)
{
    *ret_limit = 0;
    for (int level = level_first(keys->known); level < level_end(keys->known); level++) {
        uint8_t mode = __atomic_load_n(&gate->modes[limit_of[level]], __ATOMIC_RELAXED);
        if (mode == MODE_OFF ||
            auth_throttle_may(&gate->throttles[level], keys->level[level].word[0],
                              rate_of(gate, level), now_ms))
            continue;
        *ret_limit = (uint8_t)limit_of[level];
        if (mode == MODE_ENFORCE)
            return false;
    }
    return true;
}

void auth_gate_charge(struct auth_gate *gate, const struct auth_keys *keys, uint64_t now_ms)
{
    for (int level = level_first(keys->known); level < level_end(keys->known); level++)
        auth_throttle_charge(&gate->throttles[level], keys->level[level].word[0],
                             rate_of(gate, level), now_ms);
}

void auth_gate_refund(struct auth_gate *gate, const struct auth_keys *keys)
{
    for (int level = level_first(keys->known); level < level_end(keys->known); level++)
        auth_throttle_refund(&gate->throttles[level], keys->level[level].word[0],
                             rate_of(gate, level));
}

bool auth_gate_was_wrong(struct auth_gate *gate, const struct auth_keys *keys, uint64_t now_ms)
{
    return lookup_cache_find(&gate->wrongs, keys->guess, now_ms) != NULL;
}

void auth_gate_wrong(struct auth_gate *gate, const struct auth_keys *keys, uint64_t now_ms)
{
    lookup_cache_put(&gate->wrongs, keys->guess, &yes, now_ms + GATE_WRONG_MS);
}

void auth_gate_forget_wrongs(struct auth_gate *gate)
{
    lookup_cache_flush(&gate->wrongs);
}

void auth_gate_right(struct auth_gate *gate, const struct auth_keys *keys, uint64_t now_ms)
{
    lookup_cache_put(&gate->pairs, keys->level[GATE_PAIR], &yes,
                     now_ms + auth_gate_limit_ms(gate, LIMIT_AUTH_KNOWN_SECONDS));
}

uint32_t auth_gate_waiting(const struct auth_gate *gate, enum gate_level level, uint64_t now_ms)
{
    return auth_throttle_count(&gate->throttles[level], rate_of(gate, level), now_ms);
}
