// SPDX-License-Identifier: BSD-3-Clause
#include "mail/proxy_header.h"

#include "base/check.h"

#include <stdio.h>

enum {
    VERSION_LOCAL = 0x20,
    VERSION_PROXY = 0x21,
    TCP_OVER_IPV4 = 0x11,
    TCP_OVER_IPV6 = 0x21,
    TLV_AUTHORITY = 0x02,
    TLV_UNIQUE_ID = 0x05,
    TLV_SSL = 0x20,
    TLV_SSL_VERSION = 0x21,
    TLV_SSL_CIPHER = 0x23,
    CLIENT_SSL = 0x01,
    HEAD = 16, // signature, version, family, length
};

struct writer {
    uint8_t *at;
    size_t used;
};

static void put(struct writer *w, const void *bytes, size_t size)
{
    CHECK(w->used + size <= PROXY_HEADER_MAX);
    if (size)
        memcpy(w->at + w->used, bytes, size);
    w->used += size;
}

static void put_u8(struct writer *w, uint8_t value)
{
    put(w, &value, 1);
}

static void put_u16(struct writer *w, uint16_t value)
{
    const uint8_t bytes[] = {(uint8_t)(value >> 8), (uint8_t)value};
    put(w, bytes, sizeof bytes);
}

static void put_tlv(struct writer *w, uint8_t type, struct span value)
{
    put_u8(w, type);
    put_u16(w, (uint16_t)value.size);
    put(w, value.at, value.size);
}

static void put_addresses(struct writer *w, const struct proxy_facts *facts)
{
    bool v4 = addr_is_v4(&facts->client) && addr_is_v4(&facts->local);
    size_t skip = v4 ? sizeof facts->client.bytes - 4 : 0; // IPv4 is the mapped address's end
    put_u8(w, v4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6);
    put_u16(w, 0); // the length, filled in at the end
    put(w, facts->client.bytes + skip, sizeof facts->client.bytes - skip);
    put(w, facts->local.bytes + skip, sizeof facts->local.bytes - skip);
    put_u16(w, facts->client_port);
    put_u16(w, facts->local_port);
}

// No client certificate is ever asked for, so none was verified.
static void put_tls(struct writer *w, const struct proxy_facts *facts)
{
    static const uint8_t not_verified[] = {CLIENT_SSL, 0, 0, 0, 1};
    struct span version = span_text(facts->tls_version == 3 ? "TLSv1.3" : "TLSv1.2");
    struct span cipher = span_head(facts->cipher, 64);
    put_u8(w, TLV_SSL);
    put_u16(w, (uint16_t)(sizeof not_verified + 3 + version.size + 3 + cipher.size));
    put(w, not_verified, sizeof not_verified);
    put_tlv(w, TLV_SSL_VERSION, version);
    put_tlv(w, TLV_SSL_CIPHER, cipher);
}

size_t proxy_header_make(const struct proxy_facts *facts, uint8_t out[PROXY_HEADER_MAX])
{
    static const uint8_t signature[] = "\r\n\r\n\0\r\nQUIT\n";
    struct writer w = {out, 0};
    put(&w, signature, sizeof signature - 1);
    put_u8(&w, facts ? VERSION_PROXY : VERSION_LOCAL);
    if (!facts) {
        put_u8(&w, 0);
        put_u16(&w, 0);
        return w.used;
    }
    char id[17];
    put_addresses(&w, facts);
    if (facts->server_name.size)
        put_tlv(&w, TLV_AUTHORITY, span_head(facts->server_name, 255));
    snprintf(id, sizeof id, "%016llx", (unsigned long long)facts->id);
    put_tlv(&w, TLV_UNIQUE_ID, span_text(id));
    if (facts->tls_version)
        put_tls(&w, facts);
    out[HEAD - 2] = (uint8_t)((w.used - HEAD) >> 8);
    out[HEAD - 1] = (uint8_t)(w.used - HEAD);
    return w.used;
}
