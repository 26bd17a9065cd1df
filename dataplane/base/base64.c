// SPDX-License-Identifier: BSD-3-Clause
#include "base/base64.h"

static const char digits[64] = {'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M',
                                'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z',
                                'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm',
                                'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
                                '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/'};

static int digit_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct span text, uint8_t *out, size_t size)
{
    if (text.size % 4 != 0)
        return -1;
    for (int padding = 0; padding < 2 && text.size && text.at[text.size - 1] == '='; padding++)
        text.size--;
    return base64_decode_bare(text, out, size);
}

int base64_decode_bare(struct span text, uint8_t *out, size_t size)
{
    uint32_t bits = 0, held = 0; // bits that are no whole byte yet, and how many
    size_t used = 0;
    if (text.size % 4 == 1 || text.size * 3 / 4 > size)
        return -1;
    for (size_t i = 0; i < text.size; i++) {
        int digit = digit_value(text.at[i]);
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        out[used++] = (uint8_t)(bits >> held);
        bits &= (1U << held) - 1;
    }
    return bits ? -1 : (int)used;
}

size_t base64_encode(struct span data, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < data.size; i += 3) {
        size_t have = data.size - i < 3 ? data.size - i : 3;
        uint32_t value = (uint32_t)data.at[i] << 16;
        if (have > 1)
            value |= (uint32_t)data.at[i + 1] << 8;
        if (have > 2)
            value |= data.at[i + 2];
        for (unsigned digit = 0; digit < 4; digit++)
            out[used++] = digit <= have ? digits[value >> (18 - 6 * digit) & 63] : '=';
    }
    out[used] = '\0';
    return used;
}
