// SPDX-License-Identifier: BSD-3-Clause
#include "base/tcp_option.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define BYTES(...) span_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void impossible_lengths_are_refused(void **state)
{
    struct tcp_option o;
    assert_false(tcp_option_parse(BYTES(2), &o));                // no length
    assert_false(tcp_option_parse(BYTES(2, 0), &o));             // below 2
    assert_false(tcp_option_parse(BYTES(2, 1, 5), &o));          // below 2
    assert_false(tcp_option_parse(BYTES(2, 4, 5), &o));          // beyond the end
    assert_false(tcp_option_parse(BYTES(2, 3, 5), &o));          // MSS of one byte
    assert_false(tcp_option_parse(BYTES(2, 5, 5, 6, 7), &o));    // MSS of three
    assert_false(tcp_option_parse(BYTES(3, 2), &o));             // scale of none
    assert_false(tcp_option_parse(BYTES(4, 3, 0), &o));          // SACK permitted with a body
    assert_false(tcp_option_parse(BYTES(5, 2), &o));             // SACK of no block
    assert_false(tcp_option_parse(BYTES(5, 6, 1, 2, 3, 4), &o)); // half a block
    assert_false(tcp_option_parse(BYTES(8, 6, 1, 2, 3, 4), &o)); // half a timestamp
    assert_false(tcp_option_parse(BYTES(99, 200, 1), &o));       // unknown, beyond the end
}

static void what_is_left_out_has_the_implied_value(void **state)
{
    struct tcp_option o = {.mss = 77};
    assert_true(tcp_option_parse(span_of(NULL, 0), &o));
    assert_int_equal(o.mss, 0);
    assert_false(o.has_window_scale || o.has_timestamps || o.sack_permitted || o.sack_count);
}

static void unknown_options_and_padding_are_skipped(void **state)
{
    struct tcp_option o;
    // NOP, unknown 253 with a body, MSS 1460, end, and what stands behind the end.
    assert_true(tcp_option_parse(BYTES(1, 253, 4, 9, 9, 2, 4, 5, 180, 0, 3, 1), &o));
    assert_int_equal(o.mss, 1460);
    assert_false(o.has_window_scale);
}

static void a_scale_beyond_14_is_14(void **state)
{
    struct tcp_option o;
    assert_true(tcp_option_parse(BYTES(3, 3, 255), &o));
    assert_int_equal(o.window_scale, 14);
}

static void sack_blocks_are_read_up_to_four(void **state)
{
    uint8_t bytes[2 + 5 * 8] = {5, 2 + 5 * 8};
    for (unsigned i = 0; i < 40; i++)
        bytes[2 + i] = (uint8_t)i;
    struct tcp_option o;
    assert_true(tcp_option_parse(span_of(bytes, sizeof bytes), &o));
    assert_int_equal(o.sack_count, TCP_SACK_BLOCKS_MAX);
    assert_int_equal(o.sack[3].right, 0x1c1d1e1f);
}

static void any_bytes_give_a_result_or_a_refusal(void **state)
{
    struct rng rng;
    rng_seed(&rng, 4);
    unsigned taken = 0;
    for (int i = 0; i < 200000; i++) {
        size_t size = rng_below(&rng, 41);
        uint8_t *bytes = malloc(size ? size : 1); // exactly as big: a read beyond it is found
        assert_non_null(bytes);
        for (size_t b = 0; b < size; b++)
            bytes[b] = (uint8_t)(rng_next(&rng) & 1 ? rng_below(&rng, 12) : rng_next(&rng));
        struct tcp_option o;
        if (tcp_option_parse(span_of(bytes, size), &o)) {
            taken++;
            assert_true(o.window_scale <= TCP_WINDOW_SCALE_MAX);
            assert_true(o.sack_count <= TCP_SACK_BLOCKS_MAX);
        }
        free(bytes);
    }
    assert_true(taken > 1000);
}

static void what_is_written_is_read_back_whole(void **state)
{
    struct rng rng;
    rng_seed(&rng, 6);
    for (int i = 0; i < 5000; i++) {
        bool syn = i & 1;
        struct tcp_option o = {
            .mss = (uint16_t)(i & 2 ? 1 + rng_below(&rng, 65535) : 0),
            .has_window_scale = i & 4,
            .window_scale = (uint8_t)(i & 4 ? rng_below(&rng, 15) : 0),
            .sack_permitted = i & 8,
            .has_timestamps = i & 16,
            .ts_value = i & 16 ? (uint32_t)rng_next(&rng) : 0,
            .ts_echo = i & 16 ? (uint32_t)rng_next(&rng) : 0,
            .sack_count = (uint8_t)(syn ? 0 : rng_below(&rng, TCP_SACK_BLOCKS_MAX + 1)),
        };
        for (int b = 0; b < o.sack_count; b++)
            o.sack[b] = (struct tcp_sack_block){(uint32_t)rng_next(&rng), (uint32_t)rng_next(&rng)};
        uint8_t bytes[40];
        size_t size = tcp_option_write(&o, syn, bytes);
        assert_true(size <= 40 && size % 4 == 0);
        struct tcp_option r;
        assert_true(tcp_option_parse(span_of(bytes, size), &r));
        assert_int_equal(r.has_timestamps, o.has_timestamps);
        assert_int_equal(r.ts_value, o.ts_value);
        assert_int_equal(r.ts_echo, o.ts_echo);
        assert_int_equal(r.mss, syn ? o.mss : 0);
        assert_int_equal(r.has_window_scale, syn && o.has_window_scale);
        assert_int_equal(r.window_scale, syn ? o.window_scale : 0);
        assert_int_equal(r.sack_permitted, syn && o.sack_permitted);
        uint8_t most = o.has_timestamps ? 3 : 4; // RFC 2018, section 3
        assert_int_equal(r.sack_count, o.sack_count < most ? o.sack_count : most);
        assert_memory_equal(r.sack, o.sack, r.sack_count * sizeof r.sack[0]);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(impossible_lengths_are_refused),
        cmocka_unit_test(what_is_left_out_has_the_implied_value),
        cmocka_unit_test(unknown_options_and_padding_are_skipped),
        cmocka_unit_test(a_scale_beyond_14_is_14),
        cmocka_unit_test(sack_blocks_are_read_up_to_four),
        cmocka_unit_test(any_bytes_give_a_result_or_a_refusal),
        cmocka_unit_test(what_is_written_is_read_back_whole),
    };
    return cmocka_run_group_tests_name("tcp_option", cases, NULL, NULL);
}
