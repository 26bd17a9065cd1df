// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_classes.h"

#include "config/config.h"
#include "config/config_field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct config_key keys[] = {
    {"limits", config_classes_limits, CONFIG_FIELD(config, head)},
    {"classes", config_classes_read},
    {NULL},
};

static char file[] = "/tmp/weir-classes-XXXXXX";
static struct config_errors errors;

// NULL when it is refused; config_free is the caller's.
static struct config *read_text(const char *text)
{
    static const struct config_key root = {.read = config_schema_mapping, .keys = keys};
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
    errors = (struct config_errors){0};
    struct config *config = config_new();
    if (config_schema_load(file, &root, config, config, &errors) == 0)
        return config;
    config_free(config);
    return NULL;
}

static void what_no_class_can_have_is_refused_by_place(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"limits: {connections_source: {value: 0}}",
         ":1:38: limits.connections_source.value: expected a number from 1 to 1000000, not \"0\""},
        {"limits: {connections_source: {mode: on}}",
         ":1:37: limits.connections_source.mode: expected enforce, shadow or off, not \"on\""},
        {"limits: {connections_source: -5}",
         ":1:30: limits.connections_source: expected a number from 1 to 1000000, not \"-5\""},
        {"limits: {question_ms: {mode: off}}", ":1:23: limits.question_ms: this limit has no mode"},
        {"limits: {speed: 1}", ":1:10: limits.speed: unknown limit; `weirctl limits` lists them"},
        {"classes: {a: {limits: {question_ms: 5000}}}",
         ":1:24: classes.a.limits.question_ms: no class has a limit of its own here"},
        {"classes: {deny: {}}",
         ":1:11: classes.deny: expected another name: default, allow, deny and martian are there"},
        {"classes: {default: {}}", ":1:11: classes.default: expected another name: default, allow, "
                                   "deny and martian are there"},
        {"classes: {a: {prefixes: [10.0.0.1/8]}}",
         ":1:26: classes.a.prefixes[0]: expected a prefix such as"},
        {"classes: {a: {colour: red}}", ":1:15: classes.a.colour: unknown key"},
        {"classes: {a: {}, a: {}}", ":1:18: classes.a: given twice"},
        {"classes: [a]", ":1:10: classes: expected a mapping, not a list"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_null(read_text(rows[i].text));
        if (!strstr(errors.text, rows[i].want))
            fail_msg("%s: expected %s, got %s", rows[i].text, rows[i].want, errors.text);
    }
}

static void one_class_too_many_is_refused(void **state)
{
    char text[1024] = "classes:\n";
    for (int i = CLASS_NAMED; i < CLASS_DENY; i++)
        snprintf(text + strlen(text), 32, "  c%d: {}\n", i);
    struct config *config = read_text(text);
    assert_non_null(config);
    assert_int_equal(config_class_find(config, "c13"), CLASS_DENY - 1);
    config_free(config);
    snprintf(text + strlen(text), 32, "  c14: {}\n");
    assert_null(read_text(text));
}

static void a_limit_is_a_number_or_a_mapping_of_value_and_mode(void **state)
{
    struct config *config = read_text("limits:\n"
                                      "  connections_source: 7\n"
                                      "  connections_prefix: {value: 70}\n"
                                      "  connections_total: {mode: shadow}\n"
                                      "  syn_rate_source: {value: 5, mode: off}\n");
    assert_non_null(config);
    const struct policy *head = &config->head;
    assert_int_equal(head->limits[LIMIT_CONNECTIONS_SOURCE], 7);
    assert_int_equal(head->modes[LIMIT_CONNECTIONS_SOURCE], MODE_ENFORCE);
    assert_int_equal(head->limits[LIMIT_CONNECTIONS_PREFIX], 70);
    assert_int_equal(head->modes[LIMIT_CONNECTIONS_PREFIX], MODE_ENFORCE);
    assert_int_equal(head->limits[LIMIT_CONNECTIONS_TOTAL],
                     limit_facts(LIMIT_CONNECTIONS_TOTAL)->value);
    assert_int_equal(head->modes[LIMIT_CONNECTIONS_TOTAL], MODE_SHADOW);
    assert_int_equal(head->limits[LIMIT_SYN_RATE_SOURCE], 5);
    assert_int_equal(head->modes[LIMIT_SYN_RATE_SOURCE], MODE_OFF);
    config_free(config);
}

static void a_class_keeps_what_it_names_and_nothing_else(void **state)
{
    struct config *config = read_text("classes:\n"
                                      "  cgnat:\n"
                                      "    prefixes: [100.64.0.0/10, '2001:db8:64::/48']\n"
                                      "    limits: {connections_source: 500,\n"
                                      "             connections_prefix: {mode: off},\n"
                                      "             errors_session: {value: 3, mode: shadow}}\n"
                                      "  big_sender: {prefixes: [192.0.2.0/28]}\n");
    assert_non_null(config);
    int cgnat = config_class_find(config, "cgnat");
    assert_int_equal(cgnat, CLASS_NAMED);
    assert_int_equal(config_class_find(config, "big_sender"), CLASS_NAMED + 1);
    assert_int_equal(config_class_find(config, "allow"), CLASS_ALLOW);
    assert_int_equal(config_class_find(config, ""), -1);
    assert_int_equal(config->lists[cgnat].count, 2);
    assert_int_equal(config->lists[cgnat + 1].count, 1);
    const struct policy *head = &config->head;
    struct limit_set of_limits = {0}, of_modes = {0};
    limit_set_add(&of_limits, LIMIT_CONNECTIONS_SOURCE);
    limit_set_add(&of_limits, LIMIT_ERRORS_SESSION);
    limit_set_add(&of_modes, LIMIT_CONNECTIONS_PREFIX);
    limit_set_add(&of_modes, LIMIT_ERRORS_SESSION);
    assert_memory_equal(&head->classes[cgnat].own_limits, &of_limits, sizeof of_limits);
    assert_memory_equal(&head->classes[cgnat].own_modes, &of_modes, sizeof of_modes);
    assert_int_equal(policy_limit(head, cgnat, LIMIT_ERRORS_SESSION), 3);
    assert_int_equal(policy_mode(head, CLASS_DEFAULT, LIMIT_ERRORS_SESSION), MODE_ENFORCE);
    assert_int_equal(policy_limit(head, cgnat, LIMIT_CONNECTIONS_SOURCE), 500);
    assert_int_equal(policy_mode(head, cgnat, LIMIT_CONNECTIONS_PREFIX), MODE_OFF);
    assert_int_equal(head->classes[cgnat + 1].own_limits.words[0], 0);
    config_free(config);
}

static int group_up(void **state)
{
    int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int group_down(void **state)
{
    return unlink(file);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(what_no_class_can_have_is_refused_by_place),
        cmocka_unit_test(one_class_too_many_is_refused),
        cmocka_unit_test(a_limit_is_a_number_or_a_mapping_of_value_and_mode),
        cmocka_unit_test(a_class_keeps_what_it_names_and_nothing_else),
    };
    return cmocka_run_group_tests_name("config_classes", cases, group_up, group_down);
}
