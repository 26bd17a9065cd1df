// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_questions.h"

#include "base/pool.h"
#include "lookup/auth_exchange.h"
#include "lookup/auth_gate.h"
#include "lookup/lookup_cache.h"

#include <errno.h>
#include <stdlib.h>

static_assert((int)FIGURE_WAITING_PAIRS + GATE_KNOWN == (int)FIGURE_WAITING_KNOWN, "in order");

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

struct attempt { // that the back end has
    bool used;
    struct auth_keys keys;
    uint8_t limit; // in shadow mode, that would have refused it; 0: none
    struct waiter *waiters;
};

struct auth_questions {
    struct auth_questions_config config;
    uint64_t figures[FIGURE_COUNT];
    uint64_t generation; // of the back end, when last looked at
    struct auth_gate gate;
    struct auth_exchanges *exchanges;
    struct lookup_cache rights; // login: struct right
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
    int error = auth_gate_init(&q->gate, config->limits, config->modes);
    if (!error)
        error = lookup_cache_init(&q->rights, AUTH_RIGHTS, sizeof(struct right));
    if (!error)
        error = auth_exchange_open(&q->exchanges, &q->gate, &q->config, q->figures);
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
    auth_gate_done(&q->gate);
    lookup_cache_done(&q->rights);
    if (q->exchanges)
        auth_exchange_close(q->exchanges);
    if (q->waiters.objects)
        pool_done(&q->waiters);
    explicit_bzero(q, sizeof *q);
    free(q);
}

const uint64_t *auth_questions_figures(const struct auth_questions *q)
{
    return q->figures;
}

// `limit` as in struct auth_answer.
static void answer(struct auth_questions *q, unsigned worker, uint64_t asker,
                   enum message_status status, enum auth_verdict verdict, uint8_t limit,
                   struct span user)
{
    static const enum auth_figure figures[AUTH_VERDICT_COUNT] = {
        [AUTH_WRONG] = FIGURE_WRONG,
        [AUTH_RIGHT] = FIGURE_RIGHT,
        [AUTH_THROTTLED] = FIGURE_THROTTLED,
    };
    struct message m = message_make(MESSAGE_AUTH, status, asker);
    if (status == STATUS_OK) {
        m.auth_answer.verdict = (uint8_t)verdict;
        m.auth_answer.limit = limit;
        m.auth_answer.user_size = (uint8_t)user.size;
        if (user.size)
            memcpy(m.auth_answer.user, user.at, user.size);
    }
    q->figures[status == STATUS_OK ? figures[verdict] : FIGURE_UNAVAILABLE]++;
    q->config.answer(q->config.context, worker, &m);
}

static const struct span nobody = {NULL, 0};

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
static bool is_enough(const struct auth_questions *q, const struct auth_keys *keys)
{
    uint32_t same = 0;
    if (q->strangers >= AUTH_STRANGERS_MAX)
        return true;
    for (uint32_t i = 0; i < AUTH_TRIES_MAX && q->strangers > 0; i++)
        same +=
            q->attempts[i].used && !q->attempts[i].keys.known &&
            lookup_digest_equal(q->attempts[i].keys.level[GATE_PREFIX], keys->level[GATE_PREFIX]);
    return same >= AUTH_PREFIX_MAX;
}

static struct attempt *attempt_take(struct auth_questions *q, const struct auth_keys *keys)
{
    if (!keys->known && is_enough(q, keys))
        return NULL;
    for (uint32_t i = 0; i < AUTH_TRIES_MAX; i++)
        if (!q->attempts[i].used) {
            q->attempts[i] = (struct attempt){.used = true, .keys = *keys};
            q->figures[FIGURE_UNDER_WAY]++;
            q->strangers += !keys->known;
            return &q->attempts[i];
        }
    return NULL;
}

static void attempt_give(struct auth_questions *q, struct attempt *attempt)
{
    q->figures[FIGURE_UNDER_WAY]--;
    q->strangers -= !attempt->keys.known;
    explicit_bzero(attempt, sizeof *attempt);
}

static bool attempt_begin(struct auth_questions *q, struct attempt *attempt, unsigned worker,
                          const struct message *m, struct span user, uint64_t now_ms)
{
    struct auth_try try = {
        .id = (uint32_t)(attempt - q->attempts),
        .known = attempt->keys.known,
        .question = &m->auth_question,
        .user = user,
        .until_ms = now_ms + auth_gate_limit(&q->gate, LIMIT_QUESTION_MS),
    };
    if (!waiter_add(q, attempt, worker, m->handle))
        return false;
    if (q->config.backend.begin(q->config.backend.context, &try, now_ms))
        return true;
    pool_give(&q->waiters, attempt->waiters->self);
    return false;
}

static void verify(struct auth_questions *q, unsigned worker, const struct message *m,
                   struct span user, const struct auth_keys *keys, uint8_t limit, uint64_t now_ms)
{
    struct attempt *attempt = attempt_take(q, keys);
    if (!attempt)
        return answer(q, worker, m->handle, STATUS_UNAVAILABLE, AUTH_WRONG, 0, nobody);
    attempt->limit = limit;
    if (!attempt_begin(q, attempt, worker, m, user, now_ms)) {
        attempt_give(q, attempt);
        return answer(q, worker, m->handle, STATUS_UNAVAILABLE, AUTH_WRONG, 0, nobody);
    }
    q->figures[FIGURE_VERIFIED]++;
    auth_gate_charge(&q->gate, keys, now_ms);
}

static struct span lower_name(const struct auth_question *question, char user[USER_NAME_MAX])
{
    for (int i = 0; i < question->user_size; i++) {
        char c = question->user[i];
        user[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return span_of(user, question->user_size);
}

static void password_take(struct auth_questions *q, unsigned worker, const struct message *m,
                          uint64_t now_ms)
{
    char name[USER_NAME_MAX];
    struct span user = lower_name(&m->auth_question, name);
    struct span password = span_of(m->auth_question.password, m->auth_question.password_size);
    struct auth_keys keys =
        auth_gate_keys(&q->gate, &m->auth_question.client.addr, user, password, now_ms);
    q->figures[FIGURE_ASKED]++;

    struct attempt *same = attempt_find(q, keys.guess);
    if (same && waiter_add(q, same, worker, m->handle)) {
        q->figures[FIGURE_JOINED]++;
        return;
    }
    uint8_t limit;
    if (!auth_gate_may(&q->gate, &keys, now_ms, &limit))
        return answer(q, worker, m->handle, STATUS_OK, AUTH_THROTTLED, limit, nobody);
    if (auth_gate_was_wrong(&q->gate, &keys, now_ms)) {
        q->figures[FIGURE_REMEMBERED]++;
        return answer(q, worker, m->handle, STATUS_OK, AUTH_WRONG, limit, nobody);
    }
    const struct right *right = lookup_cache_find(&q->rights, keys.login, now_ms);
    if (right) {
        q->figures[FIGURE_REMEMBERED]++;
        auth_gate_right(&q->gate, &keys, now_ms);
        return answer(q, worker, m->handle, STATUS_OK, AUTH_RIGHT, limit,
                      span_of(right->user, right->user_size));
    }
    verify(q, worker, m, user, &keys, limit, now_ms);
}

void auth_questions_take(struct auth_questions *q, unsigned worker, const struct message *m,
                         uint64_t now_ms)
{
    if (m->kind == MESSAGE_SASL)
        auth_exchange_take(q->exchanges, worker, m, now_ms);
    else
        password_take(q, worker, m, now_ms);
}

static void attempt_remember(struct auth_questions *q, const struct attempt *attempt,
                             const struct auth_result *result, uint64_t now_ms)
{
    if (result->outcome == OUTCOME_WRONG) {
        auth_gate_wrong(&q->gate, &attempt->keys, now_ms);
        return;
    }
    auth_gate_refund(&q->gate, &attempt->keys);
    if (result->outcome != OUTCOME_RIGHT)
        return;
    struct right right = {.user_size = result->user_size};
    memcpy(right.user, result->user, result->user_size);
    lookup_cache_put(&q->rights, attempt->keys.login, &right,
                     now_ms + auth_gate_limit_ms(&q->gate, LIMIT_AUTH_CACHE_SECONDS));
    auth_gate_right(&q->gate, &attempt->keys, now_ms);
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
               right ? AUTH_RIGHT : AUTH_WRONG, attempt->limit, user);
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
        auth_gate_forget_wrongs(&q->gate);
    }
    for (int i = 0; i < AUTH_TRIES_MAX && backend->take(backend->context, &result); i++) {
        CHECK(result.id < AUTH_TRIES_MAX && q->attempts[result.id].used);
        attempt_end(q, &q->attempts[result.id], &result, now_ms);
    }
    auth_exchange_finish(q->exchanges, now_ms);
}

void auth_questions_count(struct auth_questions *q, uint64_t now_ms)
{
    for (int level = 0; level < GATE_LEVELS; level++)
        q->figures[FIGURE_WAITING_PAIRS + level] =
            auth_gate_waiting(&q->gate, (enum gate_level)level, now_ms);
    auth_exchange_expire(q->exchanges, now_ms);
}
