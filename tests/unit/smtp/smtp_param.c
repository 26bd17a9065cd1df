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
        {" RET=ALL", PARAM_MALFORMED},
        {" RET", PARAM_MALFORMED},
        {" RET=FULL RET=HDRS", PARAM_MALFORMED},
        {" ENVID=", PARAM_MALFORMED},
        {" ENVID=a=b", PARAM_MALFORMED},
        {" ENVID=a+2", PARAM_MALFORMED},
        {" ENVID=a+2x", PARAM_MALFORMED},
        {" ENVID=a+3d", PARAM_MALFORMED},
        {" ENVID=a+0D+0ABcc:+20x", PARAM_MALFORMED},
        {" ENVID=a+00", PARAM_MALFORMED},
        {" ENVID=a+1F", PARAM_MALFORMED},
        {" ENVID=a+7F", PARAM_MALFORMED},
        {" ENVID=a+C3+A9", PARAM_MALFORMED},
        {" NOTIFY=NEVER", PARAM_UNKNOWN},
        {" =1", PARAM_UNKNOWN},
        {" XVERP", PARAM_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct smtp_param param = {.size = 77};
        assert_int_equal(smtp_param_parse(span_text(bad[i].text), false, &param), bad[i].result);
        assert_int_equal(param.size, 77);
    }
}

static void good_parameters_are_kept(void **unused)
{
    struct smtp_param param;
    assert_int_equal(smtp_param_parse(span_text(""), false, &param), PARAM_OK);
    assert_int_equal(param.bits, 0);
    assert_int_equal(
        smtp_param_parse(span_text("  size=1000  body=8bitmime SMTPUTF8 AUTH=<> "), false, &param),
        PARAM_OK);
    assert_int_equal(param.bits, PARAM_SIZE | PARAM_BODY | PARAM_8BIT | PARAM_UTF8 | PARAM_AUTH);
    assert_int_equal(param.size, 1000);
    assert_int_equal(smtp_param_parse(span_text(" BODY=7BIT SIZE=0"), false, &param), PARAM_OK);
    assert_int_equal(param.bits, PARAM_SIZE | PARAM_BODY);
    assert_int_equal(param.size, 0);
}

static void bad_parameters_of_a_recipient_are_refused(void **unused)
{
    static const struct {
        const char *text;
        enum smtp_param_result result;
    } bad[] = {
        {" SIZE=1", PARAM_UNKNOWN},
        {" NOTIFY", PARAM_MALFORMED},
        {" NOTIFY=", PARAM_MALFORMED},
        {" NOTIFY=SOMETIMES", PARAM_MALFORMED},
        {" NOTIFY=NEVER,DELAY", PARAM_MALFORMED},
        {" NOTIFY=DELAY,DELAY", PARAM_MALFORMED},
        {" NOTIFY=DELAY,", PARAM_MALFORMED},
        {" NOTIFY=,DELAY", PARAM_MALFORMED},
        {" ORCPT=joe@example.org", PARAM_MALFORMED},
        {" ORCPT=;joe", PARAM_MALFORMED},
        {" ORCPT=rfc822;", PARAM_MALFORMED},
        {" ORCPT=rfc 822;joe", PARAM_MALFORMED},
        {" ORCPT=rfc822;j\xc3\xb6", PARAM_MALFORMED},
        {" ORCPT=rfc822;joe+0A@x", PARAM_MALFORMED},
        {" ORCPT=rfc822;j+C3+B6@x", PARAM_MALFORMED},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct smtp_param param;
        assert_int_equal(smtp_param_parse(span_text(bad[i].text), true, &param), bad[i].result);
    }
}

static void the_texts_of_dsn_have_their_lengths(void **unused)
{
    struct smtp_param param;
    char text[600] = " ENVID=";
    memset(text + 7, 'x', SMTP_ENVID_MAX + 1);
    struct span whole = span_of(text, 7 + SMTP_ENVID_MAX + 1);
    assert_int_equal(smtp_param_parse(whole, false, &param), PARAM_MALFORMED);
    assert_int_equal(smtp_param_parse(span_head(whole, whole.size - 1), false, &param), PARAM_OK);
    assert_int_equal(param.text.size, SMTP_ENVID_MAX);
    memset(text, 'x', sizeof text);
    memcpy(text, " ORCPT=rfc822;", 14);
    whole = span_of(text, 7 + SMTP_ORCPT_MAX + 1);
    assert_int_equal(smtp_param_parse(whole, true, &param), PARAM_MALFORMED);
    assert_int_equal(smtp_param_parse(span_head(whole, whole.size - 1), true, &param), PARAM_OK);
    assert_int_equal(param.text.size, SMTP_ORCPT_MAX);
}

static void what_a_sender_wants_to_be_told_is_kept(void **unused)
{
    struct smtp_param param;
    assert_int_equal(smtp_param_parse(span_text(" ENVID=+20+7E"), false, &param), PARAM_OK);
    assert_int_equal(smtp_param_parse(span_text(" RET=full ENVID=a+3Db"), false, &param), PARAM_OK);
    assert_int_equal(param.bits, PARAM_RET | PARAM_RET_FULL | PARAM_ENVID);
    assert_true(span_equal(param.text, span_text("a+3Db")));
    assert_int_equal(
        smtp_param_parse(span_text(" NOTIFY=success,DELAY ORCPT=rfc822;j+2B@x"), true, &param),
        PARAM_OK);
    assert_int_equal(param.notify, NOTIFY_SUCCESS | NOTIFY_DELAY);
    assert_true(span_equal(param.text, span_text("rfc822;j+2B@x")));
    assert_int_equal(smtp_param_parse(span_text(" NOTIFY=never"), true, &param), PARAM_OK);
    assert_int_equal(param.notify, NOTIFY_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_parameters_are_refused),
        cmocka_unit_test(good_parameters_are_kept),
        cmocka_unit_test(bad_parameters_of_a_recipient_are_refused),
        cmocka_unit_test(the_texts_of_dsn_have_their_lengths),
        cmocka_unit_test(what_a_sender_wants_to_be_told_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
