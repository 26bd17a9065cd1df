// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp.h"

#include "mail/line.h"
#include "mail/login.h"
#include "smtp/smtp_text.h"

enum smtp_refusal smtp_auth_check(const struct smtp *smtp, struct smtp_arguments *arguments)
{
    if (!smtp_service(smtp)->submission)
        return REFUSE_AUTH_NOT_OFFERED;
    if (!smtp->host->tls)
        return REFUSE_AUTH_TLS_FIRST;
    if (!smtp->esmtp)
        return REFUSE_AUTH_NOT_OFFERED;
    if (smtp->user_size)
        return REFUSE_AUTH_ALREADY;
    struct span response;
    struct span name = line_word(span_trim(arguments->text), &response);
    if (name.size == 0)
        return REFUSE_SYNTAX;
    arguments->mechanism = sasl_find(name);
    arguments->text = response.size ? response : span_of(NULL, 0);
    return arguments->mechanism == SASL_NONE ? REFUSE_AUTH_MECHANISM : REFUSE_NONE;
}

static void leave(struct smtp *smtp) // back to commands, without the secrets
{
    sasl_wipe(&smtp->sasl);
    smtp_reset(smtp);
}

static void ask(struct smtp *smtp)
{
    smtp_enter(smtp, SMTP_VERIFY);
    login_ask(smtp->host, &smtp->sasl.login);
    sasl_wipe(&smtp->sasl);
}

static void challenge(struct smtp *smtp, const char *text)
{
    char buffer[64];
    struct smtp_text reply = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add(&reply, "334 %s", text);
    smtp_reply(smtp, buffer);
    smtp_enter(smtp, SMTP_AUTH);
}

static void feed(struct smtp *smtp, struct span line)
{
    const char *text = "";
    switch (sasl_feed(&smtp->sasl, line, &text)) {
    case SASL_MORE:
        challenge(smtp, text);
        return;
    case SASL_READY:
        ask(smtp);
        return;
    case SASL_CANCELLED:
        leave(smtp);
        smtp_refuse(smtp, REFUSE_AUTH_CANCELLED);
        return;
    case SASL_MALFORMED:
        leave(smtp);
        smtp_refuse(smtp, REFUSE_AUTH_MALFORMED);
        return;
    }
}

void smtp_auth_proceed(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    sasl_start(&smtp->sasl, arguments->mechanism);
    feed(smtp, arguments->text);
}

void smtp_auth_line(struct smtp *smtp, struct span line)
{
    feed(smtp, line);
}

static void accepted(struct smtp *smtp, const struct auth_answer *answer)
{
    struct report *report = &smtp->host->report;
    smtp->user_size = answer->user_size;
    memcpy(smtp->user, answer->user, answer->user_size);
    report->user_size = (uint8_t)span_head(smtp_user(smtp), sizeof report->user).size;
    memcpy(report->user, smtp->user, report->user_size);
    smtp_reply(smtp, "235 2.7.0 Authentication successful");
}

static void wrong(struct smtp *smtp)
{
    smtp->auth_failures++;
    smtp_refuse(smtp, REFUSE_AUTH_WRONG);
    if (smtp->auth_failures >= smtp->host->policy->limits[LIMIT_AUTH_FAILURES_SESSION])
        smtp_finish(smtp, "421 4.7.0 Too many wrong passwords", REASON_MAIL_AUTH_TOO_MANY);
}

void smtp_auth_answer(struct smtp *smtp, const struct message *answer)
{
    smtp_reset(smtp);
    if (answer->status != STATUS_OK) {
        smtp_refuse(smtp, REFUSE_AUTH_UNAVAILABLE);
        return;
    }
    switch ((enum auth_verdict)answer->auth_answer.verdict) {
    case AUTH_RIGHT:
        if (answer->auth_answer.user_size)
            accepted(smtp, &answer->auth_answer);
        else // nobody to be: the answer is no use
            smtp_refuse(smtp, REFUSE_AUTH_UNAVAILABLE);
        return;
    case AUTH_WRONG:
        wrong(smtp);
        return;
    case AUTH_THROTTLED:
        smtp_refuse(smtp, REFUSE_AUTH_THROTTLED);
        return;
    case AUTH_VERDICT_COUNT:
        break;
    }
    smtp_refuse(smtp, REFUSE_AUTH_UNAVAILABLE);
}
