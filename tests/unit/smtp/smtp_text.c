// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void what_does_not_fit_is_left_out_whole(void **unused)
{
    char buffer[8];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add(&text, "%s", "12345678"); // its NUL has no room
    assert_true(text.full);
    assert_int_equal(text.used, 0);
    text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add(&text, "%s", "1234567");
    assert_false(text.full);
    smtp_text_add_span(&text, span_text("xy"));
    assert_true(text.full);
    assert_int_equal(text.used, 7);
}

static void foreign_text_loses_its_sting(void **unused)
{
    static const char foreign[] = "a\r\nBcc: x\0\"\\()<>,;\x7f\x80z";
    char buffer[64];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add_foreign(&text, span_of(foreign, sizeof foreign - 1), 100);
    assert_true(span_equal(smtp_text_span(&text), span_text("a??Bcc:?x???????????z")));
}

static void foreign_text_is_cut(void **unused)
{
    char buffer[64];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add_foreign(&text, span_text("123456"), 4);
    assert_true(span_equal(smtp_text_span(&text), span_text("1234")));
}

static void values_are_bare_where_both_grammars_have_them_and_quoted_elsewhere(void **unused)
{
    static const struct {
        const char *value, *as_address, *as_value;
    } golden[] = {
        {"mail.example", "mail.example", "mail.example"},
        {"a+b@c.example", "a+b@c.example", "\"a+b@c.example\""},
        {"2001:db8::1", "\"2001:db8::1\"", "\"2001:db8::1\""},
        {"[192.0.2.1]", "\"[192.0.2.1]\"", "\"[192.0.2.1]\""},
        {"a@b@c", "\"a@b@c\"", "\"a@b@c\""},
        {"@c", "\"@c\"", "\"@c\""},
        {"a..b", "\"a..b\"", "\"a..b\""},
        {"", "\"\"", "\"\""},
        {"a\"\\ ;\r\n\xff", "\"a\\\"\\\\ ;\?\?\?\"", "\"a\\\"\\\\ ;\?\?\?\""},
    };
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++)
        for (int address = 0; address < 2; address++) {
            char buffer[64];
            struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
            const char *want = address ? golden[i].as_address : golden[i].as_value;
            smtp_text_add_value(&text, span_text(golden[i].value), address, 100);
            assert_true(span_equal(smtp_text_span(&text), span_text(want)));
        }
}

static void a_quoted_value_that_may_not_fit_is_left_out_whole(void **unused)
{
    char buffer[8];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add_value(&text, span_text(":::"), false, 100);
    assert_false(text.full);
    text = smtp_text_in(buffer, sizeof buffer);
    smtp_text_add_value(&text, span_text("::::"), false, 100);
    assert_true(text.full && text.used == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_left_out_whole),
        cmocka_unit_test(foreign_text_loses_its_sting),
        cmocka_unit_test(foreign_text_is_cut),
        cmocka_unit_test(values_are_bare_where_both_grammars_have_them_and_quoted_elsewhere),
        cmocka_unit_test(a_quoted_value_that_may_not_fit_is_left_out_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
