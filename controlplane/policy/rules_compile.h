// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Content rules from text to what a policy snapshot carries: the rule table and the serialized
 * Hyperscan database, in streaming mode. A rule's id in the database is its index.
 *
 * Patterns are Hyperscan's subset of PCRE. Refused, with the rule's name and Hyperscan's words:
 * what Hyperscan cannot compile, what matches the empty text, what can match only where the data
 * ends (a stream's end is not known while it is scanned: `$` needs `multiline`, and as lines end in
 * CR LF it is written `\r?$`), a bad or doubled name, no part. All rules or none. Runs in the
 * control plane's loop: a large set takes seconds, so the caller compiles only when the rules' text
 * has changed.
 */

#include "base/check.h"
#include "contract/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RULES_COUNT_MAX = 10000, RULES_ERROR_SIZE = 256 };

struct rules_source { // one entry of the rules file; texts are the caller's
    const char *name; // 1..31 bytes, printable ASCII
    const char *pattern;
    uint8_t parts;  // bits of enum rule_part, at least one
    uint8_t action; // enum action
    bool caseless, dotall, multiline;
};

struct rules_compiled {        // freed by rules_compiled_free
    struct policy_rule *rules; // count of them, for struct policy's `rules`
    uint32_t count;
    uint8_t *database; // size bytes, for `rules_database`; NULL without rules
    size_t size;
};

// 0; -EINVAL: *ret_index is the rule that is wrong (`count` when it is none of them) and `error`
// says why; -ENOMEM. *ret_compiled is touched only on success. No rules is a success.
int rules_compile(const struct rules_source *sources, uint32_t count,
                  struct rules_compiled *ret_compiled, uint32_t *ret_index,
                  char error[RULES_ERROR_SIZE]) MUST_CHECK;
void rules_compiled_free(struct rules_compiled *compiled);
