// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What a session does beyond its limits. Numbers and modes are those in force now (struct
 * mail_host), so a change reaches sessions under way with their next step; a time that is running
 * ends as it was set, and a time that is over without being enforced begins anew.
 */

#include "mail/mail.h"

// When a time in seconds that began then is over.
uint64_t excess_end_us(const struct mail_host *host, enum limit seconds, uint64_t from_us);

// `count` has reached a limit that ends the session, and it is enforced.
bool excess_ends(struct mail_host *host, enum limit limit, uint64_t count) MUST_CHECK;

// When `count` is more than is free, the client's next input waits.
void excess_slows(struct mail_host *host, enum limit free, uint64_t count);
