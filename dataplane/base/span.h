// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A run of bytes that somebody else owns, and the cursor that foreign bytes are read through.
 *
 * A span is valid as long as its owner says. Nothing here allocates or writes. A reader never
 * passes its end: a read that does not fit returns zeros, sets `short_read` and stays there, so a
 * parser may read a whole structure and ask once whether all of it was there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *at; // first byte; may be NULL when size is 0
    size_t size;       // bytes
};

static inline struct span span_of(const void *at, size_t size)
{
    return (struct span){.at = (const uint8_t *)at, .size = size};
}

// For our own literals only: foreign bytes have no terminator to trust.
static inline struct span span_text(const char *literal)
{
    return span_of(literal, strlen(literal));
}

static inline struct span span_head(struct span s, size_t size)
{
    return span_of(s.at, size < s.size ? size : s.size);
}

static inline struct span span_skip(struct span s, size_t size)
{
    size_t step = size < s.size ? size : s.size;
    return span_of(s.size ? s.at + step : s.at, s.size - step);
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

// ASCII case-insensitive, as verbs, domains and keywords of the mail protocols are compared.
bool span_equal_nocase(struct span a, struct span b);
bool span_starts_nocase(struct span s, struct span head);

// Offset of the first such byte, or s.size when there is none.
size_t span_find(struct span s, uint8_t byte);

// Without leading and trailing spaces and tabs.
struct span span_trim(struct span s);

// Copies into text[size], size > 0, as a C string, cut at size - 1; bytes below 0x20, 0x7f and
// above become
// '?'.
void span_to_text(struct span s, char *text, size_t size);

// Decimal digits only, no sign, all of s; false when empty, foreign or beyond `max`.
bool span_to_u64(struct span s, uint64_t max, uint64_t *ret_value);

struct reader {
    struct span left; // not read yet
    bool short_read;  // a read asked for more than was there
};

static inline struct reader reader_of(struct span s)
{
    return (struct reader){.left = s};
}

// Empty when too short.
static inline struct span reader_bytes(struct reader *r, size_t size)
{
    if (r->short_read || r->left.size < size) {
        r->short_read = true;
        return span_of(NULL, 0);
    }
    struct span taken = span_of(r->left.at, size);
    r->left = span_skip(r->left, size);
    return taken;
}

static inline uint8_t reader_u8(struct reader *r)
{
    struct span s = reader_bytes(r, 1);
    return s.size ? s.at[0] : 0;
}

static inline uint16_t reader_u16(struct reader *r) // network order
{
    struct span s = reader_bytes(r, 2);
    return s.size ? (uint16_t)(s.at[0] << 8 | s.at[1]) : 0;
}

static inline uint32_t reader_u32(struct reader *r) // network order
{
    struct span s = reader_bytes(r, 4);
    return s.size ? (uint32_t)s.at[0] << 24 | (uint32_t)s.at[1] << 16 | (uint32_t)s.at[2] << 8 |
                        s.at[3]
                  : 0;
}
