// SPDX-License-Identifier: BSD-3-Clause
#include "base/addr_pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool holds(const char *pattern, const char *text)
{
    struct addr_pattern parsed;
    struct addr addr;
    assert_true(addr_pattern_parse(pattern, &parsed));
    assert_true(addr_parse(text, &addr));
    return addr_pattern_holds(&parsed, &addr);
}

static void text_that_is_no_pattern_is_refused(void **state)
{
    static const char *const texts[] = {
        "",           "127.0.0",       "127.0.0.",       "127.0.0.1.2",      "127.0.0.256",
        "127.0.0.[]", "127.0.0.[2",    "127.0.0.[2..]",  "127.0.0.[11..2]",  "127.0.0.[2;]",
        "127.0.0.*",  "127.0.0.[2..3", "127.0.0.[2.3]",  "127.0.0.[1..256]", "127.0.0.2 ",
        "[127.0.0.2", "127,0.0.2",     "127.0.0.[2..3]]"};
    struct addr_pattern pattern = {.bytes[0][0] = 7};
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (addr_pattern_parse(texts[i], &pattern))
            fail_msg("'%s' was taken", texts[i]);
    assert_int_equal(pattern.bytes[0][0], 7);
}

static void address_beside_a_range_is_not_in(void **state)
{
    assert_false(holds("127.0.0.[2..11]", "127.0.0.1"));
    assert_false(holds("127.0.0.[2..11]", "127.0.0.12"));
    assert_false(holds("127.0.0.[2..11]", "127.0.1.2"));
    assert_false(holds("127.0.0.2", "2001:db8::7f00:2"));
}

static void bytes_of_ranges_and_lists_are_in(void **state)
{
    assert_true(holds("127.0.0.2", "127.0.0.2"));
    assert_true(holds("127.0.0.[2..11]", "127.0.0.2"));
    assert_true(holds("127.0.0.[2..11]", "127.0.0.11"));
    assert_true(holds("127.0.[0..255].[1;3;63..65]", "127.0.9.3"));
    assert_true(holds("127.0.[0..255].[1;3;63..65]", "127.0.255.64"));
    assert_true(holds("[0..255].[0..255].[0..255].[0..255]", "255.0.255.0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_is_no_pattern_is_refused),
        cmocka_unit_test(address_beside_a_range_is_not_in),
        cmocka_unit_test(bytes_of_ranges_and_lists_are_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
