// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_backend.h"

#include "base/check.h"
#include "mail/line.h"
#include "smtp/smtp.h"
#include "smtp/smtp_text.h"

static void send_text(struct smtp *smtp, struct span text)
{
    smtp->host->ops->send(smtp->host, SIDE_BACKEND, text);
}

static void send_command(struct smtp *smtp, enum smtp_step step, struct span text)
{
    smtp->backend.step = (uint8_t)step;
    send_text(smtp, text);
}

// The connection is gone, and with it the recipients that it had accepted for the present mail.
static void forget(struct smtp *smtp)
{
    struct smtp_backend *backend = &smtp->backend;
    if (backend->transaction && !backend->stale && smtp->mail.recipients > 0)
        backend->voided = true;
    backend->step = STEP_NONE;
    backend->xclients = 0;
    backend->transaction = backend->stale = backend->rcpt_ahead = false;
}

void smtp_backend_reset(struct smtp *smtp)
{
    if (smtp->backend.step == STEP_BODY) // between chunks: only this ends a message unmade
        smtp_backend_drop(smtp);
    smtp->backend.stale = smtp->backend.transaction;
    smtp->backend.voided = false;
}

void smtp_backend_drop(struct smtp *smtp)
{
    if (smtp->backend.step != STEP_NONE)
        smtp->host->ops->disconnect(smtp->host);
    forget(smtp);
}

void smtp_backend_quit(struct smtp *smtp)
{
    uint8_t step = smtp->backend.step;
    if (step == STEP_READY)
        send_text(smtp, span_text("QUIT\r\n"));
    smtp_backend_drop(smtp);
}

// Now in the client's name.
static void send_ehlo(struct smtp *smtp)
{
    char buffer[HOST_NAME_MAX_DNS + 16];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add(&text, "EHLO ");
    smtp_text_add_span(&text, smtp_helo(smtp));
    smtp_text_add(&text, "\r\n");
    CHECK(!text.full);
    smtp->host->offered = (struct mail_offer){0};
    send_command(smtp, STEP_EHLO, smtp_text_span(&text));
}

static void add_notify(struct smtp_text *text, uint8_t notify)
{
    static const char *const words[] = {"SUCCESS", "FAILURE", "DELAY", "NEVER"};
    const char *before = " NOTIFY=";
    for (unsigned i = 0; i < 4; i++) {
        if (!(notify >> i & 1))
            continue;
        smtp_text_add(text, "%s%s", before, words[i]);
        before = ",";
    }
}

static void send_rcpt(struct smtp *smtp)
{
    const struct smtp_mail *mail = &smtp->mail;
    char buffer[MAIL_ADDRESS_MAX + SMTP_ORCPT_MAX + 96];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add(&text, "RCPT TO:<");
    smtp_text_add_span(&text, span_of(mail->to, mail->to_size));
    smtp_text_add(&text, ">");
    if (smtp->host->offered.bits & OFFER_DSN) {
        add_notify(&text, mail->notify);
        if (mail->orcpt_size)
            smtp_text_add(&text, " ORCPT=%.*s", (int)mail->orcpt_size, mail->orcpt);
    }
    smtp_text_add(&text, "\r\n");
    CHECK(!text.full);
    send_text(smtp, smtp_text_span(&text));
}

// The recipient goes with it where the backend takes that.
static void send_mail(struct smtp *smtp)
{
    const struct smtp_mail *mail = &smtp->mail;
    uint16_t offers = smtp->host->offered.bits;
    char buffer[MAIL_ADDRESS_MAX + SMTP_ENVID_MAX + 128];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add(&text, "MAIL FROM:<");
    smtp_text_add_span(&text, smtp_mail_from(smtp));
    smtp_text_add(&text, ">");
    if ((mail->param.bits & PARAM_SIZE) && (offers & OFFER_SIZE))
        smtp_text_add(&text, " SIZE=%llu", (unsigned long long)mail->param.size);
    if ((mail->param.bits & PARAM_8BIT) && (offers & OFFER_8BITMIME))
        smtp_text_add(&text, " BODY=8BITMIME");
    if (mail->param.bits & PARAM_UTF8)
        smtp_text_add(&text, " SMTPUTF8");
    if ((mail->param.bits & PARAM_RET) && (offers & OFFER_DSN))
        smtp_text_add(&text, " RET=%s", mail->param.bits & PARAM_RET_FULL ? "FULL" : "HDRS");
    if (mail->envid_size && (offers & OFFER_DSN))
        smtp_text_add(&text, " ENVID=%.*s", (int)mail->envid_size, mail->envid);
    smtp_text_add(&text, "\r\n");
    CHECK(!text.full);
    send_command(smtp, STEP_MAIL, smtp_text_span(&text));
    smtp->backend.rcpt_ahead = offers & OFFER_PIPELINING;
    if (smtp->backend.rcpt_ahead)
        send_rcpt(smtp);
}

// The next command of those that lead to the recipient's.
static enum smtp_outcome go_on(struct smtp *smtp)
{
    struct smtp_backend *backend = &smtp->backend;
    if (backend->transaction && backend->stale) {
        send_command(smtp, STEP_RSET, span_text("RSET\r\n"));
    } else if (backend->transaction) {
        backend->step = STEP_RCPT;
        send_rcpt(smtp);
    } else if ((smtp->mail.param.bits & PARAM_UTF8) &&
               !(smtp->host->offered.bits & OFFER_SMTPUTF8)) {
        backend->step = STEP_READY;
        return OUTCOME_NO_UTF8;
    } else {
        send_mail(smtp);
    }
    return OUTCOME_NONE;
}

void smtp_backend_recipient(struct smtp *smtp, unsigned backend)
{
    struct smtp_backend *b = &smtp->backend;
    if (b->step != STEP_NONE && b->backend != backend)
        smtp_backend_quit(smtp);
    if (b->step == STEP_NONE) {
        b->backend = (uint8_t)backend;
        b->step = STEP_CONNECT;
        b->reply_whole = true; // whatever came before, the next line begins a reply
        smtp->host->report.backend = (uint8_t)backend;
        smtp->host->ops->connect(smtp->host, backend);
        return;
    }
    enum smtp_outcome outcome = go_on(smtp);
    if (outcome != OUTCOME_NONE)
        smtp_envelope_outcome(smtp, outcome);
}

void smtp_backend_data(struct smtp *smtp)
{
    CHECK(smtp->backend.step == STEP_READY && smtp->backend.transaction);
    send_command(smtp, STEP_DATA, span_text("DATA\r\n"));
}

void smtp_backend_final(struct smtp *smtp)
{
    CHECK(smtp->backend.step == STEP_BODY);
    smtp->backend.step = STEP_FINAL;
}

// Room for the last line of a reply that had to be cut.
static const char cut_text[] = "reply cut";
enum { KEEP_FOR_CUT = 4 + sizeof cut_text + 2 };

static void keep_line(struct smtp_backend *backend, struct span line, bool last)
{
    struct smtp_text kept = {
        .at = backend->reply, .size = sizeof backend->reply, .used = backend->kept};
    if (kept.used + line.size + 2 + KEEP_FOR_CUT <= kept.size) {
        char *at = kept.at + kept.used;
        smtp_text_add_span(&kept, line);
        for (size_t i = 0; i < line.size; i++)
            if (line.at[i] < 0x20 || line.at[i] >= 0x7f)
                at[i] = '?';
        smtp_text_add(&kept, "\r\n");
    } else if (last) {
        smtp_text_add(&kept, "%03u %s\r\n", backend->code, cut_text);
    }
    backend->kept = (uint16_t)kept.used;
}

void smtp_backend_note_offer(struct mail_offer *offer, struct span line)
{
    static const struct {
        const char *keyword;
        enum mail_offer_bit bit;
    } bits[] = {{"SIZE", OFFER_SIZE},
                {"8BITMIME", OFFER_8BITMIME},
                {"SMTPUTF8", OFFER_SMTPUTF8},
                {"PIPELINING", OFFER_PIPELINING},
                {"DSN", OFFER_DSN}};
    struct span words;
    struct span keyword = line_word(span_skip(line, 4), &words);
    offer->known = true;
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        if (span_equal_nocase(keyword, span_text(bits[i].keyword)))
            offer->bits |= (uint16_t)bits[i].bit;
    if (span_equal_nocase(keyword, span_text("SIZE")) &&
        !span_to_u64(words, UINT64_MAX, &offer->size))
        offer->size = 0;
    if (span_equal_nocase(keyword, span_text("XCLIENT")))
        offer->xclient = smtp_xclient_offered(words);
}

// One line of a reply: three digits, the same in all lines, and '-' or a space or nothing.
static bool take_reply_line(struct smtp *smtp, struct span line)
{
    struct smtp_backend *backend = &smtp->backend;
    uint64_t code = 0;
    char mark = line.size > 3 ? (char)line.at[3] : ' ';
    if (line.size < 3 || !span_to_u64(span_head(line, 3), 599, &code) || code < 200 ||
        (mark != ' ' && mark != '-') || (backend->code && backend->code != code) ||
        ++backend->lines > SMTP_REPLY_LINES)
        return false;
    backend->code = (uint16_t)code;
    backend->reply_whole = mark == ' ';
    if (backend->step == STEP_EHLO)
        smtp_backend_note_offer(&smtp->host->offered, line);
    keep_line(backend, line, backend->reply_whole);
    return true;
}

static enum smtp_outcome bad(struct smtp *smtp)
{
    smtp_backend_drop(smtp);
    return OUTCOME_BAD;
}

// A refusal that ends the connection before its time. With 45x or 55x it is about the client or the
// message; with another code it is about us or the connection, which the client cannot help.
static enum smtp_outcome refused_for_good(struct smtp *smtp)
{
    unsigned tens = smtp->backend.code / 10;
    smtp_backend_drop(smtp);
    return tens == 45 || tens == 55 ? OUTCOME_REPLIED : OUTCOME_BAD;
}

// A refusal that the client may have as it is. 421 speaks of the connection, not of the client, and
// that connection ends: for the client it is a loss.
static enum smtp_outcome refused(struct smtp *smtp)
{
    struct smtp_backend *backend = &smtp->backend;
    unsigned class = smtp_backend_class(backend);
    if (backend->code == 421) {
        smtp_backend_drop(smtp);
        return OUTCOME_LOST;
    }
    if (class != 4 && class != 5)
        return bad(smtp);
    backend->step = STEP_READY;
    return OUTCOME_REPLIED;
}

static void send_xclient(struct smtp *smtp, unsigned commands)
{
    char text[XCLIENT_TEXT_SIZE];
    struct smtp_backend *backend = &smtp->backend;
    uint8_t attributes = smtp->host->offered.xclient;
    struct span command = smtp_xclient_command(smtp, attributes, commands, backend->xclients, text);
    backend->xclients--;
    send_command(smtp, STEP_XCLIENT, command);
}

// The connection was greeted in our own name.
static enum smtp_outcome after_connect(struct smtp *smtp)
{
    struct smtp_backend *backend = &smtp->backend;
    uint8_t identity = smtp->host->policy->backends[backend->backend].identity;
    unsigned commands = smtp_xclient_commands(smtp, smtp->host->offered.xclient);
    if (identity == IDENTITY_FORWARD && commands > 0) {
        backend->xclients = (uint8_t)commands;
        send_xclient(smtp, commands);
    } else if (identity == IDENTITY_PROXY) {
        send_ehlo(smtp);
    } else {
        return go_on(smtp);
    }
    return OUTCOME_NONE;
}

// Postfix greets anew for the client that it now sees, and may refuse that client there.
static enum smtp_outcome after_xclient(struct smtp *smtp)
{
    if (smtp->backend.code != 220)
        return refused_for_good(smtp);
    if (smtp->backend.xclients)
        send_xclient(smtp, 2);
    else
        send_ehlo(smtp);
    return OUTCOME_NONE;
}

// 501 is about the name, which is the client's: some servers want no underscores in it.
static enum smtp_outcome after_ehlo(struct smtp *smtp)
{
    if (smtp->backend.code == 250)
        return go_on(smtp);
    if (smtp->backend.code != 501)
        return refused_for_good(smtp);
    smtp_backend_drop(smtp);
    return OUTCOME_REPLIED;
}

// A recipient behind a sender that is refused is refused as well: whoever asks next would get that
// reply, so the connection goes.
static enum smtp_outcome after_mail(struct smtp *smtp)
{
    struct smtp_backend *backend = &smtp->backend;
    bool rcpt_ahead = backend->rcpt_ahead;
    if (smtp_backend_class(backend) != 2) {
        enum smtp_outcome outcome = refused(smtp);
        if (rcpt_ahead)
            smtp_backend_drop(smtp);
        return outcome;
    }
    backend->transaction = true;
    backend->stale = backend->rcpt_ahead = false;
    backend->step = STEP_RCPT;
    if (!rcpt_ahead)
        send_rcpt(smtp);
    return OUTCOME_NONE;
}

static enum smtp_outcome after_final(struct smtp *smtp)
{
    struct smtp_backend *backend = &smtp->backend;
    unsigned class = smtp_backend_class(backend);
    backend->transaction = false;
    if (class == 2) {
        backend->step = STEP_READY;
        return OUTCOME_REPLIED;
    }
    return refused(smtp);
}

// A whole reply to the command of this step.
static enum smtp_outcome take_reply(struct smtp *smtp)
{
    struct smtp_backend *backend = &smtp->backend;
    unsigned class = smtp_backend_class(backend);
    switch ((enum smtp_step)backend->step) {
    case STEP_XCLIENT:
        return after_xclient(smtp);
    case STEP_EHLO:
        return after_ehlo(smtp);
    case STEP_RSET:
        backend->transaction = false;
        return class == 2 ? go_on(smtp) : bad(smtp);
    case STEP_MAIL:
        return after_mail(smtp);
    case STEP_RCPT:
        if (class != 2)
            return refused(smtp);
        backend->step = STEP_READY;
        return OUTCOME_REPLIED;
    case STEP_DATA:
        if (backend->code != 354)
            return refused(smtp);
        backend->step = STEP_BODY;
        return OUTCOME_REPLIED;
    case STEP_BODY: // it gives up early; what it got has no end
        return refused_for_good(smtp);
    case STEP_FINAL:
        return after_final(smtp);
    case STEP_READY: // nobody asked: it says good-bye
        smtp_backend_drop(smtp);
        return OUTCOME_NONE;
    case STEP_NONE:
    case STEP_CONNECT:
    case STEP_COUNT:
        break;
    }
    check_failed("a step with a reply", __FILE__, __LINE__);
}

enum smtp_outcome smtp_backend_input(struct smtp *smtp, struct span input, size_t *ret_taken)
{
    struct smtp_backend *backend = &smtp->backend;
    enum reason reason = REASON_NONE;
    struct span line;
    *ret_taken = input.size;
    if (backend->step <= STEP_CONNECT)
        return OUTCOME_NONE;
    *ret_taken = 0;
    switch (line_take(input, LINE_BYTES_MAX, &line, ret_taken, &reason)) {
    case LINE_PARTIAL:
        return OUTCOME_NONE;
    case LINE_REFUSED:
        return bad(smtp);
    case LINE_WHOLE:
        break;
    }
    if (backend->reply_whole)
        backend->code = backend->lines = backend->kept = 0;
    if (!take_reply_line(smtp, line))
        return bad(smtp);
    return backend->reply_whole ? take_reply(smtp) : OUTCOME_NONE;
}

enum smtp_outcome smtp_backend_event(struct smtp *smtp, enum mail_backend_event event)
{
    struct smtp_backend *backend = &smtp->backend;
    if (backend->step == STEP_NONE)
        return OUTCOME_NONE;
    switch (event) {
    case BACKEND_CONNECTED:
        return after_connect(smtp);
    case BACKEND_FAILED:
        forget(smtp);
        return OUTCOME_DOWN;
    case BACKEND_CLOSED:
        smtp_backend_drop(smtp);
        return OUTCOME_LOST;
    }
    check_failed("a known event", __FILE__, __LINE__);
}
