// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dns_answer.h"

#include <stdio.h>

enum {
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    CLASS_IN = 1,
    HEADER_SIZE = 12,
    RCODE_NXDOMAIN = 3,
    POINTERS_MAX = 16, // compression pointers in one name; each must point backwards anyway
    RECORDS_READ_MAX = 1024,
};

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '.' && c != '\\';
}

bool dns_name_is_askable(struct span name)
{
    if (name.size == 0 || name.size > 253)
        return false;
    size_t label = 0;
    for (size_t i = 0; i < name.size; i++) {
        if (name.at[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (!is_plain(name.at[i]) || ++label > 63) {
            return false;
        }
    }
    return label > 0;
}

void dns_answer_make(struct dns_answer *ret_answer, enum dns_status status)
{
    ret_answer->status = status;
    ret_answer->ttl = DNS_TTL_EMPTY;
    ret_answer->count = ret_answer->bytes_used = 0;
}

struct name {
    uint32_t size;
    bool plain; // can be told as text
    char text[DNS_NAME_SIZE];
};

static void name_add_label(struct name *name, struct span label)
{
    if (name->size + label.size + 1 >= sizeof name->text) {
        name->plain = false;
        return;
    }
    if (name->size)
        name->text[name->size++] = '.';
    for (size_t i = 0; i < label.size; i++) {
        if (!is_plain(label.at[i]))
            name->plain = false;
        name->text[name->size++] = (char)label.at[i];
    }
}

// Reads the name at r, which stands somewhere in packet, and moves r behind it.
static void name_read(struct span packet, struct reader *r, struct name *ret_name)
{
    *ret_name = (struct name){.plain = true};
    struct reader at = *r;
    int pointers = 0;
    for (int labels = 0; labels < 128 + POINTERS_MAX; labels++) {
        size_t here = packet.size - at.left.size;
        uint8_t size = reader_u8(&at);
        if (size == 0 || at.short_read)
            break;
        if (size < 0x40) {
            struct span label = reader_bytes(&at, size);
            name_add_label(ret_name, label);
            continue;
        }
        size_t target = (size_t)(size & 0x3f) << 8 | reader_u8(&at);
        if (pointers == 0)
            *r = at;
        if (size < 0xc0 || target >= here || ++pointers > POINTERS_MAX) {
            r->short_read = true;
            return;
        }
        at = reader_of(span_skip(packet, target));
    }
    if (at.short_read)
        r->short_read = true;
    else if (pointers == 0)
        *r = at;
    ret_name->text[ret_name->size] = '\0';
}

static bool name_is(const struct name *name, struct span text)
{
    return name->plain && span_equal_nocase(span_of(name->text, name->size), text);
}

static void record_add_bytes(struct dns_answer *answer, struct span bytes)
{
    if (answer->count == DNS_RECORDS_MAX || bytes.size + 1 > DNS_BYTES_MAX - answer->bytes_used)
        return;
    answer->records[answer->count++] =
        (struct dns_record){.offset = answer->bytes_used, .size = (uint32_t)bytes.size};
    if (bytes.size)
        memcpy(answer->bytes + answer->bytes_used, bytes.at, bytes.size);
    answer->bytes_used += (uint32_t)bytes.size;
    answer->bytes[answer->bytes_used++] = '\0';
}

static void record_add_addr(struct dns_answer *answer, struct addr addr)
{
    if (answer->count < DNS_RECORDS_MAX)
        answer->records[answer->count++] = (struct dns_record){.addr = addr};
}

// The strings of a TXT record, joined without spaces (RFC 7208, section 3.3).
static void record_add_txt(struct dns_answer *answer, struct span data)
{
    struct reader r = reader_of(data);
    uint32_t start = answer->bytes_used;
    if (answer->count == DNS_RECORDS_MAX || data.size + 1 > DNS_BYTES_MAX - start)
        return;
    while (r.left.size > 0) {
        struct span part = reader_bytes(&r, reader_u8(&r));
        if (part.size)
            memcpy(answer->bytes + answer->bytes_used, part.at, part.size);
        answer->bytes_used += (uint32_t)part.size;
        if (r.short_read)
            break;
    }
    answer->records[answer->count++] =
        (struct dns_record){.offset = start, .size = answer->bytes_used - start};
    answer->bytes[answer->bytes_used++] = '\0';
}

static void record_add_name(struct dns_answer *answer, struct span packet, struct reader at)
{
    struct name name;
    name_read(packet, &at, &name);
    if (!at.short_read && name.plain)
        record_add_bytes(answer, span_of(name.text, name.size));
}

// r stands at the record's data of `size` bytes.
static void record_add(struct dns_answer *answer, struct span packet, struct reader r,
                       enum dns_type type, uint16_t size)
{
    struct span data = span_head(r.left, size);
    switch (type) {
    case DNS_A:
        if (size == 4)
            record_add_addr(answer, addr_from_v4(data.at));
        break;
    case DNS_AAAA:
        if (size == 16)
            record_add_addr(answer, addr_from_v6(data.at));
        break;
    case DNS_MX:
        reader_u16(&r); // preference: SPF asks all of them
        record_add_name(answer, packet, r);
        break;
    case DNS_PTR:
        record_add_name(answer, packet, r);
        break;
    case DNS_TXT:
        record_add_txt(answer, data);
        break;
    }
}

static uint32_t ttl_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

// RFC 2308, section 5: how long nothing is known to stay nothing.
static uint32_t soa_ttl(struct span packet, struct reader r, uint32_t ttl)
{
    struct name name;
    name_read(packet, &r, &name);
    name_read(packet, &r, &name);
    reader_bytes(&r, 16);
    uint32_t minimum = reader_u32(&r);
    return r.short_read ? DNS_TTL_EMPTY : ttl_least(ttl, minimum);
}

struct record_head {
    struct name owner;
    uint16_t type, class, size;
    uint32_t ttl;
};

static struct record_head record_head_read(struct span packet, struct reader *r)
{
    struct record_head head;
    name_read(packet, r, &head.owner);
    head.type = reader_u16(r);
    head.class = reader_u16(r);
    head.ttl = reader_u32(r);
    head.size = reader_u16(r);
    if (head.ttl > DNS_TTL_MAX)
        head.ttl = head.ttl > INT32_MAX ? 0 : DNS_TTL_MAX; // RFC 2181, section 8
    if (head.size > r->left.size)
        r->short_read = true;
    return head;
}

void dns_answer_parse(struct span packet, const char *name, enum dns_type type,
                      struct dns_answer *ret_answer)
{
    struct dns_answer *answer = ret_answer;
    dns_answer_make(answer, DNS_FAILED);
    struct reader r = reader_of(packet);
    reader_u16(&r); // the id and the question were matched by whoever received it
    uint16_t flags = reader_u16(&r);
    uint16_t questions = reader_u16(&r), answers = reader_u16(&r), authorities = reader_u16(&r);
    reader_u16(&r);
    uint8_t rcode = flags & 0x0f;
    if (r.short_read || questions != 1 || (rcode != 0 && rcode != RCODE_NXDOMAIN))
        return;
    struct name owner; // changes along a CNAME chain
    name_read(packet, &r, &owner);
    reader_u32(&r);
    if (!name_is(&owner, span_text(name)))
        return;

    uint32_t ttl = DNS_TTL_MAX, empty_ttl = DNS_TTL_EMPTY;
    uint32_t records = (uint32_t)answers + authorities;
    for (uint32_t i = 0; i < records && i < RECORDS_READ_MAX; i++) {
        struct record_head head = record_head_read(packet, &r);
        if (r.short_read)
            return dns_answer_make(answer, DNS_FAILED);
        bool ours = head.class == CLASS_IN && i < answers &&
                    name_is(&head.owner, span_of(owner.text, owner.size));
        if (ours && head.type == type) {
            record_add(answer, packet, r, type, head.size);
            ttl = ttl_least(ttl, head.ttl);
        } else if (ours && head.type == TYPE_CNAME) {
            struct reader target = r;
            name_read(packet, &target, &owner);
            ttl = ttl_least(ttl, head.ttl);
        } else if (i >= answers && head.type == TYPE_SOA) {
            empty_ttl = soa_ttl(packet, r, head.ttl);
        }
        reader_bytes(&r, head.size);
    }
    answer->status = answer->count ? DNS_FOUND : DNS_EMPTY;
    answer->ttl = answer->count ? ttl : empty_ttl;
}
