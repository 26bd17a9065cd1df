// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A rate as one word: GCRA (ITU-T I.371). tat is the theoretical arrival time of the next event;
 * an event conforms while tat <= now + (burst - 1) * interval.
 */

#include <stdbool.h>
#include <stdint.h>

struct pace {
    uint64_t tat_us;
};

static inline bool pace_allows(struct pace *pace, uint32_t interval_us, uint32_t burst,
                               uint64_t now_us)
{
    uint64_t tat = pace->tat_us > now_us ? pace->tat_us : now_us;
    if (tat > now_us + (uint64_t)(burst - 1) * interval_us)
        return false;
    pace->tat_us = tat + interval_us;
    return true;
}
