// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_cookie.h"

/* Rounded down to, so the first is what nobody is below: IPv4's least MTU less headers would be 28,
 * but such peers do not exist, and a smaller one only makes us emit more (RFC 9293, section 3.7.1).
 * 536 and 1220 are the defaults; the others are Ethernet less tunnels of the usual kinds.
 */
static const uint16_t mss_table[8] = {64, 536, 1220, 1300, 1360, 1400, 1440, 1460};

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

struct options {   // what the cookie remembers
    uint8_t mss;   // index
    uint8_t small; // SACK << 4 | window scale
    bool timestamps;
};

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

static inline uint64_t options_word(const struct options *o)
{
    return (uint64_t)(o->timestamps << (MSS_BITS + SMALL_BITS) | o->mss << SMALL_BITS | o->small);
}

static inline uint64_t ports_word(const struct packet *packet, uint32_t irs)
{
    return (uint64_t)irs << 32 | (uint32_t)packet->src_port << 16 | packet->dst_port;
}

// Into column `at` of words.
static inline void message_v4(uint64_t words[][SIPHASH_BURST], unsigned at,
                              const struct packet *packet, uint32_t irs, const struct options *o)
{
    words[0][at] = load_64(packet->src.bytes + 8) >> 32 |
                   (load_64(packet->dst.bytes + 8) & UINT64_C(0xffffffff00000000));
    words[1][at] = ports_word(packet, irs);
    words[2][at] = options_word(o);
}

static inline void message_v6(uint64_t words[][SIPHASH_BURST], unsigned at,
                              const struct packet *packet, uint32_t irs, const struct options *o)
{
    words[0][at] = load_64(packet->src.bytes);
    words[1][at] = load_64(packet->src.bytes + 8);
    words[2][at] = load_64(packet->dst.bytes);
    words[3][at] = load_64(packet->dst.bytes + 8);
    words[4][at] = ports_word(packet, irs);
    words[5][at] = options_word(o);
}

static uint64_t hash_one(const struct siphash_key *key, const struct packet *packet, uint32_t irs,
                         const struct options *o)
{
    uint64_t words[V6_WORDS][SIPHASH_BURST], message[V6_WORDS];
    bool v4 = addr_is_v4(&packet->src);
    if (v4)
        message_v4(words, 0, packet, irs, o);
    else
        message_v6(words, 0, packet, irs, o);
    for (unsigned w = 0; w < (v4 ? V4_WORDS : V6_WORDS); w++)
        message[w] = words[w][0];
    return siphash(key, message, v4 ? V4_SIZE : V6_SIZE);
}

static uint32_t sequence_of(uint64_t hash, uint64_t slot, const struct options *o)
{
    uint32_t mac = (uint32_t)hash;
    uint32_t head = (uint32_t)(slot & 1) << MSS_BITS | o->mss;
    if (o->timestamps)
        return head << MAC_BITS_TIMESTAMPS | (mac & ((1u << MAC_BITS_TIMESTAMPS) - 1));
    return (head << SMALL_BITS | o->small) << MAC_BITS_PLAIN | (mac & ((1u << MAC_BITS_PLAIN) - 1));
}

static uint32_t ts_offset_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static uint8_t mss_index(const struct packet *syn)
{
    uint16_t mss = syn->options.mss;
    if (mss == 0) // RFC 9293, section 3.7.1
        mss = addr_is_v4(&syn->src) ? TCP_MSS_DEFAULT_V4 : TCP_MSS_DEFAULT_V6;
    uint8_t index = 0;
    for (unsigned i = 1; i < 1 << MSS_BITS; i++) // sorted; no way out that must be predicted
        index = (uint8_t)(index + (mss_table[i] <= mss));
    return index;
}

uint16_t guard_cookie_mss(const struct packet *syn)
{
    return mss_table[mss_index(syn)];
}

static inline struct options options_of(const struct packet *syn)
{
    const struct tcp_option *offer = &syn->options;
    uint8_t scale = offer->has_window_scale ? offer->window_scale : SCALE_NONE;
    return (struct options){
        .mss = mss_index(syn),
        .small = (uint8_t)(offer->sack_permitted << SCALE_BITS | scale),
        .timestamps = offer->has_timestamps,
    };
}

static struct guard_cookie_answer answer_of(uint64_t hash, uint64_t slot, const struct options *o,
                                            uint64_t now_us)
{
    struct guard_cookie_answer answer = {.iss = sequence_of(hash, slot, o)};
    if (!o->timestamps)
        return answer;
    uint32_t clock = (uint32_t)(now_us / 1000) + ts_offset_of(hash);
    answer.ts_value = (clock & ~((1u << SMALL_BITS) - 1)) | o->small;
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
    const struct siphash_key *key = key_of(cookie, slot);
    struct options options[SIPHASH_BURST];
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
            message_v4(batch->words, at, syn, syn->seq, &options[i]);
        else
            message_v6(batch->words, at, syn, syn->seq, &options[i]);
    }
    for (int v4 = 0; v4 < 2; v4++) {
        struct batch *batch = &batches[v4];
        siphash_burst(key, (const uint64_t(*)[SIPHASH_BURST])batch->words, v4 ? V4_SIZE : V6_SIZE,
                      batch->count, batch->hashes);
        for (unsigned at = 0; at < batch->count; at++) {
            unsigned i = batch->of[at];
            ret_answers[i] = answer_of(batch->hashes[at], slot, &options[i], now_us);
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

    struct options o = {
        .mss = iss >> MAC_BITS_TIMESTAMPS & ((1 << MSS_BITS) - 1),
        .small = iss >> MAC_BITS_PLAIN & ((1 << SMALL_BITS) - 1),
        .timestamps = ack->options.has_timestamps,
    };
    if (o.timestamps)
        o.small = ack->options.ts_echo & ((1 << SMALL_BITS) - 1);
    uint64_t hash = hash_one(key_of(cookie, slot), ack, irs, &o);
    if (sequence_of(hash, slot, &o) != iss)
        return false;
    uint32_t offset = o.timestamps ? ts_offset_of(hash) : 0;
    uint32_t age_ms = (uint32_t)(now_us / 1000) + offset - ack->options.ts_echo;
    if (o.timestamps && age_ms > 2 * GUARD_COOKIE_SLOT_US / 1000 + GUARD_COOKIE_TS_LAG_MS)
        return false;

    uint8_t scale = o.small & ((1 << SCALE_BITS) - 1);
    *ret_handshake = (struct tcp_handshake){
        .iss = iss,
        .irs = irs,
        .ts_offset = offset,
        .ts_recent = o.timestamps ? ack->options.ts_value : 0,
        .peer_mss = mss_table[o.mss],
        .peer_window_scale = scale == SCALE_NONE ? 0 : scale,
        .window_scaling = scale != SCALE_NONE,
        .timestamps = o.timestamps,
        .sack = o.small >> SCALE_BITS & 1,
    };
    return true;
}
