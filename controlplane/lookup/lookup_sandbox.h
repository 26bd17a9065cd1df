// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* How a child gives up what it does not need, in two steps, because threads are made in between.
 *
 * drop: another user without groups, when it runs as root; dies with its parent; no new privileges
 * by exec; no core file (it would hold passwords or mail addresses); bounded memory.
 * close: a seccomp allow list; any other call kills the process (SIGSYS), except that files cannot
 * be opened (EACCES) where a library may try. The dns child may make internet sockets and open
 * nothing; the auth child may make no sockets, but use those that it is handed, and open files for
 * reading only: which ones is for its user's permissions to say. Nobody may map executable memory.
 *
 * Under the address sanitizer memory is not bounded and a forbidden call is logged, not punished:
 * the sanitizer itself needs more.
 */

#include "base/check.h"

#include <stdbool.h>

enum lookup_sandbox { SANDBOX_DNS, SANDBOX_AUTH };

// 0 or -errno; -ENOENT when there is no such user, -EPERM when it is root.
int lookup_sandbox_drop(const char *user, int parent) MUST_CHECK;
// For all threads. 0 or -errno.
int lookup_sandbox_close(enum lookup_sandbox which) MUST_CHECK;

bool lookup_sandbox_is_strict(void); // false in a build with the address sanitizer
