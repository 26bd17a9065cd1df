// SPDX-License-Identifier: BSD-3-Clause
#include "mail/line.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BYTES(literal) span_of(literal, sizeof(literal) - 1)

struct refusal {
    struct span input;
    enum reason reason;
    size_t taken;
};

static void impostors_of_line_ends_are_refused_whole(void **unused)
{
    const struct refusal want[] = {
        {BYTES("NOOP\n"), REASON_MAIL_BARE_LF, 5},
        {BYTES("\n"), REASON_MAIL_BARE_LF, 1},
        {BYTES("NOOP\nMAIL\r\nNOOP\r\n"), REASON_MAIL_BARE_LF, 11},
        {BYTES("NOOP\rMAIL\r\nNOOP\r\n"), REASON_MAIL_BARE_CR, 11},
        {BYTES("NOOP\r\r\n"), REASON_MAIL_BARE_CR, 7},
        {BYTES("NO\0OP\r\nX"), REASON_MAIL_NUL, 7},
        {BYTES("\0"), REASON_MAIL_NUL, 1},
        {BYTES("a\nb\r"), REASON_MAIL_BARE_LF, 3}, // the CR may be half of a line's end
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct span line;
        size_t taken = 0;
        enum reason reason = REASON_NONE;
        assert_int_equal(line_take(want[i].input, 100, &line, &taken, &reason), LINE_REFUSED);
        assert_int_equal(reason, want[i].reason);
        assert_int_equal(taken, want[i].taken);
    }
}

static void length_counts_the_line_end(void **unused)
{
    char text[16] = "01234567\r\n";
    struct span line;
    size_t taken = 0;
    enum reason reason = REASON_NONE;
    assert_int_equal(line_take(span_of(text, 10), 9, &line, &taken, &reason), LINE_REFUSED);
    assert_int_equal(reason, REASON_MAIL_LINE_TOO_LONG);
    assert_int_equal(taken, 10);
    assert_int_equal(line_take(span_of(text, 10), 10, &line, &taken, &reason), LINE_WHOLE);
    assert_int_equal(line_take(span_of(text, 10), 11, &line, &taken, &reason), LINE_WHOLE);
    assert_int_equal(line_take(span_of(text, 8), 8, &line, &taken, &reason), LINE_REFUSED);
    assert_int_equal(line_take(span_of(text, 8), 9, &line, &taken, &reason), LINE_PARTIAL);
}

static void every_cut_of_a_line_waits_for_more(void **unused)
{
    const char text[] = "EHLO client.example\r\n";
    struct span line;
    size_t taken = 0;
    enum reason reason = REASON_NONE;
    for (size_t n = 0; n < sizeof text - 1; n++)
        assert_int_equal(line_take(span_of(text, n), 512, &line, &taken, &reason), LINE_PARTIAL);
    assert_int_equal(line_take(span_of(text, sizeof text - 1), 512, &line, &taken, &reason),
                     LINE_WHOLE);
    assert_true(span_equal(line, span_text("EHLO client.example")));
    assert_int_equal(taken, sizeof text - 1);
}

static void an_empty_line_is_a_line(void **unused)
{
    struct span line;
    size_t taken = 0;
    enum reason reason = REASON_NONE;
    assert_int_equal(line_take(BYTES("\r\nX"), 512, &line, &taken, &reason), LINE_WHOLE);
    assert_int_equal(line.size, 0);
    assert_int_equal(taken, 2);
}

static void a_word_ends_at_the_first_space(void **unused)
{
    struct span rest;
    assert_true(span_equal(line_word(span_text("MAIL  FROM:<> X"), &rest), span_text("MAIL")));
    assert_true(span_equal(rest, span_text("FROM:<> X")));
    assert_true(span_equal(line_word(span_text("QUIT"), &rest), span_text("QUIT")));
    assert_int_equal(rest.size, 0);
    assert_int_equal(line_word(span_of(NULL, 0), &rest).size, 0);
    assert_int_equal(line_word(span_text(" QUIT"), &rest).size, 0);
}

static void other_protocols_are_recognised(void **unused)
{
    assert_true(line_is_foreign_protocol(BYTES("GET / HTTP/1.1\r\n")));
    assert_true(line_is_foreign_protocol(BYTES("POST /x HTTP/1.0\r\n")));
    assert_true(line_is_foreign_protocol(BYTES("CONNECT mail.example.net:25 HTTP/1.1\r\n")));
    assert_true(line_is_foreign_protocol(BYTES("\x16\x03\x01\x02\x00\x01")));
    assert_false(line_is_foreign_protocol(BYTES("EHLO get.example\r\n")));
    assert_false(line_is_foreign_protocol(BYTES("GET")));
    assert_false(line_is_foreign_protocol(BYTES("\x16\x03")));
    assert_false(line_is_foreign_protocol(span_of(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impostors_of_line_ends_are_refused_whole),
        cmocka_unit_test(length_counts_the_line_end),
        cmocka_unit_test(every_cut_of_a_line_waits_for_more),
        cmocka_unit_test(an_empty_line_is_a_line),
        cmocka_unit_test(a_word_ends_at_the_first_space),
        cmocka_unit_test(other_protocols_are_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
