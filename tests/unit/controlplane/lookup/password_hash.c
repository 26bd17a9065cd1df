// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/password_hash.h"

#include <crypt.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARGON2I "$argon2i$v=19$m=64,t=3,p=1$c2FsdHNhbHQ$GdlQau+UItJSdqlo8Jnt4CnDwYbOkT5klSY1YuMTto0"
#define SCRAM                                                                                      \
    "4096,kQeGM+0EWT6b4JILXvYs7g==,g//B+O61JWpH3z6Wsnckd9sBU5LcZKt/+fnpDGdhZqM=,"                  \
    "4xnCnNsX7GEar3RNICDgKKCoP7/HXZ7RMDS2NzEpE34="

static bool parsed(const char *text, enum password_scheme *ret_scheme)
{
    struct span hash;
    return password_hash_parse(span_text(text), ret_scheme, &hash);
}

static void malformed_hashes_are_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "plain",
                                        "{CRYPT}",
                                        "{CRYPT",
                                        "{SHA512-CRYPT}$5$a$b",
                                        "{BLF-CRYPT}$6$a$b",
                                        "{PLAIN}\x01",
                                        "{ARGON2ID}$argon2id$x",
                                        ("{ARGON2ID}" ARGON2I),
                                        "{ARGON2I}$6$a$b",
                                        "{SCRAM-SHA-256}4096,x,y,z",
                                        "{PLAIN}"};
    enum password_scheme scheme;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (parsed(texts[i], &scheme))
            fail_msg("taken: %s", texts[i]);
}

static void hash_of_256_bytes_is_too_long(void **state)
{
    char text[300] = "{PLAIN}";
    enum password_scheme scheme;
    memset(text + 7, 'a', PASSWORD_HASH_MAX);
    assert_true(parsed(text, &scheme));
    text[7 + PASSWORD_HASH_MAX] = 'a';
    assert_false(parsed(text, &scheme));
}

static void schemes_are_told_apart(void **state)
{
    enum password_scheme scheme;
    assert_true(parsed("{sha512-crypt}$6$a$b", &scheme));
    assert_int_equal(scheme, PASSWORD_CRYPT);
    assert_true(parsed("$y$j9T$a$b", &scheme));
    assert_int_equal(scheme, PASSWORD_CRYPT);
    assert_true(parsed("{ARGON2I}" ARGON2I, &scheme));
    assert_int_equal(scheme, PASSWORD_ARGON2);
    assert_true(parsed(ARGON2I, &scheme));
    assert_int_equal(scheme, PASSWORD_ARGON2);
    assert_true(parsed("{SCRAM-SHA-256}" SCRAM, &scheme));
    assert_int_equal(scheme, PASSWORD_SCRAM);
    assert_true(parsed("{NTLM}x", &scheme));
    assert_int_equal(scheme, PASSWORD_UNSUPPORTED);
    assert_true(parsed("{CRYPT}!", &scheme));
    assert_int_equal(scheme, PASSWORD_LOCKED);
    assert_true(parsed("*", &scheme));
    assert_int_equal(scheme, PASSWORD_LOCKED);
}

static void cost_that_is_not_paid_is_no_malformed_line(void **state)
{
    enum password_scheme scheme;
    assert_true(parsed("{ARGON2ID}$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$"
                       "boF+454dkmRNgOK/QHEeV/Poj4XFcjrY43YjTyjc5ug",
                       &scheme));
    assert_int_equal(scheme, PASSWORD_UNSUPPORTED);
    assert_true(parsed("{SCRAM-SHA-256}9999" SCRAM, &scheme)); // 99994096 iterations
    assert_int_equal(scheme, PASSWORD_UNSUPPORTED);
}

static void nothing_matches_a_locked_hash(void **state)
{
    assert_false(password_hash_verify(PASSWORD_LOCKED, span_text("*"), span_text("*")));
    assert_false(password_hash_verify(PASSWORD_UNSUPPORTED, span_text("a"), span_text("a")));
    assert_false(password_hash_verify(PASSWORD_CRYPT, span_text("$6$"), span_text("")));
    assert_false(password_hash_verify(PASSWORD_CRYPT, span_text("*0"), span_text("x")));
}

static void password_with_a_null_byte_matches_nothing(void **state)
{
    struct crypt_data data = {0};
    const char *hash = crypt_rn("a", "$5$rounds=1000$salt$", &data, sizeof data);
    assert_true(password_hash_verify(PASSWORD_CRYPT, span_text(hash), span_text("a")));
    assert_false(password_hash_verify(PASSWORD_CRYPT, span_text(hash), span_of("a\0b", 3)));
}

static void every_method_verifies_its_own_and_no_other(void **state)
{
    static const char *const settings[] = {"$6$rounds=1000$salt$", "$5$rounds=1000$salt$",
                                           "$2y$04$abcdefghijklmnopqrstuu", "$y$j75$salt$",
                                           "$1$salt$"};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct crypt_data data = {0};
        const char *hash = crypt_rn("wonderland", settings[i], &data, sizeof data);
        assert_true(hash[0] == '$');
        assert_true(password_hash_verify(PASSWORD_CRYPT, span_text(hash), span_text("wonderland")));
        assert_false(
            password_hash_verify(PASSWORD_CRYPT, span_text(hash), span_text("wonderlane")));
        assert_false(password_hash_verify(PASSWORD_CRYPT, span_text(hash), span_text("")));
    }
}

static void argon2_verifies_its_own_and_no_other(void **state)
{
    assert_true(password_hash_verify(PASSWORD_ARGON2, span_text(ARGON2I), span_text("wonderland")));
    assert_false(
        password_hash_verify(PASSWORD_ARGON2, span_text(ARGON2I), span_text("wonderlane")));
    assert_false(password_hash_verify(PASSWORD_ARGON2, span_text("$argon2"), span_text("")));
}

static void scram_keys_verify_their_own_and_no_other(void **state)
{
    assert_true(password_hash_verify(PASSWORD_SCRAM, span_text(SCRAM), span_text("wonderland")));
    assert_false(password_hash_verify(PASSWORD_SCRAM, span_text(SCRAM), span_text("wonderlane")));
    assert_false(password_hash_verify(PASSWORD_SCRAM, span_text("4096,"), span_text("")));
}

static void equal_means_all_bytes(void **state)
{
    assert_false(password_equal(span_text("abc"), span_text("abd")));
    assert_false(password_equal(span_text("abc"), span_text("ab")));
    assert_true(password_equal(span_text("abc"), span_text("abc")));
    assert_true(password_equal(span_text(""), span_text("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_hashes_are_refused),
        cmocka_unit_test(hash_of_256_bytes_is_too_long),
        cmocka_unit_test(schemes_are_told_apart),
        cmocka_unit_test(cost_that_is_not_paid_is_no_malformed_line),
        cmocka_unit_test(nothing_matches_a_locked_hash),
        cmocka_unit_test(password_with_a_null_byte_matches_nothing),
        cmocka_unit_test(every_method_verifies_its_own_and_no_other),
        cmocka_unit_test(argon2_verifies_its_own_and_no_other),
        cmocka_unit_test(scram_keys_verify_their_own_and_no_other),
        cmocka_unit_test(equal_means_all_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
