// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Rates by GCRA (ITU-T I.371, virtual scheduling): one theoretical arrival time a source, prefix or
 * whatever is counted.
 *
 *   debt = max(0, TAT - now);  conforming: debt <= (burst - 1) * T, and then TAT = now + debt + T
 *
 * so `burst` at once and one every T afterwards conform, T rounded down to the clock's unit: never
 * stricter than said, and more lenient by less than the rate times that unit (in ns: 0.1 % at a
 * million a second). A TAT in the past says nothing, so there is nothing to expire.
 */

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

#define GUARD_RATE_SECOND_NS UINT64_C(1000000000)
#define GUARD_RATE_MINUTE_US UINT64_C(60000000)

struct guard_rate {     // in the unit of the clock that it is judged by
    uint64_t emission;  // T; 0: more than the clock can tell, all conforms
    uint64_t tolerance; // (burst - 1) * T
};

// `count` a `period`, both above 0, as is `burst`.
static inline struct guard_rate guard_rate_of(uint64_t period, uint64_t count, uint64_t burst)
{
    CHECK(count > 0 && burst > 0);
    uint64_t emission = period / count;
    return (struct guard_rate){emission, (burst - 1) * emission};
}

// Charges what conforms. The debt is cut at the most that this rate can run up, so that a policy
// with a shorter burst is not haunted by what an older one allowed.
static inline bool guard_rate_judge(uint64_t *tat, const struct guard_rate *rate, uint64_t now)
{
    uint64_t last = now + rate->tolerance, most = last + rate->emission;
    uint64_t at = *tat > now ? *tat : now;
    at = at < most ? at : most;
    bool conforming = at <= last;
    *tat = at + (conforming ? rate->emission : 0);
    return conforming;
}
