// SPDX-License-Identifier: BSD-3-Clause
#include "base/check.h"
#include "mail/line.h"
#include "smtp/smtp_finding.h"
#include "smtp/smtp_text.h"

// A client must wait for the greeting (RFC 5321, section 3.1); spam engines do not. A client
// without good history gets a first line of it at once, which such engines take for all of it, and
// the last line after a while. What is asked of DNS meanwhile, from the handshake's last ACK on, is
// awaited, too.

static void say(struct smtp *smtp, char behind_code)
{
    char buffer[HOST_NAME_MAX_DNS + 32];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add(&text, "220%c%s ESMTP", behind_code, smtp->host->policy->smtp.host_name);
    CHECK(!text.full);
    smtp_reply(smtp, buffer);
}

static void ask_about_client(struct smtp *smtp)
{
    struct message question = message_make(MESSAGE_RDNS, STATUS_ASKED, 0);
    question.rdns_question.addr = smtp->host->client;
    smtp_ask(smtp, &question);
    if (smtp->host->policy->smtp.dnsbl_zones == 0 || !smtp_is_stranger(smtp) ||
        !smtp_finding_is_wanted(smtp, FINDING_DNSBL_LISTED, FINDING_DNSBL_LISTED))
        return;
    question = message_make(MESSAGE_DNSBL, STATUS_ASKED, 0);
    question.dnsbl_question.addr = smtp->host->client;
    smtp_ask(smtp, &question);
}

void smtp_greeting_start(struct smtp *smtp)
{
    struct mail_host *host = smtp->host;
    if (smtp_service(smtp)->submission) {
        say(smtp, ' ');
        smtp_enter(smtp, SMTP_GREETED);
        return;
    }
    ask_about_client(smtp);
    uint64_t delay_us = host->limits[LIMIT_GREETING_DELAY_MS] * 1000;
    if (delay_us == 0 || !smtp_is_stranger(smtp) || host->ops->is_known(host))
        return;
    smtp->greet_us = smtp->now_us + delay_us;
    say(smtp, '-');
    smtp_enter(smtp, SMTP_START);
}

// A client on a list of good senders need not wait.
void smtp_greeting_go_on(struct smtp *smtp)
{
    CHECK(smtp->state == SMTP_START);
    if (smtp->awaited == 0 && (smtp->now_us >= smtp->greet_us || smtp->dnsbl < 0)) {
        say(smtp, ' ');
        smtp_enter(smtp, SMTP_GREETED);
    } else {
        smtp_enter(smtp, SMTP_START);
    }
}

// What another protocol says first is told apart: that is a browser or a scanner, not a spammer.
size_t smtp_greeting_early(struct smtp *smtp, struct span input)
{
    if (smtp_service(smtp)->tls == TLS_IMPLICIT)
        return 0;
    if (line_is_foreign_protocol(input)) {
        smtp_finish(smtp, "554 5.5.1 This is SMTP", REASON_MAIL_NOT_MAIL);
        return input.size;
    }
    if (smtp->early)
        return 0; // it was offered before
    smtp->early = true;
    enum smtp_refusal refusal = smtp_finding_judge(smtp, smtp_finding_of_client(smtp) &
                                                             UINT32_C(1) << FINDING_GREETING_EARLY);
    if (refusal == REFUSE_NONE)
        return 0;
    smtp_finish(smtp, smtp_refusal_reply(refusal), smtp_refusal_reason(refusal));
    return input.size;
}
