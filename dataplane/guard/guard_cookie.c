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

struct flow {
    struct addr src, dst; // as in the client's packets
    uint16_t src_port, dst_port;
};
static_assert(sizeof(struct flow) == 36, "hashed as bytes: no padding");

static struct flow flow_of(const struct packet *packet)
{
    return (struct flow){packet->src, packet->dst, packet->src_port, packet->dst_port};
}

static uint32_t mac(const struct guard_cookie *cookie, const struct packet *packet, uint32_t irs,
                    uint32_t slot, const struct options *o)
{
    struct {
        struct flow flow;
        uint32_t irs, slot, options;
    } input = {
        .flow = flow_of(packet),
        .irs = irs,
        .slot = slot,
        .options = (uint32_t)(o->timestamps << 16 | o->mss << 8 | o->small),
    };
    static_assert(sizeof input == 48, "hashed as bytes: no padding");
    return (uint32_t)siphash(&cookie->mac_key, &input, sizeof input);
}

static uint32_t ts_offset(const struct guard_cookie *cookie, const struct packet *packet)
{
    struct flow flow = flow_of(packet);
    return (uint32_t)siphash(&cookie->offset_key, &flow, sizeof flow);
}

static uint32_t sequence(const struct guard_cookie *cookie, const struct packet *packet,
                         uint32_t irs, uint32_t slot, const struct options *o)
{
    uint32_t hash = mac(cookie, packet, irs, slot, o);
    uint32_t head = (slot & 1) << MSS_BITS | o->mss;
    if (o->timestamps)
        return head << MAC_BITS_TIMESTAMPS | (hash & ((1u << MAC_BITS_TIMESTAMPS) - 1));
    return (head << SMALL_BITS | o->small) << MAC_BITS_PLAIN |
           (hash & ((1u << MAC_BITS_PLAIN) - 1));
}

static uint8_t mss_index(const struct packet *syn)
{
    uint16_t mss = syn->options.mss;
    if (mss == 0) // RFC 9293, section 3.7.1
        mss = addr_is_v4(&syn->src) ? TCP_MSS_DEFAULT_V4 : TCP_MSS_DEFAULT_V6;
    uint8_t index = 0;
    while (index + 1 < 1 << MSS_BITS && mss_table[index + 1] <= mss)
        index++;
    return index;
}

uint16_t guard_cookie_mss(const struct packet *syn)
{
    return mss_table[mss_index(syn)];
}

struct guard_cookie_answer guard_cookie_make(const struct guard_cookie *cookie,
                                             const struct packet *syn, uint64_t now_us)
{
    const struct tcp_option *offer = &syn->options;
    uint8_t scale = offer->has_window_scale ? offer->window_scale : SCALE_NONE;
    struct options o = {
        .mss = mss_index(syn),
        .small = (uint8_t)(offer->sack_permitted << SCALE_BITS | scale),
        .timestamps = offer->has_timestamps,
    };
    uint32_t slot = (uint32_t)(now_us / GUARD_COOKIE_SLOT_US);
    struct guard_cookie_answer answer = {.iss = sequence(cookie, syn, syn->seq, slot, &o)};
    if (o.timestamps) {
        uint32_t clock = (uint32_t)(now_us / 1000) + ts_offset(cookie, syn);
        answer.ts_value = (clock & ~((1u << SMALL_BITS) - 1)) | o.small;
        if (seq_after(answer.ts_value, clock))
            answer.ts_value -= 1u << SMALL_BITS;
    }
    return answer;
}

bool guard_cookie_check(const struct guard_cookie *cookie, const struct packet *ack,
                        uint64_t now_us, struct tcp_handshake *ret_handshake)
{
    uint32_t iss = ack->ack - 1, irs = ack->seq - 1;
    uint32_t slot = (uint32_t)(now_us / GUARD_COOKIE_SLOT_US);
    if ((slot & 1) != iss >> 31)
        slot--;

    struct options o = {
        .mss = iss >> MAC_BITS_TIMESTAMPS & ((1 << MSS_BITS) - 1),
        .small = iss >> MAC_BITS_PLAIN & ((1 << SMALL_BITS) - 1),
        .timestamps = ack->options.has_timestamps,
    };
    uint32_t offset = 0;
    if (o.timestamps) {
        offset = ts_offset(cookie, ack);
        uint32_t age_ms = (uint32_t)(now_us / 1000) + offset - ack->options.ts_echo;
        if (age_ms > 2 * GUARD_COOKIE_SLOT_US / 1000 + GUARD_COOKIE_TS_LAG_MS)
            return false;
        o.small = ack->options.ts_echo & ((1 << SMALL_BITS) - 1);
    }
    if (sequence(cookie, ack, irs, slot, &o) != iss)
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
