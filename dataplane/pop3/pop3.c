// SPDX-License-Identifier: BSD-3-Clause
#include "pop3/pop3_internal.h"

#include "mail/excess.h"
#include "mail/login.h"
#include "mail/reply.h"

static const struct {
    const char *text;
    unsigned next; // a bit a state
} states[POP3_STATE_COUNT] = {
#define TO(name)                     (1u << POP3_##name)
#define POP3_STATE(name, text, next) [POP3_##name] = {text, next},
#include "pop3/pop3_state.def"
#undef POP3_STATE
#undef TO
};

void pop3_enter(struct pop3 *pop3, enum pop3_state state)
{
    CHECK(states[pop3->state].next >> state & 1);
    pop3->state = (uint8_t)state;
    reply_state(pop3->host, states[state].text);
}

void pop3_finish(struct pop3 *pop3, enum reason reason)
{
    pop3_enter(pop3, POP3_OVER);
    sasl_wipe(&pop3->mailbox.sasl);
    pop3->host->ops->finish(pop3->host, reason);
}

void pop3_say(struct pop3 *pop3, const char *text)
{
    reply_line(pop3->host, SIDE_CLIENT, "%s", text);
}

void pop3_refuse(struct pop3 *pop3, enum reason reason, const char *text)
{
    reply_line(pop3->host, SIDE_CLIENT, "-ERR %s", text);
    reply_refused(pop3->host, reason);
    excess_slows(pop3->host, LIMIT_ERRORS_FREE_SESSION, ++pop3->errors);
    if (excess_ends(pop3->host, LIMIT_ERRORS_SESSION, pop3->errors))
        pop3_finish(pop3, REASON_MAIL_TOO_MANY_ERRORS);
}

static void pop3_start(void *state, struct mail_host *host, uint64_t now_us)
{
    struct pop3 *pop3 = state;
    pop3->host = host;
    pop3->login_until_us = login_deadline(host, now_us);
    reply_state(host, states[POP3_COMMAND].text);
    host->ops->deadline(host, pop3->login_until_us);
    pop3_login_greet(pop3);
}

// Room for the replies to one more command of the same input.
static bool has_room(const struct pop3 *pop3)
{
    return pop3->host->ops->room(pop3->host, SIDE_CLIENT) >= REPLY_MAX / 2;
}

static size_t client_step(struct pop3 *pop3, struct span input)
{
    switch ((enum pop3_state)pop3->state) {
    case POP3_COMMAND:
    case POP3_SASL:
        return pop3_login_input(pop3, input);
    case POP3_OPEN:
        return pop3_splice_client(pop3, input);
    case POP3_BACKEND:
        return pop3_backend_token(pop3, input);
    case POP3_STLS:
    case POP3_ASKING:
    case POP3_OVER:
        return 0;
    case POP3_STATE_COUNT:
        break;
    }
    CHECK(!"a state");
    return 0;
}

// Weir or the backend's server is drained: between two commands the session ends.
static void leave_if_safe(struct pop3 *pop3)
{
    bool before_login = pop3->state == POP3_COMMAND || pop3->state == POP3_SASL;
    if (!pop3->host->leaving ||
        !(before_login || (pop3->state == POP3_OPEN && pop3_splice_is_safe(pop3))))
        return;
    pop3_say(pop3, "-ERR [SYS/TEMP] Server is shutting down, please connect again");
    pop3_finish(pop3, REASON_MAIL_DRAINED);
}

static size_t pop3_client_input(void *state, struct span input, uint64_t now_us)
{
    struct pop3 *pop3 = state;
    pop3->now_us = now_us;
    size_t taken = 0, step = 1;
    while (step > 0 && taken < input.size && (taken == 0 || has_room(pop3))) {
        step = client_step(pop3, span_skip(input, taken));
        taken += step;
    }
    if (pop3->state == POP3_OPEN)
        pop3_splice_read(pop3, taken);
    leave_if_safe(pop3);
    return taken;
}

static size_t backend_step(struct pop3 *pop3, struct span input)
{
    switch ((enum pop3_state)pop3->state) {
    case POP3_BACKEND:
        return pop3_backend_input(pop3, input);
    case POP3_OPEN:
        return pop3_splice_backend(pop3, input);
    case POP3_COMMAND:
    case POP3_SASL:
    case POP3_STLS:
    case POP3_ASKING:
    case POP3_OVER:
        return 0; // it was disconnected
    case POP3_STATE_COUNT:
        break;
    }
    CHECK(!"a state");
    return 0;
}

static void client_gone(struct pop3 *pop3)
{
    pop3_finish(pop3, pop3->quit ? REASON_MAIL_QUIT : REASON_MAIL_CLIENT_LOST);
}

static size_t pop3_backend_bytes(void *state, struct span input, uint64_t now_us)
{
    struct pop3 *pop3 = state;
    pop3->now_us = now_us;
    size_t taken = 0, step = 1;
    while (step > 0 && taken < input.size && (taken == 0 || has_room(pop3))) {
        step = backend_step(pop3, span_skip(input, taken));
        taken += step;
    }
    if (pop3->state == POP3_OPEN)
        pop3_splice_wrote(pop3, taken);
    if (pop3->state == POP3_OPEN && pop3->flow.closed && !pop3_splice_is_asked(pop3))
        client_gone(pop3);
    leave_if_safe(pop3);
    return taken;
}

static void pop3_client_closed(void *state, uint64_t now_us)
{
    struct pop3 *pop3 = state;
    if (pop3->state == POP3_OPEN && pop3_splice_is_asked(pop3))
        pop3->flow.closed = true; // it may still read
    else if (pop3->state != POP3_OVER)
        client_gone(pop3);
}

// What was said in the clear has no bearing on what follows (RFC 2595, section 4).
static void pop3_tls_started(void *state, uint64_t now_us)
{
    struct pop3 *pop3 = state;
    sasl_wipe(&pop3->mailbox.sasl);
    pop3_enter(pop3, POP3_COMMAND);
    pop3->host->ops->deadline(pop3->host, pop3->login_until_us);
}

static void pop3_answer(void *state, const struct message *answer, uint64_t now_us)
{
    struct pop3 *pop3 = state;
    pop3->now_us = now_us;
    if (pop3->state == POP3_ASKING)
        pop3_login_answer(pop3, answer);
    leave_if_safe(pop3);
}

static void pop3_event(void *state, enum mail_backend_event event, uint64_t now_us)
{
    struct pop3 *pop3 = state;
    pop3->now_us = now_us;
    if (pop3->state == POP3_BACKEND || pop3->state == POP3_OPEN)
        pop3_backend_event(pop3, event);
    leave_if_safe(pop3);
}

// A timed-out session gets no reply of its own (RFC 1939, section 3); a login under way does.
static void pop3_timeout(void *state, uint64_t now_us)
{
    struct pop3 *pop3 = state;
    struct mail_host *host = pop3->host;
    pop3->now_us = now_us;
    switch ((enum pop3_state)pop3->state) {
    case POP3_COMMAND:
    case POP3_SASL:
    case POP3_ASKING:
        if (host->ops->enforce(host, LIMIT_LOGIN_SECONDS, true)) {
            pop3_finish(pop3, REASON_MAIL_LOGIN_TIMEOUT);
            break;
        }
        pop3->login_until_us = login_deadline(host, now_us);
        host->ops->deadline(host, pop3->login_until_us);
        break;
    case POP3_OPEN:
        pop3_splice_timeout(pop3);
        break;
    case POP3_BACKEND:
        pop3_say(pop3, "-ERR [SYS/TEMP] Mailbox server does not answer");
        pop3_finish(pop3, REASON_MAIL_BACKEND_DOWN);
        break;
    case POP3_STLS: // the session times the handshake
    case POP3_OVER:
        break;
    case POP3_STATE_COUNT:
        CHECK(!"a state");
    }
}

static void pop3_drain(void *state, bool now, uint64_t now_us)
{
    struct pop3 *pop3 = state;
    pop3->now_us = now_us;
    if (pop3->state == POP3_OVER)
        return;
    leave_if_safe(pop3);
    if (now && pop3->state != POP3_OVER)
        pop3_finish(pop3, REASON_SESSION_DRAIN_OVER);
}

static void pop3_done(void *state)
{
    struct pop3 *pop3 = state;
    sasl_wipe(&pop3->mailbox.sasl);
}

const struct mail_protocol pop3_protocol = {
    .name = "pop3",
    .protocol = PROTOCOL_POP3,
    .state_size = sizeof(struct pop3),
    .start = pop3_start,
    .client_input = pop3_client_input,
    .backend_input = pop3_backend_bytes,
    .client_closed = pop3_client_closed,
    .backend_event = pop3_event,
    .tls_started = pop3_tls_started,
    .answer = pop3_answer,
    .timeout = pop3_timeout,
    .drain = pop3_drain,
    .done = pop3_done,
};
