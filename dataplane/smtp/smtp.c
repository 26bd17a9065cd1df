// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp.h"

#include "base/check.h"
#include "mail/excess.h"
#include "mail/line.h"
#include "smtp/smtp_relay.h"
#include "smtp/smtp_text.h"

enum { REST_SIZE = offsetof(struct smtp, backend.reply) };
static_assert(REST_SIZE <= 1408, "what an open session costs beside TCP, TLS and struct session");

enum deadline_kind {
    DEADLINE_NONE,
    DEADLINE_GREETING,
    DEADLINE_COMMAND,
    DEADLINE_DATA,
    DEADLINE_BACKEND
};

static const struct state_facts {
    const char *text;
    uint8_t deadline; // enum deadline_kind
    uint16_t next;    // bits of enum smtp_state
} states[] = {
#define NEXT(name)                        (1u << SMTP_##name)
#define STATE(name, text, deadline, next) {text, DEADLINE_##deadline, next},
#include "smtp/smtp_state.def"
#undef STATE
#undef NEXT
};
static_assert(SMTP_START < SMTP_GREETED && SMTP_GREETED < SMTP_HELLO, "the states of a client");
static_assert(SMTP_DATA_WAIT < SMTP_DATA && SMTP_DATA < SMTP_CHUNK && SMTP_CHUNK < SMTP_CHUNKS &&
                  SMTP_CHUNKS < SMTP_FINAL,
              "the states of a message in their order");
static_assert(SMTP_STATE_COUNT <= 16, "a bit each");

static const struct refusal_facts {
    const char *reply;
    uint8_t reason; // enum reason
    bool bad;
} refusals[] = {
#define REFUSAL(name, reason, bad, reply) {reply, REASON_##reason, bad},
#include "smtp/smtp_refusal.def"
#undef REFUSAL
#define FINDING(name, section, key, value, reason, bad, reject, defer, text)                       \
    {reject " " text, REASON_##reason, bad}, {defer " " text, REASON_##reason, bad},
#include "contract/finding.def"
#undef FINDING
};
static_assert(REASON_COUNT <= 256, "a reason is kept in a byte");

static uint64_t sooner(uint64_t a_us, uint64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

// Whoever waits for a backend or an answer is not to blame for the time that passes.
static uint64_t deadline_of(const struct smtp *smtp, enum deadline_kind kind)
{
    const struct mail_host *host = smtp->host;
    switch (kind) {
    case DEADLINE_NONE:
        return UINT64_MAX;
    case DEADLINE_GREETING:
        return smtp->greet_us > smtp->now_us ? smtp->greet_us : UINT64_MAX;
    case DEADLINE_COMMAND:
        return sooner(excess_end_us(host, LIMIT_COMMAND_SECONDS, smtp->now_us),
                      smtp_budget_end_us(smtp));
    case DEADLINE_DATA:
        return sooner(excess_end_us(host, LIMIT_DATA_SECONDS, smtp->now_us),
                      smtp_budget_end_us(smtp));
    case DEADLINE_BACKEND:
        return excess_end_us(host, LIMIT_BACKEND_SECONDS, smtp->now_us);
    }
    check_failed("a deadline of a known kind", __FILE__, __LINE__);
}

void smtp_enter(struct smtp *smtp, enum smtp_state next)
{
    CHECK(next == SMTP_CLOSED || (states[smtp->state].next & 1u << next));
    const struct state_facts *facts = &states[next];
    smtp->state = (uint8_t)next;
    span_to_text(span_text(facts->text), smtp->host->state, sizeof smtp->host->state);
    smtp->host->ops->deadline(smtp->host, deadline_of(smtp, (enum deadline_kind)facts->deadline));
}

void smtp_reply(struct smtp *smtp, const char *reply)
{
    char buffer[512];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add(&text, "%s\r\n", reply);
    CHECK(!text.full);
    smtp->host->ops->send(smtp->host, SIDE_CLIENT, smtp_text_span(&text));
}

const char *smtp_refusal_reply(enum smtp_refusal refusal)
{
    return refusals[refusal].reply;
}

enum reason smtp_refusal_reason(enum smtp_refusal refusal)
{
    return (enum reason)refusals[refusal].reason;
}

enum smtp_refusal smtp_refusal_of(enum reason reason)
{
    for (int i = REFUSE_NONE + 1; i < REFUSAL_COUNT; i++)
        if (refusals[i].reason == reason)
            return (enum smtp_refusal)i;
    check_failed("a reason that is told", __FILE__, __LINE__);
}

void smtp_refuse(struct smtp *smtp, enum smtp_refusal refusal)
{
    struct mail_host *host = smtp->host;
    enum reason reason = smtp_refusal_reason(refusal);
    if (reason != REASON_NONE) {
        host->ops->count(host, reason);
        host->report.refusal = (uint16_t)reason;
        if (host->report.refusals < UINT16_MAX)
            host->report.refusals++;
    }
    if (refusals[refusal].bad)
        excess_slows(host, LIMIT_ERRORS_FREE_SESSION, ++smtp->errors);
    smtp_reply(smtp, smtp_refusal_reply(refusal));
    if (excess_ends(host, LIMIT_ERRORS_SESSION, smtp->errors))
        smtp_finish(smtp, "421 4.7.0 Too many errors", REASON_MAIL_TOO_MANY_ERRORS);
}

void smtp_finish(struct smtp *smtp, const char *reply, enum reason reason)
{
    if (smtp->state == SMTP_CLOSED)
        return;
    if (reply)
        smtp_reply(smtp, reply);
    smtp_backend_quit(smtp);
    smtp_enter(smtp, SMTP_CLOSED);
    smtp->host->ops->finish(smtp->host, reason);
}

void smtp_reset(struct smtp *smtp)
{
    memset(&smtp->mail, 0, sizeof smtp->mail);
    smtp->mail.spf = VERDICT_NONE;
    smtp_backend_reset(smtp);
    if (smtp->state != SMTP_GREETED)
        smtp_enter(smtp, smtp->helo_size ? SMTP_HELLO : SMTP_GREETED);
    if (smtp->half_closed)
        smtp_finish(smtp, NULL, REASON_NONE);
}

void smtp_ask(struct smtp *smtp, const struct message *question)
{
    smtp->awaited |= (uint8_t)(1u << question->kind);
    smtp->host->ops->ask(smtp->host, question);
}

bool smtp_is_stranger(const struct smtp *smtp)
{
    return !smtp_service(smtp)->submission && !smtp_relay_is_trusted(smtp);
}

static void smtp_start(void *state, struct mail_host *host, uint64_t now_us)
{
    struct smtp *smtp = state;
    smtp->host = host;
    smtp->now_us = now_us;
    smtp->rdns = smtp->helo_match = smtp->helo_spf = VERDICT_NONE;
    smtp->budget.start_us = now_us;
    smtp_enter(smtp, SMTP_START);
    smtp_greeting_start(smtp);
}

static enum smtp_refusal line_refusal(enum reason reason)
{
    switch (reason) {
    case REASON_MAIL_BARE_LF:
        return REFUSE_LINE_BARE_LF;
    case REASON_MAIL_BARE_CR:
        return REFUSE_LINE_BARE_CR;
    case REASON_MAIL_NUL:
        return REFUSE_LINE_NUL;
    default:
        return REFUSE_LINE_TOO_LONG;
    }
}

// The rest of a refused line, so that it is never read as a command.
static size_t skip_line(struct smtp *smtp, struct span input)
{
    for (size_t i = 0; i + 1 < input.size; i++) {
        if (input.at[i] == '\r' && input.at[i + 1] == '\n') {
            smtp->skipping = false;
            return i + 2;
        }
    }
    return input.at[input.size - 1] == '\r' ? input.size - 1 : input.size;
}

static bool ends_a_line(struct span taken)
{
    return taken.size >= 2 && taken.at[taken.size - 2] == '\r' && taken.at[taken.size - 1] == '\n';
}

// A lenient client may end a line with LF alone. Nothing else is wrong with a line that is refused
// for it: line_take names the first fault.
static enum line_result next_line(const struct smtp *smtp, struct span input, size_t most,
                                  struct span *ret_line, size_t *ret_taken, enum reason *ret_reason)
{
    enum line_result result = line_take(input, most, ret_line, ret_taken, ret_reason);
    if (result != LINE_REFUSED || *ret_reason != REASON_MAIL_BARE_LF ||
        !policy_is_lenient(smtp->host->policy, &smtp->host->client))
        return result;
    *ret_line = span_head(input, span_find(input, '\n'));
    *ret_taken = ret_line->size + 1;
    return LINE_WHOLE;
}

static size_t take_line(struct smtp *smtp, struct span input)
{
    struct span line;
    size_t taken = 0;
    enum reason reason = REASON_NONE;
    if (smtp->skipping)
        return skip_line(smtp, input);
    if (smtp->state == SMTP_GREETED && line_is_foreign_protocol(input)) {
        smtp_finish(smtp, "554 5.5.1 This is SMTP", REASON_MAIL_NOT_MAIL);
        return input.size;
    }
    size_t most = smtp->state == SMTP_AUTH ? SASL_LINE_MAX + 2 : LINE_BYTES_MAX;
    switch (next_line(smtp, input, most, &line, &taken, &reason)) {
    case LINE_PARTIAL:
        return 0;
    case LINE_WHOLE:
        if (smtp->state == SMTP_AUTH)
            smtp_auth_line(smtp, line);
        else
            smtp_command(smtp, line, taken < input.size);
        return taken;
    case LINE_REFUSED:
        smtp->skipping = !ends_a_line(span_head(input, taken));
        if (smtp->state == SMTP_AUTH)
            smtp_auth_line_refused(smtp, line_refusal(reason));
        else
            smtp_refuse(smtp, line_refusal(reason));
        return taken;
    }
    return 0;
}

// Weir or the backend's server is drained: the session ends between two messages.
static void leave_if_safe(struct smtp *smtp)
{
    bool safe = smtp->state == SMTP_GREETED || smtp->state == SMTP_HELLO ||
                smtp->state == SMTP_START || smtp->state == SMTP_AUTH;
    if (smtp->host->leaving && safe)
        smtp_finish(smtp, "421 4.3.2 Server is shutting down, try again later",
                    REASON_MAIL_DRAINED);
}

static size_t take_client(struct smtp *smtp, struct span input)
{
    switch ((enum smtp_state)smtp->state) {
    case SMTP_START:
        return smtp_greeting_early(smtp, input);
    case SMTP_GREETED:
    case SMTP_HELLO:
    case SMTP_AUTH:
    case SMTP_MAIL:
    case SMTP_RCPT:
    case SMTP_CHUNKS:
        return take_line(smtp, input);
    case SMTP_DATA:
        return smtp_content_input(smtp, input);
    case SMTP_CHUNK:
        return smtp_chunk_input(smtp, input);
    case SMTP_TLS:
    case SMTP_VERIFY:
    case SMTP_SENDER:
    case SMTP_RCPT_WAIT:
    case SMTP_DATA_WAIT:
    case SMTP_FINAL:
    case SMTP_CLOSED:
    case SMTP_STATE_COUNT:
        return 0;
    }
    check_failed("a known state", __FILE__, __LINE__);
}

static size_t smtp_client_input(void *state, struct span input, uint64_t now_us)
{
    struct smtp *smtp = state;
    smtp->now_us = now_us;
    size_t taken = take_client(smtp, input);
    leave_if_safe(smtp);
    return taken;
}

static void take_outcome(struct smtp *smtp, enum smtp_outcome outcome)
{
    if (outcome == OUTCOME_NONE)
        return;
    if (smtp->state == SMTP_RCPT_WAIT)
        smtp_envelope_outcome(smtp, outcome);
    else if (smtp->state >= SMTP_DATA_WAIT && smtp->state <= SMTP_FINAL)
        smtp_content_outcome(smtp, outcome);
}

static size_t smtp_backend_input_event(void *state, struct span input, uint64_t now_us)
{
    struct smtp *smtp = state;
    size_t taken = 0;
    smtp->now_us = now_us;
    if (smtp->state == SMTP_CLOSED)
        return 0;
    take_outcome(smtp, smtp_backend_input(smtp, input, &taken));
    leave_if_safe(smtp);
    return taken;
}

static void smtp_backend_event_event(void *state, enum mail_backend_event event, uint64_t now_us)
{
    struct smtp *smtp = state;
    smtp->now_us = now_us;
    if (smtp->state != SMTP_CLOSED)
        take_outcome(smtp, smtp_backend_event(smtp, event));
    leave_if_safe(smtp);
}

// A client may close its side early and still read. A message whose final dot went to the backend
// gets its reply; anything else is over.
static void smtp_client_closed(void *state, uint64_t now_us)
{
    struct smtp *smtp = state;
    smtp->now_us = now_us;
    smtp->half_closed = true;
    if (smtp->state == SMTP_FINAL || smtp->state == SMTP_CLOSED)
        return;
    bool in_mail = smtp->state >= SMTP_SENDER;
    smtp_finish(smtp, NULL, in_mail ? REASON_MAIL_CLIENT_LOST : REASON_NONE);
}

static void smtp_tls_started(void *state, uint64_t now_us)
{
    struct smtp *smtp = state;
    smtp->now_us = now_us;
    if (smtp->state == SMTP_TLS)
        smtp_enter(smtp, SMTP_GREETED);
}

static void take_rdns(struct smtp *smtp, const struct rdns_answer *answer)
{
    smtp->rdns = answer ? answer->verdict : RDNS_TEMPERROR;
    if (answer)
        smtp->rdns_name = answer->name;
    smtp->host->report.rdns = smtp->rdns;
}

// Lists are open where they fail.
static void take_dnsbl(struct smtp *smtp, const struct dnsbl_answer *answer)
{
    if (answer)
        smtp->dnsbl = smtp->host->report.dnsbl = answer->score;
}

static void take_helo(struct smtp *smtp, const struct helo_answer *answer)
{
    smtp->helo_match = answer ? answer->match : HELO_TEMPERROR;
    smtp->host->report.helo_match = smtp->helo_match;
}

static void smtp_answer(void *state, const struct message *answer, uint64_t now_us)
{
    struct smtp *smtp = state;
    bool ok = answer->status == STATUS_OK;
    smtp->now_us = now_us;
    if ((answer->kind == MESSAGE_AUTH || answer->kind == MESSAGE_SASL) &&
        smtp->state == SMTP_VERIFY) {
        smtp_auth_answer(smtp, answer);
        return;
    }
    if (smtp->state == SMTP_CLOSED || !(smtp->awaited & 1u << answer->kind))
        return;
    smtp->awaited &= (uint8_t) ~(1u << answer->kind);
    switch (answer->kind) {
    case MESSAGE_RDNS:
        take_rdns(smtp, ok ? &answer->rdns_answer : NULL);
        break;
    case MESSAGE_DNSBL:
        take_dnsbl(smtp, ok ? &answer->dnsbl_answer : NULL);
        break;
    case MESSAGE_HELO:
        take_helo(smtp, ok ? &answer->helo_answer : NULL);
        break;
    case MESSAGE_SPF:
        smtp_envelope_take_spf(smtp,
                               ok ? (enum spf_result)answer->spf_answer.result : SPF_TEMPERROR);
        break;
    default:
        CHECK(!"asked by smtp_ask");
    }
    if (smtp->state == SMTP_START)
        smtp_greeting_go_on(smtp);
    else if (smtp->awaited == 0)
        smtp_envelope_judge(smtp);
}

// Nothing came in time; or it is the time of the session, which ends only then.
static void time_is_up(struct smtp *smtp, enum limit waited)
{
    struct mail_host *host = smtp->host;
    if (smtp->now_us >= smtp_budget_end_us(smtp)) {
        if (smtp_budget_time_ends(smtp))
            return;
    } else if (!host->stalled && host->ops->enforce(host, waited, true)) {
        smtp_finish(smtp, "421 4.4.2 Timeout, closing", limit_facts(waited)->reason);
        return;
    }
    smtp_enter(smtp, (enum smtp_state)smtp->state); // it begins anew
}

static void smtp_timeout(void *state, uint64_t now_us)
{
    struct smtp *smtp = state;
    smtp->now_us = now_us;
    switch ((enum deadline_kind)states[smtp->state].deadline) {
    case DEADLINE_NONE:
        return;
    case DEADLINE_GREETING:
        smtp_greeting_go_on(smtp);
        return;
    case DEADLINE_COMMAND:
        time_is_up(smtp, LIMIT_COMMAND_SECONDS);
        return;
    case DEADLINE_DATA:
        time_is_up(smtp, LIMIT_DATA_SECONDS);
        return;
    case DEADLINE_BACKEND:
        smtp_backend_drop(smtp);
        take_outcome(smtp, OUTCOME_LOST);
        return;
    }
}

static void smtp_drain(void *state, bool now, uint64_t now_us)
{
    struct smtp *smtp = state;
    smtp->now_us = now_us;
    leave_if_safe(smtp);
    if (now && smtp->state != SMTP_FINAL) // the backend may take it, and the client send it again
        smtp_finish(smtp, "421 4.3.2 Server is shutting down", REASON_SESSION_DRAIN_OVER);
}

static void smtp_done(void *state)
{
    explicit_bzero(state, sizeof(struct smtp));
}

// No mail and no login is under way, and no reply of the backend is half there.
static bool smtp_rests(const void *state)
{
    const struct smtp *smtp = state;
    return (smtp->state <= SMTP_HELLO || smtp->state == SMTP_CLOSED) &&
           (smtp->backend.kept == 0 || smtp->backend.reply_whole);
}

const struct mail_protocol smtp_protocol = {
    .name = "smtp",
    .protocol = PROTOCOL_SMTP,
    .note_offer = smtp_backend_note_offer,
    .state_size = sizeof(struct smtp),
    .rests = smtp_rests,
    .rest_size = REST_SIZE,
    .start = smtp_start,
    .client_input = smtp_client_input,
    .backend_input = smtp_backend_input_event,
    .client_closed = smtp_client_closed,
    .backend_event = smtp_backend_event_event,
    .tls_started = smtp_tls_started,
    .answer = smtp_answer,
    .timeout = smtp_timeout,
    .drain = smtp_drain,
    .report = smtp_trail_report,
    .done = smtp_done,
};
