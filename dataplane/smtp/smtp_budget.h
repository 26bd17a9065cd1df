// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What one session may do in all, and in a minute: recipients that fail (harvesting of addresses),
 * commands that lead to no mail, messages, and time. Each is a limit of the policy; whoever passes
 * one is told 421 and may come again.
 */

#include "base/check.h"
#include "contract/charge.h"

#include <stdbool.h>
#include <stdint.h>

struct smtp;

struct smtp_budget {             // zeroed at the session's start
    uint64_t start_us;           // when the session's time began
    uint32_t recipient_failures; // refused for good, by us or by a backend
    uint32_t messages;           // whose text was asked for
    uint32_t junk;               // commands since then that lead to no mail
};

// A recipient was refused for good. The session may be closed after this call.
void smtp_budget_recipient_failed(struct smtp *smtp);

// A command that leads to no mail, or a MAIL, is to be done. False: it is one too many, and the
// session is over.
bool smtp_budget_junk(struct smtp *smtp) MUST_CHECK;
bool smtp_budget_mail(struct smtp *smtp) MUST_CHECK;

// A message or recipient of the client and its user, which have rates; false: it was refused. Those
// who may relay have none.
bool smtp_budget_charge(struct smtp *smtp, enum charge charge) MUST_CHECK;

void smtp_budget_message(struct smtp *smtp); // its text was asked for

// Of the session's time. When it is over, true: so is the session; false: it begins anew.
uint64_t smtp_budget_end_us(const struct smtp *smtp);
bool smtp_budget_time_ends(struct smtp *smtp) MUST_CHECK;

// A message that has `before` bytes is too big with more of them, and so is refused.
bool smtp_budget_is_too_big(const struct smtp *smtp, uint64_t before, uint64_t more);
