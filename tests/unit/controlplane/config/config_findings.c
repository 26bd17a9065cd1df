// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_findings.h"

#include "contract/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct config_key own_keys[] = {
    {"dnsbl", config_findings_section},
    {NULL},
};
static const struct config_key section_keys[] = {
    {"helo", config_findings_section},
    {"spf", config_findings_section},
    {"score", config_findings_section, .keys = own_keys},
    {NULL},
};

static struct config_errors errors;
static struct policy_smtp smtp;

// Reads it as a mapping of sections. False: refused, with text in errors.
static bool reads(const char *text)
{
    static const struct config_key root = {.read = config_schema_mapping, .keys = section_keys};
    char file[] = "/tmp/weir-findings-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    errors = (struct config_errors){0};
    policy_verdicts_default(&smtp);
    int error = config_schema_load(file, &root, &smtp, NULL, &errors);
    unlink(file);
    return error == 0;
}

static void assert_refused(const char *text, const char *want)
{
    assert_false(reads(text));
    if (!strstr(errors.text, want))
        fail_msg("%s: %s\n   wanted: %s", text, errors.text, want);
}

static void words_and_points_that_are_none_are_refused(void **state)
{
    assert_refused("helo: {short: refuse}", "helo.short: expected tag, defer, reject, shadow, off, "
                                            "or points from 1 to 100, not \"refuse\"");
    assert_refused("helo: {short: 0}", "points from 1 to 100");
    assert_refused("helo: {short: 101}", "points from 1 to 100");
    assert_refused("helo: {short: -1}", "points from 1 to 100");
    assert_refused("helo: {short: [tag]}", "expected tag");
    assert_refused("helo: {fail: tag}", "helo.fail: unknown key, expected one of: syntax, short");
    assert_refused("score: {reached: 5}", "expected tag, defer, reject, shadow or off, not \"5\"");
}

static void actions_and_points_are_read_and_the_rest_keeps_its_default(void **state)
{
    assert_true(reads("helo: {short: reject, literal: 100, forged: shadow}\n"
                      "spf: {fail: 'off'}\n"
                      "score: {reached: defer, dnsbl: {listed: 1}}\n"));
    assert_int_equal(smtp.verdicts[FINDING_HELO_SHORT].action, ACTION_REJECT);
    assert_int_equal(smtp.verdicts[FINDING_HELO_LITERAL].action, ACTION_SCORE);
    assert_int_equal(smtp.verdicts[FINDING_HELO_LITERAL].points, 100);
    assert_int_equal(smtp.verdicts[FINDING_HELO_FORGED].action, ACTION_SHADOW);
    assert_int_equal(smtp.verdicts[FINDING_SPF_FAIL].action, ACTION_OFF);
    assert_int_equal(smtp.verdicts[FINDING_SCORE_REACHED].action, ACTION_DEFER);
    assert_int_equal(smtp.verdicts[FINDING_DNSBL_LISTED].points, 1);
    assert_int_equal(smtp.verdicts[FINDING_HELO_SYNTAX].action, ACTION_REJECT);
    assert_int_equal(smtp.verdicts[FINDING_SPF_NONE].action, ACTION_TAG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_points_that_are_none_are_refused),
        cmocka_unit_test(actions_and_points_are_read_and_the_rest_keeps_its_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
