// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/password_argon2.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SALT "c2FsdHNhbHQ"
#define TAG  "boF+454dkmRNgOK/QHEeV/Poj4XFcjrY43YjTyjc5ug"
#define DOVECOT                                                                                    \
    "$argon2id$v=19$m=65536,t=3,p=1$5LAWaGVIySVlBaiuIY5o/g$"                                       \
    "1prlstP5MPgLL2VYS4T0sB/205Vdt7J16iX0p087HWw"

static bool parsed(const char *text, struct password_argon2 *ret_argon2)
{
    return password_argon2_parse(span_text(text), ret_argon2);
}

static void malformed_texts_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "$",
        "argon2id$v=19$m=64,t=1,p=1$" SALT "$" TAG,
        "$argon2d$v=19$m=64,t=1,p=1$" SALT "$" TAG,
        "$argon2id$m=64,t=1,p=1$" SALT "$" TAG,
        "$argon2id$v=16$m=64,t=1,p=1$" SALT "$" TAG,
        "$argon2id$v=19$t=1,m=64,p=1$" SALT "$" TAG,
        "$argon2id$v=19$m=,t=1,p=1$" SALT "$" TAG,
        "$argon2id$v=19$m=64,t=-1,p=1$" SALT "$" TAG,
        "$argon2id$v=19$m=4294967296,t=1,p=1$" SALT "$" TAG,
        "$argon2id$v=19$m=64,t=1,p=1,keyid=AA$" SALT "$" TAG,
        "$argon2id$v=19$m=64,t=1,p=1$" SALT,
        "$argon2id$v=19$m=64,t=1,p=1$" SALT "$" TAG "$",
        "$argon2id$v=19$m=64,t=1,p=1$" SALT "=$" TAG,
        "$argon2id$v=19$m=64,t=1,p=1$c2Fsd\x01Nhb$" TAG,
    };
    struct password_argon2 argon2;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (parsed(texts[i], &argon2))
            fail_msg("taken: %s", texts[i]);
}

static void salt_and_tag_have_least_sizes(void **state)
{
    struct password_argon2 argon2;
    assert_false(parsed("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAA$" TAG, &argon2)); // 7 bytes
    assert_true(parsed("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAA$" TAG, &argon2));
    assert_int_equal(argon2.salt_size, 8);
    assert_false(parsed("$argon2id$v=19$m=64,t=1,p=1$" SALT "$AAAAAAAAAAAAAAAAAAAA", &argon2));
    assert_true(parsed("$argon2id$v=19$m=64,t=1,p=1$" SALT "$AAAAAAAAAAAAAAAAAAAAAA", &argon2));
    assert_int_equal(argon2.tag_size, 16);
}

static void salt_of_65_bytes_is_too_long(void **state)
{
    char text[300];
    struct password_argon2 argon2;
    const char *a86 =
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAA";
    snprintf(text, sizeof text, "$argon2id$v=19$m=64,t=1,p=1$%s$" TAG, a86);
    assert_true(parsed(text, &argon2));
    assert_int_equal(argon2.salt_size, ARGON2_BYTES_MAX);
    snprintf(text, sizeof text, "$argon2id$v=19$m=64,t=1,p=1$%sA$" TAG, a86);
    assert_false(parsed(text, &argon2));
}

static void bits_that_are_no_byte_are_zero(void **state)
{
    struct password_argon2 argon2;
    assert_false(parsed("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAB$" TAG, &argon2));
    assert_false(parsed("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAA$" TAG, &argon2)); // 6 bits over
}

static void memory_is_eight_blocks_a_lane_at_least(void **state)
{
    struct password_argon2 argon2;
    assert_false(parsed("$argon2id$v=19$m=15,t=1,p=2$" SALT "$" TAG, &argon2));
    assert_true(parsed("$argon2id$v=19$m=16,t=1,p=2$" SALT "$" TAG, &argon2));
    assert_false(parsed("$argon2id$v=19$m=64,t=0,p=1$" SALT "$" TAG, &argon2));
    assert_false(parsed("$argon2id$v=19$m=64,t=1,p=0$" SALT "$" TAG, &argon2));
}

static void costs_beyond_the_bounds_are_not_paid(void **state)
{
    struct password_argon2 argon2 = {.memory_kib = ARGON2_MEMORY_KIB_MAX, .passes = 8, .lanes = 1};
    assert_true(password_argon2_is_affordable(&argon2));
    argon2.passes = 9;
    assert_false(password_argon2_is_affordable(&argon2));
    assert_false(password_argon2_verify(&argon2, span_text("wonderland")));
    argon2 = (struct password_argon2){.memory_kib = ARGON2_MEMORY_KIB_MAX + 1, .passes = 1};
    assert_false(password_argon2_is_affordable(&argon2));
    argon2 = (struct password_argon2){.memory_kib = 1024, .passes = UINT32_MAX, .lanes = 1};
    assert_false(password_argon2_is_affordable(&argon2));
    argon2 = (struct password_argon2){.memory_kib = 1024, .passes = 1, .lanes = 65};
    assert_false(password_argon2_is_affordable(&argon2));
}

// Made by the argon2 program of the reference implementation; the last by doveadm.
static void tags_of_others_are_made(void **state)
{
    static const char *const texts[] = {
        "$argon2id$v=19$m=64,t=1,p=1$" SALT "$" TAG,
        "$argon2id$v=19$m=256,t=2,p=4$" SALT "$wO9kbTTFw3ryolt93nnLpKu5YbyyGH7AAw91DEC3zPg",
        "$argon2i$v=19$m=64,t=3,p=1$" SALT "$GdlQau+UItJSdqlo8Jnt4CnDwYbOkT5klSY1YuMTto0",
        DOVECOT,
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct password_argon2 argon2;
        assert_true(parsed(texts[i], &argon2));
        assert_true(password_argon2_verify(&argon2, span_text("wonderland")));
        assert_false(password_argon2_verify(&argon2, span_text("wonderlane")));
        assert_false(password_argon2_verify(&argon2, span_text("")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_texts_are_refused),
        cmocka_unit_test(salt_and_tag_have_least_sizes),
        cmocka_unit_test(salt_of_65_bytes_is_too_long),
        cmocka_unit_test(bits_that_are_no_byte_are_zero),
        cmocka_unit_test(memory_is_eight_blocks_a_lane_at_least),
        cmocka_unit_test(costs_beyond_the_bounds_are_not_paid),
        cmocka_unit_test(tags_of_others_are_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
