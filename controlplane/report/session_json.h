// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Sessions as JSON, for the session log and for weirctl. Every value that a client chose is
 * cleaned; every object is the caller's. */

#include "contract/message.h"
#include "contract/policy.h"

#include <jansson.h>

json_t *session_json_report(const struct report *report, const struct policy *policy);
json_t *session_json_row(const struct session_row *row, unsigned worker,
                         const struct policy *policy);

json_t *session_json_text(const void *bytes, size_t size); // foreign bytes, null when empty
json_t *session_json_addr(const struct addr *addr);
json_t *session_json_time(uint64_t unix_us); // "2026-01-31T23:59:59.123Z"
