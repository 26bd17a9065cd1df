// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_schedule.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint8_t secret[48], salt[48];

static int load(void **state)
{
    memset(secret, 7, sizeof secret);
    memset(salt, 9, sizeof salt);
    return tls_schedule_load() && tls_schedule_load() ? 0 : -1; // twice is as good
}

// By that provider. False: it refused.
static bool derive(const char *provider, int mode, const char *digest, struct span key,
                   struct span before, const char *label, uint8_t *out, size_t size)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_3_KDF, provider);
    assert_non_null(kdf);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM all[8], *p = all;
    *p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)digest, 0);
    if (key.size)
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key.at, key.size);
    if (before.size)
        *p++ =
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)before.at, before.size);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, (void *)"tls13 ", 6);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (void *)label, strlen(label));
    *p = OSSL_PARAM_construct_end();
    bool done = EVP_KDF_derive(context, out, size, all) > 0;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    ERR_clear_error();
    return done;
}

static void unfit_parameters_are_refused(void **state)
{
    uint8_t out[64];
    struct span none = {0}, key = span_of(secret, 32);
    assert_false(
        derive("provider=weir", EVP_KDF_HKDF_MODE_EXPAND_ONLY, "MD5", key, none, "key", out, 16));
    assert_false(derive("provider=weir", EVP_KDF_HKDF_MODE_EXPAND_ONLY, "SHA256", key, none, "key",
                        out, 33)); // more than a hash
    assert_false(derive("provider=weir", EVP_KDF_HKDF_MODE_EXPAND_ONLY, "SHA384", key, none, "key",
                        out, 16)); // the secret is too short
    assert_false(derive("provider=weir", EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND, "SHA256", key, none,
                        "key", out, 16));
    assert_false(derive("provider=weir", EVP_KDF_HKDF_MODE_EXTRACT_ONLY, "SHA256", key,
                        span_of(salt, 31), "derived", out, 32));
}

static void results_are_those_of_openssl(void **state)
{
    static const struct {
        const char *digest;
        size_t size;
    } hashes[] = {{"SHA256", 32}, {"SHA384", 48}};
    static const int modes[] = {EVP_KDF_HKDF_MODE_EXTRACT_ONLY, EVP_KDF_HKDF_MODE_EXPAND_ONLY};
    for (int i = 0; i < 8; i++) {
        uint8_t ours[48], theirs[48];
        size_t size = hashes[i & 1].size;
        int mode = modes[i >> 1 & 1];
        bool expands = mode == EVP_KDF_HKDF_MODE_EXPAND_ONLY, more = i >> 2;
        struct span key = span_of(secret, expands || more ? size : 0);
        struct span before = span_of(salt, !expands && more ? size : 0);
        const char *label = expands ? "c hs traffic" : "derived";
        const char *digest = hashes[i & 1].digest;
        assert_true(derive("provider=weir", mode, digest, key, before, label, ours, size));
        assert_true(derive("provider=default", mode, digest, key, before, label, theirs, size));
        assert_memory_equal(ours, theirs, size);
    }
}

static void only_secrets_of_the_established_connection_are_noted(void **state)
{
    static const char *const labels[] = {"c hs traffic", "c ap traffic", "s ap traffic",
                                         "exp master"};
    static const uint8_t known[] = {0, 1, 3, TLS_SECRETS_ALL};
    struct tls_secrets secrets = {0};
    uint8_t out[32];
    for (int i = 0; i < 4; i++) {
        tls_schedule_note(&secrets);
        assert_true(derive("provider=weir", EVP_KDF_HKDF_MODE_EXPAND_ONLY, "SHA256",
                           span_of(secret, 32), (struct span){0}, labels[i], out, sizeof out));
        tls_schedule_note(NULL);
        assert_int_equal(secrets.known, known[i]);
    }
    assert_memory_equal(secrets.exporter, out, sizeof out);
    assert_true(derive("provider=weir", EVP_KDF_HKDF_MODE_EXPAND_ONLY, "SHA256", span_of(salt, 32),
                       (struct span){0}, "exp master", out, sizeof out)); // nobody notes
    assert_memory_not_equal(secrets.exporter, out, sizeof out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unfit_parameters_are_refused),
        cmocka_unit_test(results_are_those_of_openssl),
        cmocka_unit_test(only_secrets_of_the_established_connection_are_noted),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}
