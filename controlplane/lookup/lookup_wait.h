// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* How the children wait: for descriptors, a time, or SIGTERM, which is blocked while they work so
 * that it cannot slip in between the look at the flag and the wait.
 */

#include "base/check.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

int lookup_wait_open(void)
    MUST_CHECK; // takes SIGTERM over, for all threads made later; 0 or -errno

// poll(2) with SIGTERM let through. False: stop.
bool lookup_wait(struct pollfd *fds, unsigned count, int timeout_ms);

uint64_t lookup_now_ms(void); // monotonic
uint64_t lookup_now_us(void); // likewise

// The sooner of two time-outs of poll(2), -1 being never.
static inline int lookup_sooner_ms(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}
