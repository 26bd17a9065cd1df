// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/scram_server.h"

#include "lookup/password_hash.h"
#include "lookup/sasl_name.h"

#include <assert.h>
#include <nettle/hmac.h>
#include <stdio.h>

static_assert((int)SCRAM_FIRST_MAX <= (int)SASL_CHALLENGE_MAX, "it fits an answer");

// What stands before the next comma, behind "X=". False: it does not begin so.
static bool field_take(struct span *rest, char name, struct span *ret_value)
{
    struct span field = span_head(*rest, span_find(*rest, ','));
    if (field.size < 2 || field.at[0] != (uint8_t)name || field.at[1] != '=')
        return false;
    *rest = span_skip(*rest, field.size + 1);
    *ret_value = span_skip(field, 2);
    return true;
}

static bool is_nonce(struct span nonce)
{
    for (size_t i = 0; i < nonce.size; i++)
        if (nonce.at[i] <= 0x20 || nonce.at[i] >= 0x7f)
            return false;
    return nonce.size > 0 && nonce.size <= SCRAM_CLIENT_NONCE_MAX;
}

static bool is_binding_right(enum mechanism mechanism, const struct gs2_header *header,
                             const uint8_t *binding)
{
    if (mechanism == MECHANISM_SCRAM_SHA_256_PLUS)
        return header->flag == 'p' && binding &&
               span_equal(header->binding, span_text("tls-exporter"));
    return header->flag == 'n' || (header->flag == 'y' && !binding);
}

static bool is_for_itself(const struct scram_server *scram, const struct gs2_header *header)
{
    char user[USER_NAME_MAX];
    uint8_t size;
    return header->authzid.size == 0 ||
           (sasl_name_decode(header->authzid, user, &size) &&
            span_equal(span_of(user, size), span_of(scram->user, scram->user_size)));
}

bool scram_server_begin(struct scram_server *scram, enum mechanism mechanism, struct span message,
                        const uint8_t *binding)
{
    struct gs2_header header;
    struct span user, nonce;
    if (!gs2_header_take(&message, &header) || header.text.size > SCRAM_HEADER_MAX ||
        message.size > SCRAM_BARE_MAX || !is_binding_right(mechanism, &header, binding))
        return false;
    struct span rest = message; // "m=", what must be understood, would stand first
    if (!field_take(&rest, 'n', &user) || !field_take(&rest, 'r', &nonce) || !is_nonce(nonce) ||
        !sasl_name_decode(user, scram->user, &scram->user_size) || !is_for_itself(scram, &header))
        return false;
    memcpy(scram->header, header.text.at, header.text.size);
    scram->header_size = (uint16_t)header.text.size;
    scram->binding_size = header.flag == 'p' ? SASL_BINDING : 0;
    if (scram->binding_size)
        memcpy(scram->header + scram->header_size, binding, SASL_BINDING);
    memcpy(scram->bare, message.at, message.size);
    scram->bare_size = (uint16_t)message.size;
    memcpy(scram->first, "r=", 2);
    memcpy(scram->first + 2, nonce.at, nonce.size);
    scram->nonce_size = (uint16_t)nonce.size;
    return true;
}

void scram_server_challenge(struct scram_server *scram, const struct password_scram *keys,
                            const uint8_t nonce[SCRAM_NONCE_BYTES])
{
    char salt[BASE64_SIZE(SCRAM_SALT_MAX)];
    size_t used = 2 + scram->nonce_size;
    used += base64_encode(span_of(nonce, SCRAM_NONCE_BYTES), scram->first + used);
    scram->nonce_size = (uint16_t)(used - 2);
    base64_encode(span_of(keys->salt, keys->salt_size), salt);
    int size = snprintf(scram->first + used, sizeof scram->first - used, ",s=%s,i=%u", salt,
                        keys->iterations);
    CHECK(size > 0 && (size_t)size < sizeof scram->first - used);
    scram->first_size = (uint16_t)(used + (size_t)size);
}

// HMAC of the AuthMessage: client-first-bare "," server-first "," client-final-without-proof.
static void sign(const struct scram_server *scram, const uint8_t key[SCRAM_KEY],
                 struct span without_proof, uint8_t ret_signature[SCRAM_KEY])
{
    struct hmac_sha256_ctx hmac;
    hmac_sha256_set_key(&hmac, SCRAM_KEY, key);
    hmac_sha256_update(&hmac, scram->bare_size, (const uint8_t *)scram->bare);
    hmac_sha256_update(&hmac, 1, (const uint8_t *)",");
    hmac_sha256_update(&hmac, scram->first_size, (const uint8_t *)scram->first);
    hmac_sha256_update(&hmac, 1, (const uint8_t *)",");
    hmac_sha256_update(&hmac, without_proof.size, without_proof.at);
    hmac_sha256_digest(&hmac, SCRAM_KEY, ret_signature);
    explicit_bzero(&hmac, sizeof hmac);
}

// The proof hides the client's key under a signature that only its owner can make; the key's hash
// is what we have.
static bool is_proof(const struct scram_server *scram, const struct password_scram *keys,
                     struct span without_proof, const uint8_t proof[SCRAM_KEY])
{
    uint8_t key[SCRAM_KEY], hashed[SCRAM_KEY];
    struct sha256_ctx hash;
    sign(scram, keys->stored_key, without_proof, key);
    for (int i = 0; i < SCRAM_KEY; i++)
        key[i] ^= proof[i];
    sha256_init(&hash);
    sha256_update(&hash, sizeof key, key);
    sha256_digest(&hash, sizeof hashed, hashed);
    explicit_bzero(key, sizeof key);
    explicit_bzero(&hash, sizeof hash);
    return password_equal(span_of(hashed, SCRAM_KEY), span_of(keys->stored_key, SCRAM_KEY));
}

static bool is_channel(const struct scram_server *scram, struct span text)
{
    uint8_t channel[sizeof scram->header];
    int size = base64_decode(text, channel, sizeof channel);
    return size >= 0 &&
           password_equal(span_of(channel, (size_t)size),
                          span_of(scram->header, scram->header_size + (size_t)scram->binding_size));
}

bool scram_server_judge(const struct scram_server *scram, const struct password_scram *keys,
                        struct span message, uint8_t ret_last[SCRAM_LAST_SIZE])
{
    uint8_t proof[SCRAM_KEY], signature[SCRAM_KEY];
    char last[SCRAM_LAST_SIZE + 1];
    struct span channel, nonce, text;
    size_t end = message.size; // behind the last comma
    while (end > 0 && message.at[end - 1] != ',')
        end--;
    struct span without_proof = span_head(message, end - (end > 0));
    struct span rest = without_proof, tail = span_skip(message, end);
    if (!field_take(&rest, 'c', &channel) || !field_take(&rest, 'r', &nonce) ||
        !field_take(&tail, 'p', &text)) // extensions may stand before the proof
        return false;
    if (base64_decode(text, proof, sizeof proof) != SCRAM_KEY || !is_channel(scram, channel) ||
        !span_equal(nonce, span_of(scram->first + 2, scram->nonce_size)) ||
        !is_proof(scram, keys, without_proof, proof))
        return false;
    sign(scram, keys->server_key, without_proof, signature);
    memcpy(last, "v=", 2);
    base64_encode(span_of(signature, sizeof signature), last + 2);
    memcpy(ret_last, last, SCRAM_LAST_SIZE);
    return true;
}
