// SPDX-License-Identifier: BSD-3-Clause
#include "config/rules_read.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATTERN_MAX = 4096, RULES_MAX = 10000 };

static char file[] = "/tmp/weir-rules-XXXXXX";
static struct config_errors errors;

static void file_write(const char *text)
{
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
}

// NULL when refused.
static struct config_rules *read_file(void)
{
    struct config_rules *rules = NULL;
    errors = (struct config_errors){0};
    int error = rules_read(file, &rules, &errors);
    assert_int_equal(error ? -EINVAL : 0, error);
    assert_int_equal(error == 0, errors.count == 0);
    return rules;
}

static struct config_rules *read_text(const char *text)
{
    file_write(text);
    return read_file();
}

static void file_that_is_missing_is_an_error(void **state)
{
    struct config_rules *rules = NULL;
    errors = (struct config_errors){0};
    assert_int_equal(rules_read("/nowhere/rules.yaml", &rules, &errors), -ENOENT);
    assert_null(rules);
    assert_string_equal(errors.text,
                        "/nowhere/rules.yaml: cannot be read: No such file or directory\n");
}

static void incomplete_or_unknown_rules_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{name: a, pattern: b, parts: [body], action: tag}\n",
        "- word\n",
        "- {pattern: b, parts: [body], action: tag}\n",
        "- {name: '', pattern: b, parts: [body], action: tag}\n",
        "- {name: a, parts: [body], action: tag}\n",
        "- {name: a, pattern: [b], parts: [body], action: tag}\n",
        "- {name: a, pattern: b, action: tag}\n",
        "- {name: a, pattern: b, parts: body, action: tag}\n",
        "- {name: a, pattern: b, parts: [body]}\n",
        "- {name: a, pattern: b, parts: [body], action: tag, weight: 5}\n",
        "- {name: a, pattern: \"b\\0c\", parts: [body], action: tag}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (read_text(texts[i]))
            fail_msg("taken: %s", texts[i]);
}

static void one_wrong_rule_refuses_them_all(void **state)
{
    assert_null(read_text("- {name: a, pattern: b, parts: [body], action: tag}\n"
                          "- {name: c, pattern: d, parts: [body], action: burn}\n"));
    assert_int_equal(errors.count, 1);
}

static void pattern_has_its_limit(void **state)
{
    for (int size = PATTERN_MAX - 1; size <= PATTERN_MAX + 1; size++) {
        FILE *stream = fopen(file, "w");
        assert_non_null(stream);
        fprintf(stream, "- {name: a, parts: [body], action: tag, pattern: p%0*d}\n", size - 1, 0);
        fclose(stream);
        struct config_rules *rules = read_file();
        assert_int_equal(rules != NULL, size <= PATTERN_MAX);
        if (rules)
            rules_read_give(rules);
    }
}

static void rules_have_their_limit(void **state)
{
    for (int count = RULES_MAX; count <= RULES_MAX + 1; count++) {
        FILE *stream = fopen(file, "w");
        assert_non_null(stream);
        for (int i = 0; i < count; i++)
            fputs("- {name: a, pattern: b, parts: [body], action: tag}\n", stream);
        fclose(stream);
        struct config_rules *rules = read_file();
        assert_int_equal(rules != NULL, count == RULES_MAX);
        if (rules) {
            assert_int_equal(rules->count, RULES_MAX);
            rules_read_give(rules);
        }
    }
}

static void rules_differ_in_any_field_but_their_place(void **state)
{
    static const char first[] = "- {name: a, pattern: b, parts: [body], action: tag}\n";
    static const char *const others[] = {
        "[]\n",
        "- {name: x, pattern: b, parts: [body], action: tag}\n",
        "- {name: a, pattern: x, parts: [body], action: tag}\n",
        "- {name: a, pattern: b, parts: [headers], action: tag}\n",
        "- {name: a, pattern: b, parts: [body], action: defer}\n",
        "- {name: a, pattern: b, parts: [body], action: tag, flags: [caseless]}\n",
        "- {name: a, pattern: b, parts: [body], action: tag, flags: [dotall]}\n",
        "- {name: a, pattern: b, parts: [body], action: tag, flags: [multiline]}\n",
    };
    struct config_rules *rules = read_text(first);
    assert_non_null(rules);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct config_rules *other = read_text(others[i]);
        assert_non_null(other);
        assert_false(rules_read_equal(rules, other));
        rules_read_give(other);
    }
    struct config_rules *moved =
        read_text("# comment\n\n- {action: tag, parts: [body], pattern: b, name: a}\n");
    assert_non_null(moved);
    assert_true(rules_read_equal(rules, moved));
    rules_read_give(moved);
    rules_read_give(rules);
}

static void no_file_gives_no_rules(void **state)
{
    struct config_rules *rules = NULL;
    assert_int_equal(rules_read("", &rules, &errors), 0);
    struct config_rules *none = rules_read_none();
    assert_int_equal(rules->count, 0);
    assert_true(rules_read_equal(rules, none));
    rules_read_give(none);
    rules_read_give(rules);
}

static void rules_live_until_the_last_share_is_given_back(void **state)
{
    struct config_rules *rules = read_text(
        "- {name: one, pattern: 'a b', parts: [envelope, body], action: reject, flags: [dotall]}\n"
        "- {name: two, pattern: c, parts: [headers], action: defer}\n");
    assert_non_null(rules);
    assert_ptr_equal(rules_read_share(rules), rules);
    rules_read_give(rules);
    assert_int_equal(rules->count, 2);
    const struct config_rule *one = &rules->items[0], *two = &rules->items[1];
    assert_string_equal(one->name, "one");
    assert_string_equal(one->pattern, "a b");
    assert_int_equal(one->parts, RULE_ENVELOPE | RULE_BODY);
    assert_int_equal(one->action, ACTION_REJECT);
    assert_true(one->dotall && !one->caseless && !one->multiline);
    assert_int_equal(two->action, ACTION_DEFER);
    assert_int_equal(two->line, 2);
    assert_int_equal(two->column, 3);
    assert_string_equal(rules->file, file);
    rules_read_give(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_that_is_missing_is_an_error),
        cmocka_unit_test(incomplete_or_unknown_rules_are_refused),
        cmocka_unit_test(one_wrong_rule_refuses_them_all),
        cmocka_unit_test(pattern_has_its_limit),
        cmocka_unit_test(rules_have_their_limit),
        cmocka_unit_test(rules_differ_in_any_field_but_their_place),
        cmocka_unit_test(no_file_gives_no_rules),
        cmocka_unit_test(rules_live_until_the_last_share_is_given_back),
    };
    close(mkstemp(file));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}
