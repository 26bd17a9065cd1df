// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_name.h"

#include <smmintrin.h>
#include <stddef.h>

enum { LANES = 4 };

static_assert(sizeof(struct guard_name) == 16 && offsetof(struct guard_name, hash) == 8 &&
                  offsetof(struct guard_name, v4) == 12,
              "written at once");

static void each(const struct siphash_key *key, const struct packet *packets, unsigned count,
                 struct guard_name *ret_names, struct guard_name *ret_prefixes)
{
    for (unsigned i = 0; i < count; i++) {
        ret_names[i] = guard_name_of(key, &packets[i].src);
        if (ret_prefixes)
            ret_prefixes[i] = guard_name_prefix(key, &ret_names[i]);
    }
}

static inline __m128i mixed(__m128i hash)
{
    hash = _mm_xor_si128(hash, _mm_srli_epi32(hash, 16));
    hash = _mm_mullo_epi32(hash, _mm_set1_epi32(GUARD_NAME_MIX_FIRST));
    hash = _mm_xor_si128(hash, _mm_srli_epi32(hash, 15));
    return _mm_mullo_epi32(hash, _mm_set1_epi32((int)GUARD_NAME_MIX_LAST));
}

// Bits 32 to 63 of the products, which four 64-bit numbers have in their low halves.
static inline __m128i products(const struct siphash_key *key, __m128i numbers)
{
    __m128i low_half = _mm_set1_epi64x(UINT32_MAX);
    __m128i a =
        _mm_add_epi64(_mm_set1_epi64x((long long)(key->word[0] | 1)), _mm_srli_epi64(numbers, 32));
    __m128i b =
        _mm_add_epi64(_mm_set1_epi64x((long long)key->word[1]), _mm_and_si128(numbers, low_half));
    __m128i crossed = _mm_add_epi64(_mm_mul_epu32(_mm_srli_epi64(a, 32), b),
                                    _mm_mul_epu32(a, _mm_srli_epi64(b, 32)));
    return _mm_add_epi64(_mm_srli_epi64(_mm_mul_epu32(a, b), 32), crossed);
}

static inline void write_four(__m128i numbers01, __m128i numbers23, __m128i hashes, bool v4,
                              struct guard_name *ret_names)
{
    __m128i family = _mm_set1_epi32(v4), hashes01 = _mm_unpacklo_epi32(hashes, family),
            hashes23 = _mm_unpackhi_epi32(hashes, family);
    _mm_storeu_si128((__m128i *)&ret_names[0], _mm_unpacklo_epi64(numbers01, hashes01));
    _mm_storeu_si128((__m128i *)&ret_names[1], _mm_unpackhi_epi64(numbers01, hashes01));
    _mm_storeu_si128((__m128i *)&ret_names[2], _mm_unpacklo_epi64(numbers23, hashes23));
    _mm_storeu_si128((__m128i *)&ret_names[3], _mm_unpackhi_epi64(numbers23, hashes23));
}

static inline __m128i odd_words(__m128i a, __m128i b)
{
    return (__m128i)_mm_shuffle_ps((__m128)a, (__m128)b, _MM_SHUFFLE(3, 1, 3, 1));
}

static inline __m128i even_words(__m128i a, __m128i b)
{
    return (__m128i)_mm_shuffle_ps((__m128)a, (__m128)b, _MM_SHUFFLE(2, 0, 2, 0));
}

// 32-bit numbers, as IPv4 has them.
static inline void hash_v4(const struct siphash_key *key, __m128i numbers,
                           struct guard_name *ret_names)
{
    __m128i zero = _mm_setzero_si128();
    __m128i sums = _mm_add_epi32(numbers, _mm_set1_epi32((int)key->word[1]));
    __m128i hashes = _mm_mullo_epi32(sums, _mm_set1_epi32((int)(key->word[0] | 1)));
    write_four(_mm_unpacklo_epi32(numbers, zero), _mm_unpackhi_epi32(numbers, zero), mixed(hashes),
               true, ret_names);
}

static inline void hash_v6(const struct siphash_key *key, __m128i numbers01, __m128i numbers23,
                           struct guard_name *ret_names)
{
    __m128i hashes = even_words(products(key, numbers01), products(key, numbers23));
    write_four(numbers01, numbers23, mixed(hashes), false, ret_names);
}

static void four(const struct siphash_key *key, const struct packet *packets,
                 struct guard_name *ret_names, struct guard_name *ret_prefixes)
{
    __m128i zero = _mm_setzero_si128(), addrs[LANES];
    for (unsigned i = 0; i < LANES; i++)
        memcpy(&addrs[i], packets[i].src.bytes, sizeof addrs[i]);
    __m128i heads01 = _mm_unpacklo_epi64(addrs[0], addrs[1]),
            heads23 = _mm_unpacklo_epi64(addrs[2], addrs[3]),
            tails01 = _mm_unpackhi_epi64(addrs[0], addrs[1]),
            tails23 = _mm_unpackhi_epi64(addrs[2], addrs[3]);
    __m128i mapped = _mm_set1_epi32((int)__builtin_bswap32(0xffff));
    __m128i not_mapped = _mm_xor_si128(even_words(tails01, tails23), mapped);
    __m128i not_v4 = _mm_or_si128(_mm_or_si128(heads01, heads23), not_mapped);
    if (_mm_testz_si128(not_v4, not_v4)) {
        __m128i swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
        __m128i numbers = _mm_shuffle_epi8(odd_words(tails01, tails23), swap);
        hash_v4(key, numbers, ret_names);
        if (ret_prefixes)
            hash_v4(key, _mm_srli_epi32(numbers, GUARD_NAME_HOST_BITS_V4), ret_prefixes);
        return;
    }
    __m128i zero_heads =
        _mm_or_si128(_mm_cmpeq_epi64(heads01, zero), _mm_cmpeq_epi64(heads23, zero));
    if (_mm_testz_si128(zero_heads, zero_heads)) { // so none is IPv4
        __m128i swap = _mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
        __m128i numbers01 = _mm_shuffle_epi8(heads01, swap),
                numbers23 = _mm_shuffle_epi8(heads23, swap);
        hash_v6(key, numbers01, numbers23, ret_names);
        __m128i subnet = _mm_set1_epi64x(GUARD_NAME_SUBNETS_V6);
        if (ret_prefixes)
            hash_v6(key, _mm_andnot_si128(subnet, numbers01), _mm_andnot_si128(subnet, numbers23),
                    ret_prefixes);
        return;
    }
    each(key, packets, LANES, ret_names, ret_prefixes);
}

void guard_name_burst(const struct siphash_key *key, const struct packet *packets, unsigned count,
                      struct guard_name *ret_names, struct guard_name *ret_prefixes)
{
    unsigned i = 0;
    for (; i + LANES <= count; i += LANES)
        four(key, packets + i, ret_names + i, ret_prefixes ? ret_prefixes + i : NULL);
    each(key, packets + i, count - i, ret_names + i, ret_prefixes ? ret_prefixes + i : NULL);
}
