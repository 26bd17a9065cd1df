// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Sources that completed a handshake, and how their SYNs looked: so that a SYN can be told from one
 * that somebody else sends in its source's name.
 *
 * A print is what a SYN has and the final ACK gives back, so that nothing is kept in between:
 *
 *   look   TTL, MSS (as the cookie rounds it), window scale, SACK, timestamps offered or not
 *   clock  TSval - now in ms: a host that keeps one timestamp clock a peer (Linux) comes back with
 *          the same, off by its drift; a forger must guess it, 1 in 2^32 / (2 * tolerance)
 *
 * A SYN matches by clock (look and clock), by look, or not at all, and the two matches have a rate
 * each, apart from what unproven SYNs of that address have used up: a forger who does not know the
 * look takes nothing from the source, one who knows it takes nothing from a source with a clock.
 * Hosts whose clock differs each time (timestamps off, or an offset a connection) have the look.
 *
 * The last four prints of a source are kept, for hosts behind one address or in one /64, and for
 * 30 days. Fixed memory: eight sources a bucket, a full one forgets whom it has not seen for
 * longest. A source with no history matches nothing. One worker owns it.
 */

#include "base/packet.h"
#include "guard/guard_name.h"
#include "guard/guard_rate.h"

#include <smmintrin.h>

enum {
    GUARD_PROVEN_MIN = 4096,
    GUARD_PROVEN_MAX = 1 << 20,
    GUARD_PROVEN_WAYS = 8,
    GUARD_PROVEN_PRINTS = 4,
    GUARD_PROVEN_KEEP_S = 30 * 86400,
    GUARD_PROVEN_DRIFT_MS = 1000, // and 1 ms more a second since the print was taken
};

struct guard_proven_print {
    uint32_t look;  // never 0
    uint32_t clock; // 0 when there are no timestamps
};
struct guard_proven_print guard_proven_of_syn(const struct packet *syn, uint64_t now_us);
struct guard_proven_print guard_proven_of_ack(const struct packet *ack,
                                              const struct tcp_handshake *handshake,
                                              uint64_t now_us);

enum guard_proven_match { GUARD_MATCH_NONE, GUARD_MATCH_LOOK, GUARD_MATCH_CLOCK };

struct guard_proven_entry {
    struct guard_proven_print prints[GUARD_PROVEN_PRINTS]; // the last used first
    uint32_t seen_s[GUARD_PROVEN_PRINTS];                  // when each was last proven
    uint64_t tat_ns[2]; // GCRA of the matches by look and by clock
};
static_assert(sizeof(struct guard_proven_entry) == 64, "a cache line");

struct guard_proven {
    uint64_t *keys; // eight a bucket; 0: free
    struct guard_proven_entry *entries;
    uint32_t slots; // a power of two
    unsigned bits;  // log2 of the buckets
    uint32_t count;
};

// `sources` is cut to the bounds and rounded up to a power of two. 0 or -ENOMEM.
int guard_proven_init(struct guard_proven *table, uint32_t sources, int numa_node) MUST_CHECK;
void guard_proven_done(struct guard_proven *table);

// A handshake was completed.
void guard_proven_learn(struct guard_proven *table, const struct guard_name *source,
                        const struct guard_proven_print *print, uint64_t now_us);

static inline uint32_t guard_proven_bucket(const struct guard_proven *table,
                                           const struct guard_name *source)
{
    return (source->hash >> (32 - table->bits)) * GUARD_PROVEN_WAYS;
}

static inline void guard_proven_prefetch(const struct guard_proven *table,
                                         const struct guard_name *source)
{
    if (table->count)
        __builtin_prefetch(&table->keys[guard_proven_bucket(table, source)]);
}

// IPv4 takes the prefixes of ffff:ffff::/32, which is multicast and never a source.
static inline uint64_t guard_proven_key(const struct guard_name *source)
{
    return source->v4 ? source->number | UINT64_C(0xffffffff) << 32 : source->number;
}

// Its place in its bucket, GUARD_PROVEN_WAYS: there is no history. All are compared: the way out of
// a loop that ends early cannot be predicted.
static inline unsigned guard_proven_way(const struct guard_proven *table,
                                        const struct guard_name *source)
{
    const __m128i *keys = (const __m128i *)&table->keys[guard_proven_bucket(table, source)];
    __m128i key = _mm_set1_epi64x((long long)guard_proven_key(source));
    __m128i first = _mm_packs_epi32(_mm_cmpeq_epi64(keys[0], key), _mm_cmpeq_epi64(keys[1], key));
    __m128i last = _mm_packs_epi32(_mm_cmpeq_epi64(keys[2], key), _mm_cmpeq_epi64(keys[3], key));
    unsigned same = (unsigned)_mm_movemask_epi8(_mm_packs_epi16(first, last)); // two bits a way
    return same ? (unsigned)__builtin_ctz(same) / 2 : GUARD_PROVEN_WAYS;
}

static inline bool guard_proven_has(const struct guard_proven *table,
                                    const struct guard_name *source)
{
    return table->count && guard_proven_way(table, source) != GUARD_PROVEN_WAYS;
}

// What the source's history says of its SYN. A match is charged to that match's rate, in ns;
// *ret_conforms says whether it had room, and is touched on a match only.
enum guard_proven_match guard_proven_take(struct guard_proven *table,
                                          const struct guard_name *source, const struct packet *syn,
                                          const struct guard_rate *rate, uint64_t now_us,
                                          bool *ret_conforms) MUST_CHECK;

// Whether the source's good history is kept; *ret_ago_s: since its last handshake.
bool guard_proven_knows(const struct guard_proven *table, const struct guard_name *source,
                        uint64_t now_us, uint32_t *ret_ago_s) MUST_CHECK;
