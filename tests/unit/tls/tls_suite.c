// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

// RFC 8448, section 3.
static const uint8_t early[] = {0x33, 0xad, 0x0a, 0x1c, 0x60, 0x7e, 0xc0, 0x3b, 0x09, 0xe6, 0xcd,
                                0x98, 0x93, 0x68, 0x0c, 0xe2, 0x10, 0xad, 0xf3, 0x00, 0xaa, 0x1f,
                                0x26, 0x60, 0xe1, 0xb2, 0x2e, 0x10, 0xf1, 0x70, 0xf9, 0x2a};
static const uint8_t derived[] = {0x6f, 0x26, 0x15, 0xa1, 0x08, 0xc7, 0x02, 0xc5, 0x67, 0x8f, 0x54,
                                  0xfc, 0x9d, 0xba, 0xb6, 0x97, 0x16, 0xc0, 0x76, 0x18, 0x9c, 0x48,
                                  0x25, 0x0c, 0xeb, 0xea, 0xc3, 0x57, 0x6c, 0x36, 0x11, 0xba};
static const uint8_t traffic[] = {0x9e, 0x40, 0x64, 0x6c, 0xe7, 0x9a, 0x7f, 0x9d, 0xc0, 0x5a, 0xf8,
                                  0x88, 0x9b, 0xce, 0x65, 0x52, 0x87, 0x5a, 0xfa, 0x0b, 0x06, 0xdf,
                                  0x00, 0x87, 0xf7, 0x92, 0xeb, 0xb7, 0xc1, 0x75, 0x04, 0xa5};
static const uint8_t key[] = {0x17, 0x42, 0x2d, 0xda, 0x59, 0x6e, 0xd5, 0xd9,
                              0xac, 0xd8, 0x90, 0xe3, 0xc6, 0x3f, 0x50, 0x51};
static const uint8_t iv[] = {0x5b, 0x78, 0x92, 0x3d, 0xee, 0x08,
                             0x57, 0x90, 0x33, 0xe5, 0x23, 0xd9};

static int load(void **state)
{
    return tls_suite_load() && tls_suite_load() ? 0 : -1; // twice is as good
}

static void what_tls_1_3_does_not_have_is_not_found(void **state)
{
    assert_null(tls_suite_find(0xc02f));
    assert_null(tls_suite_find(0x1304));
    assert_null(tls_suite_find(0));
    assert_null(tls_suite_of_digest("SHA1"));
}

static void suites_and_digests_are_found(void **state)
{
    assert_int_equal(tls_suite_find(0x1301)->hash_size, 32);
    assert_int_equal(tls_suite_find(0x1302)->hash_size, 48);
    assert_int_equal(tls_suite_find(0x1303)->key_size, 32);
    assert_int_equal(tls_suite_of_digest("SHA384")->hash_size, 48);
    assert_int_equal(tls_suite_of_digest("SHA256")->hash_size, 32);
}

static void secrets_are_those_of_rfc_8448(void **state)
{
    const struct tls_suite *suite = tls_suite_find(0x1301);
    static const uint8_t zeros[TLS_SECRET_MOST];
    uint8_t out[TLS_SECRET_MOST], nothing[TLS_SECRET_MOST];
    assert_true(tls_suite_extract(suite, zeros, span_of(zeros, 32), out));
    assert_memory_equal(out, early, sizeof early);
    assert_true(tls_suite_hash_nothing(suite, nothing));
    assert_true(
        tls_suite_expand(suite, early, span_text("derived"), span_of(nothing, 32), out, 32));
    assert_memory_equal(out, derived, sizeof derived);
}

static void keys_are_those_of_rfc_8448(void **state)
{
    const struct tls_suite *suite = tls_suite_find(0x1301);
    uint8_t out[TLS_SECRET_MOST];
    assert_true(
        tls_suite_expand(suite, traffic, span_text("key"), (struct span){0}, out, sizeof key));
    assert_memory_equal(out, key, sizeof key);
    assert_true(
        tls_suite_expand(suite, traffic, span_text("iv"), (struct span){0}, out, sizeof iv));
    assert_memory_equal(out, iv, sizeof iv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_tls_1_3_does_not_have_is_not_found),
        cmocka_unit_test(suites_and_digests_are_found),
        cmocka_unit_test(secrets_are_those_of_rfc_8448),
        cmocka_unit_test(keys_are_those_of_rfc_8448),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}
