// SPDX-License-Identifier: BSD-3-Clause
#include "base/span.h"

#include "base/check.h"

static uint8_t lower(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') ? (uint8_t)(c | 0x20) : c;
}

bool span_starts_nocase(struct span s, struct span head)
{
    if (s.size < head.size)
        return false;
    for (size_t i = 0; i < head.size; i++)
        if (lower(s.at[i]) != lower(head.at[i]))
            return false;
    return true;
}

bool span_equal_nocase(struct span a, struct span b)
{
    return a.size == b.size && span_starts_nocase(a, b);
}

size_t span_find(struct span s, uint8_t byte)
{
    const uint8_t *hit = s.size ? memchr(s.at, byte, s.size) : NULL;
    return hit ? (size_t)(hit - s.at) : s.size;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
    while (s.size && is_blank(s.at[0]))
        s = span_skip(s, 1);
    while (s.size && is_blank(s.at[s.size - 1]))
        s.size--;
    return s;
}

void span_to_text(struct span s, char *text, size_t size)
{
    CHECK(size > 0);
    size_t n = s.size < size ? s.size : size - 1;
    for (size_t i = 0; i < n; i++)
        text[i] = (s.at[i] < 0x20 || s.at[i] >= 0x7f) ? '?' : (char)s.at[i];
    text[n] = '\0';
}

bool span_to_u64(struct span s, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (s.size == 0)
        return false;
    for (size_t i = 0; i < s.size; i++) {
        uint8_t digit = (uint8_t)(s.at[i] - '0');
        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > max)
        return false;
    *ret_value = value;
    return true;
}
