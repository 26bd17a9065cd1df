// SPDX-License-Identifier: BSD-3-Clause
/* Compiled once for each instruction set, with GUARD_BUCKET_WAYS as the name of what it gives and
 * LANES as the 64-bit lanes of its vectors. */
#include "guard/guard_bucket.h"

#include <immintrin.h>

#if LANES == 2
typedef __m128i lanes;
#define SPREAD(x)   _mm_set1_epi64x((long long)(x))
#define AND(a, b)   _mm_and_si128(a, b)
#define EQUAL(a, b) ((unsigned)_mm_movemask_pd((__m128d)_mm_cmpeq_epi64(a, b)))
#define ABOVE(a, b) ((unsigned)_mm_movemask_pd((__m128d)_mm_cmpgt_epi64(a, b)))
#else
typedef __m256i lanes;
#define SPREAD(x)   _mm256_set1_epi64x((long long)(x))
#define AND(a, b)   _mm256_and_si256(a, b)
#define EQUAL(a, b) ((unsigned)_mm256_movemask_pd((__m256d)_mm256_cmpeq_epi64(a, b)))
#define ABOVE(a, b) ((unsigned)_mm256_movemask_pd((__m256d)_mm256_cmpgt_epi64(a, b)))
#endif

static uint64_t tat_v4(const struct guard_source_v4 *bucket, uint64_t tag, uint64_t time_mask)
{
    lanes tags = SPREAD(tag), times = SPREAD(time_mask);
    unsigned same = 0; // a bit a way
    for (unsigned i = 0; i < GUARD_SOURCE_V4_WAYS / LANES; i++) {
        lanes entry = ((const lanes *)bucket->entries)[i];
        same |= EQUAL(entry - AND(entry, times), tags) << i * LANES;
    }
    return same ? bucket->entries[__builtin_ctz(same)] & time_mask : 0;
}

static uint64_t tat_v6(const struct guard_source_v6 *bucket, uint64_t number)
{
    lanes wanted = SPREAD(number);
    unsigned same = 0;
    for (unsigned i = 0; i < GUARD_SOURCE_V6_WAYS / LANES; i++)
        same |= EQUAL(((const lanes *)bucket->numbers)[i], wanted) << i * LANES;
    return same ? bucket->tats_us[__builtin_ctz(same)] : 0;
}

static unsigned least_of(const uint64_t *tats_us, uint64_t time_mask, unsigned ways)
{
    unsigned least = 0;
    for (unsigned i = 1; i < ways; i++)
        least = (tats_us[i] & time_mask) < (tats_us[least] & time_mask) ? i : least;
    return least;
}

static bool take_v4(struct guard_source_v4 *bucket, uint64_t tag, uint64_t time_mask,
                    const struct guard_source_rate *rate, uint64_t now_us)
{
    uint64_t *entries = bucket->entries;
    lanes tags = SPREAD(tag), times = SPREAD(time_mask), now = SPREAD(now_us);
    unsigned same = 0, debt = 0; // a bit a way
    for (unsigned i = 0; i < GUARD_SOURCE_V4_WAYS / LANES; i++) {
        lanes entry = ((const lanes *)entries)[i], tat = AND(entry, times);
        same |= EQUAL(entry - tat, tags) << i * LANES;
        debt |= ABOVE(tat, now) << i * LANES;
    }
    unsigned idle = debt ^ ((1u << GUARD_SOURCE_V4_WAYS) - 1);
    unsigned good = same ? same : idle;
    uint64_t tat_us = 0;
    unsigned at;
    if (__builtin_expect(good != 0, 1)) {
        at = (unsigned)__builtin_ctz(good);
        tat_us = entries[at] & time_mask; // an idle one's is in the past and says nothing
    } else {
        at = least_of(entries, time_mask, GUARD_SOURCE_V4_WAYS);
    }
    bool conforming = guard_source_judge(&tat_us, rate, now_us);
    entries[at] = tag | (tat_us < time_mask ? tat_us : time_mask);
    return conforming;
}

static bool take_v6(struct guard_source_v6 *bucket, uint64_t number,
                    const struct guard_source_rate *rate, uint64_t now_us)
{
    lanes wanted = SPREAD(number), now = SPREAD(now_us);
    unsigned same = 0, debt = 0;
    for (unsigned i = 0; i < GUARD_SOURCE_V6_WAYS / LANES; i++) {
        same |= EQUAL(((const lanes *)bucket->numbers)[i], wanted) << i * LANES;
        debt |= ABOVE(((const lanes *)bucket->tats_us)[i], now) << i * LANES;
    }
    unsigned idle = debt ^ ((1u << GUARD_SOURCE_V6_WAYS) - 1);
    unsigned good = same ? same : idle;
    uint64_t tat_us = 0;
    unsigned at;
    if (__builtin_expect(good != 0, 1)) {
        at = (unsigned)__builtin_ctz(good);
        tat_us = bucket->tats_us[at];
    } else {
        at = least_of(bucket->tats_us, UINT64_MAX, GUARD_SOURCE_V6_WAYS);
    }
    bool conforming = guard_source_judge(&tat_us, rate, now_us);
    bucket->numbers[at] = number;
    bucket->tats_us[at] = tat_us;
    return conforming;
}

const struct guard_bucket_ways GUARD_BUCKET_WAYS = {tat_v4, tat_v6, take_v4, take_v6};
