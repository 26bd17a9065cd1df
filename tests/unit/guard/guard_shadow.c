// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_shadow.h"

#include "packet_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct guard_shadow shadow;

static int set_up(void **state)
{
    static const struct siphash_key key = {{7, 8}};
    return guard_shadow_init(&shadow, -1, &key);
}

static int tear_down(void **state)
{
    guard_shadow_done(&shadow);
    return 0;
}

static void nobody_elses_ack_and_no_late_one_is_taken_for_it(void **state)
{
    struct packet syn = made_syn("198.18.0.1", 25), ack = made_ack(&syn, 1, 0);
    assert_int_equal(guard_shadow_of(&shadow, &ack, 1000), 0);
    guard_shadow_note(&shadow, &syn, 5, 1000);
    struct packet other = ack;
    other.seq++;
    assert_int_equal(guard_shadow_of(&shadow, &other, 1000), 0);
    other = ack;
    other.src_port++;
    assert_int_equal(guard_shadow_of(&shadow, &other, 1000), 0);
    other = ack;
    other.src = made_addr("198.18.0.2");
    assert_int_equal(guard_shadow_of(&shadow, &other, 1000), 0);
    assert_int_equal(guard_shadow_of(&shadow, &ack, 1000 + GUARD_SHADOW_KEEP_US), 0);
}

static void a_syn_is_told_of_once(void **state)
{
    struct packet syn = made_syn("2001:db8::1", 25), ack = made_ack(&syn, 1, 0);
    guard_shadow_note(&shadow, &syn, 5, 1000);
    assert_int_equal(guard_shadow_of(&shadow, &ack, 1000 + GUARD_SHADOW_KEEP_US - 1), 5);
    assert_int_equal(guard_shadow_of(&shadow, &ack, 1000), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(nobody_elses_ack_and_no_late_one_is_taken_for_it),
        CASE(a_syn_is_told_of_once),
    };
    return cmocka_run_group_tests_name("guard_shadow", cases, NULL, NULL);
}
