// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Replies of a mail protocol: text to either side, and the count of what was refused.
 *
 * A reply of one event must fit REPLY_MAX (mail/mail.h); a text that does not is our own fault.
 * Foreign text may go into a reply only after it was checked for CR, LF and NUL.
 */

#include "mail/mail.h"

// printf; CR LF is added.
void reply_line(struct mail_host *host, enum mail_side side, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// A refusal that ends nothing: counted, and noted for the session log.
void reply_refused(struct mail_host *host, enum reason reason);
void reply_state(struct mail_host *host, const char *name); // what weirctl shows, 15 bytes
