// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The least speed of a message. A sender that gives a byte now and then keeps every time-out quiet
 * and a session, a backend's connection and a slot of the backend busy.
 *
 *   bytes of a window >= least bytes a second * seconds of the window,  each window >=
 * PACE_WINDOW_US
 *
 * Silence within a window is allowed; longer silence ends by LIMIT_DATA_SECONDS. While input is
 * left lying it is the backend who is slow, and the window begins again.
 */

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACE_WINDOW_US = 60000000 };

struct smtp_pace {
    uint64_t since_us; // the window's start
    uint64_t bytes;    // taken in it
};

static inline void smtp_pace_start(struct smtp_pace *pace, uint64_t now_us)
{
    *pace = (struct smtp_pace){.since_us = now_us};
}

// A block of input came and `taken` bytes were read of it; `left`: not all. True: too slow.
static inline bool smtp_pace_is_slow(struct smtp_pace *pace, uint64_t now_us, size_t taken,
                                     bool left, uint64_t least)
{
    uint64_t time_us = now_us - pace->since_us;
    pace->bytes += taken;
    if (!left && time_us < PACE_WINDOW_US)
        return false;
    bool slow = !left && pace->bytes < least * (time_us / 1000) / 1000;
    smtp_pace_start(pace, now_us);
    return slow;
}
