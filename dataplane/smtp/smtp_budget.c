// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_budget.h"

#include "mail/excess.h"
#include "smtp/smtp.h"
#include "smtp/smtp_relay.h"

// Users and our own networks may have old address books; strangers who try names are harvesters.
void smtp_budget_recipient_failed(struct smtp *smtp)
{
    if (smtp_relay_is_trusted(smtp))
        return;
    if (excess_ends(smtp->host, LIMIT_RECIPIENT_FAILURES_SESSION,
                    ++smtp->budget.recipient_failures))
        smtp_finish(smtp, "421 4.7.0 Too many recipients failed", REASON_SMTP_HARVEST);
}

bool smtp_budget_junk(struct smtp *smtp)
{
    uint32_t before = smtp->budget.junk++;
    excess_slows(smtp->host, LIMIT_JUNK_FREE_SESSION, smtp->budget.junk);
    if (!excess_ends(smtp->host, LIMIT_JUNK_COMMANDS_SESSION, before))
        return true;
    smtp_finish(smtp, "421 4.7.0 Too many commands without mail", REASON_SMTP_JUNK_COMMANDS);
    return false;
}

bool smtp_budget_mail(struct smtp *smtp)
{
    if (!excess_ends(smtp->host, LIMIT_MESSAGES_SESSION, smtp->budget.messages))
        return true;
    smtp_finish(smtp, "421 4.7.0 Too many messages in a session, connect again",
                REASON_SMTP_TOO_MANY_MESSAGES);
    return false;
}

bool smtp_budget_charge(struct smtp *smtp, enum charge charge)
{
    struct mail_host *host = smtp->host;
    if (policy_may_relay(host->policy, &host->client))
        return true;
    enum reason reason = host->ops->charge(host, charge, smtp_user(smtp));
    if (reason == REASON_NONE)
        return true;
    smtp_enter(smtp, (enum smtp_state)smtp->state); // time for the next command
    smtp_refuse(smtp, smtp_refusal_of(reason));
    return false;
}

void smtp_budget_message(struct smtp *smtp)
{
    smtp->budget.messages++;
    smtp->budget.junk = 0;
}

uint64_t smtp_budget_end_us(const struct smtp *smtp)
{
    return excess_end_us(smtp->host, LIMIT_SMTP_SESSION_SECONDS, smtp->budget.start_us);
}

bool smtp_budget_time_ends(struct smtp *smtp)
{
    smtp->budget.start_us = smtp->now_us;
    if (!smtp->host->ops->enforce(smtp->host, LIMIT_SMTP_SESSION_SECONDS, true))
        return false;
    smtp_finish(smtp, "421 4.4.2 Session too long", REASON_SMTP_SESSION_TOO_LONG);
    return true;
}

bool smtp_budget_is_too_big(const struct smtp *smtp, uint64_t before, uint64_t more)
{
    struct mail_host *host = smtp->host;
    uint64_t most = host->limits[LIMIT_MESSAGE_BYTES];
    return (before > most || more > most - before) &&
           host->ops->enforce(host, LIMIT_MESSAGE_BYTES, false);
}
