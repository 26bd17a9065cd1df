// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_relay.h"

#include "contract/policy_sender.h"
#include "smtp/smtp.h"

bool smtp_relay_is_trusted(const struct smtp *smtp)
{
    return smtp->user_size > 0 || policy_may_relay(smtp->host->policy, &smtp->host->client);
}

bool smtp_relay_find(const struct smtp *smtp, const struct smtp_path *path, uint8_t *ret_backend)
{
    const struct policy_domain *domain =
        path->domain.size ? policy_domain_find(smtp->host->policy, path->domain) : NULL;
    bool ours = domain || (path->domain.size == 0 && smtp_path_is_postmaster(path));
    if (!smtp_relay_is_trusted(smtp) && (!ours || smtp_path_is_routed(path)))
        return false;
    *ret_backend = domain ? domain->backend : smtp_service(smtp)->backend;
    return true;
}

bool smtp_relay_owns(const struct smtp *smtp, const struct smtp_path *sender)
{
    return sender->text.size == 0 ||
           policy_sender_may(smtp->host->policy, smtp_user(smtp), sender->local, sender->domain);
}
