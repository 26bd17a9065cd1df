// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_exchange.h"

#include "lookup/sasl_name.h"

#include <errno.h>
#include <stdlib.h>

struct exchange {
    bool used;
    bool broken;  // a part of the response was lost, or there were too many
    bool begun;   // the back end knows of it
    bool asked;   // the back end has its response
    bool charged; // as a guess
    uint8_t mechanism;
    uint8_t user_size;
    uint8_t limit; // as in struct sasl_answer
    unsigned worker;
    uint64_t session, asker; // asker: the handle of the message that awaits an answer
    uint64_t opened_ms;
    struct auth_keys keys;
    size_t response_size;
    char user[USER_NAME_MAX]; // lower case
    uint8_t *response;        // SASL_RESPONSE_MAX
};

struct auth_exchanges {
    struct auth_gate *gate;
    const struct auth_questions_config *config;
    uint64_t *figures;
    struct exchange all[AUTH_EXCHANGES_MAX]; // by the back end's id
    uint8_t responses[AUTH_EXCHANGES_MAX][SASL_RESPONSE_MAX];
};

int auth_exchange_open(struct auth_exchanges **ret_exchanges, struct auth_gate *gate,
                       const struct auth_questions_config *config, uint64_t *figures)
{
    struct auth_exchanges *x = calloc(1, sizeof *x);
    if (!x)
        return -ENOMEM;
    x->gate = gate;
    x->config = config;
    x->figures = figures;
    *ret_exchanges = x;
    return 0;
}

static void response_wipe(struct exchange *e)
{
    if (e->response_size)
        explicit_bzero(e->response, e->response_size);
    e->response_size = 0;
}

void auth_exchange_close(struct auth_exchanges *x)
{
    for (int i = 0; i < AUTH_EXCHANGES_MAX; i++)
        response_wipe(&x->all[i]);
    free(x);
}

static void give(struct auth_exchanges *x, struct exchange *e)
{
    const struct auth_backend *backend = &x->config->backend;
    if (e->begun)
        backend->drop(backend->context, (uint32_t)(e - x->all));
    response_wipe(e);
    *e = (struct exchange){0};
    x->figures[FIGURE_EXCHANGES]--;
}

static void answer_send(struct auth_exchanges *x, unsigned worker, const struct message *answer)
{
    static const enum auth_figure figures[AUTH_VERDICT_COUNT] = {
        [AUTH_WRONG] = FIGURE_WRONG,
        [AUTH_RIGHT] = FIGURE_RIGHT,
        [AUTH_THROTTLED] = FIGURE_THROTTLED,
    };
    if (answer->status != STATUS_OK)
        x->figures[FIGURE_UNAVAILABLE]++;
    else if (!answer->sasl_answer.goes_on)
        x->figures[figures[answer->sasl_answer.verdict]]++;
    x->config->answer(x->config->context, worker, answer);
}

static void unavailable(struct auth_exchanges *x, unsigned worker, uint64_t asker)
{
    struct message answer = message_make(MESSAGE_SASL, STATUS_UNAVAILABLE, asker);
    answer_send(x, worker, &answer);
}

static void answer_end(struct auth_exchanges *x, struct exchange *e, enum auth_verdict verdict)
{
    struct message answer = message_make(MESSAGE_SASL, STATUS_OK, e->asker);
    answer.sasl_answer.verdict = (uint8_t)verdict;
    answer.sasl_answer.limit = e->limit;
    answer_send(x, e->worker, &answer);
    give(x, e);
}

static struct exchange *find(struct auth_exchanges *x, unsigned worker, uint64_t session)
{
    for (int i = 0; i < AUTH_EXCHANGES_MAX && x->figures[FIGURE_EXCHANGES] > 0; i++)
        if (x->all[i].used && x->all[i].session == session && x->all[i].worker == worker)
            return &x->all[i];
    return NULL;
}

static bool is_older(const struct exchange *e, const struct exchange *than)
{
    return !than || e->opened_ms < than->opened_ms;
}

// One that gives way to another of that prefix, when there are too many.
static struct exchange *find_victim(struct auth_exchanges *x, struct lookup_digest prefix)
{
    struct exchange *oldest = NULL, *neighbor = NULL;
    uint32_t count = 0, neighbors = 0;
    for (int i = 0; i < AUTH_EXCHANGES_MAX && x->figures[FIGURE_EXCHANGES] > 0; i++) {
        struct exchange *e = &x->all[i];
        if (!e->used)
            continue;
        count++;
        if (is_older(e, oldest))
            oldest = e;
        if (!lookup_digest_equal(e->keys.level[GATE_PREFIX], prefix))
            continue;
        neighbors++;
        if (is_older(e, neighbor))
            neighbor = e;
    }
    if (neighbors >= AUTH_EXCHANGES_PREFIX_MAX)
        return neighbor;
    return count == AUTH_EXCHANGES_MAX ? oldest : NULL;
}

static void victim_end(struct auth_exchanges *x, struct exchange *e)
{
    if (e->asked)
        unavailable(x, e->worker, e->asker);
    give(x, e);
}

static struct exchange *open_new(struct auth_exchanges *x, unsigned worker,
                                 const struct sasl_question *question, uint64_t now_ms)
{
    // Nobody's keys yet: they say the prefix, whom what comes will count for.
    struct auth_keys keys =
        auth_gate_keys(x->gate, &question->client.addr, span_of(NULL, 0), span_of(NULL, 0), now_ms);
    struct exchange *victim = find_victim(x, keys.level[GATE_PREFIX]);
    if (victim)
        victim_end(x, victim);
    for (int i = 0; i < AUTH_EXCHANGES_MAX; i++) {
        struct exchange *e = &x->all[i];
        if (e->used)
            continue;
        *e = (struct exchange){.used = true,
                               .mechanism = question->mechanism,
                               .worker = worker,
                               .session = question->client.session,
                               .opened_ms = now_ms,
                               .keys = keys,
                               .response = x->responses[i]};
        x->figures[FIGURE_EXCHANGES]++;
        return e;
    }
    CHECK(!"a victim has made room");
    return NULL;
}

static void response_add(struct exchange *e, const struct sasl_question *question)
{
    if ((question->flags & EXCHANGE_LOST) ||
        e->response_size + question->response_size > SASL_RESPONSE_MAX) {
        e->broken = true;
        return;
    }
    memcpy(e->response + e->response_size, question->response, question->response_size);
    e->response_size += question->response_size;
}

// Learns who it is about. False: answered.
static bool begin(struct auth_exchanges *x, struct exchange *e,
                  const struct sasl_question *question, uint64_t now_ms)
{
    struct span response = span_of(e->response, e->response_size);
    bool is_token = mechanism_is_in((enum mechanism)e->mechanism, MECHANISMS_TOKEN);
    x->figures[FIGURE_ASKED]++;
    if (!sasl_name_find((enum mechanism)e->mechanism, response, e->user, &e->user_size)) {
        answer_end(x, e, AUTH_WRONG);
        return false;
    }
    e->keys = auth_gate_keys(x->gate, &question->client.addr, span_of(e->user, e->user_size),
                             is_token ? response : span_of(NULL, 0), now_ms);
    if (is_token && auth_gate_was_wrong(x->gate, &e->keys, now_ms)) {
        x->figures[FIGURE_REMEMBERED]++;
        answer_end(x, e, AUTH_WRONG);
        return false;
    }
    return true;
}

static bool step(struct auth_exchanges *x, struct exchange *e, const struct sasl_question *question,
                 uint64_t now_ms)
{
    const struct auth_backend *backend = &x->config->backend;
    struct auth_step next = {
        .id = (uint32_t)(e - x->all),
        .first = !e->begun,
        .mechanism = (enum mechanism)e->mechanism,
        .question = question,
        .user = span_of(e->user, e->user_size),
        .response = span_of(e->response, e->response_size),
        .until_ms = now_ms + auth_gate_limit(x->gate, LIMIT_QUESTION_MS),
    };
    bool taken = backend->step(backend->context, &next, now_ms);
    e->begun = e->begun || taken;
    response_wipe(e);
    return taken;
}

// A whole response.
static void go_on(struct auth_exchanges *x, struct exchange *e,
                  const struct sasl_question *question, uint64_t now_ms)
{
    bool is_first = !e->begun;
    if (is_first && !begin(x, e, question, now_ms))
        return;
    bool is_token = mechanism_is_in((enum mechanism)e->mechanism, MECHANISMS_TOKEN);
    bool is_guess = is_first == is_token && !e->charged;
    if (!e->charged && !auth_gate_may(x->gate, &e->keys, now_ms, &e->limit))
        return answer_end(x, e, AUTH_THROTTLED);
    if (!step(x, e, question, now_ms)) {
        unavailable(x, e->worker, e->asker);
        return give(x, e);
    }
    e->asked = true;
    if (!is_guess)
        return;
    x->figures[FIGURE_VERIFIED]++;
    auth_gate_charge(x->gate, &e->keys, now_ms);
    e->charged = true;
}

void auth_exchange_take(struct auth_exchanges *x, unsigned worker, const struct message *m,
                        uint64_t now_ms)
{
    const struct sasl_question *question = &m->sasl_question;
    bool is_last = !(question->flags & EXCHANGE_MORE);
    struct exchange *e = find(x, worker, question->client.session);
    if (e && ((question->flags & EXCHANGE_FIRST) || e->asked)) {
        victim_end(x, e);
        e = NULL;
    }
    if (!e && (question->flags & EXCHANGE_FIRST))
        e = open_new(x, worker, question, now_ms);
    if (!e) {
        if (is_last)
            unavailable(x, worker, m->handle);
        return;
    }
    response_add(e, question);
    if (!is_last)
        return;
    e->asker = m->handle;
    if (e->broken) {
        unavailable(x, worker, m->handle);
        give(x, e);
        return;
    }
    go_on(x, e, question, now_ms);
    auth_exchange_finish(x, now_ms); // the passwd file has answered already
}

static void remember(struct auth_exchanges *x, struct exchange *e, enum auth_outcome outcome,
                     uint64_t now_ms)
{
    bool is_token = mechanism_is_in((enum mechanism)e->mechanism, MECHANISMS_TOKEN);
    // RFC 7628, section 3.2.2: a token that is no good is answered by a challenge that says so.
    if (is_token && (outcome == OUTCOME_WRONG || outcome == OUTCOME_CHALLENGE))
        auth_gate_wrong(x->gate, &e->keys, now_ms);
    if (outcome == OUTCOME_RIGHT)
        auth_gate_right(x->gate, &e->keys, now_ms);
    if (e->charged && outcome != OUTCOME_WRONG && outcome != OUTCOME_CHALLENGE)
        auth_gate_refund(x->gate, &e->keys);
}

static void finish(struct auth_exchanges *x, struct exchange *e,
                   const struct auth_step_result *result, uint64_t now_ms)
{
    enum auth_outcome outcome = result->outcome;
    bool had = outcome != OUTCOME_UNAVAILABLE;
    struct message m = message_make(MESSAGE_SASL, had ? STATUS_OK : STATUS_UNAVAILABLE, e->asker);
    struct sasl_answer *answer = &m.sasl_answer;
    remember(x, e, outcome, now_ms);
    if (had) {
        answer->limit = outcome == OUTCOME_CHALLENGE ? 0 : e->limit;
        answer->verdict = outcome == OUTCOME_RIGHT ? AUTH_RIGHT : AUTH_WRONG;
        answer->goes_on = outcome == OUTCOME_CHALLENGE;
    }
    if (outcome == OUTCOME_RIGHT) {
        answer->user_size = result->user_size;
        memcpy(answer->user, result->user, result->user_size);
    }
    if (outcome == OUTCOME_RIGHT || outcome == OUTCOME_CHALLENGE) {
        answer->challenge_size = result->challenge_size;
        memcpy(answer->challenge, result->challenge, result->challenge_size);
    }
    e->asked = false;
    answer_send(x, e->worker, &m);
    if (outcome == OUTCOME_CHALLENGE)
        return;
    e->begun = false; // the back end has forgotten it
    give(x, e);
}

void auth_exchange_finish(struct auth_exchanges *x, uint64_t now_ms)
{
    const struct auth_backend *backend = &x->config->backend;
    struct auth_step_result result;
    for (int i = 0; i < AUTH_EXCHANGES_MAX && backend->take_step(backend->context, &result); i++) {
        CHECK(result.id < AUTH_EXCHANGES_MAX && x->all[result.id].asked);
        finish(x, &x->all[result.id], &result, now_ms);
    }
}

void auth_exchange_expire(struct auth_exchanges *x, uint64_t now_ms)
{
    for (int i = 0; i < AUTH_EXCHANGES_MAX && x->figures[FIGURE_EXCHANGES] > 0; i++)
        if (x->all[i].used && now_ms - x->all[i].opened_ms >= EXCHANGE_MS)
            victim_end(x, &x->all[i]);
}
