// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The rules file: a YAML list of
 *   {name: TEXT, pattern: TEXT, parts: [envelope, headers, body], action: tag|defer|reject,
 *    flags: [caseless, dotall, multiline]}         (flags may be left out)
 * Whether a pattern compiles is policy/'s question. Rules are immutable and counted. One thread.
 */

#include "config/config.h"

// 0; -EINVAL or -errno with lines in `errors`. "" gives no rules.
int rules_read(const char *file, struct config_rules **ret_rules,
               struct config_errors *errors) MUST_CHECK;

struct config_rules *rules_read_none(void);
struct config_rules *rules_read_share(struct config_rules *rules);
void rules_read_give(struct config_rules *rules);

// Same rules in the same order, wherever they stand.
bool rules_read_equal(const struct config_rules *a, const struct config_rules *b);
