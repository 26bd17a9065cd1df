// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_param.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void bad_parameters_are_refused(void **unused)
{
    static const struct {
        const char *text;
        enum smtp_param_result result;
    } bad[] = {
        {"x", PARAM_MALFORMED},
        {"SIZE=1", PARAM_MALFORMED}, // no space before it
        {" SIZE", PARAM_MALFORMED},
        {" SIZE=", PARAM_MALFORMED},
        {" SIZE=-1", PARAM_MALFORMED},
        {" SIZE=1x", PARAM_MALFORMED},
        {" SIZE=99999999999999999999", PARAM_MALFORMED},
        {" SIZE=000000000000000000001", PARAM_MALFORMED},
        {" SIZE=1 SIZE=1", PARAM_MALFORMED},
        {" BODY=9BIT", PARAM_MALFORMED},
        {" BODY=BINARYMIME", PARAM_MALFORMED},
        {" BODY", PARAM_MALFORMED},
        {" SMTPUTF8=1", PARAM_MALFORMED},
        {" SMTPUTF8=", PARAM_MALFORMED},
        {" AUTH", PARAM_MALFORMED},
        {" AUTH=", PARAM_MALFORMED},
        {" AUTH=a\tb", PARAM_MALFORMED},
        {" RET=FULL", PARAM_UNKNOWN},
        {" ENVID=1", PARAM_UNKNOWN},
        {" =1", PARAM_UNKNOWN},
        {" XVERP", PARAM_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct smtp_param param = {.size = 77};
        assert_int_equal(smtp_param_parse(span_text(bad[i].text), &param), bad[i].result);
        assert_int_equal(param.size, 77);
    }
}

static void good_parameters_are_kept(void **unused)
{
    struct smtp_param param;
    assert_int_equal(smtp_param_parse(span_text(""), &param), PARAM_OK);
    assert_int_equal(param.bits, 0);
    assert_int_equal(
        smtp_param_parse(span_text("  size=1000  body=8bitmime SMTPUTF8 AUTH=<> "), &param),
        PARAM_OK);
    assert_int_equal(param.bits, PARAM_SIZE | PARAM_BODY | PARAM_8BIT | PARAM_UTF8 | PARAM_AUTH);
    assert_int_equal(param.size, 1000);
    assert_int_equal(smtp_param_parse(span_text(" BODY=7BIT SIZE=0"), &param), PARAM_OK);
    assert_int_equal(param.bits, PARAM_SIZE | PARAM_BODY);
    assert_int_equal(param.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_parameters_are_refused),
        cmocka_unit_test(good_parameters_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
