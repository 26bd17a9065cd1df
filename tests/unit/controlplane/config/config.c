// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include "config/rules_read.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct prefix prefix_of(const char *text)
{
    struct prefix prefix;
    assert_true(prefix_parse(text, &prefix));
    return prefix;
}

static void nothing_to_free_is_fine(void **state)
{
    config_free(NULL);
}

static void prefix_added_twice_or_absent_is_told(void **state)
{
    struct config_prefixes prefixes = {0};
    struct prefix one = prefix_of("192.0.2.0/24"), wider = prefix_of("192.0.2.0/23");
    assert_int_equal(config_prefixes_remove(&prefixes, &one), -ENOENT);
    assert_int_equal(config_prefixes_add(&prefixes, &one), 0);
    assert_int_equal(config_prefixes_add(&prefixes, &one), -EEXIST);
    assert_int_equal(config_prefixes_remove(&prefixes, &wider), -ENOENT);
    assert_int_equal(prefixes.count, 1);
    free(prefixes.items);
}

static void list_takes_what_fits_and_not_one_more(void **state)
{
    struct config_prefixes prefixes = {0};
    struct prefix one = prefix_of("2001:db8::/32"), other = prefix_of("2001:db9::/32");
    for (int i = 0; i < CONFIG_PREFIXES_MAX - 1; i++)
        assert_int_equal(config_prefixes_append(&prefixes, &one), 0);
    assert_int_equal(config_prefixes_add(&prefixes, &other), 0);
    assert_int_equal(config_prefixes_append(&prefixes, &one), -ENOSPC);
    assert_int_equal(config_prefixes_remove(&prefixes, &one), 0); // all that are equal
    assert_int_equal(prefixes.count, 1);
    assert_true(prefix_equal(&prefixes.items[0], &other));
    free(prefixes.items);
}

static void removal_keeps_the_order_of_the_others(void **state)
{
    static const char *const texts[] = {"10.0.0.0/8", "192.0.2.0/24", "172.16.0.0/12"};
    struct config_prefixes prefixes = {0};
    for (int i = 0; i < 3; i++) {
        struct prefix prefix = prefix_of(texts[i]);
        assert_int_equal(config_prefixes_append(&prefixes, &prefix), 0);
    }
    struct prefix middle = prefix_of(texts[1]), last = prefix_of(texts[2]);
    assert_int_equal(config_prefixes_remove(&prefixes, &middle), 0);
    assert_int_equal(prefixes.count, 2);
    assert_true(prefix_equal(&prefixes.items[1], &last));
    free(prefixes.items);
}

static void copy_shares_the_rules_and_nothing_else(void **state)
{
    struct config *config = config_new();
    struct prefix one = prefix_of("192.0.2.0/24"), other = prefix_of("198.51.100.0/24");
    assert_int_equal(config_prefixes_add(&config->lists[CLASS_ALLOW], &one), 0);
    config->domains = calloc(1, sizeof *config->domains);
    assert_non_null(config->domains);
    config->domains_count = 1;
    snprintf(config->domains[0].name, sizeof config->domains[0].name, "example.net");
    struct config *copy = config_copy(config);
    assert_ptr_equal(copy->rules, config->rules);
    assert_int_equal(config->rules->references, 2);
    copy->domains[0].name[0] = 'E';
    assert_int_equal(config_prefixes_add(&copy->lists[CLASS_ALLOW], &other), 0);
    copy->head.limits[0]++;
    assert_string_equal(config->domains[0].name, "example.net");
    assert_int_equal(config->lists[CLASS_ALLOW].count, 1);
    assert_int_not_equal(config->head.limits[0], copy->head.limits[0]);
    config_free(config);
    assert_true(prefix_equal(&copy->lists[CLASS_ALLOW].items[0], &one));
    assert_int_equal(copy->rules->references, 1);
    config_free(copy);
}

static void defaults_are_complete_and_within_their_limits(void **state)
{
    struct config *config = config_new();
    for (int i = 0; i < LIMIT_COUNT; i++) {
        const struct limit_facts *facts = limit_facts((enum limit)i);
        assert_in_range(config->head.limits[i], facts->least, facts->most);
    }
    assert_int_equal(config->rules->count, 0);
    assert_int_equal(config->head.boot.workers, 1);
    assert_int_equal(config->head.boot.legs[0].mtu, 1500);
    assert_int_equal(config->head.boot.legs[1].mtu, 1500);
    assert_string_equal(config->control.metrics, "");
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_free_is_fine),
        cmocka_unit_test(prefix_added_twice_or_absent_is_told),
        cmocka_unit_test(list_takes_what_fits_and_not_one_more),
        cmocka_unit_test(removal_keeps_the_order_of_the_others),
        cmocka_unit_test(copy_shares_the_rules_and_nothing_else),
        cmocka_unit_test(defaults_are_complete_and_within_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
