// SPDX-License-Identifier: BSD-3-Clause
#include "base/addr_pattern.h"

#include "base/span.h"

static bool take_number(struct span *text, unsigned *ret_number)
{
    unsigned number = 0;
    size_t size = 0;
    for (; size < text->size && text->at[size] >= '0' && text->at[size] <= '9'; size++) {
        number = number * 10 + (text->at[size] - '0');
        if (number > 255)
            return false;
    }
    *text = span_skip(*text, size);
    *ret_number = number;
    return size > 0;
}

static bool take(struct span *text, const char *word)
{
    struct span head = span_text(word);
    if (!span_equal(span_head(*text, head.size), head))
        return false;
    *text = span_skip(*text, head.size);
    return true;
}

static void set_range(uint64_t *set, unsigned first, unsigned last)
{
    for (unsigned value = first; value <= last; value++)
        set[value / 64] |= UINT64_C(1) << value % 64;
}

static bool take_set(struct span *text, uint64_t *set)
{
    unsigned first, last;
    if (!take(text, "[")) {
        if (!take_number(text, &first))
            return false;
        set_range(set, first, first);
        return true;
    }
    do {
        if (!take_number(text, &first))
            return false;
        last = first;
        if (take(text, "..") && !take_number(text, &last))
            return false;
        if (last < first)
            return false;
        set_range(set, first, last);
    } while (take(text, ";"));
    return take(text, "]");
}

bool addr_pattern_parse(const char *text, struct addr_pattern *ret_pattern)
{
    struct addr_pattern pattern = {0};
    struct span left = span_text(text);
    for (int i = 0; i < 4; i++)
        if ((i > 0 && !take(&left, ".")) || !take_set(&left, pattern.bytes[i]))
            return false;
    if (left.size > 0)
        return false;
    *ret_pattern = pattern;
    return true;
}

bool addr_pattern_holds(const struct addr_pattern *pattern, const struct addr *addr)
{
    if (!addr_is_v4(addr))
        return false;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = addr->bytes[12 + i];
        if (!(pattern->bytes[i][byte / 64] >> byte % 64 & 1))
            return false;
    }
    return true;
}
