// SPDX-License-Identifier: BSD-3-Clause
#include "imap/imap_internal.h"

#include "mail/excess.h"
#include "mail/login.h"
#include "mail/reply.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *text;
    unsigned next; // a bit a state
} states[IMAP_STATE_COUNT] = {
#define TO(name)                     (1u << IMAP_##name)
#define IMAP_STATE(name, text, next) [IMAP_##name] = {text, next},
#include "imap/imap_state.def"
#undef IMAP_STATE
#undef TO
};

void imap_enter(struct imap *imap, enum imap_state state)
{
    CHECK(states[imap->state].next >> state & 1);
    imap->state = (uint8_t)state;
    reply_state(imap->host, states[state].text);
}

void imap_finish(struct imap *imap, enum reason reason)
{
    imap_enter(imap, IMAP_OVER);
    sasl_wipe(&imap->mailbox.sasl);
    imap->host->ops->finish(imap->host, reason);
}

void imap_say(struct imap *imap, const char *format, ...)
{
    char text[REPLY_MAX - 2];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    CHECK(size >= 0 && size < (int)sizeof text);
    reply_line(imap->host, SIDE_CLIENT, "%s", text);
}

void imap_bye(struct imap *imap, enum reason reason, const char *text)
{
    imap_say(imap, "* BYE %s", text);
    imap_finish(imap, reason);
}

void imap_count_error(struct imap *imap, enum reason reason)
{
    reply_refused(imap->host, reason);
    excess_slows(imap->host, LIMIT_ERRORS_FREE_SESSION, ++imap->errors);
    if (excess_ends(imap->host, LIMIT_ERRORS_SESSION, imap->errors))
        imap_bye(imap, REASON_MAIL_TOO_MANY_ERRORS, "Too many bad commands");
}

void imap_bad(struct imap *imap, const char *text)
{
    imap_say(imap, "%s BAD %s", imap->tag, text);
    imap_count_error(imap, REASON_MAIL_BAD_COMMAND);
}

static void imap_start(void *state, struct mail_host *host, uint64_t now_us)
{
    struct imap *imap = state;
    imap->host = host;
    imap->login_until_us = login_deadline(host, now_us);
    reply_state(host, states[IMAP_COMMAND].text);
    host->ops->deadline(host, imap->login_until_us);
    imap_login_greet(imap);
}

// Room for the replies to one more command of the same input.
static bool has_room(const struct imap *imap)
{
    return imap->host->ops->room(imap->host, SIDE_CLIENT) >= REPLY_MAX / 2;
}

static size_t client_step(struct imap *imap, struct span input)
{
    switch ((enum imap_state)imap->state) {
    case IMAP_COMMAND:
    case IMAP_SASL:
        return imap_login_input(imap, input);
    case IMAP_OPEN:
        return imap_splice_client(imap, input);
    case IMAP_BACKEND:
        return imap_backend_token(imap, input);
    case IMAP_STARTTLS:
    case IMAP_ASKING:
    case IMAP_OVER:
        return 0;
    case IMAP_STATE_COUNT:
        break;
    }
    CHECK(!"a state");
    return 0;
}

// Weir or the backend's server is drained: between two commands the session ends, and IDLE may go
// on for its time.
static void leave_if_safe(struct imap *imap)
{
    bool before_login = imap->state == IMAP_COMMAND || imap->state == IMAP_SASL;
    if (imap->host->leaving &&
        (before_login || (imap->state == IMAP_OPEN && imap_splice_is_safe(imap))))
        imap_bye(imap, REASON_MAIL_DRAINED, "Server is shutting down, please connect again");
}

static size_t imap_client_input(void *state, struct span input, uint64_t now_us)
{
    struct imap *imap = state;
    imap->now_us = now_us;
    size_t taken = 0, step = 1;
    while (step > 0 && taken < input.size && (taken == 0 || has_room(imap))) {
        step = client_step(imap, span_skip(input, taken));
        taken += step;
    }
    if (imap->state == IMAP_OPEN)
        imap_splice_read(imap, taken, taken == input.size);
    leave_if_safe(imap);
    return taken;
}

static size_t backend_step(struct imap *imap, struct span input)
{
    switch ((enum imap_state)imap->state) {
    case IMAP_BACKEND:
        return imap_backend_input(imap, input);
    case IMAP_OPEN:
        return imap_splice_backend(imap, input);
    case IMAP_COMMAND:
    case IMAP_SASL:
    case IMAP_STARTTLS:
    case IMAP_ASKING:
    case IMAP_OVER:
        return 0; // it was disconnected
    case IMAP_STATE_COUNT:
        break;
    }
    CHECK(!"a state");
    return 0;
}

static void client_gone(struct imap *imap)
{
    imap_finish(imap, imap->client.logout ? REASON_MAIL_QUIT : REASON_MAIL_CLIENT_LOST);
}

static size_t imap_backend_bytes(void *state, struct span input, uint64_t now_us)
{
    struct imap *imap = state;
    imap->now_us = now_us;
    size_t taken = 0, step = 1;
    while (step > 0 && taken < input.size && (taken == 0 || has_room(imap))) {
        step = backend_step(imap, span_skip(input, taken));
        taken += step;
    }
    if (imap->state == IMAP_OPEN)
        imap_splice_wrote(imap, taken);
    if (imap->state == IMAP_OPEN && imap->client.closed && imap_splice_is_safe(imap))
        client_gone(imap);
    leave_if_safe(imap);
    return taken;
}

static void imap_client_closed(void *state, uint64_t now_us)
{
    struct imap *imap = state;
    if (imap->state == IMAP_OPEN && imap_splice_is_asked(imap))
        imap->client.closed = true; // it may still read
    else if (imap->state != IMAP_OVER)
        client_gone(imap);
}

// What was open in the clear has no bearing on what follows (RFC 9051, section 6.2.1).
static void imap_tls_started(void *state, uint64_t now_us)
{
    struct imap *imap = state;
    sasl_wipe(&imap->mailbox.sasl);
    imap->go_aheads = 0;
    imap_enter(imap, IMAP_COMMAND);
    imap->host->ops->deadline(imap->host, imap->login_until_us);
}

static void imap_answer(void *state, const struct message *answer, uint64_t now_us)
{
    struct imap *imap = state;
    imap->now_us = now_us;
    if (imap->state == IMAP_ASKING)
        imap_login_answer(imap, answer);
    leave_if_safe(imap);
}

static void imap_event(void *state, enum mail_backend_event event, uint64_t now_us)
{
    struct imap *imap = state;
    imap->now_us = now_us;
    if (imap->state == IMAP_BACKEND || imap->state == IMAP_OPEN)
        imap_backend_event(imap, event);
    leave_if_safe(imap);
}

static void too_long_without_login(struct imap *imap, uint64_t now_us)
{
    struct mail_host *host = imap->host;
    if (host->ops->enforce(host, LIMIT_LOGIN_SECONDS, true)) {
        imap_bye(imap, REASON_MAIL_LOGIN_TIMEOUT, "Too long without login");
        return;
    }
    imap->login_until_us = login_deadline(host, now_us);
    host->ops->deadline(host, imap->login_until_us);
}

static void imap_timeout(void *state, uint64_t now_us)
{
    struct imap *imap = state;
    imap->now_us = now_us;
    switch ((enum imap_state)imap->state) {
    case IMAP_COMMAND:
    case IMAP_SASL:
    case IMAP_ASKING:
        too_long_without_login(imap, now_us);
        break;
    case IMAP_BACKEND:
        imap_say(imap, "%s NO [UNAVAILABLE] Mailbox server does not answer", imap->tag);
        imap_bye(imap, REASON_MAIL_BACKEND_DOWN, "Try again later");
        break;
    case IMAP_OPEN:
        imap_splice_timeout(imap);
        break;
    case IMAP_STARTTLS: // the session times the handshake
    case IMAP_OVER:
        break;
    case IMAP_STATE_COUNT:
        CHECK(!"a state");
    }
}

static void imap_drain(void *state, bool now, uint64_t now_us)
{
    struct imap *imap = state;
    imap->now_us = now_us;
    if (imap->state == IMAP_OVER)
        return;
    leave_if_safe(imap);
    if (!now || imap->state == IMAP_OVER)
        return;
    if (imap->state == IMAP_OPEN && !imap_splice_may_say(imap))
        imap_finish(imap, REASON_SESSION_DRAIN_OVER);
    else
        imap_bye(imap, REASON_SESSION_DRAIN_OVER, "Server is shutting down");
}

static void imap_done(void *state)
{
    struct imap *imap = state;
    sasl_wipe(&imap->mailbox.sasl);
}

const struct mail_protocol imap_protocol = {
    .name = "imap",
    .protocol = PROTOCOL_IMAP,
    .note_offer = imap_capability_note,
    .state_size = sizeof(struct imap),
    .start = imap_start,
    .client_input = imap_client_input,
    .backend_input = imap_backend_bytes,
    .client_closed = imap_client_closed,
    .backend_event = imap_event,
    .tls_started = imap_tls_started,
    .answer = imap_answer,
    .timeout = imap_timeout,
    .drain = imap_drain,
    .done = imap_done,
};
