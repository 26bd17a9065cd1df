// SPDX-License-Identifier: BSD-3-Clause
#include "mail/mailbox.h"

#include "mail/login.h"
#include "mail/reply.h"

void mailbox_connect(struct mailbox *mailbox, struct mail_host *host)
{
    mailbox->up = false;
    mailbox->backend = login_backend(host, &mailbox->sasl.login);
    login_note(host, LOGIN_UNAVAILABLE);
    host->ops->connect(host, mailbox->backend);
}

void mailbox_leave(struct mailbox *mailbox, struct mail_host *host, enum reason reason)
{
    sasl_wipe(&mailbox->sasl);
    host->ops->logout(host);
    if (mailbox->up)
        host->ops->disconnect(host);
    mailbox->up = false;
    reply_refused(host, reason);
}

bool mailbox_has_master(const struct mailbox *mailbox, const struct mail_host *host)
{
    return login_master(host, mailbox->backend) != NULL;
}

bool mailbox_wants_token(const struct mailbox *mailbox, const struct mail_host *host)
{
    return mailbox->held && !mailbox_has_master(mailbox, host);
}

size_t mailbox_token(struct mailbox *mailbox, struct mail_host *host, struct span input, bool asked)
{
    struct span token;
    if (mailbox->held && mailbox_has_master(mailbox, host)) {
        mailbox->held = false;
        return sasl_token(input, &token);
    }
    if (!asked)
        return 0;
    size_t taken = sasl_token(input, &token);
    if (host->ops->room(host, SIDE_BACKEND) < token.size + 2)
        return 0;
    host->ops->send(host, SIDE_BACKEND, token);
    host->ops->send(host, SIDE_BACKEND, span_text("\r\n"));
    sasl_wipe(&mailbox->sasl);
    mailbox->held = false;
    return taken;
}
