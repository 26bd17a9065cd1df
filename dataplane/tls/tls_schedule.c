// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_schedule.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <stddef.h>
#include <string.h>

static _Thread_local struct tls_secrets *noted;

void tls_schedule_note(struct tls_secrets *secrets)
{
    noted = secrets;
}

static void note(struct span label, const uint8_t *secret, size_t size)
{
    static const struct {
        const char *label;
        size_t at;
    } wanted[] = {{"c ap traffic", offsetof(struct tls_secrets, client)},
                  {"s ap traffic", offsetof(struct tls_secrets, server)},
                  {"exp master", offsetof(struct tls_secrets, exporter)}};
    for (unsigned i = 0; noted && i < sizeof wanted / sizeof *wanted; i++) {
        if (!span_equal(label, span_text(wanted[i].label)))
            continue;
        memcpy((uint8_t *)noted + wanted[i].at, secret, size);
        noted->known |= (uint8_t)(1 << i);
    }
}

struct kdf { // OpenSSL's TLS13-KDF: the parameters of a derivation come with its call
    const struct tls_suite *suite;
};

static void *kdf_open(void *provider)
{
    return OPENSSL_zalloc(sizeof(struct kdf));
}

static void kdf_close(void *context)
{
    OPENSSL_free(context);
}

static struct span octets(const OSSL_PARAM params[], const char *name)
{
    const OSSL_PARAM *found = OSSL_PARAM_locate_const(params, name);
    return found && found->data ? span_of(found->data, found->data_size) : (struct span){0};
}

// One step down the middle of the schedule: the secret before it, NULL at the top, and what comes
// in from the side, which may be nothing.
static bool extract(const struct tls_suite *suite, const OSSL_PARAM params[], uint8_t *out)
{
    static const uint8_t zeros[TLS_SECRET_MOST];
    uint8_t nothing[TLS_SECRET_MOST], salt[TLS_SECRET_MOST] = {0};
    struct span before = octets(params, OSSL_KDF_PARAM_SALT);
    struct span key = octets(params, OSSL_KDF_PARAM_KEY);
    if (key.size == 0)
        key = span_of(zeros, suite->hash_size);
    bool done = before.size == 0 ||
                (before.size == suite->hash_size && tls_suite_hash_nothing(suite, nothing) &&
                 tls_suite_expand(suite, before.at, octets(params, OSSL_KDF_PARAM_LABEL),
                                  span_of(nothing, suite->hash_size), salt, suite->hash_size));
    done = done && tls_suite_extract(suite, salt, key, out);
    OPENSSL_cleanse(salt, sizeof salt);
    return done;
}

static int kdf_derive(void *context, unsigned char *out, size_t size, const OSSL_PARAM params[])
{
    const OSSL_PARAM *digest = OSSL_PARAM_locate_const(params, OSSL_KDF_PARAM_DIGEST);
    const OSSL_PARAM *mode = OSSL_PARAM_locate_const(params, OSSL_KDF_PARAM_MODE);
    const struct tls_suite *suite =
        digest && digest->data ? tls_suite_of_digest(digest->data) : NULL;
    int way = 0;
    if (!suite || !mode || OSSL_PARAM_get_int(mode, &way) != 1 || size > suite->hash_size)
        return 0;
    if (way == EVP_KDF_HKDF_MODE_EXTRACT_ONLY)
        return size == suite->hash_size && extract(suite, params, out);
    struct span secret = octets(params, OSSL_KDF_PARAM_KEY);
    struct span label = octets(params, OSSL_KDF_PARAM_LABEL);
    struct span about = octets(params, OSSL_KDF_PARAM_DATA);
    if (way != EVP_KDF_HKDF_MODE_EXPAND_ONLY || secret.size != suite->hash_size ||
        !tls_suite_expand(suite, secret.at, label, about, out, size))
        return 0;
    note(label, out, size);
    return 1;
}

static int kdf_set(void *context, const OSSL_PARAM params[])
{
    return 1; // they come again with the derivation
}

static const OSSL_PARAM *kdf_settable(void *context, void *provider)
{
    static const OSSL_PARAM all[] = {
        OSSL_PARAM_int(OSSL_KDF_PARAM_MODE, NULL),
        OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_KEY, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_PREFIX, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_LABEL, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_DATA, NULL, 0),
        OSSL_PARAM_END,
    };
    return all;
}

typedef void any_function(void);

static const OSSL_ALGORITHM *query(void *provider, int operation, int *ret_no_cache)
{
    static const OSSL_DISPATCH functions[] = {
        {OSSL_FUNC_KDF_NEWCTX, (any_function *)kdf_open},
        {OSSL_FUNC_KDF_FREECTX, (any_function *)kdf_close},
        {OSSL_FUNC_KDF_DERIVE, (any_function *)kdf_derive},
        {OSSL_FUNC_KDF_SET_CTX_PARAMS, (any_function *)kdf_set},
        {OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS, (any_function *)kdf_settable},
        {0, NULL},
    };
    static const OSSL_ALGORITHM kdfs[] = {
        {OSSL_KDF_NAME_TLS1_3_KDF, "provider=weir", functions, NULL}, {NULL, NULL, NULL, NULL}};
    *ret_no_cache = 0;
    return operation == OSSL_OP_KDF ? kdfs : NULL;
}

static int provide(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                   void **ret_provider)
{
    static const OSSL_DISPATCH functions[] = {
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (any_function *)query}, {0, NULL}};
    *out = functions;
    *ret_provider = (void *)core; // of no use, but not NULL
    return 1;
}

bool tls_schedule_load(void)
{
    static OSSL_PROVIDER *standard, *own; // theirs while the process lives
    if (own)
        return true;
    // The default provider is loaded by itself only while no other is asked for.
    if (!tls_suite_load() || OSSL_PROVIDER_add_builtin(NULL, "weir", provide) != 1 ||
        !(standard = OSSL_PROVIDER_load(NULL, "default")))
        return false;
    own = OSSL_PROVIDER_load(NULL, "weir");
    return own != NULL;
}
