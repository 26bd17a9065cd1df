// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The way to a user's mailbox, as IMAP and POP3 have it: the backend that has it, and the
 * credentials from the client's word to the backend's. They are wiped when the backend was told, or
 * is left.
 */

#include "mail/sasl.h"

struct mailbox { // all zero at first
    struct sasl sasl;
    uint8_t backend; // index in the policy
    bool up;         // it is connected
    bool held;       // the line with a token is in the client's input still
};

// Of the user who logs in; the report says that it was unavailable until it lets the user in.
void mailbox_connect(struct mailbox *mailbox, struct mail_host *host);
// It did not: nothing is left, and that is counted.
void mailbox_leave(struct mailbox *mailbox, struct mail_host *host, enum reason reason);

bool mailbox_has_master(const struct mailbox *mailbox, const struct mail_host *host);
// The user's own token is what the backend gets.
bool mailbox_wants_token(const struct mailbox *mailbox, const struct mail_host *host);
// Takes the line with a token from the client's input, bytes of it: to the backend once that has
// `asked` for it, or to nobody where a master user logs in. 0: it waits.
size_t mailbox_token(struct mailbox *mailbox, struct mail_host *host, struct span input,
                     bool asked);
