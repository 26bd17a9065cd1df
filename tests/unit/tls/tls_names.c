// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void what_is_no_host_name_is_refused(void **state)
{
    static const char *const bad[] = {"",   ".",     "a..b",  ".a",   "a b",         "a\r\nb",
                                      "*",  "*.",    "a.*.b", "*a.b", "\xc3\xa4.de", "a/b",
                                      "..", "*.*.a", "a:b"};
    char name[HOST_NAME_MAX_DNS + 1];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(tls_names_clean(span_text(bad[i]), true, name));
    assert_false(tls_names_clean(span_of("a\0b", 3), true, name));
    assert_false(tls_names_clean(span_text("*.example.net"), false, name));
}

static void labels_and_names_end_at_their_limits(void **state)
{
    char name[HOST_NAME_MAX_DNS + 1], text[300];
    memset(text, 'a', sizeof text);
    assert_true(tls_names_clean(span_of(text, 63), false, name));
    assert_false(tls_names_clean(span_of(text, 64), false, name));
    for (size_t i = 50; i < sizeof text; i += 50)
        text[i] = '.';
    assert_true(tls_names_clean(span_of(text, 255), false, name));
    assert_int_equal(strlen(name), 255);
    assert_false(tls_names_clean(span_of(text, 257), false, name));
}

static void names_are_found_in_any_case_and_with_a_final_dot(void **state)
{
    char name[HOST_NAME_MAX_DNS + 1];
    assert_true(tls_names_clean(span_text("Mail.EXAMPLE.net."), false, name));
    assert_string_equal(name, "mail.example.net");
}

static void
an_exact_name_comes_before_a_wildcard_and_the_first_group_before_later_ones(void **state)
{
    struct tls_names names = {0};
    unsigned group = 99;
    tls_names_sort(&names);
    assert_false(tls_names_find(&names, "a.example.net", &group));
    assert_int_equal(tls_names_add(&names, span_text("*.example.net"), 0), 0);
    assert_int_equal(tls_names_add(&names, span_text("b.example.net"), 3), 0);
    assert_int_equal(tls_names_add(&names, span_text("b.example.net"), 2), 0);
    assert_int_equal(tls_names_add(&names, span_text("not a name"), 4), 0);
    tls_names_sort(&names);
    assert_int_equal(names.count, 3);
    assert_true(tls_names_find(&names, "a.example.net", &group));
    assert_int_equal(group, 0);
    assert_true(tls_names_find(&names, "b.example.net", &group));
    assert_int_equal(group, 2);
    assert_false(tls_names_find(&names, "example.net", &group));
    assert_false(tls_names_find(&names, "a.b.example.net", &group));
    assert_false(tls_names_find(&names, "", &group));
    tls_names_done(&names);
}

static void many_names_are_all_found(void **state)
{
    struct tls_names names = {0};
    char text[] = "m000.example.net";
    unsigned group;
    for (unsigned i = 0; i < 200; i++) {
        unsigned scattered = i * 37 % 200;
        text[1] = (char)('0' + scattered / 100);
        text[2] = (char)('0' + scattered / 10 % 10);
        text[3] = (char)('0' + scattered % 10);
        assert_int_equal(tls_names_add(&names, span_text(text), scattered), 0);
    }
    tls_names_sort(&names);
    for (unsigned i = 0; i < 200; i++) {
        text[1] = (char)('0' + i / 100);
        text[2] = (char)('0' + i / 10 % 10);
        text[3] = (char)('0' + i % 10);
        assert_true(tls_names_find(&names, text, &group));
        assert_int_equal(group, i);
    }
    tls_names_done(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_host_name_is_refused),
        cmocka_unit_test(labels_and_names_end_at_their_limits),
        cmocka_unit_test(names_are_found_in_any_case_and_with_a_final_dot),
        cmocka_unit_test(
            an_exact_name_comes_before_a_wildcard_and_the_first_group_before_later_ones),
        cmocka_unit_test(many_names_are_all_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
