// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A child that must not outlive its parent, kill -9 included (PR_SET_PDEATHSIG).
 *
 * The kernel clears the setting whenever the caller's user or group changes, so it is made once at
 * the start and again after privileges were dropped.
 */

#include "base/check.h"

// SIGKILL for the caller as soon as `parent` is gone; if it is gone already the process ends here.
// 0 or -errno.
int parent_death_follow(int parent) MUST_CHECK;
