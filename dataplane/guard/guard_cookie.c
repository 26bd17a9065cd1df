// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_cookie.h"

#include <nmmintrin.h>

/* Rounded down to, so the first is what nobody is below: IPv4's least MTU less headers would be 28,
 * but such peers do not exist, and a smaller one only makes us emit more (RFC 9293, section 3.7.1).
 * 536 and 1220 are the defaults; the others are Ethernet less tunnels of the usual kinds.
 */
static const _Alignas(16) uint16_t mss_table[8] = {64, 536, 1220, 1300, 1360, 1400, 1440, 1460};

enum {
    MSS_BITS = 3,
    SCALE_BITS = 4,
    SCALE_NONE = 15,             // scaling was not offered
    SMALL_BITS = SCALE_BITS + 1, // window scale and SACK
    MAC_BITS_PLAIN = 31 - MSS_BITS - SMALL_BITS,
    MAC_BITS_TIMESTAMPS = 31 - MSS_BITS,
};
static_assert(sizeof mss_table / sizeof mss_table[0] == 1 << MSS_BITS, "an index each");
static_assert((int)SCALE_NONE > (int)TCP_WINDOW_SCALE_MAX, "not a scale");
static_assert(1 << SMALL_BITS == GUARD_COOKIE_TS_LAG_MS, "what the low bits cost");

// What the cookie remembers, in one word: timestamps 1 | index of the MSS 3 | SACK 1 | scale 4.
enum { TIMESTAMPS = 1 << (MSS_BITS + SMALL_BITS), SMALL_MASK = (1 << SMALL_BITS) - 1 };

static inline uint32_t options_word(bool timestamps, uint32_t mss_index, uint32_t small)
{
    return (timestamps ? TIMESTAMPS : 0) | mss_index << SMALL_BITS | small;
}

static inline uint32_t mss_index_of(uint32_t options)
{
    return options >> SMALL_BITS & ((1 << MSS_BITS) - 1);
}

static void derive(struct guard_cookie_slot *slot, const struct siphash_key *key, uint64_t number)
{
    slot->number = number;
    for (uint64_t half = 0; half < 2; half++) {
        uint64_t label[2] = {number, half};
        slot->key.word[half] = siphash(key, label, sizeof label);
    }
}

void guard_cookie_init(struct guard_cookie *cookie, const struct siphash_key *key)
{
    cookie->key = *key;
    for (unsigned number = 0; number < 2; number++)
        derive(&cookie->slots[number], key, number);
}

static const struct siphash_key *key_of(struct guard_cookie *cookie, uint64_t number)
{
    struct guard_cookie_slot *slot = &cookie->slots[number & 1];
    if (slot->number != number)
        derive(slot, &cookie->key, number);
    return &slot->key;
}

// What is hashed, in words. The families differ in size.
enum { V4_SIZE = 18, V6_SIZE = 42, V4_WORDS = 3, V6_WORDS = 6 };

static inline uint64_t load_64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint64_t ports_word(const struct packet *packet, uint32_t irs)
{
    return (uint64_t)irs << 32 | (uint32_t)packet->src_port << 16 | packet->dst_port;
}

// Into column `at` of words.
static inline void message_v4(uint64_t words[][SIPHASH_BURST], unsigned at,
                              const struct packet *packet, uint32_t irs, uint32_t options)
{
    words[0][at] = load_64(packet->src.bytes + 8) >> 32 |
                   (load_64(packet->dst.bytes + 8) & UINT64_C(0xffffffff00000000));
    words[1][at] = ports_word(packet, irs);
    words[2][at] = options;
}

static inline void message_v6(uint64_t words[][SIPHASH_BURST], unsigned at,
                              const struct packet *packet, uint32_t irs, uint32_t options)
{
    words[0][at] = load_64(packet->src.bytes);
    words[1][at] = load_64(packet->src.bytes + 8);
    words[2][at] = load_64(packet->dst.bytes);
    words[3][at] = load_64(packet->dst.bytes + 8);
    words[4][at] = ports_word(packet, irs);
    words[5][at] = options;
}

static uint64_t hash_one(const struct siphash_key *key, const struct packet *packet, uint32_t irs,
                         uint32_t options)
{
    uint64_t words[V6_WORDS][SIPHASH_BURST], message[V6_WORDS];
    bool v4 = addr_is_v4(&packet->src);
    if (v4)
        message_v4(words, 0, packet, irs, options);
    else
        message_v6(words, 0, packet, irs, options);
    for (unsigned w = 0; w < (v4 ? V4_WORDS : V6_WORDS); w++)
        message[w] = words[w][0];
    return siphash(key, message, v4 ? V4_SIZE : V6_SIZE);
}

static inline uint32_t sequence_of(uint64_t hash, uint64_t slot, uint32_t options)
{
    uint32_t mac = (uint32_t)hash;
    uint32_t head = (uint32_t)(slot & 1) << MSS_BITS | mss_index_of(options);
    if (options & TIMESTAMPS)
        return head << MAC_BITS_TIMESTAMPS | (mac & ((1u << MAC_BITS_TIMESTAMPS) - 1));
    head = head << SMALL_BITS | (options & SMALL_MASK);
    return head << MAC_BITS_PLAIN | (mac & ((1u << MAC_BITS_PLAIN) - 1));
}

static uint32_t ts_offset_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

// The last of the table that the SYN's MSS is not below.
static inline uint32_t mss_index(const struct packet *syn)
{
    uint16_t mss = syn->options.mss;
    if (mss == 0) // RFC 9293, section 3.7.1
        mss = addr_is_v4(&syn->src) ? TCP_MSS_DEFAULT_V4 : TCP_MSS_DEFAULT_V6;
    mss = mss < mss_table[0] ? mss_table[0] : mss;
    // All at once: which of both is the less.
    __m128i least = _mm_load_si128((const __m128i *)(const void *)mss_table);
    __m128i met = _mm_cmpeq_epi16(_mm_min_epu16(least, _mm_set1_epi16((short)mss)), least);
    return (uint32_t)__builtin_popcount((unsigned)_mm_movemask_epi8(met)) / 2 - 1;
}

uint16_t guard_cookie_mss(const struct packet *syn)
{
    return mss_table[mss_index(syn)];
}

static inline uint32_t options_of(const struct packet *syn)
{
    const struct tcp_option *offer = &syn->options;
    uint32_t scale = offer->has_window_scale ? offer->window_scale : SCALE_NONE;
    return options_word(offer->has_timestamps, mss_index(syn),
                        (uint32_t)offer->sack_permitted << SCALE_BITS | scale);
}

static inline struct guard_cookie_answer answer_of(uint64_t hash, uint64_t slot, uint32_t options,
                                                   uint32_t now_ms)
{
    struct guard_cookie_answer answer = {.iss = sequence_of(hash, slot, options)};
    if (!(options & TIMESTAMPS))
        return answer;
    uint32_t clock = now_ms + ts_offset_of(hash);
    answer.ts_value = (clock & ~(uint32_t)SMALL_MASK) | (options & SMALL_MASK);
    if (seq_after(answer.ts_value, clock))
        answer.ts_value -= 1u << SMALL_BITS;
    return answer;
}

// The messages of one family.
struct batch {
    uint64_t words[V6_WORDS][SIPHASH_BURST], hashes[SIPHASH_BURST];
    uint8_t of[SIPHASH_BURST]; // which SYN
    unsigned count;
};

void guard_cookie_make(struct guard_cookie *cookie, const struct packet *const *syns,
                       unsigned count, uint64_t now_us, struct guard_cookie_answer *ret_answers)
{
    CHECK(count <= SIPHASH_BURST);
    uint64_t slot = now_us / GUARD_COOKIE_SLOT_US;
    uint32_t now_ms = (uint32_t)(now_us / 1000);
    const struct siphash_key *key = key_of(cookie, slot);
    uint32_t options[SIPHASH_BURST];
    struct batch batches[2]; // IPv6, IPv4
    batches[0].count = batches[1].count = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct packet *syn = syns[i];
        options[i] = options_of(syn);
        bool v4 = addr_is_v4(&syn->src);
        struct batch *batch = &batches[v4];
        unsigned at = batch->count++;
        batch->of[at] = (uint8_t)i;
        if (v4)
            message_v4(batch->words, at, syn, syn->seq, options[i]);
        else
            message_v6(batch->words, at, syn, syn->seq, options[i]);
    }
    for (int v4 = 0; v4 < 2; v4++) {
        struct batch *batch = &batches[v4];
        siphash_burst(key, (const uint64_t(*)[SIPHASH_BURST])batch->words, v4 ? V4_SIZE : V6_SIZE,
                      batch->count, batch->hashes);
        for (unsigned at = 0; at < batch->count; at++) {
            unsigned i = batch->of[at];
            ret_answers[i] = answer_of(batch->hashes[at], slot, options[i], now_ms);
        }
    }
}

bool guard_cookie_check(struct guard_cookie *cookie, const struct packet *ack, uint64_t now_us,
                        struct tcp_handshake *ret_handshake)
{
    uint32_t iss = ack->ack - 1, irs = ack->seq - 1;
    uint64_t slot = now_us / GUARD_COOKIE_SLOT_US;
    if ((slot & 1) != iss >> 31)
        slot--;

    bool timestamps = ack->options.has_timestamps;
    uint32_t small = timestamps ? ack->options.ts_echo : iss >> MAC_BITS_PLAIN;
    uint32_t mss_index = iss >> MAC_BITS_TIMESTAMPS & ((1 << MSS_BITS) - 1);
    uint32_t options = options_word(timestamps, mss_index, small & SMALL_MASK);
    uint64_t hash = hash_one(key_of(cookie, slot), ack, irs, options);
    if (sequence_of(hash, slot, options) != iss)
        return false;
    uint32_t offset = timestamps ? ts_offset_of(hash) : 0;
    uint32_t age_ms = (uint32_t)(now_us / 1000) + offset - ack->options.ts_echo;
    if (timestamps && age_ms > 2 * GUARD_COOKIE_SLOT_US / 1000 + GUARD_COOKIE_TS_LAG_MS)
        return false;

    uint8_t scale = options & ((1 << SCALE_BITS) - 1);
    *ret_handshake = (struct tcp_handshake){
        .iss = iss,
        .irs = irs,
        .ts_offset = offset,
        .ts_recent = timestamps ? ack->options.ts_value : 0,
        .peer_mss = mss_table[mss_index],
        .peer_window_scale = scale == SCALE_NONE ? 0 : scale,
        .window_scaling = scale != SCALE_NONE,
        .timestamps = timestamps,
        .sack = options >> SCALE_BITS & 1,
    };
    return true;
}
