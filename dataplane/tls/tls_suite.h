// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The cipher suites of TLS 1.3 (RFC 8446, appendix B.4) and the key schedule's functions on their
 * hashes (section 7.1). OpenSSL's algorithms, looked up by name once: to do it for every key and
 * record costs more than the arithmetic.
 */

#include "base/check.h"
#include "base/span.h"

#include <openssl/evp.h>

enum { TLS_SECRET_MOST = 48, TLS_KEY_MOST = 32, TLS_IV_SIZE = 12 };

struct tls_suite {
    uint16_t id;
    uint8_t key_size;
    uint8_t hash_size; // of the digest, and so of every secret
    EVP_CIPHER *cipher;
    EVP_MD *digest;
};

bool tls_suite_load(void) MUST_CHECK; // once, before any thread asks for one; false: no memory
const struct tls_suite *tls_suite_find(uint16_t id);           // NULL: none of TLS 1.3's
const struct tls_suite *tls_suite_of_digest(const char *name); // one that has it; likewise

// Secrets are hash_size bytes, and `out` has room for as much or for the size that is given.
// False: no memory.
bool tls_suite_extract(const struct tls_suite *suite, const uint8_t *salt, struct span key,
                       uint8_t *out) MUST_CHECK; // HKDF-Extract
bool tls_suite_expand(const struct tls_suite *suite, const uint8_t *secret, struct span label,
                      struct span context, uint8_t *out,
                      size_t size) MUST_CHECK; // HKDF-Expand-Label, hash_size bytes at most
bool tls_suite_hash_nothing(const struct tls_suite *suite, uint8_t *out) MUST_CHECK; // Hash("")
