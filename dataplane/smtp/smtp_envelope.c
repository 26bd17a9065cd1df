// SPDX-License-Identifier: BSD-3-Clause
#include "base/check.h"
#include "smtp/smtp_finding.h"
#include "smtp/smtp_path.h"
#include "smtp/smtp_relay.h"
#include "smtp/smtp_text.h"

// Behind "FROM:" or "TO:"; a space there is against the grammar, but common and unambiguous.
static bool take_keyword(struct span *text, const char *keyword)
{
    struct span head = span_text(keyword);
    if (!span_starts_nocase(*text, head))
        return false;
    *text = span_skip(*text, head.size);
    while (text->size && text->at[0] == ' ')
        *text = span_skip(*text, 1);
    return true;
}

static enum smtp_refusal check_gate(const struct smtp *smtp)
{
    if (!smtp_service(smtp)->submission)
        return REFUSE_NONE;
    if (!smtp->host->tls)
        return REFUSE_TLS_FIRST;
    return smtp->user_size ? REFUSE_NONE : REFUSE_AUTH_FIRST;
}

static enum smtp_refusal take_parameters(const struct smtp *smtp, struct span text, bool rcpt,
                                         struct smtp_param *param)
{
    switch (smtp_param_parse(text, rcpt, param)) {
    case PARAM_OK:
        break;
    case PARAM_MALFORMED:
        return REFUSE_PARAMETER_SYNTAX;
    case PARAM_UNKNOWN:
        return REFUSE_PARAMETER;
    }
    if (param->bits && !smtp->esmtp) // HELO: the client knows of no parameters
        return REFUSE_PARAMETER;
    if ((param->bits & PARAM_DSN) && !(smtp->offers & OFFER_DSN))
        return REFUSE_PARAMETER;
    return smtp_budget_is_too_big(smtp, 0, param->size) ? REFUSE_TOO_BIG : REFUSE_NONE;
}

enum smtp_refusal smtp_envelope_check_mail(const struct smtp *smtp,
                                           struct smtp_arguments *arguments)
{
    struct span text = arguments->text, rest;
    struct smtp_path path;
    enum smtp_refusal refusal = check_gate(smtp);
    if (refusal != REFUSE_NONE)
        return refusal;
    if (!take_keyword(&text, "FROM:"))
        return REFUSE_SYNTAX;
    if (smtp_path_parse(text, &path, &rest) != PATH_OK ||
        (path.text.size && path.domain.size == 0) || path.text.size > MAIL_ADDRESS_MAX)
        return REFUSE_SENDER_SYNTAX;
    refusal = take_parameters(smtp, rest, false, &arguments->param);
    if (refusal != REFUSE_NONE)
        return refusal;
    if (path.utf8 && !(arguments->param.bits & PARAM_UTF8))
        return REFUSE_UTF8_NOT_ASKED;
    if (smtp_service(smtp)->submission && !smtp_relay_owns(smtp, &path))
        return REFUSE_SENDER_NOT_OWNED;
    arguments->path = path.text;
    return REFUSE_NONE;
}

// The envelope as content rules see it: the lines HELO, MAIL FROM and RCPT TO.
static enum smtp_refusal scan_sender(struct smtp *smtp)
{
    char buffer[HOST_NAME_MAX_DNS + MAIL_ADDRESS_MAX + 64];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add(&text, "HELO %.*s\r\nMAIL FROM:<", (int)smtp->helo_size, smtp->helo);
    smtp_text_add_span(&text, smtp_mail_from(smtp));
    smtp_text_add(&text, ">\r\n");
    CHECK(!text.full);
    smtp->host->ops->scan_start(smtp->host);
    return smtp_content_scan(smtp, RULE_ENVELOPE, smtp_text_span(&text));
}

static enum smtp_refusal scan_recipient(struct smtp *smtp)
{
    char buffer[MAIL_ADDRESS_MAX + 64];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add(&text, "RCPT TO:<");
    smtp_text_add_span(&text, span_of(smtp->mail.to, smtp->mail.to_size));
    smtp_text_add(&text, ">\r\n");
    CHECK(!text.full);
    return smtp_content_scan(smtp, RULE_ENVELOPE, smtp_text_span(&text));
}

static void accept_sender(struct smtp *smtp)
{
    enum smtp_refusal refusal = scan_sender(smtp);
    if (refusal != REFUSE_NONE) {
        smtp_reset(smtp);
        smtp_refuse(smtp, refusal);
        return;
    }
    smtp_enter(smtp, SMTP_MAIL);
    smtp_reply(smtp, "250 2.1.0 Ok");
}

static bool helo_is_literal(const struct smtp *smtp)
{
    return smtp->helo_size > 0 && smtp->helo[0] == '[';
}

// Once a HELO. An address literal needs no DNS.
static void ask_helo(struct smtp *smtp)
{
    struct addr addr;
    bool wanted = smtp_finding_is_wanted(smtp, FINDING_HELO_MISMATCH, FINDING_HELO_MISMATCH) ||
                  smtp_finding_is_wanted(smtp, FINDING_RDNS_DIFFERS, FINDING_RDNS_DIFFERS);
    if (smtp->helo_match != VERDICT_NONE || !wanted)
        return;
    if (smtp_path_literal(smtp_helo(smtp), &addr)) {
        bool same = addr_equal(&addr, &smtp->host->client);
        smtp->helo_match = same ? HELO_FORWARD : HELO_MISMATCH;
        smtp->host->report.helo_match = smtp->helo_match;
        return;
    }
    struct message question = message_make(MESSAGE_HELO, STATUS_ASKED, 0);
    question.helo_question.addr = smtp->host->client;
    CHECK(message_name_set(&question.helo_question.helo, smtp_helo(smtp)));
    if (smtp->rdns == RDNS_CONFIRMED)
        question.helo_question.name = smtp->rdns_name;
    smtp_ask(smtp, &question);
}

// Of the HELO name, once a HELO, beside that of the sender (RFC 7208, section 2.3).
static bool is_helo_spf_wanted(const struct smtp *smtp)
{
    return smtp_finding_is_wanted(smtp, FINDING_SPF_HELO_FAIL, FINDING_SPF_HELO_UNAVAILABLE) &&
           smtp->helo_spf == VERDICT_NONE && smtp->mail.from_size > 0 && !helo_is_literal(smtp);
}

// Without a sender the HELO name stands for it (RFC 7208, section 2.4); an address literal has no
// policy.
static void ask_spf(struct smtp *smtp)
{
    struct message question = message_make(MESSAGE_SPF, STATUS_ASKED, 0);
    struct spf_question *spf = &question.spf_question;
    struct span helo = smtp_helo(smtp);
    bool literal = helo_is_literal(smtp);
    if (literal && smtp->mail.from_size == 0)
        return;
    if (literal)
        helo = span_skip(span_head(helo, helo.size - 1), 1);
    spf->addr = smtp->host->client;
    CHECK(message_name_set(&spf->helo, helo));
    spf->mail_from_size = is_helo_spf_wanted(smtp) ? 0 : smtp->mail.from_size;
    memcpy(spf->mail_from, smtp->mail.from, spf->mail_from_size);
    smtp_ask(smtp, &question);
}

void smtp_envelope_take_spf(struct smtp *smtp, enum spf_result result)
{
    if (is_helo_spf_wanted(smtp)) {
        smtp->helo_spf = smtp->host->report.spf_helo = (uint8_t)result;
        ask_spf(smtp); // now of the sender
        return;
    }
    smtp->mail.spf = smtp->host->report.spf = (uint8_t)result;
}

// Known before DNS is asked about the sender, whom it saves.
static uint32_t known_findings(const struct smtp *smtp)
{
    uint32_t of_name = smtp_is_stranger(smtp) ? smtp_finding_of_name(smtp, smtp_helo(smtp)) : 0;
    return smtp_finding_of_client(smtp) | of_name;
}

// What is found against a client or sender is no reason to refuse MAIL: whom the mail is for is not
// known yet, and postmaster must hear everybody (RFC 5321, section 4.5.1). It is held back until a
// recipient is named, whom the session log then tells.
void smtp_envelope_mail(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    if (!smtp_budget_mail(smtp) || !smtp_budget_charge(smtp, CHARGE_MESSAGE))
        return;
    smtp_reset(smtp);
    struct smtp_mail *mail = &smtp->mail;
    struct span envid = arguments->param.text;
    mail->param = arguments->param;
    mail->param.text = span_of(NULL, 0);
    mail->envid_size = (uint8_t)envid.size;
    if (envid.size)
        memcpy(mail->envid, envid.at, envid.size);
    mail->from_size = (uint16_t)arguments->path.size;
    if (mail->from_size)
        memcpy(mail->from, arguments->path.at, mail->from_size);
    smtp_trail_sender(smtp);
    smtp->host->report.score = 0;
    uint32_t known = known_findings(smtp) & ~(uint32_t)SMTP_FINDINGS_OF_SYNTAX;
    mail->held = (uint8_t)smtp_finding_judge(smtp, known);
    if (!smtp_is_stranger(smtp) || mail->held != REFUSE_NONE) {
        accept_sender(smtp);
        return;
    }
    ask_helo(smtp);
    if (smtp_finding_is_wanted(smtp, FINDING_SPF_HELO_FAIL, FINDING_SPF_UNAVAILABLE))
        ask_spf(smtp);
    if (smtp->awaited)
        smtp_enter(smtp, SMTP_SENDER);
    else
        smtp_envelope_judge(smtp);
}

void smtp_envelope_judge(struct smtp *smtp)
{
    uint32_t of_sender = smtp_finding_of_sender(smtp);
    enum smtp_refusal refusal = smtp_finding_judge(smtp, of_sender);
    if (refusal == REFUSE_NONE)
        refusal = smtp_finding_judge_score(smtp, of_sender | known_findings(smtp));
    smtp->mail.held = (uint8_t)refusal;
    accept_sender(smtp);
}

enum smtp_refusal smtp_envelope_check_rcpt(const struct smtp *smtp,
                                           struct smtp_arguments *arguments)
{
    const struct smtp_mail *mail = &smtp->mail;
    struct span text = arguments->text, rest;
    struct smtp_path path;
    if (!take_keyword(&text, "TO:"))
        return REFUSE_SYNTAX;
    switch (smtp_path_parse(text, &path, &rest)) {
    case PATH_OK:
        break;
    case PATH_SOURCE_ROUTE:
        return REFUSE_RELAY_DENIED;
    case PATH_MALFORMED:
        return REFUSE_RCPT_SYNTAX;
    }
    if (path.text.size == 0 || path.text.size > MAIL_ADDRESS_MAX)
        return REFUSE_RCPT_SYNTAX;
    if (rest.size && rest.at[0] != ' ')
        return REFUSE_RCPT_SYNTAX;
    arguments->path = path.text;
    arguments->to_postmaster = smtp_path_is_postmaster(&path);
    enum smtp_refusal refusal = take_parameters(smtp, rest, true, &arguments->param);
    if (refusal != REFUSE_NONE)
        return refusal;
    if (path.utf8 && !(mail->param.bits & PARAM_UTF8))
        return REFUSE_UTF8_NOT_ASKED;
    if (!smtp_relay_find(smtp, &path, &arguments->backend))
        return REFUSE_RELAY_DENIED;
    struct mail_host *host = smtp->host;
    if (mail->recipients == UINT16_MAX ||
        (mail->recipients >= host->limits[LIMIT_RECIPIENTS_MESSAGE] &&
         host->ops->enforce(host, LIMIT_RECIPIENTS_MESSAGE, false)))
        return REFUSE_TOO_MANY_RCPT;
    if (mail->recipients > 0 && mail->backend != arguments->backend)
        return REFUSE_OTHER_BACKEND;
    return REFUSE_NONE;
}

void smtp_envelope_rcpt_refused(struct smtp *smtp, const struct smtp_arguments *arguments,
                                enum smtp_refusal refusal)
{
    if (arguments->path.size)
        smtp_trail_recipient(smtp, arguments->path, RECIPIENT_REFUSED);
    if (refusal == REFUSE_RELAY_DENIED && smtp->state != SMTP_CLOSED)
        smtp_budget_recipient_failed(smtp);
}

enum smtp_refusal smtp_envelope_lacks_recipient(const struct smtp *smtp)
{
    return smtp->mail.refused ? REFUSE_NO_RCPT_LEFT : REFUSE_NO_RCPT;
}

static void note_refused(struct smtp *smtp, struct span to)
{
    smtp->mail.refused = true;
    smtp_trail_recipient(smtp, to, RECIPIENT_REFUSED);
}

// What is held against the mail is one offence, however many its recipients.
static void refuse_recipient(struct smtp *smtp, enum smtp_refusal refusal)
{
    struct smtp_mail *mail = &smtp->mail;
    bool again = refusal == mail->held && mail->held_told;
    mail->held_told |= refusal == mail->held;
    note_refused(smtp, span_of(mail->to, mail->to_size));
    smtp_enter(smtp, (enum smtp_state)smtp->state);
    if (again)
        smtp_reply(smtp, smtp_refusal_reply(refusal));
    else
        smtp_refuse(smtp, refusal);
}

void smtp_envelope_rcpt(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    struct smtp_mail *mail = &smtp->mail;
    if (!smtp_budget_charge(smtp, CHARGE_RECIPIENT)) {
        note_refused(smtp, arguments->path);
        return;
    }
    mail->to_size = (uint16_t)arguments->path.size;
    memcpy(mail->to, arguments->path.at, mail->to_size);
    struct span orcpt = arguments->param.text;
    mail->notify = arguments->param.notify;
    mail->orcpt_size = (uint16_t)orcpt.size;
    if (orcpt.size)
        memcpy(mail->orcpt, orcpt.at, orcpt.size);
    enum smtp_refusal refusal =
        arguments->to_postmaster ? REFUSE_NONE : (enum smtp_refusal)mail->held;
    if (refusal == REFUSE_NONE)
        refusal = scan_recipient(smtp);
    if (refusal == REFUSE_NONE && smtp->backend.voided)
        refusal = REFUSE_BACKEND_LOST;
    if (refusal != REFUSE_NONE) {
        refuse_recipient(smtp, refusal);
        return;
    }
    mail->backend = arguments->backend;
    smtp_enter(smtp, SMTP_RCPT_WAIT);
    smtp_backend_recipient(smtp, arguments->backend);
}

static enum smtp_refusal outcome_refusal(enum smtp_outcome outcome)
{
    switch (outcome) {
    case OUTCOME_DOWN:
        return REFUSE_BACKEND_DOWN;
    case OUTCOME_LOST:
        return REFUSE_BACKEND_LOST;
    case OUTCOME_NO_UTF8:
        return REFUSE_NO_SMTPUTF8;
    case OUTCOME_BAD:
    case OUTCOME_NONE:
    case OUTCOME_REPLIED:
        break;
    }
    return REFUSE_BACKEND_BAD;
}

void smtp_envelope_outcome(struct smtp *smtp, enum smtp_outcome outcome)
{
    struct smtp_mail *mail = &smtp->mail;
    struct smtp_backend *backend = &smtp->backend;
    bool accepted = outcome == OUTCOME_REPLIED && smtp_backend_class(backend) == 2;
    if (accepted) {
        mail->recipients++;
        if (smtp->host->report.recipients < UINT16_MAX)
            smtp->host->report.recipients++;
    }
    struct span to = span_of(mail->to, mail->to_size);
    if (accepted)
        smtp_trail_recipient(smtp, to, RECIPIENT_TAKEN);
    else
        note_refused(smtp, to);
    smtp_enter(smtp, mail->recipients ? SMTP_RCPT : SMTP_MAIL);
    if (outcome == OUTCOME_REPLIED)
        smtp->host->ops->send(smtp->host, SIDE_CLIENT, span_of(backend->reply, backend->kept));
    else
        smtp_refuse(smtp, outcome_refusal(outcome));
    bool failed = outcome == OUTCOME_REPLIED && smtp_backend_class(backend) == 5;
    if (failed)
        smtp_budget_recipient_failed(smtp);
}
