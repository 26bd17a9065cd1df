// SPDX-License-Identifier: BSD-3-Clause
#include "contract/counter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void names_are_lower_case_whole_and_unique(void **state)
{
    for (int i = 0; i < COUNTER_COUNT; i++) {
        const char *name = counter_name((enum counter)i);
        assert_true(name[0] != '\0' && counter_text((enum counter)i)[0] != '\0');
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
        assert_true(strlen(name) < 39); // else it was cut
        for (int k = 0; k < i; k++)
            assert_string_not_equal(name, counter_name((enum counter)k));
    }
    assert_string_equal(counter_name(COUNTER_RX_PACKETS), "rx_packets");
}

static void counting_touches_its_own_slot_only(void **state)
{
    struct counter_block block = {0};
    counter_add(&block, COUNTER_TURNS, 5);
    counter_add(&block, COUNTER_TURNS, 2);
    counter_set(&block, COUNTER_SESSIONS_OPEN, 9);
    counter_refuse(&block, REASON_BANNED);
    counter_refuse(&block, REASON_BANNED);
    struct counter_block expected = {0};
    expected.counters[COUNTER_TURNS] = 7;
    expected.counters[COUNTER_SESSIONS_OPEN] = 9;
    expected.reasons[REASON_BANNED] = 2;
    assert_memory_equal(&block, &expected, sizeof block);
}

static void what_limits_and_checks_refuse_may_be_in_shadow(void **state)
{
    assert_false(counter_may_shadow(REASON_NONE));
    assert_false(counter_may_shadow(REASON_SMTP_RELAY_DENIED));
    assert_false(counter_may_shadow(REASON_SESSION_QUESTION_POISON));
    assert_true(counter_may_shadow(REASON_CONNECTIONS_SOURCE));
    assert_true(counter_may_shadow(REASON_SMTP_DNSBL_LISTED));
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(names_are_lower_case_whole_and_unique),
        cmocka_unit_test(counting_touches_its_own_slot_only),
        cmocka_unit_test(what_limits_and_checks_refuse_may_be_in_shadow),
    };
    return cmocka_run_group_tests_name("counter", cases, NULL, NULL);
}
