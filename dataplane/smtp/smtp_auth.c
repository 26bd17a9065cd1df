// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp.h"

#include "mail/excess.h"
#include "mail/line.h"
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
    arguments->mechanism = mechanism_find(name);
    arguments->text = response.size ? response : span_of(NULL, 0);
    return mechanism_is_in(arguments->mechanism, sasl_offer(smtp->host)) ? REFUSE_NONE
                                                                         : REFUSE_AUTH_MECHANISM;
}

static void leave(struct smtp *smtp) // back to commands, without the secrets
{
    sasl_wipe(&smtp->sasl);
    smtp_reset(smtp);
}

static void challenge(struct smtp *smtp, const char *text)
{
    char buffer[SASL_TEXT_SIZE + 8];
    struct smtp_text reply = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add(&reply, "334 %s\r\n", text);
    CHECK(!reply.full);
    smtp->host->ops->send(smtp->host, SIDE_CLIENT, smtp_text_span(&reply));
    smtp_enter(smtp, SMTP_AUTH);
}

static void accepted(struct smtp *smtp)
{
    const struct auth_question *login = &smtp->sasl.login;
    struct mail_host *host = smtp->host;
    enum reason reason = host->ops->login(host, span_of(login->user, login->user_size));
    if (reason != REASON_NONE) {
        login_note(host, LOGIN_THROTTLED);
        leave(smtp);
        smtp_refuse(smtp, smtp_refusal_of(reason));
        return;
    }
    smtp->user_size = login->user_size;
    memcpy(smtp->user, login->user, login->user_size);
    leave(smtp);
    smtp_reply(smtp, "235 2.7.0 Authentication successful");
}

static void feed(struct smtp *smtp, struct span line)
{
    const char *text = "";
    switch (sasl_feed(&smtp->sasl, smtp->host, line, &text)) {
    case SASL_MORE:
        challenge(smtp, text);
        return;
    case SASL_READY:
        smtp_enter(smtp, SMTP_VERIFY);
        login_ask(smtp->host, &smtp->sasl.login);
        sasl_wipe(&smtp->sasl);
        return;
    case SASL_ASKED:
        smtp_enter(smtp, SMTP_VERIFY);
        return;
    case SASL_DONE:
        accepted(smtp);
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

void smtp_auth_line_refused(struct smtp *smtp, enum smtp_refusal refusal)
{
    leave(smtp);
    smtp_refuse(smtp, refusal == REFUSE_LINE_TOO_LONG ? REFUSE_AUTH_TOO_LONG : refusal);
}

static void wrong(struct smtp *smtp)
{
    smtp_refuse(smtp, REFUSE_AUTH_WRONG);
    if (excess_ends(smtp->host, LIMIT_AUTH_FAILURES_SESSION, ++smtp->auth_failures))
        smtp_finish(smtp, "421 4.7.0 Too many wrong passwords", REASON_MAIL_AUTH_TOO_MANY);
}

void smtp_auth_answer(struct smtp *smtp, const struct message *answer)
{
    char text[SASL_TEXT_SIZE];
    enum login_verdict verdict = sasl_judge(&smtp->sasl, smtp->host, answer, text);
    if (verdict == LOGIN_GOES_ON)
        return challenge(smtp, text);
    if (verdict == LOGIN_RIGHT && smtp->sasl.login.user_size > 0)
        return accepted(smtp);
    leave(smtp);
    switch (verdict) {
    case LOGIN_WRONG:
        return wrong(smtp);
    case LOGIN_THROTTLED:
        return smtp_refuse(smtp, REFUSE_AUTH_THROTTLED);
    case LOGIN_UNAVAILABLE:
    case LOGIN_RIGHT: // nobody to be: the answer is no use
        return smtp_refuse(smtp, REFUSE_AUTH_UNAVAILABLE);
    case LOGIN_GOES_ON:
        break;
    }
}
