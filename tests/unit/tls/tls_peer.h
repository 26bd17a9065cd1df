// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The other end for TLS tests: certificates made on the spot, and an OpenSSL client in memory.
 * Faults of the test itself are asserted here.
 */

#include "contract/policy.h"
#include "tls/tls.h"

#include <openssl/ssl.h>

// A fresh directory under /tmp; peer_done removes what peer_certificate wrote there.
void peer_init(void);
void peer_done(void);
const char *peer_directory(void);

enum peer_key { PEER_EC, PEER_EC384, PEER_RSA, PEER_RSA3072, PEER_RSA1024 };

// Writes NAME.pem and NAME.key, self-signed, for the comma-separated DNS names, and appends them
// to the policy.
void peer_certificate(struct policy *policy, const char *name, enum peer_key key,
                      const char *dns_names);
void peer_write(const char *name, const char *text); // a file of that content in the directory

struct peer {
    SSL_CTX *ctx;
    SSL *ssl;
    SSL_SESSION *session; // the last ticket, the caller frees it
};

// version: 2 or 3. sni and alpn (wire format) may be NULL.
void peer_open(struct peer *peer, int version, const char *sni, const char *alpn);
void peer_close(struct peer *peer);

// Client's records to the server in pieces of `step` bytes (0: all at once), server's back, until
// nothing moves. Steps the handshake on both sides.
void peer_pump(struct peer *peer, struct tls *tls, size_t step);
bool peer_is_connected(const struct peer *peer);
// What the client wrote to the wire and nobody has taken yet.
size_t peer_take(struct peer *peer, uint8_t *buffer, size_t size);
const char *peer_subject(const struct peer *peer); // common name of the server's certificate
