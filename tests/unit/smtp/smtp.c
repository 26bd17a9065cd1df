// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp.h"

#include "smtp_plays.h"

#include <stdio.h>

// What ends a session, whichever state it is in.

static const struct {
    const char *name, *script;
} plaintext_states[] = {
    {"greeted", GREETED},
    {"hello", HELLO},
    {"sender", HELLO "C:MAIL FROM:<joe@good.example.org>\n"},
    {"mail", SENDER},
    {"rcpt wait", SENDER "C:RCPT TO:<alice@example.net>\n"},
    {"rcpt wait", SENDER "C:RCPT TO:<alice@example.net>\n" CONNECT},
    {"rcpt", RECIPIENT},
    {"data wait", RECIPIENT "C:DATA\nP:DATA\n"},
    {"data", DATA},
    {"data", DATA MESSAGE},
    {"final", FINAL},
    {"hello", MAIL_TAKEN},
};
enum { STATES = sizeof plaintext_states / sizeof plaintext_states[0] };

static void a_client_may_vanish_in_every_state(void **unused)
{
    for (size_t i = 0; i < STATES; i++) {
        struct mail_host_fake *fake = smtp_play_open("smtp", plaintext_states[i].script);
        assert_string_equal(fake->host.state, plaintext_states[i].name);
        bool final = strcmp(fake->host.state, "final") == 0;
        mail_host_fake_client_eof(fake);
        if (final) {
            assert_false(fake->finished);
            mail_script_play(fake, "B:250 2.0.0 Ok\nS:250 2.0.0 Ok\nP:QUIT\n");
        }
        assert_true(fake->finished && fake->done);
        assert_false(fake->connected);
        mail_host_fake_close(fake);
    }
}

static void a_client_that_vanishes_in_a_message_leaves_no_end_of_it(void **unused)
{
    smtp_play("smtp", DATA MESSAGE "E:eof\n"
                                   "E:finish mail_client_lost\n"
                                   "E:disconnected\n");
    smtp_play("smtp", DATA MESSAGE "RC:.\\r\n"
                                   "E:eof\n"
                                   "E:finish mail_client_lost\n");
}

static void a_silent_client_is_told_421(void **unused)
{
    static const char *const scripts[] = {GREETED, HELLO, SENDER};
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        struct mail_host_fake *fake = smtp_play_open("smtp", scripts[i]);
        mail_script_play(fake, "E:timeout\n"
                               "S:421 4.4.2 Timeout, closing\n"
                               "E:finish smtp_command_timeout\n");
        mail_host_fake_close(fake);
    }
    smtp_play("smtp", DATA "E:timeout\nS:421 4.4.2 Timeout, closing\nE:finish smtp_data_timeout\n");
    smtp_play("smtp", RECIPIENT "E:timeout\n"
                                "S:421 4.4.2 Timeout, closing\n"
                                "P:QUIT\n"
                                "E:finish smtp_command_timeout\n");
}

static void a_talker_before_the_greeting_is_refused(void **unused)
{
    smtp_play("smtp", "C:EHLO client.example\n"
                      "S:554 5.5.1 You spoke before the greeting\n"
                      "E:finish smtp_early_talker\n");
    smtp_play("smtp", "RC:E\n"
                      "S:554 5.5.1 You spoke before the greeting\n"
                      "E:finish smtp_early_talker\n");
}

static void other_protocols_are_shown_the_door(void **unused)
{
    smtp_play("smtp", "C:GET / HTTP/1.1\n"
                      "S:554 5.5.1 This is SMTP\n"
                      "E:finish mail_not_mail\n");
    smtp_play("smtp", GREETED "C:GET / HTTP/1.1\n"
                              "S:554 5.5.1 This is SMTP\n"
                              "E:finish mail_not_mail\n");
    smtp_play("smtp", GREETED "RC:\\x16\\x03\\x01\\x02\\0\n"
                              "S:554 5.5.1 This is SMTP\n"
                              "E:finish mail_not_mail\n");
    smtp_play("submission", BANNER "RC:\\x16\\x03\\x01\n"
                                   "S:554 5.5.1 This is SMTP\n"
                                   "E:finish mail_not_mail\n");
}

static void a_refused_line_is_never_read_as_a_command(void **unused)
{
    smtp_play("smtp", HELLO "RC:NOOP\\nMAIL FROM:<a@good.example.org>\\r\\n\n"
                            "S:500 5.5.2 Bare LF: lines end with CR LF\n"
                            "E:counted mail_bare_lf\n" QUIT);
    smtp_play("smtp", HELLO "RC:NOOP\\nQU\n"
                            "S:500 5.5.2 Bare LF: lines end with CR LF\n"
                            "RC:IT\\r\n"
                            "RC:\\n\n"
                            "C:NOOP\n"
                            "S:250 2.0.0 Ok\n");
    smtp_play("smtp", HELLO "RC:NOOP\\rQUIT\\r\\n\n"
                            "S:500 5.5.2 Bare CR: lines end with CR LF\n" QUIT);
    smtp_play("smtp", HELLO "RC:QUIT\\0\\r\\n\n"
                            "S:500 5.5.2 NUL byte\n" QUIT);
}

static void a_lenient_client_may_end_a_command_with_lf_alone(void **unused)
{
    smtp_play_lenient(HELLO "RC:NOOP\\nNOOP\\r\\n\n"
                            "S:250 2.0.0 Ok\nS:250 2.0.0 Ok\n"
                            "RC:NO\\0OP\\nNOOP\\r\\n\n"
                            "S:500 5.5.2 NUL byte\n"
                            "RC:NOOP\\rNOOP\\nNOOP\\r\\n\n"
                            "S:500 5.5.2 Bare CR*\n");
    smtp_play_lenient(RECIPIENT "RC:DATA\\nSubject: x\\n\n"
                                "S:554 5.5.0 Message sent before it was asked for\n"
                                "P:QUIT\n"
                                "E:finish smtp_pipelining\n");
}

static void a_line_has_a_limit(void **unused)
{
    static char script[2 * LINE_BYTES_MAX];
    for (int over = -1; over <= 1; over++) {
        char text[LINE_BYTES_MAX + 8];
        memset(text, 'x', sizeof text);
        memcpy(text, "NOOP ", 5);
        int size = LINE_BYTES_MAX - 2 + over;
        snprintf(script, sizeof script, HELLO "C:%.*s\n%s", size, text,
                 over <= 0 ? "S:250 2.0.0 Ok\n" : "S:500 5.5.2 Line too long\n");
        smtp_play("smtp", script);
    }
}

static void bad_commands_have_a_limit(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", HELLO);
    for (int i = 0; i < 9; i++)
        mail_script_play(fake, "C:XYZZY\nS:500 5.5.1 Command unknown\n");
    mail_script_play(fake, "C:XYZZY\n"
                           "S:500 5.5.1 Command unknown\n"
                           "S:421 4.7.0 Too many errors\n"
                           "E:finish mail_too_many_errors\n");
    assert_int_equal(fake->host.report.refusals, 10);
    mail_host_fake_close(fake);
}

static void a_backend_that_keeps_silent_is_given_up(void **unused)
{
    smtp_play("smtp", SENDER "C:RCPT TO:<alice@example.net>\n"
                             "E:connecting 0\n"
                             "E:timeout\n"
                             "S:451 4.4.2 Mail server lost, try again\n"
                             "E:disconnected\n"
                             "E:state mail\n");
    smtp_play("smtp", FINAL "E:timeout\n"
                            "S:451 4.4.2 Mail server lost, try again\n"
                            "E:disconnected\n"
                            "E:state hello\n" QUIT);
}

static void the_greeting_waits_for_reverse_dns_and_comes_without_it(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", "");
    assert_int_equal(fake->question.kind, MESSAGE_RDNS);
    assert_true(addr_equal(&fake->question.rdns_question.addr, &fake->host.client));
    mail_script_play(fake, "E:unavailable rdns\n" BANNER);
    assert_int_equal(fake->host.report.rdns, RDNS_TEMPERROR);
    mail_host_fake_close(fake);
}

static void a_submission_service_greets_at_once(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("submission", BANNER);
    assert_int_equal(fake->asked, 0);
    mail_host_fake_close(fake);
}

static void a_mail_goes_the_whole_way(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", MAIL_TAKEN "C:QUIT\n"
                                                                    "S:221 2.0.0 Bye\n"
                                                                    "P:QUIT\n"
                                                                    "E:finish mail_quit\n");
    const struct report_facts *report = &fake->host.report;
    assert_int_equal(report->mails, 1);
    assert_int_equal(report->recipients, 1);
    assert_int_equal(report->refusals, 0);
    assert_int_equal(report->rdns, RDNS_CONFIRMED);
    assert_int_equal(report->spf, SPF_PASS);
    assert_int_equal(report->backend, 0);
    assert_true(report->message_bytes > 0);
    mail_host_fake_close(fake);
}

static void pipelined_commands_are_answered_in_order(void **unused)
{
    smtp_play("smtp",
              HELLO "RC:MAIL FROM:<joe@good.example.org>\\r\\nRCPT TO:<alice@example.net>\\r\\n"
                    "RCPT TO:<x@elsewhere.example>\\r\\nNOOP\\r\\nDATA\\r\\n\n"
                    "E:spf pass\n"
                    "S:250 2.1.0 Ok\n" CONNECT IDENTITY BACKEND_MAIL ALICE
                    "S:554 5.7.1 Relay access denied\n"
                    "S:250 2.0.0 Ok\n"
                    "P:DATA\n"
                    "B:354 go ahead\n"
                    "S:354 End data with <CR><LF>.<CR><LF>\n" HEADERS);
}

static void a_whole_session_may_come_byte_by_byte(void **unused)
{
    static const char input[] = "EHLO client.example\r\nMAIL FROM:<joe@good.example.org>\r\n";
    struct mail_host_fake *fake = smtp_play_open("smtp", GREETED);
    for (size_t i = 0; i < sizeof input - 1; i++)
        mail_host_fake_input(fake, SIDE_CLIENT, span_of(input + i, 1));
    mail_script_play(fake, OFFERS_HEAD "S:250-STARTTLS\n" OFFERS_TAIL "E:spf pass\n"
                                       "S:250 2.1.0 Ok\n");
    mail_host_fake_close(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_may_vanish_in_every_state),
        cmocka_unit_test(a_client_that_vanishes_in_a_message_leaves_no_end_of_it),
        cmocka_unit_test(a_silent_client_is_told_421),
        cmocka_unit_test(a_talker_before_the_greeting_is_refused),
        cmocka_unit_test(other_protocols_are_shown_the_door),
        cmocka_unit_test(a_refused_line_is_never_read_as_a_command),
        cmocka_unit_test(a_lenient_client_may_end_a_command_with_lf_alone),
        cmocka_unit_test(a_line_has_a_limit),
        cmocka_unit_test(bad_commands_have_a_limit),
        cmocka_unit_test(a_backend_that_keeps_silent_is_given_up),
        cmocka_unit_test(the_greeting_waits_for_reverse_dns_and_comes_without_it),
        cmocka_unit_test(a_submission_service_greets_at_once),
        cmocka_unit_test(a_mail_goes_the_whole_way),
        cmocka_unit_test(pipelined_commands_are_answered_in_order),
        cmocka_unit_test(a_whole_session_may_come_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
