// SPDX-License-Identifier: BSD-3-Clause
#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

bool addr_is_zero(const struct addr *a)
{
    static const struct addr zero;
    return addr_equal(a, &zero);
}

bool addr_parse(const char *text, struct addr *ret_addr)
{
    uint8_t bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1) {
        *ret_addr = addr_from_v4(bytes);
        return true;
    }
    if (inet_pton(AF_INET6, text, bytes) == 1) {
        *ret_addr = addr_from_v6(bytes);
        return true;
    }
    return false;
}

const char *addr_format(const struct addr *a, char text[ADDR_TEXT_SIZE])
{
    const char *done = addr_is_v4(a) ? inet_ntop(AF_INET, a->bytes + 12, text, ADDR_TEXT_SIZE)
                                     : inet_ntop(AF_INET6, a->bytes, text, ADDR_TEXT_SIZE);
    CHECK(done != NULL);
    return text;
}

struct addr addr_mask(const struct addr *a, uint8_t bits)
{
    struct addr masked = *a;
    for (unsigned i = 0; i < sizeof masked.bytes; i++) {
        unsigned kept = bits > i * 8 ? bits - i * 8 : 0;
        if (kept < 8)
            masked.bytes[i] &= (uint8_t)(0xff00u >> kept);
    }
    return masked;
}

bool prefix_parse(const char *text, struct prefix *ret_prefix)
{
    char addr_text[PREFIX_TEXT_SIZE];
    const char *slash = strchr(text, '/');
    size_t size = slash ? (size_t)(slash - text) : strlen(text);
    if (size >= sizeof addr_text)
        return false;
    memcpy(addr_text, text, size);
    addr_text[size] = '\0';

    struct prefix p;
    if (!addr_parse(addr_text, &p.addr))
        return false;
    unsigned family_bits = addr_is_v4(&p.addr) ? 32 : 128;
    unsigned bits = family_bits;
    if (slash) {
        const char *digits = slash + 1;
        if (*digits < '0' || *digits > '9' || strlen(digits) > 3)
            return false;
        char *end;
        bits = (unsigned)strtoul(digits, &end, 10);
        if (*end != '\0' || bits > family_bits)
            return false;
    }
    p.bits = (uint8_t)(bits + 128 - family_bits);
    struct addr masked = addr_mask(&p.addr, p.bits);
    if (!addr_equal(&masked, &p.addr))
        return false;
    *ret_prefix = p;
    return true;
}

static bool prefix_is_v4(const struct prefix *p)
{
    return p->bits >= ADDR_V4_BITS && addr_is_v4(&p->addr);
}

const char *prefix_format(const struct prefix *p, char text[PREFIX_TEXT_SIZE])
{
    char addr_text[ADDR_TEXT_SIZE];
    unsigned bits = prefix_is_v4(p) ? p->bits - ADDR_V4_BITS : p->bits;
    snprintf(text, PREFIX_TEXT_SIZE, "%s/%u", addr_format(&p->addr, addr_text), bits);
    return text;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
    if (prefix_is_v4(p) != addr_is_v4(a))
        return false;
    struct addr masked = addr_mask(a, p->bits);
    return addr_equal(&masked, &p->addr);
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
    return a->bits == b->bits && addr_equal(&a->addr, &b->addr);
}
