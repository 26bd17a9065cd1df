// SPDX-License-Identifier: BSD-3-Clause
/* Compiled once for each instruction set, with SIPHASH_LANES as the function's name and LANES as
 * the 64-bit lanes of its vectors. */
#include "base/siphash_lanes.h"

#include "base/check.h"

#include <string.h>

typedef uint64_t lanes __attribute__((vector_size(LANES * 8)));
typedef uint32_t halves __attribute__((vector_size(LANES * 8)));

// Two states beside one another fill the gaps of a round's chain of dependent steps; more do not
// fit into sixteen registers.
enum { WIDTH = 2 * LANES };
static_assert(SIPHASH_BURST % WIDTH == 0, "whole groups only");

struct state {
    lanes v0, v1, v2, v3;
};

static inline lanes rotl(lanes x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline lanes rotl_32(lanes x)
{
#if LANES == 2
    return (lanes)__builtin_shufflevector((halves)x, (halves)x, 1, 0, 3, 2);
#elif LANES == 4
    return (lanes)__builtin_shufflevector((halves)x, (halves)x, 1, 0, 3, 2, 5, 4, 7, 6);
#else // which has rotations
    return rotl(x, 32);
#endif
}

static inline void round_once(struct state *s)
{
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl_32(s->v0);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl_32(s->v2);
}

static inline struct state begin(const struct siphash_key *key)
{
    const lanes zero = {0};
    return (struct state){
        .v0 = zero + (key->word[0] ^ 0x736f6d6570736575u),
        .v1 = zero + (key->word[1] ^ 0x646f72616e646f6du),
        .v2 = zero + (key->word[0] ^ 0x6c7967656e657261u),
        .v3 = zero + (key->word[1] ^ 0x7465646279746573u),
    };
}

static inline void absorb(struct state *a, struct state *b, lanes word_a, lanes word_b)
{
    a->v3 ^= word_a;
    b->v3 ^= word_b;
    for (int i = 0; i < 2; i++) {
        round_once(a);
        round_once(b);
    }
    a->v0 ^= word_a;
    b->v0 ^= word_b;
}

static inline lanes load(const uint64_t *from)
{
    lanes word;
    memcpy(&word, from, sizeof word);
    return word;
}

static inline void finish(struct state *s, uint64_t *to)
{
    lanes hash = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
    memcpy(to, &hash, sizeof hash);
}

void SIPHASH_LANES(const struct siphash_key *key, const uint64_t (*words)[SIPHASH_BURST],
                   size_t size, unsigned count, uint64_t hashes[SIPHASH_BURST])
{
    for (unsigned at = 0; at < count; at += WIDTH) {
        struct state a = begin(key), b = a;
        for (size_t w = 0; w < size / 8; w++)
            absorb(&a, &b, load(&words[w][at]), load(&words[w][at + LANES]));
        lanes last_a = (lanes){0} + ((uint64_t)size << 56), last_b = last_a;
        if (size % 8) {
            last_a |= load(&words[size / 8][at]);
            last_b |= load(&words[size / 8][at + LANES]);
        }
        absorb(&a, &b, last_a, last_b);
        a.v2 ^= 0xff;
        b.v2 ^= 0xff;
        for (int i = 0; i < 4; i++) {
            round_once(&a);
            round_once(&b);
        }
        finish(&a, &hashes[at]);
        finish(&b, &hashes[at + LANES]);
    }
}
