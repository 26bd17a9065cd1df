// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What wakes a consumer of rings that sleeps (contract/spsc.h): a pair of connected sockets, of
 * which each side holds one end.
 *
 * Neither end can make the other wait, whatever it does with its own: every call here is
 * MSG_DONTWAIT. An eventfd would be one file for both, and with it one O_NONBLOCK and one counter:
 * a hostile sleeper clears the first, fills the second, and the worker that rings hangs.
 */

#include "base/check.h"

#include <stdbool.h>

enum doorbell_end { DOORBELL_BUTTON, DOORBELL_BELL, DOORBELL_ENDS };

// Close-on-exec descriptors, the caller's. 0 or -errno.
int doorbell_open(int ret_ends[DOORBELL_ENDS]) MUST_CHECK;
void doorbell_ring(int button); // one that has not been heard yet may swallow it
bool doorbell_hear(int bell);   // silences it; false: it can never ring again
