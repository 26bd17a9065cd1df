// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/password_scram.h"

#include "base/base64.h"
#include "lookup/password_hash.h"

#include <assert.h>
#include <nettle/hmac.h>
#include <nettle/pbkdf2.h>

// What stands before the next comma, which is left out.
static struct span field_take(struct span *rest)
{
    struct span field = span_head(*rest, span_find(*rest, ','));
    *rest = span_skip(*rest, field.size + 1);
    return field;
}

bool password_scram_parse(struct span hash, struct password_scram *ret_scram)
{
    struct password_scram scram;
    struct span rest = hash;
    uint64_t iterations;
    if (!span_to_u64(field_take(&rest), UINT32_MAX, &iterations) || iterations == 0)
        return false;
    scram.iterations = (uint32_t)iterations;
    int salt_size = base64_decode(field_take(&rest), scram.salt, sizeof scram.salt);
    struct span stored = field_take(&rest);
    if (salt_size <= 0 || base64_decode(stored, scram.stored_key, SCRAM_KEY) != SCRAM_KEY ||
        base64_decode(rest, scram.server_key, SCRAM_KEY) != SCRAM_KEY)
        return false;
    scram.salt_size = (uint8_t)salt_size;
    *ret_scram = scram;
    return true;
}

bool password_scram_is_affordable(const struct password_scram *scram)
{
    return scram->iterations <= SCRAM_ITERATIONS_MAX;
}

void password_scram_pretend(const struct password_scram *like, struct span name,
                            struct password_scram *ret_scram)
{
    struct hmac_sha256_ctx hmac;
    uint8_t bytes[SCRAM_SALT_MAX + 2 * SCRAM_KEY] = {0}; // salt, StoredKey, ServerKey
    static_assert(SCRAM_SALT_MAX % SCRAM_KEY == 0, "digests fill the salt");
    for (uint8_t i = 0; i < sizeof bytes / SCRAM_KEY; i++) {
        hmac_sha256_set_key(&hmac, SCRAM_KEY, like->server_key);
        hmac_sha256_update(&hmac, 1, &i);
        hmac_sha256_update(&hmac, name.size, name.at);
        hmac_sha256_digest(&hmac, SCRAM_KEY, bytes + (size_t)i * SCRAM_KEY);
    }
    *ret_scram =
        (struct password_scram){.iterations = like->iterations, .salt_size = like->salt_size};
    memcpy(ret_scram->salt, bytes, like->salt_size);
    memcpy(ret_scram->stored_key, bytes + SCRAM_SALT_MAX, SCRAM_KEY);
    memcpy(ret_scram->server_key, bytes + SCRAM_SALT_MAX + SCRAM_KEY, SCRAM_KEY);
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(&hmac, sizeof hmac);
}

bool password_scram_verify(const struct password_scram *scram, struct span password)
{
    static const char client_text[] = "Client Key";
    uint8_t salted[SCRAM_KEY], key[SCRAM_KEY];
    struct hmac_sha256_ctx hmac;
    struct sha256_ctx hash;
    // HMAC pads its key with NUL bytes, so that a password and the same with NULs behind it are
    // one.
    if (!password_scram_is_affordable(scram) || span_find(password, '\0') != password.size)
        return false;
    // RFC 5802, section 3: SaltedPassword, ClientKey, StoredKey.
    pbkdf2_hmac_sha256(password.size, password.at, scram->iterations, scram->salt_size, scram->salt,
                       sizeof salted, salted);
    hmac_sha256_set_key(&hmac, sizeof salted, salted);
    hmac_sha256_update(&hmac, sizeof client_text - 1, (const uint8_t *)client_text);
    hmac_sha256_digest(&hmac, sizeof key, key);
    sha256_init(&hash);
    sha256_update(&hash, sizeof key, key);
    sha256_digest(&hash, sizeof key, key);
    bool equal = password_equal(span_of(key, sizeof key), span_of(scram->stored_key, SCRAM_KEY));
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(key, sizeof key);
    explicit_bzero(&hmac, sizeof hmac);
    explicit_bzero(&hash, sizeof hash);
    return equal;
}
