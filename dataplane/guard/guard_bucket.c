// SPDX-License-Identifier: BSD-3-Clause
/* Compiled once for each instruction set, with GUARD_BUCKET_WAY as the name of what it gives and
 * LANES as the 64-bit lanes of its vectors. */
#include "guard/guard_bucket.h"

#include <immintrin.h>

#if LANES == 2
typedef __m128i lanes;
#define SPREAD(x)    _mm_set1_epi64x((long long)(x))
#define AND(a, b)    _mm_and_si128(a, b)
#define BUT(a, b)    _mm_andnot_si128(b, a)
#define OR(a, b)     _mm_or_si128(a, b)
#define EQUAL(a, b)  _mm_cmpeq_epi64(a, b)
#define LEFT(a, n)   _mm_slli_epi64(a, n)
#define LESSER(a, b) ((lanes)_mm_min_pd((__m128d)(a), (__m128d)(b)))
#else
typedef __m256i lanes;
#define SPREAD(x)    _mm256_set1_epi64x((long long)(x))
#define AND(a, b)    _mm256_and_si256(a, b)
#define BUT(a, b)    _mm256_andnot_si256(b, a)
#define OR(a, b)     _mm256_or_si256(a, b)
#define EQUAL(a, b)  _mm256_cmpeq_epi64(a, b)
#define LEFT(a, n)   _mm256_slli_epi64(a, n)
#define LESSER(a, b) ((lanes)_mm256_min_pd((__m256d)(a), (__m256d)(b)))
#endif

/* Each way has a rank, and the least is taken: the source's own, or else the one with the least
 * TAT, which is the one that says least.
 *
 *   0 | not the source's 1 | 1 | TAT 58 | way 3
 *
 * Ranks are compared as doubles, which positive numbers of that size order like: no vectors before
 * AVX-512 have a minimum of 64-bit integers.
 */
enum { WAY_BITS = 3 };
#define OTHER (UINT64_C(1) << 62)
#define ORDINARY                                                                                   \
    (UINT64_C(1) << 61) // or it would be a subnormal double, which a CPU may take for 0

static inline lanes ranks(lanes tats, lanes own, unsigned first_way)
{
    static const uint64_t ways[] = {ORDINARY,     ORDINARY | 1, ORDINARY | 2, ORDINARY | 3,
                                    ORDINARY | 4, ORDINARY | 5, ORDINARY | 6, ORDINARY | 7};
    lanes way;
    memcpy(&way, &ways[first_way], sizeof way);
    return OR(OR(LEFT(tats, WAY_BITS), way), BUT(SPREAD(OTHER), own));
}

static inline lanes ranks_v4(const uint64_t *entries, unsigned i, uint64_t tag, uint64_t time_mask)
{
    lanes entry = ((const lanes *)entries)[i], tats = AND(entry, SPREAD(time_mask));
    return ranks(tats, EQUAL(BUT(entry, SPREAD(time_mask)), SPREAD(tag)), i * LANES);
}

static inline lanes ranks_v6(const struct guard_source_v6 *bucket, unsigned i, uint64_t number)
{
    lanes own = EQUAL(((const lanes *)bucket->numbers)[i], SPREAD(number));
    return ranks(((const lanes *)bucket->tats)[i], own, i * LANES);
}

static inline uint64_t least_lane(lanes ranks)
{
#if LANES == 2
    __m128d half = (__m128d)ranks;
#else
    __m128d half = _mm_min_pd((__m128d)_mm256_castsi256_si128(ranks),
                              (__m128d)_mm256_extracti128_si256(ranks, 1));
#endif
    return (uint64_t)_mm_cvtsi128_si64((__m128i)_mm_min_sd(half, _mm_unpackhi_pd(half, half)));
}

static inline uint64_t least_v4(const struct guard_source_v4 *bucket, uint64_t tag,
                                uint64_t time_mask)
{
    lanes least = ranks_v4(bucket->entries, 0, tag, time_mask);
    for (unsigned i = 1; i < GUARD_SOURCE_V4_WAYS / LANES; i++)
        least = LESSER(least, ranks_v4(bucket->entries, i, tag, time_mask));
    return least_lane(least);
}

static inline uint64_t least_v6(const struct guard_source_v6 *bucket, uint64_t number)
{
    lanes least = ranks_v6(bucket, 0, number);
    for (unsigned i = 1; i < GUARD_SOURCE_V6_WAYS / LANES; i++)
        least = LESSER(least, ranks_v6(bucket, i, number));
    return least_lane(least);
}

static inline unsigned way_of(uint64_t rank)
{
    return rank & ((1 << WAY_BITS) - 1);
}

unsigned GUARD_BUCKET_WAY(const struct guard_source_slot *slot, uint64_t time_mask)
{
    return way_of(slot->v4 ? least_v4(slot->line, slot->tag, time_mask)
                           : least_v6(slot->line, slot->tag));
}
