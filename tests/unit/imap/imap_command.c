// SPDX-License-Identifier: BSD-3-Clause
#include "imap/imap_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void only_digits_in_braces_at_the_end_announce_a_literal(void **state)
{
    static const char *const bad[] = {"",      "{",     "}",     "{}",   "{+}",  "{a}",
                                      "{5} ",  "5}",    "{5-}",  "{-5}", "{5}x", "{ 5}",
                                      "{5++}", "a b c", "{0x5}", "+}",   "55+}", "{5+"};
    struct imap_literal literal;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(imap_command_literal(span_text(bad[i]), &literal));
    static const struct {
        const char *line;
        uint64_t want_size;
        bool want_sync;
    } good[] = {
        {"{0}", 0, true},
        {"{5}", 5, true},
        {"a LOGIN {12+}", 12, false},
        {"a APPEND x ~{7}", 7, true},
        {"{4294967295}", UINT32_MAX, true},
        {"{4294967296}", UINT64_MAX, true},
        {"{99999999999999999999999999+}", UINT64_MAX, false},
        {"{}{007}", 7, true},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(imap_command_literal(span_text(good[i].line), &literal));
        assert_int_equal(literal.size, good[i].want_size);
        assert_int_equal(literal.sync, good[i].want_sync);
    }
}

static void tags_are_short_and_of_tag_characters(void **state)
{
    static const char *const bad[] = {"",   "*",  "+",   "a+b",  "a(b",      "a\"", "a\\",
                                      "a%", "a{", "a b", "\x7f", "\xc3\xa4", "a\tb"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(imap_command_tag_is_valid(span_text(bad[i])));
    char tag[IMAP_TAG_MAX + 1];
    memset(tag, 'x', sizeof tag);
    assert_true(imap_command_tag_is_valid(span_of(tag, IMAP_TAG_MAX - 1)));
    assert_true(imap_command_tag_is_valid(span_of(tag, IMAP_TAG_MAX)));
    assert_false(imap_command_tag_is_valid(span_of(tag, IMAP_TAG_MAX + 1)));
    assert_true(imap_command_tag_is_valid(span_text("A001]!#$&'-./:;<=>?@[^_`|}~")));
}

enum { MOST = 10 };

static enum imap_scan_result scan(const char *text, struct imap_scan *ret_scan)
{
    return imap_command_scan(span_text(text), MOST, MOST, ret_scan);
}

static void what_cannot_be_followed_is_refused(void **state)
{
    struct imap_scan found;
    assert_int_equal(scan("a b\nc\r\n", &found), IMAP_SCAN_REFUSED);
    assert_int_equal(found.reason, REASON_MAIL_BARE_LF);
    assert_int_equal(found.size, 7);
    assert_int_equal(scan("a {3+}\r\nxyz b\rc\r\n", &found), IMAP_SCAN_REFUSED);
    assert_int_equal(found.reason, REASON_MAIL_BARE_CR);
    assert_int_equal(scan("a {11+}\r\n", &found), IMAP_SCAN_REFUSED);
    assert_int_equal(found.reason, REASON_IMAP_LITERAL_TOO_BIG);
    assert_int_equal(scan("a {99999999999+}\r\n", &found), IMAP_SCAN_REFUSED);
    char many[64 * 8] = "";
    for (int i = 0; i <= IMAP_LITERALS_MAX; i++)
        strcat(many, "{1+}\r\nx");
    assert_int_equal(scan(many, &found), IMAP_SCAN_REFUSED);
    assert_int_equal(found.reason, REASON_MAIL_LINE_TOO_LONG);
}

static void a_waiting_literal_over_its_limit_ends_the_command(void **state)
{
    struct imap_scan found;
    assert_int_equal(scan("a LOGIN {11}\r\nb NOOP\r\n", &found), IMAP_SCAN_CUT);
    assert_int_equal(found.size, 14);
    assert_int_equal(found.announced, 0);
    assert_int_equal(scan("a LOGIN {10}\r\n", &found), IMAP_SCAN_PARTIAL);
    assert_int_equal(imap_command_scan(span_text("a {1}\r\n"), 0, MOST, &found), IMAP_SCAN_CUT);
    assert_int_equal(imap_command_scan(span_text("a {1+}\r\nx\r\n"), 0, MOST, &found),
                     IMAP_SCAN_WHOLE);
}

static void a_command_is_whole_with_its_last_literal_and_line(void **state)
{
    static const char command[] = "a LOGIN {5}\r\nalice {3}\r\na\r\n x\r\nnext";
    static const size_t whole = sizeof command - 1 - 4;
    struct imap_scan found;
    for (size_t cut = 0; cut < whole; cut++) {
        assert_int_equal(imap_command_scan(span_of(command, cut), MOST, MOST, &found),
                         IMAP_SCAN_PARTIAL);
        assert_int_equal(found.announced, cut < 13 ? 0 : cut < 24 ? 1 : 2);
    }
    assert_int_equal(scan(command, &found), IMAP_SCAN_WHOLE);
    assert_int_equal(found.size, whole);
    assert_int_equal(found.announced, 2);
}

static void strings_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {
        "",  "\"open", "\"a\\b\"",  "\"a\r\nb\"", "{3}\r\nab", "{3}\nab", "{6}\r\n123456", "(",
        "*", "{3",     "\"12345\"", "12345",      "\\",        "\"\\",    "{1} {1}\r\nx"};
    uint8_t out[4];
    size_t used;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct span args = span_text(bad[i]);
        assert_false(imap_command_astring(&args, out, sizeof out, &used));
    }
    struct span nul = span_of("{3}\r\na\0b", 8);
    assert_false(imap_command_astring(&nul, out, sizeof out, &used));
    struct span atom = span_text("atom");
    assert_false(imap_command_string(&atom, out, sizeof out, &used));
}

static void strings_are_taken_in_every_form(void **state)
{
    static const struct {
        const char *args, *want, *want_left;
    } cases[] = {
        {"abc def", "abc", " def"},        {"a]b", "a]b", ""},
        {"\"a b\" x", "a b", " x"},        {"\"\"", "", ""},
        {"\"\\\"\\\\\"", "\"\\", ""},      {"\"\xc3\xa4\"", "\xc3\xa4", ""},
        {"{4}\r\na\r\nb)", "a\r\nb", ")"}, {"{0+}\r\n x", "", " x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t out[4];
        size_t used = 99;
        struct span args = span_text(cases[i].args);
        assert_true(imap_command_astring(&args, out, sizeof out, &used));
        assert_true(span_equal(span_of(out, used), span_text(cases[i].want)));
        assert_true(span_equal(args, span_text(cases[i].want_left)));
    }
}

static void nil_is_a_word_of_its_own(void **state)
{
    struct span args = span_text("NILS");
    assert_false(imap_command_nil(&args));
    args = span_text("nil)");
    assert_true(imap_command_nil(&args));
    assert_true(imap_command_byte(&args, ')'));
    assert_false(imap_command_byte(&args, ')'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_digits_in_braces_at_the_end_announce_a_literal),
        cmocka_unit_test(tags_are_short_and_of_tag_characters),
        cmocka_unit_test(what_cannot_be_followed_is_refused),
        cmocka_unit_test(a_waiting_literal_over_its_limit_ends_the_command),
        cmocka_unit_test(a_command_is_whole_with_its_last_literal_and_line),
        cmocka_unit_test(strings_that_are_none_are_refused),
        cmocka_unit_test(strings_are_taken_in_every_form),
        cmocka_unit_test(nil_is_a_word_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
