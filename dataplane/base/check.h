// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Assertions about our own code, never about what a peer sent.
 *
 * CHECK(x) stays on in every build: a false one is our fault, so the process logs where and aborts
 * with a core rather than go on with a broken invariant. Refused input is not a CHECK: it returns a
 * named reason (contract/reason.h). A failed operation returns -errno.
 */

#include <assert.h>

#define MUST_CHECK __attribute__((warn_unused_result))

_Noreturn void check_failed(const char *expression, const char *file, int line);

#define CHECK(expression) ((expression) ? (void)0 : check_failed(#expression, __FILE__, __LINE__))
