// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_tickets.h"

#include "base/rng.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <stdlib.h>

enum { KEYS = 2, COPY_TRIES = 3 };
enum { FAILED = -1, UNKNOWN, USE, RENEW }; // what OpenSSL's call-back returns

struct slot {
    uint32_t version; // odd while the key is written; 0: none yet
    struct tls_tickets_key key;
};

struct tls_tickets {
    EVP_CIPHER *cipher; // fetched once: a look-up by name takes locks
    uint64_t rotated_us;
    uint32_t newest; // slot
    struct slot slots[KEYS];
};

static int place(struct tls_tickets *tickets, uint32_t at)
{
    struct tls_tickets_key key;
    int error = rng_secret(&key, sizeof key);
    if (error < 0)
        return error;
    struct slot *slot = &tickets->slots[at];
    uint32_t version = slot->version;
    __atomic_store_n(&slot->version, version + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); // odd before any byte changes
    slot->key = key;
    __atomic_store_n(&slot->version, version + 2, __ATOMIC_RELEASE);
    __atomic_store_n(&tickets->newest, at, __ATOMIC_RELEASE);
    OPENSSL_cleanse(&key, sizeof key);
    return 0;
}

struct tls_tickets *tls_tickets_open(uint64_t now_us)
{
    struct tls_tickets *tickets = calloc(1, sizeof *tickets);
    if (!tickets)
        return NULL;
    tickets->rotated_us = now_us;
    tickets->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (tickets->cipher && place(tickets, 0) == 0)
        return tickets;
    tls_tickets_shut(tickets);
    return NULL;
}

void tls_tickets_shut(struct tls_tickets *tickets)
{
    if (!tickets)
        return;
    EVP_CIPHER_free(tickets->cipher);
    OPENSSL_cleanse(tickets, sizeof *tickets);
    free(tickets);
}

int tls_tickets_advance(struct tls_tickets *tickets, uint64_t now_us)
{
    if (now_us - tickets->rotated_us < TLS_TICKETS_PERIOD_US)
        return 0;
    tickets->rotated_us = now_us;
    return place(tickets, (tickets->newest + 1) % KEYS);
}

// False: there is none, or it was being replaced.
static bool copy(const struct slot *slot, struct tls_tickets_key *ret_key)
{
    for (int i = 0; i < COPY_TRIES; i++) {
        uint32_t version = __atomic_load_n(&slot->version, __ATOMIC_ACQUIRE);
        if (version == 0)
            return false;
        *ret_key = slot->key;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (version % 2 == 0 && __atomic_load_n(&slot->version, __ATOMIC_RELAXED) == version)
            return true;
    }
    return false;
}

// The key that sealed a ticket, by its name.
static bool find(const struct tls_tickets *tickets, const uint8_t name[16], uint32_t newest,
                 struct tls_tickets_key *ret_key, bool *ret_newest)
{
    for (uint32_t i = 0; i < KEYS; i++)
        if (copy(&tickets->slots[i], ret_key) &&
            CRYPTO_memcmp(ret_key->name, name, sizeof ret_key->name) == 0) {
            *ret_newest = i == newest;
            return true;
        }
    return false;
}

static bool mac_init(EVP_MAC_CTX *mac, struct tls_tickets_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->hmac, sizeof key->hmac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

static int seal_or_open(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                        EVP_MAC_CTX *mac, int seal)
{
    const struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    uint32_t newest = __atomic_load_n(&tickets->newest, __ATOMIC_ACQUIRE);
    struct tls_tickets_key key;
    bool is_newest = true;
    if (seal ? !copy(&tickets->slots[newest], &key)
             : !find(tickets, name, newest, &key, &is_newest))
        return seal ? FAILED : UNKNOWN;
    int result = seal || is_newest ? USE : RENEW;
    if (seal)
        memcpy(name, key.name, sizeof key.name);
    if ((seal && RAND_bytes(iv, EVP_CIPHER_get_iv_length(tickets->cipher)) != 1) ||
        EVP_CipherInit_ex2(cipher, tickets->cipher, key.aes, iv, seal, NULL) != 1 ||
        !mac_init(mac, &key))
        result = FAILED;
    OPENSSL_cleanse(&key, sizeof key);
    return result;
}

void tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *ctx)
{
    CHECK(SSL_CTX_set_app_data(ctx, tickets) == 1);
    CHECK(SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, seal_or_open) == 1);
}
