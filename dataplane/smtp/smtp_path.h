// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Addresses of MAIL and RCPT (RFC 5321, section 4.1.2; RFC 6531, section 3.3), read strictly: what
 * we pass must mean the same to every server behind. No source routes (section 4.1.1.3 allows to
 * refuse them), no trailing dot, no empty label, no address without domain but <> and <postmaster>.
 */

#include "base/addr.h"
#include "base/check.h"
#include "base/span.h"

enum smtp_path_result { PATH_OK, PATH_MALFORMED, PATH_SOURCE_ROUTE };

struct smtp_path {      // spans into what was parsed
    struct span text;   // all between the angle brackets
    struct span local;  // with its quotes
    struct span domain; // may be an address literal with its brackets; empty: <> or <postmaster>
    bool quoted;        // the local part is a quoted string
    bool literal;       // the domain is an address literal
    bool utf8;          // has bytes beyond ASCII: needs SMTPUTF8
};

// Reads `<address>` at the start of text; *ret_rest is what stands behind. Both touched on PATH_OK.
enum smtp_path_result smtp_path_parse(struct span text, struct smtp_path *ret_path,
                                      struct span *ret_rest) MUST_CHECK;

// The local part could send a server behind elsewhere: user%other, other!user, "user@other",
// "@other:user"; full-width forms of these signs count as they do.
bool smtp_path_is_routed(const struct smtp_path *path);
bool smtp_path_is_postmaster(const struct smtp_path *path); // with a domain or without

bool smtp_path_is_domain(struct span name, bool utf8); // host name as text; utf8: U-labels allowed
bool smtp_path_is_literal(struct span name);           // [192.0.2.1] or [IPv6:2001:db8::1]
bool smtp_path_literal(struct span name, struct addr *ret_addr) MUST_CHECK; // the address in it
