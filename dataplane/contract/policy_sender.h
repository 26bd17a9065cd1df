// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Which login may send as whom: a login as its own name, and what the policy's sender map adds.
 * All is compared without case (of ASCII): a login that differs from another in case alone is the
 * same one to most back ends, and so is an address to its mailbox. No more is made equal: quotes
 * and U-labels are as they are written.
 */

#include "base/check.h"
#include "contract/policy.h"

// Every entry of such a map in range, and sorted.
bool policy_sender_map_is_sound(const struct policy *policy, struct policy_range map,
                                struct policy_range texts) MUST_CHECK;

// `local` and `domain` are the address's parts. With a subaddress mailbox+detail is mailbox.
bool policy_sender_may(const struct policy *policy, struct span login, struct span local,
                       struct span domain) MUST_CHECK;

// The order of entries: by address, then by login.
int policy_sender_compare(struct span sender, struct span login, struct span other_sender,
                          struct span other_login);
