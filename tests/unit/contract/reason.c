// SPDX-License-Identifier: BSD-3-Clause
#include "contract/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void names_are_lower_case_whole_and_unique(void **state)
{
    for (int i = 0; i < REASON_COUNT; i++) {
        const char *name = reason_name((enum reason)i);
        assert_true(name[0] != '\0' && reason_text((enum reason)i)[0] != '\0');
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
        assert_true(strlen(name) < 39); // else it was cut
        for (int k = 0; k < i; k++)
            assert_string_not_equal(name, reason_name((enum reason)k));
    }
    assert_string_equal(reason_name(REASON_SYN_RATE_SOURCE), "syn_rate_source");
    assert_string_equal(reason_station(REASON_SYN_RATE_SOURCE), "guard");
}

static void none_is_zero(void **state)
{
    assert_int_equal(REASON_NONE, 0);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(names_are_lower_case_whole_and_unique),
        cmocka_unit_test(none_is_zero),
    };
    return cmocka_run_group_tests_name("reason", cases, NULL, NULL);
}
