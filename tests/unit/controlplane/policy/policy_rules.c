// SPDX-License-Identifier: BSD-3-Clause
#include "policy/policy_rules.h"

#include "config/rules_read.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char file[] = "/tmp/weir-rules-XXXXXX";
static struct config_errors errors;

static struct config *config_with(const char *text)
{
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
    struct config *config = config_new();
    struct config_rules *rules;
    errors = (struct config_errors){0};
    if (rules_read(file, &rules, &errors) < 0) {
        config_free(config);
        return NULL;
    }
    rules_read_give(config->rules);
    config->rules = rules;
    return config;
}

static void wrong_rules_are_refused_by_line_and_key(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"{name: a}\n", ":1:1: expected a list, not a mapping\n"},
        {"- {name: a, pattern: b, parts: [feet], action: tag}\n",
         ":1:33: [0].parts[0]: expected envelope, headers or body, not \"feet\"\n"},
        {"- {name: a, pattern: b, parts: [], action: tag}\n",
         ":1:3: [0]: parts: expected at least one of envelope, headers, body\n"},
        {"- {name: a, pattern: '', parts: [body], action: tag}\n",
         ":1:22: [0].pattern: expected a pattern of 1 to 4096 bytes\n"},
        {"- {name: a, pattern: b, parts: [body], action: burn}\n",
         ":1:48: [0].action: expected tag, defer or reject, not \"burn\"\n"},
        {"- {name: a, pattern: b, parts: [body]}\n", ":1:3: [0].action: missing\n"},
        {"- {name: a, pattern: b, parts: [body], action: tag, flags: [loud]}\n",
         ":1:61: [0].flags[0]: expected caseless, dotall or multiline, not \"loud\"\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char want[256];
        assert_null(config_with(rows[i].text));
        snprintf(want, sizeof want, "%s%s", file, rows[i].want);
        assert_string_equal(errors.text, want);
    }
}

static void pattern_that_does_not_compile_is_placed(void **state)
{
    struct config *config =
        config_with("- {name: good, pattern: abc, parts: [body], action: tag}\n"
                    "- {name: bad, pattern: 'a(', parts: [body], action: tag}\n");
    struct policy_rules *rules = NULL;
    assert_non_null(config);
    assert_int_equal(policy_rules_take(config, NULL, &rules, &errors), -EINVAL);
    assert_null(rules);
    char want[64];
    snprintf(want, sizeof want, "%s:2:3: [1]: ", file);
    assert_int_equal(strncmp(errors.text, want, strlen(want)), 0);
    config_free(config);
}

static void sound_rules_compile_with_their_flags(void **state)
{
    struct config *config =
        config_with("- {name: one, pattern: abc, parts: [headers, body], action: reject, "
                    "flags: [caseless]}\n");
    struct policy_rules *rules = NULL;
    assert_non_null(config);
    assert_true(config->rules->items[0].caseless);
    assert_false(config->rules->items[0].dotall);
    assert_int_equal(policy_rules_take(config, NULL, &rules, &errors), 0);
    assert_int_equal(rules->compiled.count, 1);
    assert_int_equal(rules->compiled.rules[0].parts, RULE_HEADERS | RULE_BODY);
    assert_int_equal(rules->compiled.rules[0].action, ACTION_REJECT);
    assert_true(rules->compiled.size > 0);
    policy_rules_give(rules);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_rules_are_refused_by_line_and_key),
        cmocka_unit_test(pattern_that_does_not_compile_is_placed),
        cmocka_unit_test(sound_rules_compile_with_their_flags),
    };
    close(mkstemp(file));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}
