// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_suite.h"

#include <openssl/crypto.h>
#include <string.h>

enum { SUITES = 3 };

static const struct {
    uint16_t id;
    uint8_t key_size, hash_size;
    const char *cipher, *digest;
} known[SUITES] = {
    {0x1301, 16, 32, "AES-128-GCM", "SHA2-256"},
    {0x1302, 32, 48, "AES-256-GCM", "SHA2-384"},
    {0x1303, 32, 32, "ChaCha20-Poly1305", "SHA2-256"},
};

static struct tls_suite suites[SUITES]; // written by the first tls_suite_load

bool tls_suite_load(void)
{
    for (int i = 0; i < SUITES; i++) {
        if (suites[i].id)
            continue;
        suites[i].key_size = known[i].key_size;
        suites[i].hash_size = known[i].hash_size;
        suites[i].cipher = EVP_CIPHER_fetch(NULL, known[i].cipher, NULL);
        suites[i].digest = EVP_MD_fetch(NULL, known[i].digest, NULL);
        if (!suites[i].cipher || !suites[i].digest)
            return false;
        suites[i].id = known[i].id;
    }
    return true;
}

const struct tls_suite *tls_suite_find(uint16_t id)
{
    for (int i = 0; i < SUITES; i++)
        if (suites[i].id == id)
            return &suites[i];
    return NULL;
}

const struct tls_suite *tls_suite_of_digest(const char *name)
{
    for (int i = 0; i < SUITES; i++)
        if (EVP_MD_is_a(suites[i].digest, name))
            return &suites[i];
    return NULL;
}

static bool hash(EVP_MD_CTX *context, const EVP_MD *digest, struct span head, struct span rest,
                 uint8_t *out)
{
    return EVP_DigestInit_ex2(context, digest, NULL) == 1 &&
           EVP_DigestUpdate(context, head.at, head.size) == 1 &&
           EVP_DigestUpdate(context, rest.at, rest.size) == 1 &&
           EVP_DigestFinal_ex(context, out, NULL) == 1;
}

// HMAC (RFC 2104), of keys that are no longer than a block.
static bool authenticate(const struct tls_suite *suite, struct span key, struct span text,
                         uint8_t *out)
{
    enum { BLOCK_MOST = 128, INNER = 0x36, OUTER = 0x5c };
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t block = suite->hash_size == 32 ? 64 : 128;
    uint8_t inner[BLOCK_MOST] = {0}, outer[BLOCK_MOST];
    CHECK(key.size <= block);
    memcpy(inner, key.at, key.size);
    for (size_t i = 0; i < block; i++) {
        outer[i] = inner[i] ^ OUTER;
        inner[i] ^= INNER;
    }
    bool done =
        context && hash(context, suite->digest, span_of(inner, block), text, out) &&
        hash(context, suite->digest, span_of(outer, block), span_of(out, suite->hash_size), out);
    OPENSSL_cleanse(inner, sizeof inner);
    OPENSSL_cleanse(outer, sizeof outer);
    EVP_MD_CTX_free(context);
    return done;
}

bool tls_suite_extract(const struct tls_suite *suite, const uint8_t *salt, struct span key,
                       uint8_t *out)
{
    return authenticate(suite, span_of(salt, suite->hash_size), key, out);
}

bool tls_suite_expand(const struct tls_suite *suite, const uint8_t *secret, struct span label,
                      struct span context, uint8_t *out, size_t size)
{
    enum { LABEL_MOST = 64 };
    static const char prefix[] = "tls13 ";
    uint8_t info[5 + sizeof prefix + LABEL_MOST + TLS_SECRET_MOST], block[TLS_SECRET_MOST];
    CHECK(size <= suite->hash_size && label.size <= LABEL_MOST && context.size <= TLS_SECRET_MOST);
    uint8_t *at = info;
    *at++ = 0;
    *at++ = (uint8_t)size;
    *at++ = (uint8_t)(sizeof prefix - 1 + label.size);
    memcpy(at, prefix, sizeof prefix - 1);
    at += sizeof prefix - 1;
    memcpy(at, label.at, label.size);
    at += label.size;
    *at++ = (uint8_t)context.size;
    if (context.size)
        memcpy(at, context.at, context.size);
    at += context.size;
    *at++ = 1; // the first block of HKDF-Expand (RFC 5869, section 2.3), which is all
    bool done = authenticate(suite, span_of(secret, suite->hash_size),
                             span_of(info, (size_t)(at - info)), block);
    if (done)
        memcpy(out, block, size);
    OPENSSL_cleanse(block, sizeof block);
    return done;
}

bool tls_suite_hash_nothing(const struct tls_suite *suite, uint8_t *out)
{
    return EVP_Digest("", 0, out, NULL, suite->digest, NULL) == 1;
}
