// SPDX-License-Identifier: BSD-3-Clause
#include "base/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void text_that_is_no_address_is_refused(void **state)
{
    static const char *const texts[] = {"",           "1.2.3",    "1.2.3.256",
                                        "1.2.3.4.5",  "::g",      "1:2:3",
                                        "1.2.3.4/24", " 1.2.3.4", "2001:db8::1%eth0"};
    struct addr a = {.bytes = {7}};
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(addr_parse(texts[i], &a));
    assert_int_equal(a.bytes[0], 7);
}

static void text_that_is_no_prefix_is_refused(void **state)
{
    static const char *const texts[] = {
        "192.0.2.0/33",
        "192.0.2.0/",
        "192.0.2.0/-1",
        "192.0.2.0/+8",
        "192.0.2.0/ 8",
        "192.0.2.0/8x",
        "192.0.2.1/24",
        "2001:db8::/129",
        "2001:db8::1/64",
        "/24",
        "192.0.2.0/24/24",
        "192.0.2.0/0024",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/8"};
    struct prefix p = {.bits = 7};
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (prefix_parse(texts[i], &p))
            fail_msg("'%s' was taken", texts[i]);
    assert_int_equal(p.bits, 7);
}

static void addresses_keep_their_text(void **state)
{
    static const char *const texts[] = {"0.0.0.0",
                                        "192.0.2.1",
                                        "255.255.255.255",
                                        "::",
                                        "::1",
                                        "2001:db8:51::1",
                                        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct addr a;
        char text[ADDR_TEXT_SIZE];
        assert_true(addr_parse(texts[i], &a));
        assert_string_equal(addr_format(&a, text), texts[i]);
        assert_int_equal(addr_is_v4(&a), i < 3);
        assert_int_equal(addr_is_zero(&a), i == 3);
    }
    struct addr mapped;
    assert_true(addr_parse("::ffff:192.0.2.1", &mapped));
    assert_true(addr_is_v4(&mapped));
}

static void prefixes_keep_their_text(void **state)
{
    static const char *const texts[][2] = {
        {"0.0.0.0/0", "0.0.0.0/0"},         {"192.0.2.0/24", "192.0.2.0/24"},
        {"192.0.2.7", "192.0.2.7/32"},      {"::/0", "::/0"},
        {"2001:db8::/32", "2001:db8::/32"}, {"2001:db8::5", "2001:db8::5/128"},
    };
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct prefix p;
        char text[PREFIX_TEXT_SIZE];
        assert_true(prefix_parse(texts[i][0], &p));
        assert_string_equal(prefix_format(&p, text), texts[i][1]);
    }
}

static bool contains(const char *prefix, const char *addr)
{
    struct prefix p;
    struct addr a;
    assert_true(prefix_parse(prefix, &p));
    assert_true(addr_parse(addr, &a));
    return prefix_contains(&p, &a);
}

static void a_prefix_never_reaches_into_the_other_family(void **state)
{
    assert_false(contains("::/0", "192.0.2.1"));
    assert_false(contains("0.0.0.0/0", "2001:db8::1"));
    assert_true(contains("::/0", "2001:db8::1"));
    assert_true(contains("0.0.0.0/0", "192.0.2.1"));
}

static void a_prefix_contains_what_shares_its_bits(void **state)
{
    assert_true(contains("192.0.2.128/25", "192.0.2.128"));
    assert_true(contains("192.0.2.128/25", "192.0.2.255"));
    assert_false(contains("192.0.2.128/25", "192.0.2.127"));
    assert_true(contains("192.0.2.7", "192.0.2.7"));
    assert_false(contains("192.0.2.7", "192.0.2.6"));
    assert_true(contains("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(contains("2001:db8::/33", "2001:db8:8000::1"));
}

static void masking_clears_exactly_the_bits_after(void **state)
{
    struct addr ones;
    memset(&ones, 0xff, sizeof ones);
    for (unsigned bits = 0; bits <= 128; bits++) {
        struct addr masked = addr_mask(&ones, (uint8_t)bits);
        for (unsigned i = 0; i < 128; i++)
            assert_int_equal(masked.bytes[i / 8] >> (7 - i % 8) & 1, i < bits);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(text_that_is_no_address_is_refused),
        cmocka_unit_test(text_that_is_no_prefix_is_refused),
        cmocka_unit_test(addresses_keep_their_text),
        cmocka_unit_test(prefixes_keep_their_text),
        cmocka_unit_test(a_prefix_never_reaches_into_the_other_family),
        cmocka_unit_test(a_prefix_contains_what_shares_its_bits),
        cmocka_unit_test(masking_clears_exactly_the_bits_after),
    };
    return cmocka_run_group_tests_name("addr", cases, NULL, NULL);
}
