// SPDX-License-Identifier: BSD-3-Clause
#include "base/tcp_option.h"

#include <stddef.h>

enum {
    KIND_END = 0,
    KIND_NOP = 1,
    KIND_MSS = 2,
    KIND_WINDOW_SCALE = 3,
    KIND_SACK_PERMITTED = 4,
    KIND_SACK = 5,
    KIND_TIMESTAMPS = 8,
};

static bool parse_sack(struct reader body, struct tcp_option *o)
{
    if (body.left.size == 0 || body.left.size % 8 != 0)
        return false;
    o->sack_count = 0;
    while (body.left.size && o->sack_count < TCP_SACK_BLOCKS_MAX) {
        struct tcp_sack_block *block = &o->sack[o->sack_count++];
        block->left = reader_u32(&body);
        block->right = reader_u32(&body);
    }
    return true;
}

static inline bool parse_one(uint8_t kind, struct reader body, struct tcp_option *o)
{
    switch (kind) {
    case KIND_MSS:
        o->mss = reader_u16(&body);
        break;
    case KIND_WINDOW_SCALE:
        o->window_scale = reader_u8(&body);
        if (o->window_scale > TCP_WINDOW_SCALE_MAX) // RFC 7323, section 2.3
            o->window_scale = TCP_WINDOW_SCALE_MAX;
        o->has_window_scale = true;
        break;
    case KIND_SACK_PERMITTED:
        o->sack_permitted = true;
        break;
    case KIND_SACK:
        return parse_sack(body, o);
    case KIND_TIMESTAMPS:
        o->ts_value = reader_u32(&body);
        o->ts_echo = reader_u32(&body);
        o->has_timestamps = true;
        break;
    default:
        return true;
    }
    return !body.short_read && body.left.size == 0;
}

// Network order.
static uint32_t word_at(struct span s, size_t at)
{
    uint32_t word;
    memcpy(&word, s.at + at, sizeof word);
    return __builtin_bswap32(word);
}

/* The layouts that nearly all segments have, told by kinds and lengths at once: an MSS alone, a SYN
 * of Linux, timestamps alone (RFC 7323, appendix A). The same result as the long way's. */
static inline bool parse_usual(struct span s, struct tcp_option *o)
{
    enum { MSS = KIND_MSS << 8 | 4, NOP_SCALE = KIND_NOP << 16 | KIND_WINDOW_SCALE << 8 | 3 };
    const uint32_t timestamps = KIND_TIMESTAMPS << 8 | 10;
    if (s.size == 12 && word_at(s, 0) == (KIND_NOP << 24 | KIND_NOP << 16 | timestamps)) {
        o->ts_value = word_at(s, 4);
        o->ts_echo = word_at(s, 8);
        o->has_timestamps = true;
        return true;
    }
    if ((s.size != 4 && s.size != 20) || word_at(s, 0) >> 16 != MSS)
        return false;
    o->mss = (uint16_t)word_at(s, 0);
    if (s.size == 4)
        return true;
    uint32_t last = word_at(s, 16);
    if (word_at(s, 4) != (KIND_SACK_PERMITTED << 24 | 2 << 16 | timestamps) ||
        last >> 8 != NOP_SCALE || (uint8_t)last > TCP_WINDOW_SCALE_MAX)
        return false;
    o->sack_permitted = o->has_timestamps = o->has_window_scale = true;
    o->ts_value = word_at(s, 8);
    o->ts_echo = word_at(s, 12);
    o->window_scale = (uint8_t)last;
    return true;
}

static __attribute__((noinline)) bool parse_any(struct span options, struct tcp_option *ret_option)
{
    struct reader r = reader_of(options);
    while (r.left.size) {
        uint8_t kind = reader_u8(&r);
        if (kind == KIND_END)
            break;
        if (kind == KIND_NOP)
            continue;
        uint8_t size = reader_u8(&r);
        if (r.short_read || size < 2)
            return false;
        struct span body = reader_bytes(&r, size - 2u);
        if (r.short_read || !parse_one(kind, reader_of(body), ret_option))
            return false;
    }
    return true;
}

bool tcp_option_parse_some(struct span options, struct tcp_option *option)
{
    return parse_usual(options, option) || parse_any(options, option);
}

struct writer {
    uint8_t *at;
    size_t size;
};

static inline void put(struct writer *w, uint32_t word)
{
    word = __builtin_bswap32(word);
    memcpy(w->at + w->size, &word, sizeof word);
    w->size += sizeof word;
}

// SACK-permitted or not before timestamps or not: they share a word.
static void put_flags(struct writer *w, bool sack, bool timestamps)
{
    const uint32_t nops = KIND_NOP << 8 | KIND_NOP, permitted = KIND_SACK_PERMITTED << 8 | 2;
    if (timestamps)
        put(w, (sack ? permitted : nops) << 16 | KIND_TIMESTAMPS << 8 | 10);
    else if (sack)
        put(w, nops << 16 | permitted);
}

size_t tcp_option_write(const struct tcp_option *o, bool syn, uint8_t out[40])
{
    struct writer w = {.at = out};
    if (syn && o->mss)
        put(&w, KIND_MSS << 24 | 4 << 16 | o->mss);
    put_flags(&w, syn && o->sack_permitted, o->has_timestamps);
    if (o->has_timestamps) {
        put(&w, o->ts_value);
        put(&w, o->ts_echo);
    }
    if (syn && o->has_window_scale)
        put(&w, (uint32_t)(KIND_NOP << 24 | KIND_WINDOW_SCALE << 16 | 3 << 8) | o->window_scale);
    if (!syn && o->sack_count) {
        size_t room = (40 - w.size - 4) / 8;
        size_t count = o->sack_count < room ? o->sack_count : room;
        put(&w, KIND_NOP << 24 | KIND_NOP << 16 | KIND_SACK << 8 | (uint32_t)(2 + 8 * count));
        for (size_t i = 0; i < count; i++) {
            put(&w, o->sack[i].left);
            put(&w, o->sack[i].right);
        }
    }
    return w.size;
}
