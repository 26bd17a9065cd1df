// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What is found against a client, the name that it says, and a sender (contract/finding.def), and
 * what policy makes of it. Sets of findings are bits, 1 << enum finding; what policy does not look
 * at is never in one. Only strangers are judged (smtp_is_stranger): of others nothing is found but
 * a HELO name that is none.
 */

#include "base/check.h"
#include "base/span.h"
#include "smtp/smtp.h"

enum { SMTP_FINDINGS_OF_SYNTAX = 1 << FINDING_HELO_SYNTAX }; // a HELO's own

uint32_t smtp_finding_of_client(const struct smtp *smtp); // what is known at the greeting
uint32_t smtp_finding_of_name(const struct smtp *smtp, struct span helo);
uint32_t smtp_finding_of_sender(const struct smtp *smtp); // what DNS says of it and of the name

// Notes them in the report, counts those in shadow, and refuses by the first that policy refuses.
enum smtp_refusal smtp_finding_judge(const struct smtp *smtp, uint32_t findings) MUST_CHECK;
// The same for the sum of their points; notes it, too.
enum smtp_refusal smtp_finding_judge_score(const struct smtp *smtp, uint32_t findings) MUST_CHECK;

bool smtp_finding_is_wanted(const struct smtp *smtp, enum finding first, enum finding last);
