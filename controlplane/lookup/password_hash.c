// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/password_hash.h"

#include "base/limits.h"
#include "lookup/password_argon2.h"
#include "lookup/password_scram.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum password_scheme scheme;
    const char *prefix; // that the hash must have; NULL: any
} schemes[] = {
    {"CRYPT", PASSWORD_CRYPT, NULL},           {"SHA512-CRYPT", PASSWORD_CRYPT, "$6$"},
    {"SHA256-CRYPT", PASSWORD_CRYPT, "$5$"},   {"BLF-CRYPT", PASSWORD_CRYPT, "$2"},
    {"MD5-CRYPT", PASSWORD_CRYPT, "$1$"},      {"PLAIN", PASSWORD_PLAIN, NULL},
    {"CLEARTEXT", PASSWORD_PLAIN, NULL},       {"ARGON2ID", PASSWORD_ARGON2, "$argon2id$"},
    {"ARGON2I", PASSWORD_ARGON2, "$argon2i$"}, {"SCRAM-SHA-256", PASSWORD_SCRAM, NULL},
};

static bool hash_is_possible(struct span hash)
{
    if (hash.size == 0 || hash.size > PASSWORD_HASH_MAX)
        return false;
    for (size_t i = 0; i < hash.size; i++)
        if (hash.at[i] < 0x20 || hash.at[i] >= 0x7f)
            return false;
    return true;
}

static bool is_locked(struct span hash, enum password_scheme scheme)
{
    return scheme == PASSWORD_CRYPT && (hash.at[0] == '*' || hash.at[0] == '!');
}

// False: a hash that the scheme cannot have.
static bool scheme_settle(struct span hash, enum password_scheme scheme,
                          enum password_scheme *ret_scheme)
{
    struct password_argon2 argon2;
    struct password_scram scram;
    if (scheme == PASSWORD_SCRAM) {
        if (!password_scram_parse(hash, &scram))
            return false;
        if (!password_scram_is_affordable(&scram))
            scheme = PASSWORD_UNSUPPORTED;
    }
    if (scheme == PASSWORD_ARGON2) {
        if (!password_argon2_parse(hash, &argon2))
            return false;
        if (!password_argon2_is_affordable(&argon2))
            scheme = PASSWORD_UNSUPPORTED;
    }
    *ret_scheme = is_locked(hash, scheme) ? PASSWORD_LOCKED : scheme;
    return true;
}

bool password_hash_parse(struct span text, enum password_scheme *ret_scheme, struct span *ret_hash)
{
    if (text.size == 0 || text.at[0] != '{') {
        if (!hash_is_possible(text) || !memchr("$*!", text.at[0], 3))
            return false;
        bool argon2 = span_starts_nocase(text, span_text("$argon2"));
        *ret_hash = text;
        return scheme_settle(text, argon2 ? PASSWORD_ARGON2 : PASSWORD_CRYPT, ret_scheme);
    }
    size_t end = span_find(text, '}');
    struct span name = span_skip(span_head(text, end), 1), hash = span_skip(text, end + 1);
    if (end == text.size || !hash_is_possible(hash))
        return false;
    *ret_hash = hash;
    *ret_scheme = PASSWORD_UNSUPPORTED;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (!span_equal_nocase(name, span_text(schemes[i].name)))
            continue;
        if (schemes[i].prefix && !is_locked(hash, schemes[i].scheme) &&
            !span_starts_nocase(hash, span_text(schemes[i].prefix)))
            return false;
        return scheme_settle(hash, schemes[i].scheme, ret_scheme);
    }
    return true;
}

bool password_equal(struct span a, struct span b)
{
    uint8_t different = 0;
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        different |= a.at[i] ^ b.at[i];
    return different == 0;
}

static bool crypt_verify(struct span hash, struct span password)
{
    char phrase[PASSWORD_MAX + 1], setting[PASSWORD_HASH_MAX + 1];
    if (password.size > PASSWORD_MAX || hash.size > PASSWORD_HASH_MAX ||
        (password.size && memchr(password.at, '\0', password.size)))
        return false;
    struct crypt_data *data = calloc(1, sizeof *data); // 32 KiB: much for a thread's stack
    if (!data)
        return false;
    memcpy(phrase, password.at, password.size);
    phrase[password.size] = '\0';
    memcpy(setting, hash.at, hash.size);
    setting[hash.size] = '\0';
    // Not crypt_r: the address sanitizer has one of its own, and the linker would drop libcrypt.
    const char *made = crypt_rn(phrase, setting, data, sizeof *data);
    bool equal = made && made[0] != '*' && password_equal(span_text(made), hash);
    explicit_bzero(data, sizeof *data);
    explicit_bzero(phrase, sizeof phrase);
    free(data);
    return equal;
}

static bool argon2_verify_text(struct span hash, struct span password)
{
    struct password_argon2 argon2;
    return password_argon2_parse(hash, &argon2) && password_argon2_verify(&argon2, password);
}

static bool scram_verify_text(struct span hash, struct span password)
{
    struct password_scram scram;
    return password_scram_parse(hash, &scram) && password_scram_verify(&scram, password);
}

bool password_hash_verify(enum password_scheme scheme, struct span hash, struct span password)
{
    switch (scheme) {
    case PASSWORD_CRYPT:
        return crypt_verify(hash, password);
    case PASSWORD_ARGON2:
        return argon2_verify_text(hash, password);
    case PASSWORD_SCRAM:
        return scram_verify_text(hash, password);
    case PASSWORD_PLAIN:
        return password_equal(hash, password);
    case PASSWORD_LOCKED:
    case PASSWORD_UNSUPPORTED:
        return false;
    }
    return false;
}
