// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_normal.h"

#include "smtp/smtp_data.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BYTES(literal) span_of(literal, sizeof(literal) - 1)

struct made {
    char text[256];
    size_t size;
    size_t taken;
    bool end;
};

// In blocks of that size, into no more room than needed.
static struct made make(struct span input, size_t block, bool chunked)
{
    struct smtp_normal normal = {.on = true, .chunked = chunked};
    struct made made = {.size = 0};
    while (made.taken < input.size && !made.end) {
        size_t taken;
        struct span text = smtp_normal_text(
            &normal, span_head(span_skip(input, made.taken), block), made.text + made.size,
            block == 1 ? NORMAL_STEP_MAX : sizeof made.text - made.size, &taken, &made.end);
        assert_true(taken > 0);
        made.taken += taken;
        made.size += text.size;
        assert_true(made.size <= 2 * made.taken + 2);
    }
    return made;
}

// Where CR LF . CR LF ends in the client's own bytes, the message beginning a line; 0: nowhere.
static size_t true_end(struct span input)
{
    char line[64] = "\r\n";
    memcpy(line + 2, input.at, input.size);
    const char *end = memmem(line, input.size + 2, "\r\n.\r\n", 5);
    return end ? (size_t)(end - line) + 3 : 0;
}

static void must_be_strict(struct made made, bool chunked)
{
    struct smtp_data data = {.chunked = chunked};
    enum smtp_data_piece piece = DATA_BODY;
    for (size_t at = 0, size; at < made.size; at += size) {
        enum reason reason;
        assert_int_not_equal(piece, DATA_END);
        piece = smtp_data_next(&data, span_of(made.text + at, made.size - at), &size, &reason);
        assert_int_not_equal(piece, DATA_REFUSED);
    }
    assert_int_equal(piece == DATA_END, made.end);
}

// All texts of up to eight of the bytes that matter, in one and in every byte a block.
static void only_the_clients_own_end_is_one_in_every_text(void **unused)
{
    static const char alphabet[] = {'\r', '\n', '.', '\0', 'x'};
    char text[8];
    unsigned ends = 0;
    for (unsigned size = 1, all = 5; size <= sizeof text; size++, all *= 5) {
        for (unsigned n = 0; n < all; n++) {
            for (unsigned i = 0, left = n; i < size; i++, left /= 5)
                text[i] = alphabet[left % 5];
            struct span input = span_of(text, size);
            struct made whole = make(input, size, false), cut = make(input, 1, false);
            if (whole.end != (true_end(input) > 0) ||
                whole.taken != (whole.end ? true_end(input) : size) || cut.end != whole.end ||
                cut.taken != whole.taken || cut.size != whole.size ||
                memcmp(cut.text, whole.text, whole.size) != 0)
                fail_msg("text %u of %u bytes", n, size);
            must_be_strict(whole, false);
            must_be_strict(make(input, size, true), true);
            ends += whole.end;
        }
    }
    assert_true(ends > 1000);
}

static void every_fault_is_mended_in_every_cut(void **unused)
{
    const struct {
        struct span from, to;
    } want[] = {
        {BYTES("a\nb\r\n.\r\n"), BYTES("a\r\nb\r\n.\r\n")},
        {BYTES("\n.\nMAIL\r\n"), BYTES("\r\n..\r\nMAIL\r\n")},
        {BYTES("\n.\r\n.\r\n"), BYTES("\r\n..\r\n.\r\n")},
        {BYTES("x\r\n.\nMAIL\r\n"), BYTES("x\r\n..\r\nMAIL\r\n")},
        {BYTES("x\r\n.\r\r\nMAIL\r\n"), BYTES("x\r\n..\r\nMAIL\r\n")},
        {BYTES("x\r.\rMAIL\r\n"), BYTES("x . MAIL\r\n")},
        {BYTES("x\r\n\r.\r\n"), BYTES("x\r\n .\r\n")},
        {BYTES("x\r\n.\rx\r\n"), BYTES("x\r\n. x\r\n")},
        {BYTES("x\r\n\0.\r\n"), BYTES("x\r\n .\r\n")},
        {BYTES("x\r\n.\0\r\n"), BYTES("x\r\n. \r\n")},
        {BYTES("x\r\r\r\n\r\r\ny\r\r\n"), BYTES("x\r\n\r\ny\r\n")},
        {BYTES("x\n..\n.y\n"), BYTES("x\r\n..\r\n.y\r\n")}, // stuffed by the client
        {BYTES("\r\r\n.\r\n"), BYTES("\r\n.\r\n")},
        {BYTES("Subject: a\rBcc: b\r\n"), BYTES("Subject: a Bcc: b\r\n")}, // no line of its own
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        for (size_t block = 1; block <= want[i].from.size; block++) {
            struct made made = make(want[i].from, block, false);
            assert_int_equal(made.taken, want[i].from.size);
            assert_int_equal(made.size, want[i].to.size);
            assert_memory_equal(made.text, want[i].to.at, made.size);
        }
    }
}

static void a_dot_of_a_chunk_is_a_dot(void **unused)
{
    struct span input = BYTES("a\n.\r\n.\r\n..\n\0");
    for (size_t block = 1; block <= input.size; block++) {
        struct made made = make(input, block, true);
        assert_false(made.end);
        assert_int_equal(made.size, 14);
        assert_memory_equal(made.text, "a\r\n.\r\n.\r\n..\r\n ", 14);
    }
}

static void strict_text_stays_as_it_is(void **unused)
{
    struct span input = BYTES("A: b\r\n\r\n..\r\n.x\r\nx.\r\n\x01\xff\r\n.\r\n");
    struct made made = make(input, input.size, false);
    assert_true(made.end);
    assert_int_equal(made.size, input.size);
    assert_memory_equal(made.text, input.at, input.size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_clients_own_end_is_one_in_every_text),
        cmocka_unit_test(every_fault_is_mended_in_every_cut),
        cmocka_unit_test(a_dot_of_a_chunk_is_a_dot),
        cmocka_unit_test(strict_text_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
