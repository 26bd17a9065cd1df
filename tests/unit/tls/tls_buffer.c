// SPDX-License-Identifier: BSD-3-Clause
#include "tls/tls_buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void an_empty_buffer_holds_no_memory(void **state)
{
    struct tls_buffer buffer = {0};
    assert_true(tls_buffer_put(&buffer, span_of(NULL, 0)));
    assert_null(buffer.at);
    assert_true(tls_buffer_put(&buffer, span_text("hello")));
    assert_non_null(buffer.at);
    tls_buffer_skip(&buffer, 2);
    assert_true(span_equal(tls_buffer_span(&buffer), span_text("llo")));
    tls_buffer_skip(&buffer, 3);
    assert_null(buffer.at);
    assert_int_equal(buffer.size, 0);
}

static void bytes_come_out_in_order_whatever_the_pieces(void **state)
{
    struct tls_buffer buffer = {0};
    uint8_t in = 0, out = 0;
    for (int i = 0; i < 2000; i++) {
        uint8_t piece[97];
        size_t size = (size_t)(i * 31 % 97);
        for (size_t j = 0; j < size; j++)
            piece[j] = in++;
        assert_true(tls_buffer_put(&buffer, span_of(piece, size)));
        size_t leave = (size_t)(i * 17 % 5000), waiting = tls_buffer_waiting(&buffer);
        struct span ready =
            span_head(tls_buffer_span(&buffer), waiting > leave ? waiting - leave : 0);
        for (size_t j = 0; j < ready.size; j++)
            assert_int_equal(ready.at[j], out++);
        tls_buffer_skip(&buffer, ready.size);
    }
    tls_buffer_done(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_holds_no_memory),
        cmocka_unit_test(bytes_come_out_in_order_whatever_the_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
