// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/password_scram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

// RFC 7677, section 3: user "user", password "pencil", its keys as Dovecot would store them.
#define SALT   "W22ZaJ0SNY7soEsUEjb6gQ=="
#define STORED "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
#define SERVER "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
// doveadm pw -s SCRAM-SHA-256 -p wonderland
#define DOVECOT                                                                                    \
    "4096,kQeGM+0EWT6b4JILXvYs7g==,g//B+O61JWpH3z6Wsnckd9sBU5LcZKt/+fnpDGdhZqM=,"                  \
    "4xnCnNsX7GEar3RNICDgKKCoP7/HXZ7RMDS2NzEpE34="

static bool verified(const char *hash, struct span password)
{
    struct password_scram scram;
    assert_true(password_scram_parse(span_text(hash), &scram));
    return password_scram_verify(&scram, password);
}

static void malformed_keys_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        ",,,",
        "4096",
        "4096," SALT "," STORED,
        "0," SALT "," STORED "," SERVER,
        "-1," SALT "," STORED "," SERVER,
        "4294967296," SALT "," STORED "," SERVER,
        "4096,," STORED "," SERVER,
        "4096," SALT ",AAAA," SERVER,
        "4096," SALT "," STORED ",AAAA",
        "4096," SALT "," STORED "," SERVER ",",
        "4096,W22ZaJ0SNY7soEsUEjb6gQ," STORED "," SERVER,
    };
    struct password_scram scram;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (password_scram_parse(span_text(texts[i]), &scram))
            fail_msg("taken: %s", texts[i]);
}

static void iterations_beyond_the_most_are_not_paid(void **state)
{
    struct password_scram scram;
    char text[256];
    snprintf(text, sizeof text, "%d,%s,%s,%s", SCRAM_ITERATIONS_MAX + 1, SALT, STORED, SERVER);
    assert_true(password_scram_parse(span_text(text), &scram));
    assert_false(password_scram_is_affordable(&scram));
    assert_false(password_scram_verify(&scram, span_text("pencil")));
    scram.iterations--;
    assert_true(password_scram_is_affordable(&scram));
}

static void other_passwords_do_not_make_the_keys(void **state)
{
    assert_false(verified("4096," SALT "," STORED "," SERVER, span_text("pencils")));
    assert_false(verified("4096," SALT "," STORED "," SERVER, span_of(NULL, 0)));
    assert_false(verified("4096," SALT "," STORED "," SERVER, span_of("pencil\0", 7)));
    assert_false(verified("4097," SALT "," STORED "," SERVER, span_text("pencil")));
}

static void password_of_rfc_7677_makes_its_keys(void **state)
{
    assert_true(verified("4096," SALT "," STORED "," SERVER, span_text("pencil")));
}

static void keys_of_dovecot_are_verified(void **state)
{
    assert_true(verified(DOVECOT, span_text("wonderland")));
    assert_false(verified(DOVECOT, span_text("wonderlane")));
}

static void pretended_keys_look_like_real_ones_and_stay(void **state)
{
    struct password_scram like, one, again, other;
    assert_true(password_scram_parse(span_text(DOVECOT), &like));
    password_scram_pretend(&like, span_text("nobody"), &one);
    password_scram_pretend(&like, span_text("nobody"), &again);
    password_scram_pretend(&like, span_text("nobody2"), &other);
    assert_int_equal(one.iterations, like.iterations);
    assert_int_equal(one.salt_size, like.salt_size);
    assert_memory_equal(&one, &again, sizeof one);
    assert_memory_not_equal(one.salt, other.salt, one.salt_size);
    assert_memory_not_equal(one.salt, like.salt, one.salt_size);
    assert_memory_not_equal(one.salt, one.stored_key, one.salt_size);
    like.salt_size = SCRAM_SALT_MAX;
    password_scram_pretend(&like, span_text("nobody"), &one);
    assert_memory_not_equal(one.salt, one.salt + SCRAM_SALT_MAX / 2, SCRAM_SALT_MAX / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_keys_are_refused),
        cmocka_unit_test(iterations_beyond_the_most_are_not_paid),
        cmocka_unit_test(other_passwords_do_not_make_the_keys),
        cmocka_unit_test(password_of_rfc_7677_makes_its_keys),
        cmocka_unit_test(keys_of_dovecot_are_verified),
        cmocka_unit_test(pretended_keys_look_like_real_ones_and_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
