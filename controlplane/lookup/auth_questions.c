// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_questions.h"

#include "base/pool.h"
#include "lookup/auth_throttle.h"
#include "lookup/lookup_cache.h"

#include <errno.h>
#include <stdlib.h>

static const struct throttle_rate pair_rate = {AUTH_PAIR_BURST, AUTH_WINDOW_MS};
static const struct throttle_rate address_rate = {AUTH_ADDRESS_BURST, AUTH_WINDOW_MS};

struct waiter {
    uint64_t asker; // the message's handle
    handle self;
    struct waiter *next;
    unsigned worker;
};

struct keys { // digests of parts of one question
    struct lookup_digest address, pair, guess, login;
};

struct attempt { // in the pool
    bool used;
    bool charged;
    bool user_known;
    uint8_t user_size, hash_size;
    struct keys keys;
    struct waiter *waiters;
    char user[USER_NAME_MAX]; // lower case
    char hash[PASSWORD_HASH_MAX];
};

struct auth_questions {
    struct auth_questions_config config;
    struct auth_questions_counters counters;
    struct lookup_secret secret;
    struct lookup_cache rights; // login: it was right
    struct lookup_cache wrongs; // guess: it was wrong
    struct lookup_cache pairs;  // pair: logged in once
    struct auth_throttle throttle;
    struct pool waiters;
    struct attempt attempts[AUTH_JOBS_MAX]; // by the pool's job id
    uint32_t attempts_used;
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
        error = lookup_cache_init(&q->rights, AUTH_RIGHTS, 1);
    if (!error)
        error = lookup_cache_init(&q->wrongs, AUTH_WRONGS, 1);
    if (!error)
        error = lookup_cache_init(&q->pairs, AUTH_PAIRS, 1);
    if (!error)
        error = auth_throttle_init(&q->throttle);
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
    auth_throttle_done(&q->throttle);
    if (q->waiters.objects)
        pool_done(&q->waiters);
    explicit_bzero(q, sizeof *q);
    free(q);
}

const struct auth_questions_counters *auth_questions_counters(const struct auth_questions *q)
{
    return &q->counters;
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
    struct addr network =
        addr_is_v4(&question->addr) ? question->addr : addr_mask(&question->addr, 64);
    struct keys keys;
    struct key_text text = {.size = 0};
    key_add(&text, network.bytes, sizeof network.bytes);
    keys.address = key_digest(q, &text);
    key_add(&text, user.at, user.size);
    keys.pair = key_digest(q, &text);
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
    struct message m = message_make(MESSAGE_AUTH, status, asker);
    if (status == STATUS_OK) {
        m.auth_answer.verdict = (uint8_t)verdict;
        if (verdict == AUTH_RIGHT) {
            m.auth_answer.user_size = (uint8_t)user.size;
            memcpy(m.auth_answer.user, user.at, user.size);
        }
    }
    uint64_t *counters[] = {[AUTH_WRONG] = &q->counters.wrong,
                            [AUTH_RIGHT] = &q->counters.right,
                            [AUTH_THROTTLED] = &q->counters.throttled};
    ++*(status == STATUS_OK ? counters[verdict] : &q->counters.unavailable);
    q->config.answer(q->config.context, worker, &m);
}

static bool may_try(struct auth_questions *q, const struct keys *keys, uint64_t now_ms)
{
    return auth_throttle_may(&q->throttle, keys->pair.word[0], pair_rate, now_ms) &&
           auth_throttle_may(&q->throttle, keys->address.word[0], address_rate, now_ms);
}

static void charge(struct auth_questions *q, struct attempt *attempt, uint64_t now_ms)
{
    attempt->charged = true;
    auth_throttle_charge(&q->throttle, attempt->keys.pair.word[0], pair_rate, now_ms);
    auth_throttle_charge(&q->throttle, attempt->keys.address.word[0], address_rate, now_ms);
}

static void refund(struct auth_questions *q, struct attempt *attempt)
{
    if (!attempt->charged)
        return;
    attempt->charged = false;
    auth_throttle_refund(&q->throttle, attempt->keys.pair.word[0], pair_rate);
    auth_throttle_refund(&q->throttle, attempt->keys.address.word[0], address_rate);
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
    for (uint32_t i = 0; i < AUTH_JOBS_MAX && q->attempts_used > 0; i++)
        if (q->attempts[i].used && lookup_digest_equal(q->attempts[i].keys.guess, guess))
            return &q->attempts[i];
    return NULL;
}

static struct attempt *attempt_take(struct auth_questions *q)
{
    for (uint32_t i = 0; i < AUTH_JOBS_MAX; i++)
        if (!q->attempts[i].used) {
            q->attempts[i] = (struct attempt){.used = true};
            q->attempts_used++;
            return &q->attempts[i];
        }
    return NULL;
}

static void attempt_give(struct auth_questions *q, struct attempt *attempt)
{
    explicit_bzero(attempt, sizeof *attempt);
    q->attempts_used--;
}

// Whose hash to compute: the user's, or for one who cannot log in somebody else's.
static bool user_choose(struct auth_questions *q, const struct attempt *attempt,
                        struct passwd_user *ret_user, bool *ret_known)
{
    struct span name = span_of(attempt->user, attempt->user_size);
    *ret_known = passwd_file_find(q->config.file, name, ret_user) &&
                 ret_user->scheme != PASSWORD_LOCKED && ret_user->scheme != PASSWORD_UNSUPPORTED;
    if (*ret_known)
        return true;
    uint64_t number = lookup_digest_of(&q->secret, name).word[1];
    return passwd_file_some(q->config.file, number, ret_user);
}

static bool attempt_begin(struct auth_questions *q, struct attempt *attempt, struct span password)
{
    struct passwd_user user;
    if (!user_choose(q, attempt, &user, &attempt->user_known))
        return false;
    attempt->hash_size = (uint8_t)user.hash.size;
    memcpy(attempt->hash, user.hash.at, user.hash.size);
    struct auth_job job = {
        .id = (uint32_t)(attempt - q->attempts),
        .scheme = user.scheme,
        .hash_size = (uint8_t)user.hash.size,
        .password_size = (uint8_t)password.size,
    };
    memcpy(job.hash, user.hash.at, user.hash.size);
    memcpy(job.password, password.at, password.size);
    bool put = auth_pool_put(q->config.pool, &job);
    explicit_bzero(&job, sizeof job);
    return put;
}

static void hash_begin(struct auth_questions *q, unsigned worker, const struct message *m,
                       struct span user, const struct keys *keys, bool exempt, uint64_t now_ms)
{
    struct attempt *attempt = attempt_take(q);
    if (!attempt)
        return answer(q, worker, m->handle, STATUS_UNAVAILABLE, AUTH_WRONG, user);
    attempt->keys = *keys;
    attempt->user_size = (uint8_t)user.size;
    memcpy(attempt->user, user.at, user.size);
    bool begun = waiter_add(q, attempt, worker, m->handle);
    if (begun &&
        !attempt_begin(q, attempt,
                       span_of(m->auth_question.password, m->auth_question.password_size))) {
        pool_give(&q->waiters, attempt->waiters->self);
        begun = false;
    }
    if (!begun) {
        attempt_give(q, attempt);
        return answer(q, worker, m->handle, STATUS_UNAVAILABLE, AUTH_WRONG, user);
    }
    q->counters.hashed++;
    if (!exempt)
        charge(q, attempt, now_ms);
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
    bool exempt = lookup_cache_find(&q->pairs, keys.pair, now_ms) != NULL;
    q->counters.asked++;
    if (passwd_file_count(q->config.file) == 0)
        return answer(q, worker, m->handle, STATUS_UNAVAILABLE, AUTH_WRONG, user);

    struct attempt *same = attempt_find(q, keys.guess);
    if (same && waiter_add(q, same, worker, m->handle)) {
        q->counters.joined++;
        return;
    }
    if (!exempt && !may_try(q, &keys, now_ms))
        return answer(q, worker, m->handle, STATUS_OK, AUTH_THROTTLED, user);
    if (lookup_cache_find(&q->wrongs, keys.guess, now_ms)) {
        q->counters.remembered++;
        return answer(q, worker, m->handle, STATUS_OK, AUTH_WRONG, user);
    }
    if (lookup_cache_find(&q->rights, keys.login, now_ms)) {
        static const uint8_t yes = 1;
        q->counters.remembered++;
        lookup_cache_put(&q->pairs, keys.pair, &yes, now_ms + AUTH_PAIR_MS);
        return answer(q, worker, m->handle, STATUS_OK, AUTH_RIGHT, user);
    }
    hash_begin(q, worker, m, user, &keys, exempt, now_ms);
}

// The file may have changed while the hash was computed.
static bool hash_is_current(const struct auth_questions *q, const struct attempt *attempt)
{
    struct passwd_user user;
    return passwd_file_find(q->config.file, span_of(attempt->user, attempt->user_size), &user) &&
           span_equal(user.hash, span_of(attempt->hash, attempt->hash_size));
}

static void attempt_end(struct auth_questions *q, struct attempt *attempt, bool right,
                        uint64_t now_ms)
{
    static const uint8_t yes = 1;
    right = right && attempt->user_known && hash_is_current(q, attempt);
    if (right) {
        refund(q, attempt);
        lookup_cache_put(&q->rights, attempt->keys.login, &yes, now_ms + AUTH_RIGHT_MS);
        lookup_cache_put(&q->pairs, attempt->keys.pair, &yes, now_ms + AUTH_PAIR_MS);
    } else {
        lookup_cache_put(&q->wrongs, attempt->keys.guess, &yes, now_ms + AUTH_WRONG_MS);
    }
    while (attempt->waiters) {
        struct waiter *waiter = attempt->waiters;
        attempt->waiters = waiter->next;
        answer(q, waiter->worker, waiter->asker, STATUS_OK, right ? AUTH_RIGHT : AUTH_WRONG,
               span_of(attempt->user, attempt->user_size));
        pool_give(&q->waiters, waiter->self);
    }
    attempt_give(q, attempt);
}

void auth_questions_finish(struct auth_questions *q, uint64_t now_ms)
{
    uint32_t id;
    bool right;
    for (int i = 0; i < AUTH_JOBS_MAX && auth_pool_take(q->config.pool, &id, &right); i++) {
        CHECK(id < AUTH_JOBS_MAX && q->attempts[id].used);
        attempt_end(q, &q->attempts[id], right, now_ms);
    }
}

void auth_questions_refresh(struct auth_questions *q)
{
    uint64_t generation = q->config.file->generation;
    if (passwd_file_refresh(q->config.file) < 0)
        return; // it said so; what was read before stands
    if (q->config.file->generation == generation)
        return;
    lookup_cache_flush(&q->rights);
    lookup_cache_flush(&q->wrongs);
}
