// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Checks an SPF record against RFC 7208's grammar (section 12) and rewrites it for libspf2.
 *
 * libspf2 lets many malformed records pass and has limits and bugs of its own, so it only ever sees
 * what was parsed here and written anew: lower-case mechanisms without modifiers that do not
 * decide (exp, unknown ones). ip4 and ip6 are decided here: a term that does not match the client
 * is left out, one that does becomes `all` and ends the record. So does everything after `all`.
 * Of a dual prefix length only the client's family stays. libspf2 takes length 0 for none: such a
 * term gets SPF_RECORD_ANY before its domain, a byte that no record may have, and the DNS layer
 * answers so that any address matches. Of a macro that wants as many parts as there are libspf2
 * drops the first byte, and it refuses more than 128: the number goes when it means all parts.
 */

#include "base/addr.h"
#include "base/check.h"
#include "base/span.h"

#include <stdbool.h>

#define SPF_RECORD_ANY '\x7f'

enum { SPF_RECORD_MAX = 4096, SPF_TERMS_MAX = 256 };

struct spf_names { // what macros stand for (section 7.2)
    struct span sender, local_part, sender_domain;
    struct span domain; // whose record it is
    struct span helo;
};

// Is it one at all: "v=spf1" and then a space or the end (section 4.5).
bool spf_record_is(struct span text);

// False: a syntax error, permerror. *out is a C string of at most size - 1 bytes.
bool spf_record_normalise(struct span record, const struct addr *client,
                          const struct spf_names *names, char *out, size_t size) MUST_CHECK;

// Section 4.3: labels of 1 to 63 bytes, at least two of them, no address literal.
bool spf_record_domain_is_sound(struct span domain);
