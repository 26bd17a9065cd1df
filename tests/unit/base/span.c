// SPDX-License-Identifier: BSD-3-Clause
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_reader_stops_for_good_at_the_first_short_read(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5};
    struct reader r = reader_of(span_of(bytes, sizeof bytes));
    assert_int_equal(reader_u32(&r), 0x01020304);
    assert_false(r.short_read);
    assert_int_equal(reader_u16(&r), 0);
    assert_true(r.short_read);
    assert_int_equal(reader_u8(&r), 0); // one byte is left, and stays
    assert_int_equal(reader_bytes(&r, 0).size, 0);
    assert_int_equal(r.left.size, 1);
}

static void a_reader_of_nothing_reads_nothing(void **state)
{
    struct reader r = reader_of(span_of(NULL, 0));
    assert_int_equal(reader_bytes(&r, 0).size, 0);
    assert_false(r.short_read);
    assert_int_equal(reader_u8(&r), 0);
    assert_true(r.short_read);
    r = reader_of(span_of("x", 1));
    assert_int_equal(reader_bytes(&r, SIZE_MAX).size, 0);
    assert_true(r.short_read);
}

static bool to_u64(const char *text, uint64_t max, uint64_t *ret_value)
{
    return span_to_u64(span_text(text), max, ret_value);
}

static void what_is_no_number_in_range_is_refused(void **state)
{
    uint64_t value = 7;
    assert_false(to_u64("", UINT64_MAX, &value));
    assert_false(to_u64("-1", UINT64_MAX, &value));
    assert_false(to_u64("+1", UINT64_MAX, &value));
    assert_false(to_u64(" 1", UINT64_MAX, &value));
    assert_false(to_u64("1x", UINT64_MAX, &value));
    assert_false(to_u64("0x1", UINT64_MAX, &value));
    assert_false(to_u64("18446744073709551616", UINT64_MAX, &value));
    assert_false(to_u64("99999999999999999999999", UINT64_MAX, &value));
    assert_false(to_u64("101", 100, &value));
    assert_int_equal(value, 7);
    assert_true(to_u64("18446744073709551615", UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    assert_true(to_u64("000100", 100, &value));
    assert_int_equal(value, 100);
}

static void foreign_bytes_become_question_marks_and_the_rest_is_cut(void **state)
{
    char text[6];
    memset(text, 'z', sizeof text);
    span_to_text(span_of("a\r\n\0\x7f\xff", 6), text, sizeof text);
    assert_string_equal(text, "a????");
    span_to_text(span_text("abcde"), text, sizeof text);
    assert_string_equal(text, "abcde");
    span_to_text(span_text("abcdef"), text, sizeof text);
    assert_string_equal(text, "abcde");
    span_to_text(span_of(NULL, 0), text, 1);
    assert_string_equal(text, "");
}

static void heads_and_tails_stay_inside(void **state)
{
    struct span s = span_text("abc");
    assert_int_equal(span_head(s, 9).size, 3);
    assert_int_equal(span_skip(s, 9).size, 0);
    assert_true(span_equal(span_skip(s, 1), span_text("bc")));
    struct span nothing = span_of(NULL, 0);
    assert_int_equal(span_skip(nothing, 5).size, 0);
    assert_true(span_equal(nothing, span_text("")));
    assert_int_equal(span_find(nothing, 'a'), 0);
    assert_int_equal(span_find(s, 'c'), 2);
    assert_int_equal(span_find(s, 'd'), 3);
}

static void case_is_folded_in_ascii_only(void **state)
{
    assert_true(span_equal_nocase(span_text("EhLo"), span_text("eHlO")));
    assert_false(span_equal_nocase(span_text("EHLO "), span_text("EHLO")));
    assert_false(span_equal_nocase(span_text("[a"), span_text("{a"))); // 0x20 apart, no letters
    assert_false(span_equal_nocase(span_text("\xc4"), span_text("\xe4")));
    assert_true(span_starts_nocase(span_text("mail from:<x>"), span_text("MAIL FROM:")));
    assert_false(span_starts_nocase(span_text("MAI"), span_text("MAIL")));
}

static void trimming_takes_blanks_at_both_ends(void **state)
{
    assert_true(span_equal(span_trim(span_text(" \t a b\t ")), span_text("a b")));
    assert_int_equal(span_trim(span_text(" \t ")).size, 0);
    assert_int_equal(span_trim(span_of(NULL, 0)).size, 0);
    assert_true(span_equal(span_trim(span_text("\ra\n")), span_text("\ra\n")));
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_reader_stops_for_good_at_the_first_short_read),
        cmocka_unit_test(a_reader_of_nothing_reads_nothing),
        cmocka_unit_test(what_is_no_number_in_range_is_refused),
        cmocka_unit_test(foreign_bytes_become_question_marks_and_the_rest_is_cut),
        cmocka_unit_test(heads_and_tails_stay_inside),
        cmocka_unit_test(case_is_folded_in_ascii_only),
        cmocka_unit_test(trimming_takes_blanks_at_both_ends),
    };
    return cmocka_run_group_tests_name("span", cases, NULL, NULL);
}
