// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Compiled rules that several snapshots share: compiling is slow (seconds for a large set), so an
 * edit of a list or a limit must not pay for it. Counted; one thread.
 */

#include "config/config.h"
#include "policy/rules_compile.h"

struct policy_rules {
    unsigned references;
    struct config_rules *source; // shared
    struct rules_compiled compiled;
};

// The rules of `config`: those of `before` (may be NULL) when they are the same, else compiled.
// 0, or -EINVAL or -ENOMEM with a line in `errors`. Each success is given back once.
int policy_rules_take(const struct config *config, struct policy_rules *before,
                      struct policy_rules **ret_rules, struct config_errors *errors) MUST_CHECK;
void policy_rules_give(struct policy_rules *rules); // NULL is fine
