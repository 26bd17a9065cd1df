// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/password_hash.h"

#include "base/limits.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum password_scheme scheme;
    const char *prefix; // that the hash must have; NULL: any
} schemes[] = {
    {"CRYPT", PASSWORD_CRYPT, NULL},         {"SHA512-CRYPT", PASSWORD_CRYPT, "$6$"},
    {"SHA256-CRYPT", PASSWORD_CRYPT, "$5$"}, {"BLF-CRYPT", PASSWORD_CRYPT, "$2"},
    {"MD5-CRYPT", PASSWORD_CRYPT, "$1$"},    {"PLAIN", PASSWORD_PLAIN, NULL},
    {"CLEARTEXT", PASSWORD_PLAIN, NULL},
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

static enum password_scheme locked_or(struct span hash, enum password_scheme scheme)
{
    bool locked = scheme == PASSWORD_CRYPT && (hash.at[0] == '*' || hash.at[0] == '!');
    return locked ? PASSWORD_LOCKED : scheme;
}

bool password_hash_parse(struct span text, enum password_scheme *ret_scheme, struct span *ret_hash)
{
    if (text.size == 0 || text.at[0] != '{') {
        if (!hash_is_possible(text) || !memchr("$*!", text.at[0], 3))
            return false;
        *ret_scheme = locked_or(text, PASSWORD_CRYPT);
        *ret_hash = text;
        return true;
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
        *ret_scheme = locked_or(hash, schemes[i].scheme);
        return *ret_scheme == PASSWORD_LOCKED || !schemes[i].prefix ||
               span_starts_nocase(hash, span_text(schemes[i].prefix));
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

bool password_hash_verify(enum password_scheme scheme, struct span hash, struct span password)
{
    switch (scheme) {
    case PASSWORD_CRYPT:
        return crypt_verify(hash, password);
    case PASSWORD_PLAIN:
        return password_equal(hash, password);
    case PASSWORD_LOCKED:
    case PASSWORD_UNSUPPORTED:
        return false;
    }
    return false;
}
