// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* One DNS response as records (RFC 1035, section 4.1; CNAMEs followed within the response, as a
 * recursive resolver sends them).
 *
 * Parsing is total: any bytes give an answer, a broken one DNS_FAILED. Names that cannot be told as
 * text without doubt (a dot, a backslash or a byte outside 0x20..0x7e within a label) are left out,
 * so no name has escapes. Whether it is a host name is for the user
 * to check. Records of a response beyond the bounds are left out.
 */

#include "base/addr.h"
#include "base/span.h"

#include <stdint.h>

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };

enum dns_status {
    DNS_FOUND,  // at least one record
    DNS_EMPTY,  // no such name, or no such record there
    DNS_FAILED, // no servers, time-outs, SERVFAIL, garbage
};

enum {
    DNS_NAME_SIZE = 256, // text, with its NUL
    DNS_RECORDS_MAX = 256,
    DNS_BYTES_MAX = 32768, // of names or texts
    DNS_TTL_MAX = 86400,
    DNS_TTL_EMPTY = 60, // seconds, when no SOA says how long nothing stays nothing
};

struct dns_record {
    struct addr addr;      // A, AAAA
    uint32_t offset, size; // PTR, MX, TXT: in bytes; a NUL follows
};

struct dns_answer {
    enum dns_status status;
    uint32_t ttl; // seconds, the least on the way
    uint32_t count;
    uint32_t bytes_used;
    struct dns_record records[DNS_RECORDS_MAX];
    uint8_t bytes[DNS_BYTES_MAX];
};

// Reads what a server sent for (name, type). name: text without final dot.
void dns_answer_parse(struct span packet, const char *name, enum dns_type type,
                      struct dns_answer *ret_answer);

// An answer without records.
void dns_answer_make(struct dns_answer *ret_answer, enum dns_status status);

static inline struct span dns_answer_text(const struct dns_answer *answer, uint32_t index)
{
    return span_of(answer->bytes + answer->records[index].offset, answer->records[index].size);
}

// Could the text be asked for at all: labels of 1 to 63 bytes, 253 in all, no escapes needed.
bool dns_name_is_askable(struct span name);
