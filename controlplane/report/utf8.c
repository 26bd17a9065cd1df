// SPDX-License-Identifier: BSD-3-Clause
#include "report/utf8.h"

// Bytes of the well-formed character at the start (RFC 3629, section 4), 0 when there is none.
static size_t character_size(struct span s)
{
    uint8_t first = s.at[0];
    if (first < 0x80)
        return first == 0 ? 0 : 1;
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || s.size < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((s.at[i] & 0xc0) != 0x80)
            return 0;
    uint8_t second = s.at[1];
    bool bad = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
               (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
    return bad ? 0 : size;
}

void utf8_clean(struct span bytes, char *text, size_t size)
{
    static const char replacement[] = "\xef\xbf\xbd";
    size_t used = 0;
    while (bytes.size > 0) {
        size_t step = character_size(bytes);
        const void *from = step ? (const void *)bytes.at : (const void *)replacement;
        size_t more = step ? step : sizeof replacement - 1;
        if (used + more >= size)
            break;
        memcpy(text + used, from, more);
        used += more;
        bytes = span_skip(bytes, step ? step : 1);
    }
    text[used] = '\0';
}
