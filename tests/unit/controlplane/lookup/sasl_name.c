// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/sasl_name.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char user[USER_NAME_MAX];
static uint8_t size;

static bool takes(const char *text)
{
    struct span message = span_text(text);
    struct gs2_header header;
    return gs2_header_take(&message, &header);
}

static bool finds(enum mechanism mechanism, const char *text)
{
    return sasl_name_find(mechanism, span_text(text), user, &size);
}

static void assert_user(const char *want)
{
    assert_true(span_equal(span_of(user, size), span_text(want)));
}

static void headers_against_the_grammar_are_refused(void **state)
{
    static const char *const texts[] = {"",    "n",     "n,",      "x,,",     "nn,,", "N,,",
                                        "p,,", "p=,,",  "p=a_b,,", "p=a b,,", "n,x,", "n,=a,",
                                        "n,a", "n,a=x", "y=z,,",   ",,",      "F,n,,"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(takes(texts[i]));
}

static void a_header_is_taken_with_its_commas(void **state)
{
    struct span message = span_text("p=tls-exporter,a=al=2Cice,n=x");
    struct gs2_header header;
    assert_true(gs2_header_take(&message, &header));
    assert_int_equal(header.flag, 'p');
    assert_true(span_equal(header.binding, span_text("tls-exporter")));
    assert_true(span_equal(header.authzid, span_text("al=2Cice")));
    assert_true(span_equal(header.text, span_text("p=tls-exporter,a=al=2Cice,")));
    assert_true(span_equal(message, span_text("n=x")));
    assert_true(takes("n,,"));
    assert_true(takes("y,a=,"));
}

static void names_that_nobody_has_are_refused(void **state)
{
    static const char *const names[] = {"", "a,b", "a=b", "a=2c", "a=3", "=", "a\nb", "a\x7f"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_false(sasl_name_decode(span_text(names[i]), user, &size));
    char text[USER_NAME_MAX + 1];
    memset(text, 'x', sizeof text);
    assert_true(sasl_name_decode(span_of(text, sizeof text - 1), user, &size));
    assert_false(sasl_name_decode(span_of(text, sizeof text), user, &size));
    assert_false(sasl_name_decode(span_of("a\0b", 3), user, &size));
}

static void codes_are_decoded_and_letters_become_lower_case(void **state)
{
    assert_true(sasl_name_decode(span_text("Al=2Cice=3D=2C"), user, &size));
    assert_user("al,ice=,");
}

static void first_messages_without_a_user_have_none(void **state)
{
    assert_false(finds(MECHANISM_SCRAM_SHA_256, "n,,r=x,n=alice"));
    assert_false(finds(MECHANISM_SCRAM_SHA_256, "n,,m=x,n=alice,r=y"));
    assert_false(finds(MECHANISM_SCRAM_SHA_256, "n,a=alice,n=,r=x"));
    assert_false(finds(MECHANISM_OAUTHBEARER, "n,,\x01auth=Bearer x\x01\x01"));
    assert_false(finds(MECHANISM_XOAUTH2, ""));
    assert_false(finds(MECHANISM_XOAUTH2, "user=alice"));
    assert_false(finds(MECHANISM_XOAUTH2, "user=\x01"
                                          "auth=Bearer x"));
    assert_false(finds(MECHANISM_XOAUTH2, "user=a\tb\x01"
                                          "auth=Bearer x"));
}

static void each_mechanism_says_its_user(void **state)
{
    assert_true(finds(MECHANISM_SCRAM_SHA_256_PLUS, "p=tls-exporter,a=bob,n=Alice,r=x"));
    assert_user("alice");
    assert_true(finds(MECHANISM_OAUTHBEARER, "n,a=Bob@Example.net,\x01auth=Bearer x\x01\x01"));
    assert_user("bob@example.net");
    assert_true(finds(MECHANISM_XOAUTH2, "user=Carol\x01"
                                         "auth=Bearer x\x01\x01"));
    assert_user("carol");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_against_the_grammar_are_refused),
        cmocka_unit_test(a_header_is_taken_with_its_commas),
        cmocka_unit_test(names_that_nobody_has_are_refused),
        cmocka_unit_test(codes_are_decoded_and_letters_become_lower_case),
        cmocka_unit_test(first_messages_without_a_user_have_none),
        cmocka_unit_test(each_mechanism_says_its_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
