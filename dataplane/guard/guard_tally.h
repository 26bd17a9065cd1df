// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What is counted at one level (a source, a prefix, a service, all) of connections, or of SYNs that
 * are answered, when several workers count: each writes a part of its own, and whoever judges adds
 * the parts up. So the limit is dealt anew with every judgement: what the others leave is a
 * worker's share, and one that takes all traffic has all of it.
 *
 *   open     sum of open                               limit: sum < open
 *   day      sum of those whose day is today           limit: sum < day
 *   rate     TAT = max(start) + sum of charged         GCRA: TAT <= now + tolerance
 *
 * A charge adds T to the worker's own `charged`, and when nothing was owed, begins the debt at now:
 * start = now - sum of charged. So no charge is lost when two workers judge at once, and a worker
 * that was idle adds nothing of its own.
 *
 * Overshoot: a worker publishes what it charged before it judges again, so at most one charge of
 * each other worker is not seen:
 *
 *   open <= limit + workers - 1,  day likewise;  in any time t: rate <= burst + t / T + workers - 1
 *
 * A change of rates keeps the debt, but whoever sees more of it than the rates in force can run up
 * forgives the excess in its own part, so that nobody is haunted by an older policy. Two who see it
 * at once forgive twice, and then nothing is owed.
 *
 * The days are those of the data plane's clock: 24 hours from its start, and so on. One worker
 * writes a part, any worker may read it at any time. No atomic read-modify-write; one fence a
 * charge when there are several workers.
 */

#include "guard/guard_rate.h"

#define GUARD_TALLY_DAY_US (UINT64_C(86400) * 1000000)

struct guard_tally {
    int64_t start_us;    // of the debt
    uint64_t charged_us; // T for each charge, less what was forgiven; wraps
    uint64_t day;        // its number << 40 | charges in it
    uint64_t open;
};

struct guard_tally_sum {
    int64_t start_us;
    uint64_t charged_us;
    uint64_t today, open;
};

// The most that charges at such a rate can make owed, overshoot included.
static inline uint64_t guard_tally_debt_most(const struct guard_rate *rate, unsigned workers)
{
    return rate->tolerance + workers * rate->emission;
}

void guard_tally_add(struct guard_tally_sum *sum, const struct guard_tally *part, uint64_t now_us);
static inline int64_t guard_tally_tat(const struct guard_tally_sum *sum)
{
    return sum->start_us + (int64_t)sum->charged_us;
}
bool guard_tally_conforms(const struct guard_tally_sum *sum, const struct guard_rate *rate,
                          uint64_t now_us);

// How much more than `most_us` is owed.
uint64_t guard_tally_excess(const struct guard_tally_sum *sum, uint64_t most_us, uint64_t now_us);
void guard_tally_forgive(struct guard_tally *own, struct guard_tally_sum *sum, uint64_t excess_us);

// One more, into the worker's own part, which is in the sum. `emission` 0: the rate is not
// charged.
void guard_tally_charge(struct guard_tally *own, const struct guard_tally_sum *sum,
                        uint64_t emission, uint64_t now_us);
// Likewise, and it is open until it is closed.
void guard_tally_open(struct guard_tally *own, const struct guard_tally_sum *sum, uint64_t emission,
                      uint64_t now_us);
void guard_tally_close(struct guard_tally *own);
