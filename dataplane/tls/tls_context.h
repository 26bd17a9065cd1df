// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What a context is inside, for tls.c. Contract: tls/tls.h.
 *
 * Certificates with the same names and different key types (ECDSA beside RSA) form a group: one
 * SSL_CTX, of which OpenSSL takes what the client can verify. Sessions start on the first group and
 * are moved by their SNI. Reference counted (tls_owner.h), since a handshake under way needs the
 * names.
 */

#include "tls/tls.h"
#include "tls/tls_names.h"
#include "tls/tls_owner.h"

#include <openssl/ssl.h>

struct tls_context {
    struct tls_owner owner; // first
    struct tls_tickets *tickets;
    struct tls_names names;
    SSL_CTX *groups[CERTIFICATES_MAX];
    unsigned groups_count; // 0: no certificates, no TLS
};

enum protocol tls_protocol_of(const SSL *ssl); // tls.c
