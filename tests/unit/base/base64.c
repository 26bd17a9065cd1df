// SPDX-License-Identifier: BSD-3-Clause
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void malformed_base64_is_refused(void **unused)
{
    static const char *const bad[] = {"A",        "AA",      "AAA",      "AAA\n", "=AAA",
                                      "A===",     "====",    "AB==",     "AAB=",  "AA=A",
                                      "AA*A",     " AAA",    "AA==AAAA", "AAAA=", "AAAA\x80",
                                      "AAAAAAA-", "AAAAAAA_"};
    uint8_t out[16];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(base64_decode(span_text(bad[i]), out, sizeof out), -1);
}

static void base64_beyond_the_room_is_refused(void **unused)
{
    uint8_t out[3];
    assert_int_equal(base64_decode(span_text("QUJDRA=="), out, 3), -1);
    assert_int_equal(base64_decode(span_text("QUJD"), out, 3), 3);
    assert_int_equal(base64_decode(span_text("QUJD"), out, 2), -1);
    assert_int_equal(base64_decode(span_text(""), out, 0), 0);
}

static void base64_of_rfc_4648_goes_both_ways(void **unused)
{
    static const struct {
        const char *plain, *text;
    } want[] = {{"", ""},
                {"f", "Zg=="},
                {"fo", "Zm8="},
                {"foo", "Zm9v"},
                {"foob", "Zm9vYg=="},
                {"fooba", "Zm9vYmE="},
                {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        char text[16];
        uint8_t plain[16];
        size_t size = base64_encode(span_text(want[i].plain), text);
        assert_string_equal(text, want[i].text);
        assert_int_equal(size, strlen(want[i].text));
        int decoded = base64_decode(span_text(want[i].text), plain, sizeof plain);
        assert_true(decoded >= 0);
        assert_true(span_equal(span_of(plain, (size_t)decoded), span_text(want[i].plain)));
    }
}

static void bare_base64_has_no_padding_and_no_stray_bits(void **unused)
{
    static const char *const bad[] = {"A", "AAAAA", "AB", "AAB", "AA==", "AA=", "A*", "AAAA="};
    uint8_t out[16];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(base64_decode_bare(span_text(bad[i]), out, sizeof out), -1);
    assert_int_equal(base64_decode_bare(span_text("Zm9vYg"), out, 3), -1);
    assert_int_equal(base64_decode_bare(span_text("Zm9vYg"), out, 4), 4);
    assert_memory_equal(out, "foob", 4);
    assert_int_equal(base64_decode_bare(span_text("Zm9vYmE"), out, sizeof out), 5);
    assert_memory_equal(out, "fooba", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_base64_is_refused),
        cmocka_unit_test(base64_beyond_the_room_is_refused),
        cmocka_unit_test(bare_base64_has_no_padding_and_no_stray_bits),
        cmocka_unit_test(base64_of_rfc_4648_goes_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
