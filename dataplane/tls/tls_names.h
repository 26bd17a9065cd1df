// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Which certificate group serves which server name (RFC 6066, section 3; matching as RFC 6125,
 * section 6.4: a wildcard is the whole leftmost label and stands for exactly one).
 *
 * Built once, then read by any thread. Names are LDH and lower case, without a final dot.
 */

#include "base/check.h"
#include "base/limits.h"
#include "base/span.h"

struct tls_name {
    char text[HOST_NAME_MAX_DNS + 1];
    unsigned group; // index of the certificate group
};

struct tls_names {
    struct tls_name *list;
    size_t count, size; // names; names allocated
};

// A dNSName of a certificate. A text that is no name is left out (0). -ENOMEM.
int tls_names_add(struct tls_names *names, struct span text, unsigned group) MUST_CHECK;
void tls_names_sort(struct tls_names *names); // after the last add, before the first find
// Where several groups claim a name the lowest wins; an exact name comes before a wildcard.
bool tls_names_find(const struct tls_names *names, const char *name, unsigned *ret_group);
void tls_names_done(struct tls_names *names);

// Copies a foreign name in lower case without its final dot; false when it is no host name (the
// wildcard label is let through only when asked).
bool tls_names_clean(struct span text, bool wildcard, char ret_name[HOST_NAME_MAX_DNS + 1]);
