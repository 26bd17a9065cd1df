// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_tally.h"

enum { DAY_SHIFT = 40 };

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static uint64_t today(uint64_t day, uint64_t now_us)
{
    bool same = day >> DAY_SHIFT == now_us / GUARD_TALLY_DAY_US;
    return same ? day & ((UINT64_C(1) << DAY_SHIFT) - 1) : 0;
}

void guard_tally_add(struct guard_tally_sum *sum, const struct guard_tally *part, uint64_t now_us)
{
    int64_t start_us = __atomic_load_n(&part->start_us, __ATOMIC_RELAXED);
    sum->start_us = start_us > sum->start_us ? start_us : sum->start_us;
    sum->charged_us += load(&part->charged_us);
    sum->today += today(load(&part->day), now_us);
    sum->open += load(&part->open);
}

bool guard_tally_conforms(const struct guard_tally_sum *sum, const struct guard_rate *rate,
                          uint64_t now_us)
{
    return guard_tally_tat(sum) <= (int64_t)(now_us + rate->tolerance);
}

uint64_t guard_tally_excess(const struct guard_tally_sum *sum, uint64_t most_us, uint64_t now_us)
{
    int64_t excess_us = guard_tally_tat(sum) - (int64_t)(now_us + most_us);
    return excess_us > 0 ? (uint64_t)excess_us : 0;
}

void guard_tally_forgive(struct guard_tally *own, struct guard_tally_sum *sum, uint64_t excess_us)
{
    store(&own->charged_us, own->charged_us - excess_us);
    sum->charged_us -= excess_us;
}

void guard_tally_charge(struct guard_tally *own, const struct guard_tally_sum *sum,
                        uint64_t emission, uint64_t now_us)
{
    int64_t idle_us = (int64_t)now_us - (int64_t)sum->charged_us; // a start that owes nothing now
    if (emission) {
        __atomic_store_n(&own->start_us, sum->start_us > idle_us ? sum->start_us : idle_us,
                         __ATOMIC_RELAXED);
        store(&own->charged_us, own->charged_us + emission);
    }
    uint64_t day = now_us / GUARD_TALLY_DAY_US;
    store(&own->day, (day << DAY_SHIFT) + today(own->day, now_us) + 1);
}

void guard_tally_open(struct guard_tally *own, const struct guard_tally_sum *sum, uint64_t emission,
                      uint64_t now_us)
{
    guard_tally_charge(own, sum, emission, now_us);
    store(&own->open, own->open + 1);
}

void guard_tally_close(struct guard_tally *own)
{
    CHECK(own->open > 0);
    store(&own->open, own->open - 1);
}
