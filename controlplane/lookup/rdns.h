// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Reverse DNS with forward confirmation (RFC 8601, section 3, iprev): the PTR names of an address,
 * and whether one of them leads back to it. At most RDNS_NAMES_MAX names are looked at, the first
 * ones that are host names; their addresses are asked for all at once.
 *
 * No PTR record, or none that names a host: RDNS_NONE. A name that leads back: RDNS_CONFIRMED with
 * it. None does: RDNS_UNCONFIRMED with the first. Servers that fail: RDNS_TEMPERROR, unless a name
 * was confirmed anyway.
 */

#include "contract/message.h"
#include "lookup/dns_resolver.h"

enum { RDNS_NAMES_MAX = 10 };

struct rdns;

// ttl in seconds.
typedef void rdns_done(void *context, const struct rdns_answer *answer, uint32_t ttl);

struct rdns_forward { // one name's look-up
    struct rdns *rdns;
    struct message_name name;
    bool confirmed;
};

struct rdns { // the caller's memory until done is called, exactly once
    struct dns_resolver *resolver;
    struct addr addr;
    rdns_done *done;
    void *context;
    uint32_t ttl;
    unsigned names, pending;
    bool failed; // a look-up did
    struct rdns_forward forwards[RDNS_NAMES_MAX];
};

// May call done before it returns.
void rdns_start(struct rdns *rdns, struct dns_resolver *resolver, const struct addr *addr,
                rdns_done *done, void *context);

// Letters, digits, hyphens and underscores in labels of 1 to 63, with a dot.
bool rdns_is_host_name(struct span name);
