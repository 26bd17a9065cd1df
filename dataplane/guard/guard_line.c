// SPDX-License-Identifier: BSD-3-Clause
/* Compiled once for each instruction set, with GUARD_LINE_FIND as the name of what it gives and
 * LANES as the 64-bit lanes of its vectors. */
#include "guard/guard_line.h"

#include <assert.h>
#include <immintrin.h>

static_assert(sizeof(struct guard_line) == 64, "a cache line");
static_assert(offsetof(struct guard_line, values) == 40, "of what is compared, that are keys");

/* Which of the first 48 or 64 bytes, taken as keys, are at or before the wanted one: a bit for each
 * half, or two for each word, in an order that does not matter where they are counted. KEYS are
 * the bits of those that are.
 */
#if LANES == 2
enum { KEYS = 0xfffff };

static inline uint32_t before_v4(const struct guard_line *line, uint32_t word)
{
    const __m128i *keys = (const __m128i *)(const void *)line;
    __m128i wanted = _mm_shuffle_epi8(_mm_cvtsi32_si128((int)word), _mm_set1_epi16(0x0203));
    __m128i a = _mm_cmpeq_epi16(_mm_max_epu16(keys[0], wanted), wanted);
    __m128i b = _mm_cmpeq_epi16(_mm_max_epu16(keys[1], wanted), wanted);
    __m128i c = _mm_cmpeq_epi16(_mm_max_epu16(keys[2], wanted), wanted);
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(a, b)) |
           (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(c, c)) << 16;
}

static inline uint32_t before_v6(const struct guard_line *line, uint32_t word)
{
    const __m128i *keys = (const __m128i *)(const void *)line;
    __m128i wanted = _mm_shuffle_epi8(_mm_cvtsi32_si128((int)word), _mm_set1_epi32(0x00010203));
    __m128i a = _mm_cmpeq_epi32(_mm_max_epu32(keys[0], wanted), wanted);
    __m128i b = _mm_cmpeq_epi32(_mm_max_epu32(keys[1], wanted), wanted);
    __m128i c = _mm_cmpeq_epi32(_mm_max_epu32(keys[2], wanted), wanted);
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi32(a, b)) |
           (uint32_t)_mm_movemask_epi8(_mm_packs_epi32(c, c)) << 16;
}
#else
enum { KEYS = 0xff0fff };

static inline uint32_t before_v4(const struct guard_line *line, uint32_t word)
{
    const __m256i *keys = (const __m256i *)(const void *)line;
    __m256i wanted = _mm256_shuffle_epi8(_mm256_set1_epi32((int)word), _mm256_set1_epi16(0x0203));
    __m256i a = _mm256_cmpeq_epi16(_mm256_max_epu16(keys[0], wanted), wanted);
    __m256i b = _mm256_cmpeq_epi16(_mm256_max_epu16(keys[1], wanted), wanted);
    return (uint32_t)_mm256_movemask_epi8(_mm256_packs_epi16(a, b));
}

static inline uint32_t before_v6(const struct guard_line *line, uint32_t word)
{
    const __m256i *keys = (const __m256i *)(const void *)line;
    __m256i wanted =
        _mm256_shuffle_epi8(_mm256_set1_epi32((int)word), _mm256_set1_epi32(0x00010203));
    __m256i a = _mm256_cmpeq_epi32(_mm256_max_epu32(keys[0], wanted), wanted);
    __m256i b = _mm256_cmpeq_epi32(_mm256_max_epu32(keys[1], wanted), wanted);
    return (uint32_t)_mm256_movemask_epi8(_mm256_packs_epi32(a, b));
}
#endif

// What stands at the place of the word: as many keys as are at or before it.
static inline uint8_t value_at(const struct guard_line *line, enum family_index family,
                               const struct addr *addr, unsigned at)
{
    uint32_t word;
    if (family == FAMILY_V4) { // in the upper half; there are two bytes more below it
        memcpy(&word, addr->bytes + at - 2, sizeof word);
        return line->values[__builtin_popcount(before_v4(line, word) & KEYS)];
    }
    memcpy(&word, addr->bytes + at, sizeof word);
    return line->values[__builtin_popcount(before_v6(line, word) & KEYS) / 2];
}

static inline uint32_t next_of(const struct guard_line *line)
{
    uint32_t next; // and a value
    memcpy(&next, &line->values[GUARD_LINE_PLACES - 1], sizeof next);
    return next >> 8;
}

/* Those that go on, which are fewer from step to step: lines below a line have fewer ranges or a
 * later word. No branches: whether an address goes on is chance, and a wrong guess costs as much as
 * all else.
 */
static inline void walk(const struct guard_line *all, enum family_index family, unsigned at,
                        const struct addr *const *addrs, unsigned n,
                        const struct guard_line **lines, uint8_t *values)
{
    unsigned word_size = family == FAMILY_V4 ? 2 : 4, count = 0;
    uint8_t walking[GUARD_LINE_BURST], ats[GUARD_LINE_BURST];
    for (unsigned i = 0; i < n; i++) {
        ats[i] = (uint8_t)at;
        walking[count] = (uint8_t)i;
        count += values[i] >= GUARD_LINE_FURTHER;
    }
    while (count > 0) {
        for (unsigned j = 0; j < count; j++) {
            unsigned i = walking[j];
            lines[i] = &all[next_of(lines[i]) + (values[i] & GUARD_LINE_INDEX)];
            __builtin_prefetch(lines[i]);
            ats[i] += (uint8_t)(values[i] / GUARD_LINE_NEXT_WORD * word_size);
        }
        unsigned on = 0;
        for (unsigned j = 0; j < count; j++) {
            unsigned i = walking[j];
            values[i] = value_at(lines[i], family, addrs[i], ats[i]);
            walking[on] = (uint8_t)i;
            on += values[i] >= GUARD_LINE_FURTHER;
        }
        count = on;
    }
}

static inline void find(const struct guard_line *all, enum family_index family, unsigned at,
                        const struct addr *const *addrs, unsigned n,
                        const struct guard_line **lines, uint8_t *values)
{
    unsigned any = 0;
#pragma GCC unroll 4
    for (unsigned i = 0; i < n; i++)
        any |= values[i] = value_at(lines[i], family, addrs[i], at);
    if (any >= GUARD_LINE_FURTHER)
        walk(all, family, at, addrs, n, lines, values);
}

void GUARD_LINE_FIND(const struct guard_line *all, enum family_index family, unsigned at,
                     const struct addr *const *addrs, unsigned n, const struct guard_line **lines,
                     uint8_t *ret_values)
{
    if (family == FAMILY_V4)
        find(all, FAMILY_V4, at, addrs, n, lines, ret_values);
    else
        find(all, FAMILY_V6, at, addrs, n, lines, ret_values);
}
