// SPDX-License-Identifier: BSD-3-Clause
#include "base/check.h"
#include "smtp/smtp.h"
#include "smtp/smtp_header.h"

static_assert(SMTP_HEADER_MAX <= LINE_BYTES_MAX + REPLY_MAX, "our header fits the promised room");

// What the session reads of a refused message before it gives the client up, beyond the limit that
// the message itself has.
enum { SWALLOW_FACTOR = 2 };

uint64_t smtp_content_read_most(const struct smtp *smtp)
{
    const struct mail_host *host = smtp->host;
    bool has_end = host->modes[LIMIT_MESSAGE_BYTES] == MODE_ENFORCE;
    return has_end ? SWALLOW_FACTOR * host->limits[LIMIT_MESSAGE_BYTES] : UINT64_MAX;
}

enum smtp_refusal smtp_content_check(const struct smtp *smtp, struct smtp_arguments *arguments)
{
    return arguments->text.size ? REFUSE_NO_ARGUMENTS : REFUSE_NONE;
}

// DATA ends a pipeline (RFC 2920, section 3.1). Behind it stands a message from somebody who does
// not wait for the 354: were DATA refused, its lines would be taken for commands.
void smtp_content_data(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    if (arguments->ahead) {
        smtp_finish(smtp, "554 5.5.0 Message sent before it was asked for", REASON_SMTP_PIPELINING);
        return;
    }
    if (smtp->backend.voided) {
        smtp_reset(smtp);
        smtp_refuse(smtp, REFUSE_BACKEND_LOST);
        return;
    }
    smtp_enter(smtp, SMTP_DATA_WAIT);
    smtp_backend_data(smtp);
}

enum smtp_refusal smtp_content_scan(struct smtp *smtp, enum rule_part part, struct span text)
{
    const struct policy *policy = smtp->host->policy;
    const struct policy_rule *rules = policy_at(policy, policy->rules);
    uint32_t rule = 0;
    if (!smtp->host->ops->scan_feed(smtp->host, part, text, &rule))
        return REFUSE_NONE;
    CHECK(rule < policy->rules.count);
    return rules[rule].action == ACTION_DEFER ? REFUSE_RULE_DEFERRED : REFUSE_RULE_REJECTED;
}

// From here on the message is read, not passed. The backend's connection closes without the final
// dot, so what it has is no message.
void smtp_content_swallow(struct smtp *smtp, enum smtp_refusal refusal)
{
    smtp_backend_drop(smtp);
    smtp->mail.swallow = true;
    smtp->mail.refusal = (uint8_t)refusal;
}

static enum smtp_refusal refusal_of_byte(enum reason reason)
{
    switch (reason) {
    case REASON_MAIL_BARE_LF:
        return REFUSE_DATA_BARE_LF;
    case REASON_MAIL_BARE_CR:
        return REFUSE_DATA_BARE_CR;
    default:
        return REFUSE_DATA_NUL;
    }
}

// The end of a message that was refused on its way.
void smtp_content_refused(struct smtp *smtp)
{
    enum smtp_refusal refusal = (enum smtp_refusal)smtp->mail.refusal;
    smtp_reset(smtp);
    if (refusal == REFUSE_NONE)
        smtp->host->ops->send(smtp->host, SIDE_CLIENT,
                              span_of(smtp->backend.reply, smtp->backend.kept));
    else
        smtp_refuse(smtp, refusal);
}

// What one block of input becomes on its way to the backend: runs of it that lie apart.
// MORE_THAN_INPUT: bytes by which that may be longer, beside what was held: dots and the end.
// NORMAL_MAX: bytes of a lenient client's text that are made strict at a time.
enum { RUNS_MAX = 32, MORE_THAN_INPUT = 4, NORMAL_MAX = 4096 };

struct block {
    struct span runs[RUNS_MAX];
    unsigned count;
    size_t taken; // bytes of input
    bool end;     // the message's
    enum smtp_refusal refusal;
};

static void flush(struct smtp *smtp, struct block *block)
{
    for (unsigned i = 0; i < block->count; i++)
        smtp->host->ops->send(smtp->host, SIDE_BACKEND, block->runs[i]);
    block->count = 0;
}

static void add_run(struct smtp *smtp, struct block *block, struct span run)
{
    struct span *last = block->count ? &block->runs[block->count - 1] : NULL;
    if (last && last->at + last->size == run.at) {
        last->size += run.size;
        return;
    }
    if (block->count == RUNS_MAX)
        flush(smtp, block);
    block->runs[block->count++] = run;
}

// Text of the header section without forged fields. What was held goes out before anything else
// can be held in its place.
static void take_headers(struct smtp *smtp, struct block *block, struct span text)
{
    struct smtp_results *results = &smtp->mail.results;
    struct span our_name = span_text(smtp->host->policy->smtp.host_name);
    while (text.size && block->refusal == REFUSE_NONE) { // every round takes a byte at least
        enum smtp_results_fate fate;
        struct span before;
        size_t size = smtp_results_next(results, our_name, text, &fate, &before);
        if (before.size) {
            flush(smtp, block);
            smtp->host->ops->send(smtp->host, SIDE_BACKEND, before);
        }
        if (fate == RESULTS_PASS)
            add_run(smtp, block, span_head(text, size));
        else if (fate == RESULTS_FOLDED)
            block->refusal = REFUSE_DATA_FOLDED;
        text = span_skip(text, size);
    }
    for (; results->removed; results->removed--)
        smtp->host->ops->count(smtp->host, REASON_SMTP_RESULTS_FORGED);
}

static void take_content(struct smtp *smtp, struct block *block, struct span text, bool in_body)
{
    block->refusal = smtp_content_scan(smtp, in_body ? RULE_BODY : RULE_HEADERS, text);
    if (in_body)
        add_run(smtp, block, text);
    else if (block->refusal == REFUSE_NONE)
        take_headers(smtp, block, text);
}

static void take_end(struct smtp *smtp, struct block *block)
{
    struct span left = smtp_results_end(&smtp->mail.results);
    if (left.size) {
        flush(smtp, block);
        smtp->host->ops->send(smtp->host, SIDE_BACKEND, left);
    }
    add_run(smtp, block, span_text(".\r\n"));
    block->end = true;
}

// Once a message: not when that was so before, or is known from MAIL.
static bool is_too_big_now(const struct smtp *smtp, uint64_t before)
{
    const struct smtp_mail *mail = &smtp->mail;
    uint64_t most = smtp->host->limits[LIMIT_MESSAGE_BYTES];
    bool counted = before > most || mail->param.size > most || mail->data.chunked;
    bool enforced = smtp->host->modes[LIMIT_MESSAGE_BYTES] == MODE_ENFORCE;
    return (enforced || !counted) && smtp_budget_is_too_big(smtp, 0, mail->data.size);
}

// Reads input piece by piece up to the end or the first fault.
static void read_pieces(struct smtp *smtp, struct span input, struct block *block)
{
    struct smtp_data *data = &smtp->mail.data;
    uint64_t before = data->size;
    while (block->taken < input.size && !block->end && block->refusal == REFUSE_NONE) {
        size_t size = 0;
        enum reason reason = REASON_NONE;
        struct span left = span_skip(input, block->taken);
        enum smtp_data_piece piece = smtp_data_next(data, left, &size, &reason);
        struct span text = span_head(left, size);
        switch (piece) {
        case DATA_LEADING:
            add_run(smtp, block, span_text("."));
            take_content(smtp, block, text, data->in_body);
            break;
        case DATA_HEADERS:
        case DATA_BODY:
            take_content(smtp, block, text, piece == DATA_BODY);
            break;
        case DATA_DOT:
            break;
        case DATA_END:
            take_end(smtp, block);
            break;
        case DATA_REFUSED:
            block->refusal = refusal_of_byte(reason);
            break;
        }
        block->taken += size;
    }
    if (block->refusal == REFUSE_NONE && is_too_big_now(smtp, before))
        block->refusal = REFUSE_TOO_BIG;
}

bool smtp_content_keeps_pace(struct smtp *smtp, size_t taken, bool left)
{
    struct mail_host *host = smtp->host;
    uint64_t least = host->limits[LIMIT_DATA_BYTES_SECOND_LEAST];
    left |= host->stalled;
    if (!smtp_pace_is_slow(&smtp->mail.pace, smtp->now_us, taken, left, least) ||
        !host->ops->enforce(host, LIMIT_DATA_BYTES_SECOND_LEAST, true))
        return true;
    smtp_backend_drop(smtp);
    smtp_finish(smtp, "421 4.4.2 Message too slow", REASON_SMTP_TOO_SLOW);
    return false;
}

size_t smtp_content_pass(struct smtp *smtp, struct span input, bool *ret_end)
{
    struct mail_host *host = smtp->host;
    struct smtp_normal *normal = &smtp->mail.normal;
    struct block block = {.refusal = REFUSE_NONE};
    char buffer[NORMAL_MAX];
    size_t room = host->ops->room(host, SIDE_BACKEND);
    size_t more = smtp->mail.results.held_size + MORE_THAN_INPUT;
    room = room > more ? room - more : 0;
    if (smtp->mail.data.chunked) // every second byte may become two
        room /= 2;
    struct span text = span_head(input, room);
    size_t taken = 0;
    if (normal->on)
        text = smtp_normal_text(normal, input, buffer, room < NORMAL_MAX ? room : NORMAL_MAX,
                                &taken, ret_end);
    read_pieces(smtp, text, &block);
    if (block.refusal == REFUSE_NONE)
        flush(smtp, &block);
    else
        smtp_content_swallow(smtp, block.refusal);
    if (normal->on) {
        CHECK(block.refusal != REFUSE_NONE || *ret_end == block.end);
        return taken; // behind a fault, what is left of the text need not be read
    }
    *ret_end = block.end;
    return block.taken;
}

static size_t pass(struct smtp *smtp, struct span input)
{
    bool end = false;
    size_t taken = smtp_content_pass(smtp, input, &end);
    if (!end && !smtp_content_keeps_pace(smtp, taken, taken < input.size))
        return taken;
    if (taken == 0)
        return 0;
    smtp_enter(smtp, SMTP_DATA); // the deadline is between blocks
    if (end && smtp->mail.swallow) {
        smtp_content_refused(smtp);
    } else if (end) {
        smtp_enter(smtp, SMTP_FINAL);
        smtp_backend_final(smtp);
    }
    return taken;
}

// RFC 3030, section 3: a message by BDAT need not end with CR LF; one by DATA does.
void smtp_content_end(struct smtp *smtp)
{
    struct block block = {.refusal = REFUSE_NONE};
    bool at_line_start = smtp_data_is_at_line_start(&smtp->mail.data);
    struct span left = smtp_results_end(&smtp->mail.results);
    if (left.size)
        add_run(smtp, &block, left);
    add_run(smtp, &block, span_text(at_line_start ? ".\r\n" : "\r\n.\r\n"));
    flush(smtp, &block);
    smtp_enter(smtp, SMTP_FINAL);
    smtp_backend_final(smtp);
}

// The next bytes of a message that nobody gets. True: its end is their last.
static bool skip_piece(struct smtp_mail *mail, struct span input, size_t *ret_size)
{
    enum reason reason;
    char buffer[NORMAL_MAX];
    bool end;
    if (!mail->normal.on)
        return smtp_data_next(&mail->data, input, ret_size, &reason) == DATA_END;
    mail->data.size +=
        smtp_normal_text(&mail->normal, input, buffer, sizeof buffer, ret_size, &end).size;
    return end;
}

static size_t read_on(struct smtp *smtp, struct span input)
{
    struct smtp_data *data = &smtp->mail.data;
    uint64_t most = smtp_content_read_most(smtp);
    size_t taken = 0;
    while (taken < input.size) {
        size_t size = 0;
        bool end = skip_piece(&smtp->mail, span_skip(input, taken), &size);
        taken += size;
        if (end) {
            smtp_content_refused(smtp);
            return taken;
        }
    }
    if (!smtp_content_keeps_pace(smtp, taken, false))
        return taken;
    smtp_enter(smtp, SMTP_DATA);
    if (data->size > most)
        smtp_finish(smtp, "552 5.3.4 Message too big, closing", REASON_SMTP_TOO_BIG);
    return taken;
}

size_t smtp_content_input(struct smtp *smtp, struct span input)
{
    return smtp->mail.swallow ? read_on(smtp, input) : pass(smtp, input);
}

static enum smtp_refusal outcome_refusal(enum smtp_outcome outcome)
{
    return outcome == OUTCOME_BAD ? REFUSE_BACKEND_BAD : REFUSE_BACKEND_LOST;
}

static void begin(struct smtp *smtp)
{
    char header[SMTP_HEADER_MAX];
    smtp_budget_message(smtp);
    smtp_pace_start(&smtp->mail.pace, smtp->now_us);
    smtp->host->ops->send(smtp->host, SIDE_BACKEND, smtp_header_write(smtp, header));
    smtp->mail.normal.on = policy_is_lenient(smtp->host->policy, &smtp->host->client);
    smtp->mail.normal.chunked = smtp->mail.data.chunked;
    if (smtp->mail.data.chunked) {
        smtp_chunk_begin(smtp);
        return;
    }
    smtp_enter(smtp, SMTP_DATA);
    smtp_reply(smtp, "354 End data with <CR><LF>.<CR><LF>");
}

static void end(struct smtp *smtp, enum smtp_outcome outcome)
{
    struct mail_host *host = smtp->host;
    struct smtp_backend *backend = &smtp->backend;
    if (outcome != OUTCOME_REPLIED) {
        smtp_refuse(smtp, outcome_refusal(outcome));
    } else {
        host->ops->send(host, SIDE_CLIENT, span_of(backend->reply, backend->kept));
        if (smtp->state == SMTP_FINAL && smtp_backend_class(backend) == 2 &&
            host->report.mails < UINT16_MAX) {
            host->report.mails++;
            host->report.message_bytes += smtp->mail.data.size;
        }
    }
    smtp_reset(smtp);
}

void smtp_content_outcome(struct smtp *smtp, enum smtp_outcome outcome)
{
    bool go_ahead = outcome == OUTCOME_REPLIED && smtp->backend.code == 354;
    bool chunk_waits = smtp->state == SMTP_DATA_WAIT && smtp->mail.data.chunked;
    if (smtp->state == SMTP_DATA_WAIT && go_ahead) {
        begin(smtp);
    } else if (smtp->state == SMTP_FINAL || (smtp->state == SMTP_DATA_WAIT && !chunk_waits)) {
        end(smtp, outcome);
    } else if (!smtp->mail.swallow) {
        enum smtp_refusal refusal =
            outcome == OUTCOME_REPLIED ? REFUSE_NONE : outcome_refusal(outcome);
        smtp_content_swallow(smtp, refusal);
        if (chunk_waits)
            smtp_chunk_begin(smtp);
    }
}
