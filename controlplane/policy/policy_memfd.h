// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A snapshot in a memfd that nobody can change any more: sealed against writing, growing and
 * shrinking, so that the data plane may check it once and believe it afterwards. */

#include "contract/policy.h"

// The descriptor, close-on-exec, or -errno.
int policy_memfd_create(const struct policy *policy) MUST_CHECK;
