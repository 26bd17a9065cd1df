// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define BYTES(literal) span_of(literal, sizeof(literal) - 1)

struct reading {
    char headers[256], body[256];
    size_t headers_size, body_size;
    size_t taken;
    unsigned refusals;
    enum reason reason; // of the first refusal
    bool end;
};

static void keep(char *text, size_t *size, struct span piece)
{
    assert_true(*size + piece.size < 256);
    memcpy(text + *size, piece.at, piece.size);
    *size += piece.size;
    text[*size] = '\0';
}

// Reads up to the end, in blocks of that size; refusals do not stop it.
static struct reading read_all(struct span input, size_t block)
{
    struct smtp_data data = {0};
    struct reading r = {.reason = REASON_NONE};
    while (r.taken < input.size && !r.end) {
        struct span piece = span_head(span_skip(input, r.taken), block);
        size_t size = 0;
        enum reason reason = REASON_NONE;
        enum smtp_data_piece kind = smtp_data_next(&data, piece, &size, &reason);
        assert_in_range(size, 1, piece.size);
        if (kind == DATA_HEADERS || (kind == DATA_LEADING && !data.in_body))
            keep(r.headers, &r.headers_size, span_head(piece, size));
        else if (kind == DATA_BODY || (kind == DATA_LEADING && data.in_body))
            keep(r.body, &r.body_size, span_head(piece, size));
        else if (kind == DATA_REFUSED && r.refusals++ == 0)
            r.reason = reason;
        r.end = kind == DATA_END;
        r.taken += size;
    }
    assert_int_equal(data.size, r.taken);
    return r;
}

static void every_false_end_is_refused_in_every_cut(void **unused)
{
    // What some server somewhere takes for the end of a message, and what makes it so.
    const struct {
        struct span ending;
        enum reason reason;
    } smuggling[] = {
        {BYTES("\n.\n"), REASON_MAIL_BARE_LF},         {BYTES("\n.\r\n"), REASON_MAIL_BARE_LF},
        {BYTES("\r\n.\n"), REASON_MAIL_BARE_LF},       {BYTES("\r.\r"), REASON_MAIL_BARE_CR},
        {BYTES("\r.\r\n"), REASON_MAIL_BARE_CR},       {BYTES("\r\n.\r"), REASON_MAIL_BARE_CR},
        {BYTES("\r.\n"), REASON_MAIL_BARE_CR},         {BYTES("\n.\r"), REASON_MAIL_BARE_LF},
        {BYTES("\r\n\0.\r\n"), REASON_MAIL_NUL},       {BYTES("\r\n.\0\r\n"), REASON_MAIL_NUL},
        {BYTES("\r\n\0.\n"), REASON_MAIL_NUL},         {BYTES("\r\n.\r\r\n"), REASON_MAIL_BARE_CR},
        {BYTES("\r\r\n.\r\r\n"), REASON_MAIL_BARE_CR}, {BYTES("\r\n.\r\0\n"), REASON_MAIL_BARE_CR},
        {BYTES("\n\n.\n\n"), REASON_MAIL_BARE_LF},     {BYTES("\n\r\n.\r\n"), REASON_MAIL_BARE_LF},
        {BYTES("\r\n\r.\r\n"), REASON_MAIL_BARE_CR},
    };
    for (size_t i = 0; i < sizeof smuggling / sizeof smuggling[0]; i++) {
        char text[128];
        struct span ending = smuggling[i].ending;
        int size = snprintf(text, sizeof text, "Subject: x\r\n\r\nbody");
        memcpy(text + size, ending.at, ending.size);
        memcpy(text + size + ending.size, "MAIL FROM:<x@y>\r\n", 17);
        struct span input = span_of(text, (size_t)size + ending.size + 17);
        for (size_t block = 1; block <= input.size; block++) {
            struct reading r = read_all(input, block);
            assert_true(r.refusals > 0);
            assert_int_equal(r.reason, smuggling[i].reason);
        }
    }
}

static void the_true_end_is_found_behind_a_refusal(void **unused)
{
    struct span input = BYTES("a\nb\r\n.\nc\r.\r\n\0\r\n..\r\n.\r\nQUIT\r\n");
    for (size_t block = 1; block <= input.size; block++) {
        struct reading r = read_all(input, block);
        assert_true(r.end && r.refusals > 0);
        assert_int_equal(r.taken, input.size - 6);
    }
}

static void only_a_dot_alone_ends_a_message(void **unused)
{
    struct span input = BYTES("A: b\r\n.C: d\r\n..E\r\n\r\n..\r\n. \r\n.x\r\nx.\r\n...\r\n.\r\nX");
    for (size_t block = 1; block <= input.size; block++) {
        struct reading r = read_all(input, block);
        assert_true(r.end);
        assert_int_equal(r.refusals, 0);
        assert_int_equal(r.taken, input.size - 1);
        assert_string_equal(r.headers, "A: b\r\nC: d\r\n.E\r\n\r\n");
        assert_string_equal(r.body, ".\r\n \r\nx\r\nx.\r\n..\r\n");
    }
}

static void a_message_may_be_empty(void **unused)
{
    struct reading r = read_all(BYTES(".\r\n"), 3);
    assert_true(r.end);
    assert_int_equal(r.headers_size + r.body_size, 0);
}

static void a_message_may_have_no_headers_or_no_body(void **unused)
{
    struct reading r = read_all(BYTES("\r\nhello\r\n.\r\n"), 100);
    assert_true(r.end);
    assert_string_equal(r.headers, "\r\n");
    assert_string_equal(r.body, "hello\r\n");
    r = read_all(BYTES("A: b\r\n.\r\n"), 100);
    assert_true(r.end);
    assert_string_equal(r.headers, "A: b\r\n");
    assert_int_equal(r.body_size, 0);
}

static void every_byte_but_three_passes(void **unused)
{
    for (int c = 1; c < 256; c++) {
        char text[] = "\r\nxXx\r\n.\r\n";
        text[3] = (char)c;
        struct reading r = read_all(span_of(text, sizeof text - 1), 100);
        assert_int_equal(r.refusals, c == '\r' || c == '\n');
        assert_true(r.end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_false_end_is_refused_in_every_cut),
        cmocka_unit_test(the_true_end_is_found_behind_a_refusal),
        cmocka_unit_test(only_a_dot_alone_ends_a_message),
        cmocka_unit_test(a_message_may_be_empty),
        cmocka_unit_test(a_message_may_have_no_headers_or_no_body),
        cmocka_unit_test(every_byte_but_three_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
