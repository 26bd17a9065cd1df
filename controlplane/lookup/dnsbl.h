// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Block and allow lists in DNS (RFC 5782): every zone is asked for the address at once, and the
 * score is the sum of the weights of the entries whose reply pattern holds one of its answers. A
 * weight below 0 makes an allow list. A zone may have several entries and is asked once.
 *
 * Open where it fails: a zone that gives no answer counts nothing. `score` is the sum so far at any
 * time, for whoever cannot wait for the last zone.
 */

#include "lookup/dns_resolver.h"
#include "lookup/lookup.h"

struct dnsbl;

// whole: every zone answered. ttl in seconds.
typedef void dnsbl_done(void *context, bool whole, int16_t score, uint32_t ttl);

struct dnsbl_zone { // one zone's look-up
    struct dnsbl *dnsbl;
    unsigned entry; // its first one
};

struct dnsbl { // the caller's memory until done is called, exactly once
    const struct lookup_dnsbl *entries;
    unsigned entries_count;
    dnsbl_done *done;
    void *context;
    int16_t score;
    bool failed; // a look-up did
    uint32_t ttl;
    unsigned pending;
    struct dnsbl_zone zones[LOOKUP_DNSBL_MAX];
};

// entries stay the caller's. May call done before it returns.
void dnsbl_start(struct dnsbl *dnsbl, struct dns_resolver *resolver,
                 const struct lookup_dnsbl *entries, unsigned count, const struct addr *addr,
                 dnsbl_done *done, void *context);
