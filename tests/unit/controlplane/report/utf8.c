// SPDX-License-Identifier: BSD-3-Clause
#include "report/utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define REPLACED "\xef\xbf\xbd"

static void clean(const char *bytes, size_t size, const char *want)
{
    char text[64];
    utf8_clean(span_of(bytes, size), text, sizeof text);
    assert_string_equal(text, want);
}

static void malformed_bytes_are_replaced_one_by_one(void **state)
{
    clean("a\0b", 3, "a" REPLACED "b");
    clean("\xff\xfe", 2, REPLACED REPLACED);
    clean("\x80", 1, REPLACED);
    clean("\xc0\x80", 2, REPLACED REPLACED);                           // overlong NUL
    clean("\xe0\x80\xaf", 3, REPLACED REPLACED REPLACED);              // overlong '/'
    clean("\xed\xa0\x80", 3, REPLACED REPLACED REPLACED);              // surrogate
    clean("\xf4\x90\x80\x80", 4, REPLACED REPLACED REPLACED REPLACED); // beyond U+10FFFF
    clean("\xf0\x80\x80\x80", 4, REPLACED REPLACED REPLACED REPLACED);
    clean("\xe2\x82", 2, REPLACED REPLACED); // cut
    clean("\xc3x", 2, REPLACED "x");
}

static void well_formed_text_stays(void **state)
{
    clean("", 0, "");
    clean("a\x1f\x7f", 3, "a\x1f\x7f");
    clean("\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xa7\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", 19,
          "\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xa7\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf");
}

static void cut_is_between_characters(void **state)
{
    char text[5];
    utf8_clean(span_of("a\xe2\x82\xacxyz", 7), text, 4);
    assert_string_equal(text, "a");
    utf8_clean(span_of("a\xe2\x82\xacxyz", 7), text, 5);
    assert_string_equal(text, "a\xe2\x82\xac");
    utf8_clean(span_of("\xff\xff", 2), text, 5);
    assert_string_equal(text, REPLACED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_bytes_are_replaced_one_by_one),
        cmocka_unit_test(well_formed_text_stays),
        cmocka_unit_test(cut_is_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
