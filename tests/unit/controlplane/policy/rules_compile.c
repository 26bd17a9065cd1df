// SPDX-License-Identifier: BSD-3-Clause
#include "policy/rules_compile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct rules_source rule(const char *name, const char *pattern)
{
    return (struct rules_source){
        .name = name, .pattern = pattern, .parts = RULE_BODY, .action = ACTION_REJECT};
}

// The rule in the middle of three is wrong: its index, its name and `words` must be told.
static void expect_refused(struct rules_source wrong, const char *words)
{
    struct rules_source sources[3] = {rule("first", "a"), wrong, rule("last", "b")};
    struct rules_compiled compiled = {.count = 77};
    uint32_t index = 99;
    char error[RULES_ERROR_SIZE] = "";
    assert_int_equal(rules_compile(sources, 3, &compiled, &index, error), -EINVAL);
    assert_int_equal(index, 1);
    if (!strstr(error, words))
        fail_msg("'%s' does not say '%s'", error, words);
    assert_int_equal(compiled.count, 77);
}

static void a_bad_pattern_names_the_rule_and_hyperscans_words(void **state)
{
    expect_refused(rule("open", "("), "rule open: Missing close parenthesis");
    expect_refused(rule("back", "(a)\\1"), "rule back: ");
    expect_refused(rule("utf", "\\p{Nonsense}"), "rule utf: ");
    expect_refused(rule("nothing", ""), "rule nothing: ");
    expect_refused(rule("empty", "a*"), "rule empty: Pattern matches empty buffer");
    expect_refused(rule("huge", "(a{1,1000}b{1,1000}){1,1000}c"), "rule huge: ");
}

static void what_matches_only_at_the_end_of_data_is_refused(void **state)
{
    expect_refused(rule("end", "foo$"), "rule end: matches only where the data ends");
    struct rules_source lines = rule("lines", "foo\\r?$");
    lines.multiline = true;
    struct rules_compiled compiled;
    uint32_t index;
    char error[RULES_ERROR_SIZE];
    assert_int_equal(rules_compile(&lines, 1, &compiled, &index, error), 0);
    rules_compiled_free(&compiled);
}

static void names_parts_and_actions_are_checked(void **state)
{
    expect_refused(rule("", "x"), "name must be");
    expect_refused(rule("0123456789012345678901234567890-", "x"), "name must be");
    expect_refused(rule("line\nfeed", "x"), "name must be");
    expect_refused(rule("first", "x"), "rule first: the name is taken");
    struct rules_source wrong = rule("parts", "x");
    wrong.parts = 0;
    expect_refused(wrong, "rule parts: parts must");
    wrong.parts = 8;
    expect_refused(wrong, "rule parts: parts must");
    wrong = rule("action", "x");
    wrong.action = ACTION_RULE_COUNT;
    expect_refused(wrong, "rule action: unknown action");
}

static void too_many_rules_are_refused(void **state)
{
    struct rules_compiled compiled;
    uint32_t index;
    char error[RULES_ERROR_SIZE];
    assert_int_equal(rules_compile(NULL, RULES_COUNT_MAX + 1, &compiled, &index, error), -EINVAL);
    assert_int_equal(index, RULES_COUNT_MAX + 1);
    assert_string_equal(error, "more than 10000 rules");
}

static void no_rules_are_no_database(void **state)
{
    struct rules_compiled compiled;
    uint32_t index;
    char error[RULES_ERROR_SIZE];
    assert_int_equal(rules_compile(NULL, 0, &compiled, &index, error), 0);
    assert_int_equal(compiled.count, 0);
    assert_null(compiled.database);
    assert_int_equal(compiled.size, 0);
    rules_compiled_free(&compiled);
}

static void the_table_keeps_the_order_and_the_longest_name(void **state)
{
    struct rules_source sources[2] = {rule("0123456789012345678901234567890", "x"),
                                      rule("b", "y+")};
    sources[1].parts = RULE_ENVELOPE | RULE_HEADERS;
    sources[1].action = ACTION_TAG;
    struct rules_compiled compiled;
    uint32_t index;
    char error[RULES_ERROR_SIZE];
    assert_int_equal(rules_compile(sources, 2, &compiled, &index, error), 0);
    assert_int_equal(compiled.count, 2);
    assert_string_equal(compiled.rules[0].name, sources[0].name);
    assert_string_equal(compiled.rules[1].name, "b");
    assert_int_equal(compiled.rules[1].parts, RULE_ENVELOPE | RULE_HEADERS);
    assert_int_equal(compiled.rules[1].action, ACTION_TAG);
    assert_non_null(compiled.database);
    assert_true(compiled.size > 0);
    rules_compiled_free(&compiled);
    assert_null(compiled.rules);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_bad_pattern_names_the_rule_and_hyperscans_words),
        cmocka_unit_test(what_matches_only_at_the_end_of_data_is_refused),
        cmocka_unit_test(names_parts_and_actions_are_checked),
        cmocka_unit_test(too_many_rules_are_refused),
        cmocka_unit_test(no_rules_are_no_database),
        cmocka_unit_test(the_table_keeps_the_order_and_the_longest_name),
    };
    return cmocka_run_group_tests_name("rules_compile", cases, NULL, NULL);
}
