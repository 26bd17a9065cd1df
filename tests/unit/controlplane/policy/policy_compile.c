// SPDX-License-Identifier: BSD-3-Clause
#include "policy/policy_compile.h"

#include "contract/policy_sender.h"
#include "policy/policy_rules.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct config *sample(void)
{
    struct config *config = NULL;
    struct config_errors errors = {0};
    assert_int_equal(config_read(SAMPLE, &config, &errors), 0);
    return config;
}

static struct prefix prefix_of(const char *text)
{
    struct prefix prefix;
    assert_true(prefix_parse(text, &prefix));
    return prefix;
}

static void unsound_configuration_is_named_not_published(void **state)
{
    struct config *config = sample();
    struct rules_compiled none = {0};
    struct policy *policy = NULL;
    const char *what = NULL;
    config->head.limits[LIMIT_QUESTION_MS] = 0;
    assert_int_equal(policy_compile(config, &none, 1, &policy, &what), -EINVAL);
    assert_string_equal(what, "limits");
    assert_null(policy);
    config_free(config);
}

static void every_part_arrives_where_its_range_says(void **state)
{
    struct config *config = sample();
    struct prefix deny = prefix_of("192.0.2.0/24"), allow = prefix_of("2001:db8:1::/48");
    struct prefix relay = prefix_of("10.0.0.0/8");
    config->lists[CLASS_MARTIAN].count = 0; // the default
    assert_int_equal(config_prefixes_add(&config->lists[CLASS_DENY], &deny), 0);
    assert_int_equal(config_prefixes_add(&config->lists[CLASS_DENY], &deny), -EEXIST);
    assert_int_equal(config_prefixes_add(&config->lists[CLASS_ALLOW], &allow), 0);
    assert_int_equal(config_prefixes_add(&config->relay_networks, &relay), 0);
    assert_int_equal(config_prefixes_add(&config->lenient_networks, &allow), 0);
    struct policy_rule rules[] = {{.name = "one", .parts = RULE_BODY, .action = ACTION_REJECT}};
    uint8_t database[5] = {1, 2, 3, 4, 5};
    struct rules_compiled compiled = {rules, 1, database, sizeof database};
    struct policy *policy = NULL;
    const char *what = NULL;
    assert_int_equal(policy_compile(config, &compiled, 7, &policy, &what), 0);
    assert_int_equal(policy->generation, 7);
    assert_int_equal(policy->domains.count, 1);
    assert_non_null(policy_domain_find(policy, span_text("EXAMPLE.net")));
    const struct policy_class_prefix *prefixes = policy_at(policy, policy->prefixes);
    assert_int_equal(policy->prefixes.count, 2);
    assert_int_equal(prefixes[0].class, CLASS_DENY);
    assert_true(prefix_equal(&prefixes[0].prefix, &deny));
    assert_int_equal(prefixes[1].class, CLASS_ALLOW);
    assert_true(prefix_equal(&prefixes[1].prefix, &allow));
    assert_true(prefix_equal(policy_at(policy, policy->relay_networks), &relay));
    assert_true(prefix_equal(policy_at(policy, policy->lenient_networks), &allow));
    assert_string_equal(((const struct policy_rule *)policy_at(policy, policy->rules))->name,
                        "one");
    assert_int_equal(policy->rules_database.count, sizeof database);
    assert_memory_equal(policy_at(policy, policy->rules_database), database, sizeof database);
    free(policy);
    config_free(config);
}

static void edit_of_a_copy_leaves_the_original(void **state)
{
    struct config *config = sample();
    struct config *copy = config_copy(config);
    struct prefix deny = prefix_of("192.0.2.0/24");
    assert_int_equal(config_prefixes_remove(&copy->lists[CLASS_DENY], &deny), -ENOENT);
    assert_int_equal(config_prefixes_add(&copy->lists[CLASS_DENY], &deny), 0);
    assert_int_equal(config->lists[CLASS_DENY].count, 0);
    assert_int_equal(config_prefixes_remove(&copy->lists[CLASS_DENY], &deny), 0);
    assert_int_equal(copy->lists[CLASS_DENY].count, 0);
    config_free(config);
    config_free(copy);
}

static void equal_rules_are_compiled_once(void **state)
{
    struct config *config = sample(), *again = sample();
    struct config_errors errors = {0};
    struct policy_rules *first = NULL, *second = NULL;
    assert_int_equal(policy_rules_take(config, NULL, &first, &errors), 0);
    assert_int_equal(policy_rules_take(again, first, &second, &errors), 0);
    assert_ptr_equal(first, second);
    policy_rules_give(first);
    policy_rules_give(second);
    config_free(config);
    config_free(again);
}

static void senders_stand_behind_the_head(void **state)
{
    struct config *config = sample();
    struct config_errors errors = {0};
    struct rules_compiled rules = {0};
    struct policy *policy;
    const char *what = NULL;
    const char *text = "info@example.net: bob@example.net\n@example.org: alice@example.net\n";
    assert_int_equal(
        sender_map_parse("senders", span_text(text), MAP_SENDERS, &config->senders, &errors), 0);
    assert_int_equal(policy_compile(config, &rules, 1, &policy, &what), 0);
    struct span alice = span_text("alice@example.net"), org = span_text("example.org");
    assert_true(policy_sender_may(policy, alice, span_text("any"), org));
    assert_false(policy_sender_may(policy, span_text("bob@example.net"), span_text("any"), org));
    free(policy);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsound_configuration_is_named_not_published),
        cmocka_unit_test(every_part_arrives_where_its_range_says),
        cmocka_unit_test(edit_of_a_copy_leaves_the_original),
        cmocka_unit_test(equal_rules_are_compiled_once),
        cmocka_unit_test(senders_stand_behind_the_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
