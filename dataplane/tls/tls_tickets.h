// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The keys that session tickets are sealed with (RFC 5077, section 4; RFC 8446, section 4.6.1): the
 * same for all workers and for every context, so that a client resumes wherever its next connection
 * lands, also after certificates were changed.
 *
 * Tickets are sealed with the newest key. Once in TLS_TICKETS_PERIOD_US the main lcore makes a new
 * one in the place of the older of two, which is gone then: what was recorded on the wire cannot be
 * opened later than two periods after. A ticket is good for at least one period, and longer than it
 * says itself (TLS_TICKET_SECONDS).
 *
 * One thread rotates, any thread seals and opens, without locks: each key has a version that is odd
 * while it is written, and is used from a copy. A restart of the process forgets all.
 */

#include "tls/tls.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>

enum { TLS_TICKET_SECONDS = 7200 };
#define TLS_TICKETS_PERIOD_US (UINT64_C(7200) * 1000000)

struct tls_tickets_key {
    uint8_t name[16], aes[32], hmac[32];
};

// Makes a ctx seal and open with these.
void tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *ctx);
