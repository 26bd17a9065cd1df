// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A configuration into the flat snapshot of contract/policy.h: the head as it is, and behind it the
 * ranges, each at a multiple of 8. What comes out has passed policy_is_sound, the same gate that
 * the data plane has.
 */

#include "config/config.h"
#include "policy/rules_compile.h"

// 0 and a buffer for free(3); -E2BIG beyond POLICY_SIZE_MAX; -EINVAL with *ret_what naming the
// first wrong field (a constant text).
int policy_compile(const struct config *config, const struct rules_compiled *rules,
                   uint64_t generation, struct policy **ret_policy,
                   const char **ret_what) MUST_CHECK;
