// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The file with a backend's master user: one line, NAME:PASSWORD; the password may hold colons and
 * spaces. Read by the main lcore when it takes a policy over, so the secret is in no policy, in no
 * ring and in no log; whoever holds it wipes it.
 */

#include "base/check.h"
#include "mail/mail.h"

// NULL, or what is wrong with the file (a constant text without anything of it).
const char *master_read(const char *file, struct mail_master *ret_master) MUST_CHECK;
