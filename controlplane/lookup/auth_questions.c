// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_questions.h"

#include "base/pool.h"
#include "lookup/auth_throttle.h"
#include "lookup/lookup_cache.h"

#include <errno.h>
#include <stdlib.h>

// A stranger's guesses count for the first three, those of a known pair for the last alone.
enum level { LEVEL_PAIR, LEVEL_SOURCE, LEVEL_PREFIX, LEVEL_KNOWN, LEVEL_COUNT };
static_assert((int)FIGURE_WAITING_PAIRS + LEVEL_KNOWN == (int)FIGURE_WAITING_KNOWN, "in order");

static const uint8_t yes = 1; // what the caches hold where the key says all

struct right { // a login that was right
    uint8_t user_size;
    char user[USER_NAME_MAX];
};

struct waiter {
    uint64_t asker; // the message's handle
    handle self;
    struct waiter *next;
    unsigned worker;
};

struct keys { // digests of parts of one question
    struct lookup_digest level[LEVEL_COUNT], guess, login;
};

struct attempt { // that the back end has
    bool used;
    bool known; // its pair is
    struct keys keys;
    struct waiter *waiters;
};

struct auth_questions {
    struct auth_questions_config config;
    uint64_t figures[FIGURE_COUNT];
    uint64_t generation; // of the back end, when last looked at
    struct lookup_secret secret;
    struct lookup_cache rights; // login: struct right
    struct lookup_cache wrongs; // guess: it was wrong
    struct lookup_cache pairs;  // pair: logged in lately
    struct auth_throttle throttles[LEVEL_COUNT];
    struct pool waiters;
    struct attempt attempts[AUTH_TRIES_MAX]; // by the back end's id
    uint32_t strangers;                      // attempts of pairs that are not known
};

int auth_questions_open(struct auth_questions **ret_questions,
                        const struct auth_questions_config *config)
{
    struct auth_questions *q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->config = *config;
    int error = lookup_secret_make(&q->secret);
    if (!error)
        error = lookup_cache_init(&q->rights, AUTH_RIGHTS, sizeof(struct right));
    if (!error)
        error = lookup_cache_init(&q->wrongs, AUTH_WRONGS, sizeof yes);
    if (!error)
        error = lookup_cache_init(&q->pairs, AUTH_PAIRS, sizeof yes);
    for (int level = 0; level < LEVEL_COUNT && !error; level++)
        error = auth_throttle_init(&q->throttles[level]);
    if (!error)
        error = pool_init(&q->waiters, AUTH_WAITERS_MAX, sizeof(struct waiter));
    if (error)
        auth_questions_close(q);
    else
        *ret_questions = q;
    return error;
}

void auth_questions_close(struct auth_questions *q)
{
    lookup_cache_done(&q->rights);
    lookup_cache_done(&q->wrongs);
    lookup_cache_done(&q->pairs);
    for (int level = 0; level < LEVEL_COUNT; level++)
        auth_throttle_done(&q->throttles[level]);
    if (q->waiters.objects)
        pool_done(&q->waiters);
    explicit_bzero(q, sizeof *q);
    free(q);
}

const uint64_t *auth_questions_figures(const struct auth_questions *q)
{
    return q->figures;
}

static uint64_t limit_of(const struct auth_questions *q, enum limit limit)
{
    return __atomic_load_n(&q->config.limits[limit], __ATOMIC_RELAXED);
}

static uint64_t limit_ms(const struct auth_questions *q, enum limit limit)
{
    return limit_of(q, limit) * 1000;
}

// Parts of a key, each with its size before it, so that no two lists of parts look alike.
struct key_text {
    uint8_t bytes[sizeof(struct addr) + USER_NAME_MAX + PASSWORD_MAX + 8];
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

static struct lookup_digest key_digest(const struct auth_questions *q, const struct key_text *key)
{
    return lookup_digest_of(&q->secret, span_of(key->bytes, key->size));
}

static struct keys keys_of(const struct auth_questions *q, const struct auth_question *question,
                           struct span user)
{
    bool v4 = addr_is_v4(&question->addr);
    struct addr prefix = addr_mask(&question->addr, v4 ? ADDR_V4_BITS + 24 : 48);
    struct addr source = v4 ? question->addr : addr_mask(&question->addr, 64);
    struct keys keys;
    struct key_text text = {.size = 0};
    key_add(&text, prefix.bytes, sizeof prefix.bytes);
    keys.level[LEVEL_PREFIX] = key_digest(q, &text);
    text.size = 0;
    key_add(&text, source.bytes, sizeof source.bytes);
    keys.level[LEVEL_SOURCE] = key_digest(q, &text);
    key_add(&text, user.at, user.size);
    keys.level[LEVEL_PAIR] = keys.level[LEVEL_KNOWN] = key_digest(q, &text);
    key_add(&text, question->password, question->password_size);
    keys.guess = key_digest(q, &text);
    text.size = 0;
    key_add(&text, user.at, user.size);
    key_add(&text, question->password, question->password_size);
    keys.login = key_digest(q, &text);
    explicit_bzero(&text, sizeof text);
    return keys;
}

static void answer(struct auth_questions *q, unsigned worker, uint64_t asker,
                   enum message_status status, enum auth_verdict verdict, struct span user)
{
    static const enum auth_figure figures[AUTH_VERDICT_COUNT] = {
        [AUTH_WRONG] = FIGURE_WRONG,
        [AUTH_RIGHT] = FIGURE_RIGHT,
        [AUTH_THROTTLED] = FIGURE_THROTTLED,
    };
    struct message m = message_make(MESSAGE_AUTH, status, asker);
    if (status == STATUS_OK) {
        m.auth_answer.verdict = (uint8_t)verdict;
        m.auth_answer.user_size = (uint8_t)user.size;
        if (user.size)
            memcpy(m.auth_answer.user, user.at, user.size);
    }
    q->figures[status == STATUS_OK ? figures[verdict] : FIGURE_UNAVAILABLE]++;
    q->config.answer(q->config.context, worker, &m);
}

static const struct span nobody = {NULL, 0};

static int level_first(bool known)
{
    return known ? LEVEL_KNOWN : LEVEL_PAIR;
}

static int level_end(bool known)
{
    return known ? LEVEL_COUNT : LEVEL_KNOWN;
}

static struct throttle_rate rate_of(const struct auth_questions *q, int level)
{
    static const enum limit limits[LEVEL_COUNT] = {
        LIMIT_AUTH_GUESSES_PAIR, LIMIT_AUTH_GUESSES_SOURCE, LIMIT_AUTH_GUESSES_PREFIX,
        LIMIT_AUTH_GUESSES_KNOWN};
    return (struct throttle_rate){
        .free = limit_of(q, limits[level]),
        .delay_ms = limit_ms(q, LIMIT_AUTH_DELAY_SECONDS),
        .forgive_ms = limit_ms(q, LIMIT_AUTH_FORGIVE_SECONDS),
    };
}

static bool may_try(const struct auth_questions *q, const struct keys *keys, bool known,
                    uint64_t now_ms)
{
    for (int level = level_first(known); level < level_end(known); level++)
        if (!auth_throttle_may(&q->throttles[level], keys->level[level].word[0], rate_of(q, level),
                               now_ms))
            return false;
    return true;
}

static void charge(struct auth_questions *q, const struct attempt *attempt, uint64_t now_ms)
{
    for (int level = level_first(attempt->known); level < level_end(attempt->known); level++)
        auth_throttle_charge(&q->throttles[level], attempt->keys.level[level].word[0],
                             rate_of(q, level), now_ms);
}

static void refund(struct auth_questions *q, const struct attempt *attempt)
{
    for (int level = level_first(attempt->known); level < level_end(attempt->known); level++)
        auth_throttle_refund(&q->throttles[level], attempt->keys.level[level].word[0],
                             rate_of(q, level));
}

static bool waiter_add(struct auth_questions *q, struct attempt *attempt, unsigned worker,
                       uint64_t asker)
{
    void *memory;
    handle self = pool_take(&q->waiters, &memory);
    if (self == HANDLE_NONE)
        return false;
    struct waiter *waiter = memory;
    *waiter =
        (struct waiter){.asker = asker, .self = self, .next = attempt->waiters, .worker = worker};
    attempt->waiters = waiter;
    return true;
}

static struct attempt *attempt_find(struct auth_questions *q, struct lookup_digest guess)
{
    for (uint32_t i = 0; i < AUTH_TRIES_MAX && q->figures[FIGURE_UNDER_WAY] > 0; i++)
        if (q->attempts[i].used && lookup_digest_equal(q->attempts[i].keys.guess, guess))
            return &q->attempts[i];
    return NULL;
}

// Has this pair's prefix, or strangers together, enough under way?
static bool is_enough(const struct auth_questions *q, const struct keys *keys)
{
    uint32_t same = 0;
    if (q->strangers >= AUTH_STRANGERS_MAX)
        return true;
    for (uint32_t i = 0; i < AUTH_TRIES_MAX && q->strangers > 0; i++)
        same +=
            q->attempts[i].used && !q->attempts[i].known &&
            lookup_digest_equal(q->attempts[i].keys.level[LEVEL_PREFIX], keys->level[LEVEL_PREFIX]);
    return same >= AUTH_PREFIX_MAX;
}

static struct attempt *attempt_take(struct auth_questions *q, const struct keys *keys, bool known)
{
    if (!known && is_enough(q, keys))
        return NULL;
    for (uint32_t i = 0; i < AUTH_TRIES_MAX; i++)
        if (!q->attempts[i].used) {
            q->attempts[i] = (struct attempt){.used = true, .known = known, .keys = *keys};
            q->figures[FIGURE_UNDER_WAY]++;
            q->strangers += !known;
            return &q->attempts[i];
        }
    return NULL;
}

static void attempt_give(struct auth_questions *q, struct attempt *attempt)
{
    q->figures[FIGURE_UNDER_WAY]--;
    q->strangers -= !attempt->known;
    explicit_bzero(attempt, sizeof *attempt);
}

static bool attempt_begin(struct auth_questions *q, struct attempt *attempt, unsigned worker,
                          const struct message *m, struct span user, uint64_t now_ms)
{
    struct auth_try try = {
        .id = (uint32_t)(attempt - q->attempts),
        .known = attempt->known,
        .question = &m->auth_question,
        .user = user,
        .until_ms = now_ms + limit_of(q, LIMIT_QUESTION_MS),
    };
    if (!waiter_add(q, attempt, worker, m->handle))
        return false;
    if (q->config.backend.begin(q->config.backend.context, &try, now_ms))
        return true;
    pool_give(&q->waiters, attempt->waiters->self);
    return false;
}

static void verify(struct auth_questions *q, unsigned worker, const struct message *m,
                   struct span user, const struct keys *keys, bool known, uint64_t now_ms)
{
    struct attempt *attempt = attempt_take(q, keys, known);
    if (!attempt)
        return answer(q, worker, m->handle, STATUS_UNAVAILABLE, AUTH_WRONG, nobody);
    if (!attempt_begin(q, attempt, worker, m, user, now_ms)) {
        attempt_give(q, attempt);
        return answer(q, worker, m->handle, STATUS_UNAVAILABLE, AUTH_WRONG, nobody);
    }
    q->figures[FIGURE_VERIFIED]++;
    charge(q, attempt, now_ms);
}

static void known_put(struct auth_questions *q, struct lookup_digest pair, uint64_t now_ms)
{
    lookup_cache_put(&q->pairs, pair, &yes, now_ms + limit_ms(q, LIMIT_AUTH_KNOWN_SECONDS));
}

static struct span lower_name(const struct auth_question *question, char user[USER_NAME_MAX])
{
    for (int i = 0; i < question->user_size; i++) {
        char c = question->user[i];
        user[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return span_of(user, question->user_size);
}

void auth_questions_take(struct auth_questions *q, unsigned worker, const struct message *m,
                         uint64_t now_ms)
{
    char name[USER_NAME_MAX];
    struct span user = lower_name(&m->auth_question, name);
    struct keys keys = keys_of(q, &m->auth_question, user);
    bool known = lookup_cache_find(&q->pairs, keys.level[LEVEL_PAIR], now_ms) != NULL;
    q->figures[FIGURE_ASKED]++;

    struct attempt *same = attempt_find(q, keys.guess);
    if (same && waiter_add(q, same, worker, m->handle)) {
        q->figures[FIGURE_JOINED]++;
        return;
    }
    if (!may_try(q, &keys, known, now_ms))
        return answer(q, worker, m->handle, STATUS_OK, AUTH_THROTTLED, nobody);
    if (lookup_cache_find(&q->wrongs, keys.guess, now_ms)) {
        q->figures[FIGURE_REMEMBERED]++;
        return answer(q, worker, m->handle, STATUS_OK, AUTH_WRONG, nobody);
    }
    const struct right *right = lookup_cache_find(&q->rights, keys.login, now_ms);
    if (right) {
        q->figures[FIGURE_REMEMBERED]++;
        known_put(q, keys.level[LEVEL_PAIR], now_ms);
        return answer(q, worker, m->handle, STATUS_OK, AUTH_RIGHT,
                      span_of(right->user, right->user_size));
    }
    verify(q, worker, m, user, &keys, known, now_ms);
}

static void attempt_remember(struct auth_questions *q, const struct attempt *attempt,
                             const struct auth_result *result, uint64_t now_ms)
{
    if (result->outcome == OUTCOME_WRONG) {
        lookup_cache_put(&q->wrongs, attempt->keys.guess, &yes, now_ms + AUTH_WRONG_MS);
        return;
    }
    refund(q, attempt);
    if (result->outcome != OUTCOME_RIGHT)
        return;
    struct right right = {.user_size = result->user_size};
    memcpy(right.user, result->user, result->user_size);
    lookup_cache_put(&q->rights, attempt->keys.login, &right,
                     now_ms + limit_ms(q, LIMIT_AUTH_CACHE_SECONDS));
    known_put(q, attempt->keys.level[LEVEL_PAIR], now_ms);
}

static void attempt_end(struct auth_questions *q, struct attempt *attempt,
                        const struct auth_result *result, uint64_t now_ms)
{
    attempt_remember(q, attempt, result, now_ms);
    bool right = result->outcome == OUTCOME_RIGHT;
    bool had = result->outcome != OUTCOME_UNAVAILABLE;
    struct span user = right ? span_of(result->user, result->user_size) : nobody;
    while (attempt->waiters) {
        struct waiter *waiter = attempt->waiters;
        attempt->waiters = waiter->next;
        answer(q, waiter->worker, waiter->asker, had ? STATUS_OK : STATUS_UNAVAILABLE,
               right ? AUTH_RIGHT : AUTH_WRONG, user);
        pool_give(&q->waiters, waiter->self);
    }
    attempt_give(q, attempt);
}

void auth_questions_finish(struct auth_questions *q, uint64_t now_ms)
{
    const struct auth_backend *backend = &q->config.backend;
    struct auth_result result;
    uint64_t generation = backend->generation(backend->context);
    if (generation != q->generation) {
        q->generation = generation;
        lookup_cache_flush(&q->rights);
        lookup_cache_flush(&q->wrongs);
    }
    for (int i = 0; i < AUTH_TRIES_MAX && backend->take(backend->context, &result); i++) {
        CHECK(result.id < AUTH_TRIES_MAX && q->attempts[result.id].used);
        attempt_end(q, &q->attempts[result.id], &result, now_ms);
    }
}

void auth_questions_count(struct auth_questions *q, uint64_t now_ms)
{
    for (int level = 0; level < LEVEL_COUNT; level++)
        q->figures[FIGURE_WAITING_PAIRS + level] =
            auth_throttle_count(&q->throttles[level], rate_of(q, level), now_ms);
}
