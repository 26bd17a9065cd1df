// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_budget.h"

#include "smtp/smtp.h"
#include "smtp/smtp_relay.h"

// Users and our own networks may have old address books; strangers who try names are harvesters.
void smtp_budget_recipient_failed(struct smtp *smtp)
{
    if (smtp_relay_is_trusted(smtp))
        return;
    if (++smtp->budget.recipient_failures >=
        smtp->host->policy->limits[LIMIT_RECIPIENT_FAILURES_SESSION])
        smtp_finish(smtp, "421 4.7.0 Too many recipients failed", REASON_SMTP_HARVEST);
}

bool smtp_budget_junk(struct smtp *smtp)
{
    if (++smtp->budget.junk <= smtp->host->policy->limits[LIMIT_JUNK_COMMANDS_SESSION])
        return true;
    smtp_finish(smtp, "421 4.7.0 Too many commands without mail", REASON_SMTP_JUNK_COMMANDS);
    return false;
}

bool smtp_budget_mail(struct smtp *smtp)
{
    if (smtp->budget.messages < smtp->host->policy->limits[LIMIT_MESSAGES_SESSION])
        return true;
    smtp_finish(smtp, "421 4.7.0 Too many messages in a session, connect again",
                REASON_SMTP_TOO_MANY_MESSAGES);
    return false;
}

bool smtp_budget_charge(struct smtp *smtp, enum charge charge)
{
    static const struct {
        enum reason reason;
        enum smtp_refusal refusal;
    } refusals[] = {{REASON_MESSAGE_RATE_SOURCE, REFUSE_MESSAGE_RATE_SOURCE},
                    {REASON_MESSAGE_RATE_USER, REFUSE_MESSAGE_RATE_USER},
                    {REASON_RECIPIENT_RATE_SOURCE, REFUSE_RECIPIENT_RATE_SOURCE},
                    {REASON_RECIPIENT_RATE_USER, REFUSE_RECIPIENT_RATE_USER}};
    struct mail_host *host = smtp->host;
    if (policy_may_relay(host->policy, &host->client))
        return true;
    enum reason reason = host->ops->charge(host, charge, smtp_user(smtp));
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (refusals[i].reason == reason) {
            smtp_enter(smtp, (enum smtp_state)smtp->state); // time for the next command
            smtp_refuse(smtp, refusals[i].refusal);
            return false;
        }
    CHECK(reason == REASON_NONE);
    return true;
}

void smtp_budget_message(struct smtp *smtp)
{
    smtp->budget.messages++;
    smtp->budget.junk = 0;
}

uint64_t smtp_budget_end_us(const struct smtp *smtp)
{
    return smtp->budget.start_us +
           smtp->host->policy->limits[LIMIT_SMTP_SESSION_SECONDS] * (uint64_t)1000000;
}
