// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What a context is inside, for tls.c. Contract: tls/tls.h.
 *
 * Certificates with the same names and different key types (ECDSA beside RSA) form a group: one
 * SSL_CTX, of which OpenSSL takes what the client can verify. Sessions start on the first group and
 * are moved by their SNI. Reference counted, since a handshake under way needs the names: one by
 * the owner, one by each session.
 */

#include "tls/tls.h"
#include "tls/tls_names.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

struct tls_context {
    atomic_uint references;
    BIO_METHOD *method; // of the sessions' BIOs
    struct tls_tickets *tickets;
    struct tls_names names;
    SSL_CTX *groups[CERTIFICATES_MAX];
    unsigned groups_count; // 0: no certificates, no TLS
};

void tls_context_release(struct tls_context *context);

BIO_METHOD *tls_bio_method(void) MUST_CHECK;   // tls.c; NULL: memory
enum protocol tls_protocol_of(const SSL *ssl); // tls.c
