// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_smtp.h"

#include "section_read.h"

static bool reads(const char *text)
{
    static const struct config_key root = {.read = config_schema_mapping, .keys = config_smtp_keys};
    return section_reads(&root, offsetof(struct config, head.smtp), text);
}

static void assert_refused(const char *text, const char *want)
{
    assert_false(reads(text));
    section_assert_said(want);
}

static void wrong_values_are_refused(void **state)
{
    assert_refused("{subaddress: '+'}", "host_name: missing");
    assert_refused("{host_name: m.example, subaddress: '++'}",
                   "1:36: subaddress: expected one of + - = _ #, or nothing, not \"++\"");
    assert_refused("{host_name: m.example, subaddress: x}",
                   "subaddress: expected one of + - = _ #, or nothing, not \"x\"");
    assert_refused("{host_name: m.example, lenient_networks: [all]}", "lenient_networks[0]");
    assert_refused("{host_name: m.example, sender_map: /nowhere/map}", "/nowhere/map");
    assert_refused("{host_name: m.example, score: {threshold: 0}}", "score.threshold");
    assert_refused("{host_name: m.example, dnsbl: {}}", "dnsbl: unknown key");
}

static void what_is_given_is_kept(void **state)
{
    assert_true(reads("{host_name: m.example, subaddress: '-', score: {threshold: 7},\n"
                      " lenient_networks: [192.0.2.0/24, '::1'], spf: {fail: reject}}"));
    assert_string_equal(config->head.smtp.host_name, "m.example");
    assert_int_equal(config->head.smtp.subaddress, '-');
    assert_int_equal(config->head.smtp.score_threshold, 7);
    assert_int_equal(config->head.smtp.verdicts[FINDING_SPF_FAIL].action, ACTION_REJECT);
    assert_int_equal(config->lenient_networks.count, 2);
    assert_true(reads("{host_name: m.example, subaddress: ''}"));
    assert_int_equal(config->head.smtp.subaddress, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(what_is_given_is_kept),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    config_free(config);
    return failed;
}
