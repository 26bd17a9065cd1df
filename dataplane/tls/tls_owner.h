// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What sessions hold while they run: the contexts that they were opened with, server's or client's.
 * Reference counted: one by whoever built it, one by each session. For the files of tls/ only.
 */

#include "tls/tls.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

struct tls_owner {
    atomic_uint references;
    BIO_METHOD *method; // of the sessions' BIOs
    void (*free)(struct tls_owner *owner);
};

// tls.c
bool tls_owner_init(struct tls_owner *owner,
                    void (*free)(struct tls_owner *owner)) MUST_CHECK; // false: no memory
void tls_owner_release(struct tls_owner *owner);
// A session under that context, of which the caller sets the role. NULL: no memory.
struct tls *tls_owner_open(struct tls_owner *owner, SSL_CTX *ctx, enum protocol protocol,
                           SSL **ret_ssl) MUST_CHECK;
void tls_owner_begin(struct tls *tls); // the client's first flight
// The oldest error in OpenSSL's queue is the cause; later ones say who noticed.
const char *tls_owner_cause(void);
