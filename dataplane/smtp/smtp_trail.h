// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The envelope of the last transaction, kept for the session log when the transaction is gone. What
 * is too long is cut; of recipients, whole ones are left out. Counts beside it are right.
 */

#include "contract/message.h"

struct smtp;

struct smtp_trail { // zeroed at the session's start
    uint16_t from_size, to_size;
    char from[REPORT_TEXT_MAX];
    char to[2 * REPORT_TEXT_MAX]; // each with its fate behind it, which no address holds
};

void smtp_trail_sender(struct smtp *smtp); // of smtp->mail; forgets what was before
void smtp_trail_recipient(struct smtp *smtp, struct span to, enum report_recipient fate);
void smtp_trail_report(const void *state, struct report *report); // the protocol's texts
