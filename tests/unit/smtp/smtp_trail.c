// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_trail.h"

#include "smtp/smtp.h"
#include "smtp_plays.h"

#include <string.h>

static struct smtp smtp; // zeroed between tests

static int start(void **unused)
{
    memset(&smtp, 0, sizeof smtp);
    return 0;
}

static void name_recipient(char letter, size_t size)
{
    char to[256];
    memset(to, letter, size);
    smtp_trail_recipient(&smtp, span_of(to, size), RECIPIENT_TAKEN);
}

static void a_recipient_that_does_not_fit_is_left_out_and_a_shorter_one_still_noted(void **unused)
{
    size_t left = sizeof smtp.trail.to;
    name_recipient('a', 200);
    left -= 201;
    name_recipient('b', left); // its NUL would not fit
    assert_int_equal(smtp.trail.to_size, 201);
    name_recipient('c', left - 1);
    assert_int_equal(smtp.trail.to_size, sizeof smtp.trail.to);
    name_recipient('d', 1);
    assert_int_equal(smtp.trail.to_size, sizeof smtp.trail.to);
}

static void a_long_sender_is_cut(void **unused)
{
    memset(smtp.mail.from, 'x', sizeof smtp.mail.from);
    smtp.mail.from_size = sizeof smtp.mail.from;
    smtp_trail_sender(&smtp);
    assert_int_equal(smtp.trail.from_size, sizeof smtp.trail.from);
}

static void the_report_has_the_last_envelope_when_the_transaction_is_gone(void **unused)
{
    struct report report = {0};
    struct mail_host_fake *fake =
        smtp_play_open("smtp", RECIPIENT
                       "C:RCPT TO:<x@elsewhere.example>\nS:554 5.7.1 *\nC:RSET\nS:250 2.0.0 Ok\n");
    smtp_trail_report(fake->state, &report);
    assert_true(span_equal(report_text(&report, TEXT_RDNS_NAME), span_text("client.example")));
    assert_true(span_equal(report_text(&report, TEXT_HELO), span_text("client.example")));
    assert_true(
        span_equal(report_text(&report, TEXT_MAIL_FROM), span_text("joe@good.example.org")));
    assert_true(span_equal(report_text(&report, TEXT_RCPT_TO),
                           span_of("alice@example.net\0x@elsewhere.example\1", 38)));
    assert_int_equal(fake->host.report.commands, 5);
    mail_host_fake_close(fake);
}

static void a_new_sender_forgets_the_recipients_of_the_last(void **unused)
{
    struct report report = {0};
    name_recipient('a', 5);
    smtp_trail_sender(&smtp);
    smtp_trail_report(&smtp, &report);
    assert_int_equal(report_text(&report, TEXT_RCPT_TO).size, 0);
    assert_int_equal(report_text(&report, TEXT_MAIL_FROM).size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            a_recipient_that_does_not_fit_is_left_out_and_a_shorter_one_still_noted, start),
        cmocka_unit_test_setup(a_long_sender_is_cut, start),
        cmocka_unit_test(the_report_has_the_last_envelope_when_the_transaction_is_gone),
        cmocka_unit_test_setup(a_new_sender_forgets_the_recipients_of_the_last, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
