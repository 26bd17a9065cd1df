// SPDX-License-Identifier: BSD-3-Clause
#include "contract/mechanism.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void names_that_are_not_spoken_are_not_found(void **state)
{
    static const char *const names[] = {"", "PLAINER", "PLAI", "CRAM-MD5", "SCRAM-SHA-1", "NONE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(mechanism_find(span_text(names[i])), MECHANISM_NONE);
    assert_false(mechanism_is_in(MECHANISM_NONE, MECHANISMS_PASSWORD | MECHANISMS_SCRAM));
}

static void every_name_is_found_in_any_case(void **state)
{
    for (int i = MECHANISM_NONE + 1; i < MECHANISM_COUNT; i++)
        assert_int_equal(mechanism_find(span_text(mechanism_name((enum mechanism)i))), i);
    assert_int_equal(mechanism_find(span_text("scram-sha-256-plus")), MECHANISM_SCRAM_SHA_256_PLUS);
    assert_true(mechanism_is_in(MECHANISM_XOAUTH2, MECHANISMS_TOKEN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_not_spoken_are_not_found),
        cmocka_unit_test(every_name_is_found_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
