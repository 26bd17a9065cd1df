// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp.h"

#include "smtp_plays.h"

#include <stdio.h>

static void submission_wants_tls_then_login_then_the_own_address(void **unused)
{
    smtp_play("submission", BANNER EHLO "C:MAIL FROM:<alice@example.net>\n"
                                        "S:530 5.7.0 Must issue a STARTTLS command first\n"
                                        "E:counted mail_tls_required\n");
    smtp_play("submissions", BANNER EHLO_LOGIN "C:MAIL FROM:<alice@example.net>\n"
                                               "S:530 5.7.0 Authentication required\n"
                                               "E:counted smtp_auth_required\n");
    smtp_play("submissions", LOGGED_IN "C:MAIL FROM:<bob@example.net>\n"
                                       "S:553 5.7.1 Sender address does not belong to your login\n"
                                       "E:counted smtp_sender_not_owned\n"
                                       "C:MAIL FROM:<>\n"
                                       "S:250 2.1.0 Ok\n");
}

static void senders_are_read_strictly(void **unused)
{
    static const struct {
        const char *argument, *reply;
    } golden[] = {
        {"<joe@good.example.org>", "501 5.5.2 Syntax error"},
        {"TO:<joe@good.example.org>", "501 5.5.2 Syntax error"},
        {"FROM:joe@good.example.org", "553 5.1.7 Bad sender address syntax"},
        {"FROM:<joe>", "553 5.1.7 Bad sender address syntax"},
        {"FROM:<postmaster>", "553 5.1.7 Bad sender address syntax"},
        {"FROM:<@a.example:joe@good.example.org>", "553 5.1.7 Bad sender address syntax"},
        {"FROM:<joe@good.example.org>SIZE=1", "501 5.5.4 Bad parameter"},
        {"FROM:<joe@good.example.org> SIZE=x", "501 5.5.4 Bad parameter"},
        {"FROM:<joe@good.example.org> SIZE=1 SIZE=2", "501 5.5.4 Bad parameter"},
        {"FROM:<joe@good.example.org> RET=FULL", "555 5.5.4 Parameter not known"},
        {"FROM:<joe@good.example.org> SIZE=52428801", "552 5.3.4 Message too big"},
        {"FROM:<jos\\xc3\\xa9@good.example.org>", "553 5.6.7 Address needs SMTPUTF8"},
        {"FROM:<joe\\x0bx@good.example.org>", "553 5.1.7 Bad sender address syntax"},
    };
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        char script[1024];
        snprintf(script, sizeof script, HELLO "C:MAIL %s\nS:%s\nE:state hello\n",
                 golden[i].argument, golden[i].reply);
        smtp_play("smtp", script);
    }
    smtp_play("smtp", GREETED "C:HELO client.example\n"
                              "S:250 mail.example.net\n"
                              "C:MAIL FROM:<joe@good.example.org> SIZE=1\n"
                              "S:555 5.5.4 Parameter not known\n");
}

static void sizes_up_to_the_limit_are_taken(void **unused)
{
    smtp_play("smtp", HELLO "C:mail from: <joe@good.example.org>  SIZE=52428800 BODY=8BITMIME\n"
                            "E:spf pass\n"
                            "S:250 2.1.0 Ok\n");
}

// Plays it with that action for reverse DNS in all three cases.
static void play_rdns(enum action action, const char *script)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    struct policy_smtp *policy = &fake->policy.policy.smtp;
    for (int i = FINDING_RDNS_NONE; i <= FINDING_RDNS_UNAVAILABLE; i++)
        policy->verdicts[i].action = (uint8_t)action;
    mail_host_fake_start(fake);
    mail_script_play(fake, script);
    mail_host_fake_close(fake);
}

#define FROM_JOE "C:MAIL FROM:<joe@good.example.org>\n"

static void reverse_dns_is_judged_by_policy(void **unused)
{
    play_rdns(ACTION_REJECT,
              "E:rdns none\n" BANNER EHLO FROM_JOE MAIL_TO_ALICE "S:550 5.7.25 No reverse DNS*\n"
              "E:counted smtp_rdns_refused\n"
              "E:state mail\n");
    play_rdns(ACTION_REJECT, "E:rdns unconfirmed liar.example\n" BANNER EHLO FROM_JOE MAIL_TO_ALICE
                             "S:550 5.7.25 Reverse DNS of your address does not*\n");
    play_rdns(ACTION_REJECT, "E:unavailable rdns\n" BANNER EHLO FROM_JOE MAIL_TO_ALICE
                             "S:550 5.7.25 Reverse DNS of your address cannot*\n"
                             "E:counted smtp_rdns_unavailable\n");
    play_rdns(ACTION_DEFER, "E:rdns none\n" BANNER EHLO FROM_JOE MAIL_TO_ALICE "S:450 4.7.25 *\n");
    play_rdns(ACTION_DEFER, "E:rdns unconfirmed a.example\n" BANNER EHLO FROM_JOE MAIL_TO_ALICE
                            "S:450 4.7.25 *\n");
    play_rdns(ACTION_DEFER,
              "E:unavailable rdns\n" BANNER EHLO FROM_JOE MAIL_TO_ALICE "S:450 4.7.25 *\n");
    play_rdns(ACTION_REJECT, HELLO MAIL);
    play_rdns(ACTION_TAG, "E:rdns none\n" BANNER EHLO MAIL);
}

// Plays it with that action for two lists whose scores count from 3 on.
static void play_dnsbl(enum action action, const char *script)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    struct policy_smtp *policy = &fake->policy.policy.smtp;
    policy->dnsbl_zones = 2;
    policy->dnsbl_threshold = 3;
    policy->verdicts[FINDING_DNSBL_LISTED].action = (uint8_t)action;
    mail_host_fake_start(fake);
    mail_script_play(fake, script);
    mail_host_fake_close(fake);
}

#define RDNS "E:rdns confirmed client.example\n"

static void lists_are_judged_by_policy(void **unused)
{
    play_dnsbl(ACTION_REJECT, RDNS "E:dnsbl 3\n" BANNER EHLO FROM_JOE MAIL_TO_ALICE
                                   "S:554 5.7.1 Your address is on a list*\n"
                                   "E:counted smtp_dnsbl_listed\n"
                                   "E:state mail\n");
    play_dnsbl(ACTION_DEFER,
               "E:dnsbl 99\n" RDNS BANNER EHLO FROM_JOE MAIL_TO_ALICE "S:450 4.7.1 *\n");
    play_dnsbl(ACTION_REJECT, RDNS "E:dnsbl 2\n" BANNER EHLO MAIL);
    play_dnsbl(ACTION_REJECT, RDNS "E:dnsbl -5\n" BANNER EHLO MAIL);
    play_dnsbl(ACTION_REJECT, RDNS "E:unavailable dnsbl\n" BANNER EHLO MAIL);
    play_dnsbl(ACTION_SHADOW, RDNS "E:dnsbl 3\n" BANNER EHLO MAIL "E:shadowed smtp_dnsbl_listed\n");
    play_dnsbl(ACTION_TAG, RDNS "E:dnsbl 3\n" BANNER EHLO MAIL);
    play_dnsbl(ACTION_OFF, RDNS BANNER EHLO MAIL);
}

static void play_helo(enum action action, const char *script)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    struct policy_smtp *policy = &fake->policy.policy.smtp;
    for (int i = FINDING_HELO_MISMATCH; i <= FINDING_HELO_UNAVAILABLE; i++)
        policy->verdicts[i].action = (uint8_t)action;
    mail_host_fake_start(fake);
    mail_script_play(fake, script);
    mail_host_fake_close(fake);
}

static void helo_name_is_judged_by_policy(void **unused)
{
    static const char *const good[] = {"equal", "organisation", "forward"};
    play_helo(ACTION_REJECT, HELLO FROM_JOE "E:helo mismatch\n"
                                            "E:spf pass\n" MAIL_TO_ALICE
                                            "S:550 5.7.1 The name that you said is not*\n"
                                            "E:counted smtp_helo_mismatch\n"
                                            "E:state mail\n");
    play_helo(ACTION_REJECT, HELLO FROM_JOE "E:spf pass\n"
                                            "E:helo temperror\n" MAIL_TO_ALICE
                                            "S:550 5.7.1 The name that you said cannot*\n");
    play_helo(ACTION_DEFER, HELLO FROM_JOE "E:spf pass\n"
                                           "E:unavailable helo\n" MAIL_TO_ALICE
                                           "S:450 4.7.1 The name that you said cannot*\n");
    play_helo(ACTION_DEFER, HELLO FROM_JOE "E:spf pass\n"
                                           "E:helo mismatch\n" MAIL_TO_ALICE "S:450 4.7.1 *\n"
                                           // known already
                                           "C:RSET\nS:250 2.0.0 Ok\n" FROM_JOE
                                           "E:spf pass\n" MAIL_TO_ALICE "S:450 4.7.1 *\n");
    play_helo(ACTION_SHADOW, HELLO FROM_JOE "E:spf pass\n"
                                            "E:helo mismatch\n"
                                            "S:250 2.1.0 Ok\n"
                                            "E:shadowed smtp_helo_mismatch\n");
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char script[1024];
        snprintf(script, sizeof script, HELLO FROM_JOE "E:helo %s\nE:spf pass\nS:250 2.1.0 Ok\n",
                 good[i]);
        play_helo(ACTION_REJECT, script);
    }
}

static void address_literal_as_helo_must_be_the_clients(void **unused)
{
    play_helo(ACTION_REJECT,
              GREETED "C:HELO [198.51.100.11]\n"
                      "S:250 mail.example.net\n" FROM_JOE "E:spf pass\n" MAIL_TO_ALICE
                      "S:550 5.7.1 The name that you said is not*\n");
    play_helo(ACTION_REJECT, GREETED "C:HELO [198.51.100.10]\n"
                                     "S:250 mail.example.net\n" MAIL);
}

static void play_spf(enum action action, const char *verdict, const char *reply)
{
    char script[512];
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    struct policy_smtp *policy = &fake->policy.policy.smtp;
    policy->verdicts[FINDING_SPF_FAIL].action = policy->verdicts[FINDING_SPF_SOFTFAIL].action =
        policy->verdicts[FINDING_SPF_UNAVAILABLE].action = (uint8_t)action;
    mail_host_fake_start(fake);
    snprintf(script, sizeof script, HELLO FROM_JOE "E:%s\n%sS:%s\n", verdict,
             reply[0] == '2' ? "" : MAIL_TO_ALICE, reply);
    mail_script_play(fake, script);
    mail_host_fake_close(fake);
}

static void spf_is_judged_by_policy(void **unused)
{
    play_spf(ACTION_REJECT, "spf fail", "550 5.7.23 *");
    play_spf(ACTION_DEFER, "spf fail", "451 4.7.23 *");
    play_spf(ACTION_TAG, "spf fail", "250 2.1.0 Ok");
    play_spf(ACTION_REJECT, "spf softfail", "550 5.7.23 *");
    play_spf(ACTION_REJECT, "spf temperror", "550 5.7.24 *");
    play_spf(ACTION_DEFER, "unavailable spf", "451 4.7.24 *");
    play_spf(ACTION_TAG, "unavailable spf", "250 2.1.0 Ok");
    play_spf(ACTION_REJECT, "spf none", "250 2.1.0 Ok");
    play_spf(ACTION_REJECT, "spf neutral", "250 2.1.0 Ok");
    play_spf(ACTION_REJECT, "spf permerror", "250 2.1.0 Ok");
    play_spf(ACTION_REJECT, "spf pass", "250 2.1.0 Ok");
}

static void play_helo_spf(enum action action, const char *script)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->policy.policy.smtp.verdicts[FINDING_SPF_HELO_FAIL].action = (uint8_t)action;
    mail_host_fake_start(fake);
    mail_script_play(fake, script);
    mail_host_fake_close(fake);
}

static void spf_of_the_helo_name_is_judged_beside_the_senders(void **unused)
{
    play_helo_spf(ACTION_REJECT, HELLO FROM_JOE
                  "E:spf fail\n"
                  "E:state sender\n"
                  "E:spf pass\n" MAIL_TO_ALICE "S:550 5.7.23 SPF says your address may not say*\n"
                  "E:counted smtp_spf_fail\n"
                  // known already
                  "C:RSET\nS:250 2.0.0 Ok\n" FROM_JOE "E:spf pass\n" MAIL_TO_ALICE
                  "S:550 5.7.23 *\n");
    play_helo_spf(ACTION_DEFER,
                  HELLO FROM_JOE "E:spf fail\nE:spf pass\n" MAIL_TO_ALICE "S:451 4.7.23 *\n");
    play_helo_spf(ACTION_SHADOW, HELLO FROM_JOE "E:spf fail\nE:spf pass\nS:250 2.1.0 Ok\n"
                                                "E:shadowed smtp_spf_fail\n");
    play_helo_spf(ACTION_REJECT, HELLO FROM_JOE "E:spf none\nE:spf pass\nS:250 2.1.0 Ok\n");
    play_helo_spf(ACTION_REJECT, HELLO FROM_JOE "E:unavailable spf\nE:spf pass\nS:250 2.1.0 Ok\n");
    play_helo_spf(ACTION_REJECT, HELLO "C:MAIL FROM:<>\nE:spf fail\nS:250 2.1.0 Ok\n"); // spf.fail
    play_helo_spf(ACTION_OFF, HELLO FROM_JOE "E:spf pass\nS:250 2.1.0 Ok\n");
}

static void spf_is_asked_for_what_was_said(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", HELLO FROM_JOE);
    const struct spf_question *question = &fake->question.spf_question;
    assert_int_equal(fake->question.kind, MESSAGE_SPF);
    assert_true(span_equal(message_name_span(&question->helo), span_text("client.example")));
    assert_true(span_equal(span_of(question->mail_from, question->mail_from_size),
                           span_text("joe@good.example.org")));
    mail_host_fake_close(fake);

    fake = smtp_play_open("smtp", HELLO "C:MAIL FROM:<>\nE:state sender\n");
    assert_int_equal(fake->question.spf_question.mail_from_size, 0);
    mail_host_fake_close(fake);

    smtp_play("smtp", GREETED "C:HELO [192.0.2.7]\n" // nothing to ask for
                              "S:250 mail.example.net\n"
                              "C:MAIL FROM:<>\n"
                              "S:250 2.1.0 Ok\n");
}

static void recipients_are_read_strictly(void **unused)
{
    smtp_play("smtp", SENDER "C:RCPT <alice@example.net>\n"
                             "S:501 5.5.2 Syntax error\n"
                             "C:RCPT TO:alice@example.net\n"
                             "S:553 5.1.3 Bad recipient address syntax\n"
                             "C:RCPT TO:<>\n"
                             "S:553 5.1.3 Bad recipient address syntax\n"
                             "C:RCPT TO:<alice@example.net> NOTIFY=NEVER\n"
                             "S:555 5.5.4 Parameter not known\n"
                             "C:RCPT TO:<jos\\xc3\\xa9@example.net>\n"
                             "S:553 5.6.7 Address needs SMTPUTF8\n"
                             "E:state mail\n");
}

static void recipients_have_a_limit(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->policy.policy.limits[LIMIT_RECIPIENTS_MESSAGE] = 2;
    mail_host_fake_start(fake);
    mail_script_play(fake, RECIPIENT "C:RCPT TO:<alice@example.net>\n" ALICE
                                     "C:RCPT TO:<alice@example.net>\n"
                                     "S:452 4.5.3 Too many recipients\n"
                                     "E:counted smtp_too_many_recipients\n"
                                     "E:state rcpt\n");
    assert_int_equal(fake->host.report.recipients, 2);
    mail_host_fake_close(fake);
}

static void a_transaction_has_one_backend(void **unused)
{
    smtp_play("smtp", RECIPIENT "C:RCPT TO:<bob@example.org>\n"
                                "S:452 4.5.3 Send to this recipient in a transaction of its own\n"
                                "C:RSET\n"
                                "S:250 2.0.0 Ok\n" MAIL "C:RCPT TO:<bob@example.org>\n"
                                "P:QUIT\n"
                                "E:connecting 3\n");
}

static void refused_recipients_bind_to_no_backend(void **unused)
{
    smtp_play("smtp", SENDER "C:RCPT TO:<nobody@example.net>\n" CONNECT IDENTITY BACKEND_MAIL
                             "P:RCPT TO:<nobody@example.net>\n"
                             "B:550 5.1.1 No such user\n"
                             "S:550 5.1.1 No such user\n"
                             "E:state mail\n"
                             "C:DATA\n"
                             "S:554 5.5.1 No valid recipients\n"
                             "C:RCPT TO:<alice@example.net>\n" ALICE);
}

static void envelope_rules_refuse_sender_or_recipient(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->scan_parts = RULE_ENVELOPE;
    fake->scan_word = "MAIL FROM:<joe@";
    mail_host_fake_start(fake);
    mail_script_play(fake, HELLO FROM_JOE "E:spf pass\n"
                                          "S:550 5.7.1 Refused by content policy\n"
                                          "E:counted smtp_rule_rejected\n"
                                          "E:state hello\n");
    fake->scan_word = "RCPT TO:<alice@";
    fake->policy.rules[0].action = ACTION_DEFER;
    mail_script_play(fake, MAIL "C:RCPT TO:<alice@example.net>\n"
                                "S:451 4.7.1 Refused by content policy for now\n"
                                "E:state mail\n");
    assert_string_equal(fake->scanned[0], "HELO client.example\r\n"
                                          "MAIL FROM:<joe@good.example.org>\r\n"
                                          "RCPT TO:<alice@example.net>\r\n");
    mail_host_fake_close(fake);
}

// Found against the client, its name and the sender in turn.
static void postmaster_hears_whoever_else_is_refused(void **unused)
{
    static const char *const postmasters[] = {"postmaster", "PostMaster@Example.NET"};
    static const char *const found[] = {"E:rdns none\n" BANNER EHLO FROM_JOE,
                                        GREETED "C:HELO mail.example.net\nS:250 *\n" FROM_JOE,
                                        HELLO FROM_JOE "E:spf fail\n"};
    for (size_t i = 0; i < 6; i++) {
        char script[2048];
        struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
        struct policy_smtp *policy = &fake->policy.policy.smtp;
        policy->verdicts[FINDING_RDNS_NONE].action = ACTION_REJECT;
        policy->verdicts[FINDING_SPF_FAIL].action = ACTION_REJECT;
        mail_host_fake_start(fake);
        snprintf(script, sizeof script,
                 "%s" MAIL_TO_ALICE "S:550 *\nC:RCPT TO:<postmaster2@example.net>\nS:550 *\n"
                 "C:RCPT TO:<postmaster@elsewhere.example>\nS:554 5.7.1 Relay access denied\n"
                 "C:RCPT TO:<%s>\nE:connecting 0\n",
                 found[i % 3], postmasters[i % 2]);
        mail_script_play(fake, script);
        mail_host_fake_close(fake);
    }
}

static void limits_hold_for_postmaster_too(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", SENDER);
    fake->charge_reason = REASON_RECIPIENT_RATE_SOURCE;
    mail_script_play(fake, "C:RCPT TO:<postmaster>\nS:450 4.7.1 Too many recipients*\n");
    mail_host_fake_close(fake);
}

static void a_mail_that_is_refused_is_one_offence_whatever_its_recipients(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    struct report report = {0};
    fake->policy.policy.smtp.verdicts[FINDING_SPF_FAIL].action = ACTION_REJECT;
    mail_host_fake_start(fake);
    mail_script_play(fake, HELLO FROM_JOE "E:spf fail\n" MAIL_TO_ALICE "S:550 5.7.23 *\n"
                                          "C:RCPT TO:<bob@example.net>\nS:550 5.7.23 *\n"
                                          "C:DATA\nS:554 5.5.1 No valid recipients\n");
    assert_int_equal(fake->counted[REASON_SMTP_SPF_FAIL], 1);
    assert_int_equal(fake->host.report.refusals, 1);
    assert_int_equal(fake->host.report.refusal, REASON_SMTP_SPF_FAIL);
    smtp_protocol.report(fake->state, &report);
    assert_true(span_equal(report_text(&report, TEXT_RCPT_TO),
                           span_text("alice@example.net\1bob@example.net\1")));
    mail_script_play(fake, "C:RSET\nS:250 2.0.0 Ok\n" FROM_JOE "E:spf fail\n" MAIL_TO_ALICE
                           "S:550 5.7.23 *\n");
    assert_int_equal(fake->counted[REASON_SMTP_SPF_FAIL], 2);
    mail_host_fake_close(fake);
}

static void who_is_refused_already_costs_dns_nothing(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->policy.policy.smtp.verdicts[FINDING_RDNS_NONE].action = ACTION_REJECT;
    mail_host_fake_start(fake);
    mail_script_play(fake, "E:rdns none\n" BANNER EHLO);
    unsigned asked = fake->asked;
    mail_script_play(fake, FROM_JOE "S:250 2.1.0 Ok\n");
    assert_int_equal(fake->asked, asked);
    mail_host_fake_close(fake);
}

static void trusted_networks_are_not_judged(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    assert_true(addr_parse("192.0.2.1", &fake->host.client));
    fake->policy.policy.smtp.verdicts[FINDING_RDNS_NONE].action = ACTION_REJECT;
    mail_host_fake_start(fake);
    mail_script_play(fake, "E:rdns none\n" BANNER EHLO FROM_JOE "S:250 2.1.0 Ok\n");
    mail_host_fake_close(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submission_wants_tls_then_login_then_the_own_address),
        cmocka_unit_test(senders_are_read_strictly),
        cmocka_unit_test(sizes_up_to_the_limit_are_taken),
        cmocka_unit_test(reverse_dns_is_judged_by_policy),
        cmocka_unit_test(lists_are_judged_by_policy),
        cmocka_unit_test(helo_name_is_judged_by_policy),
        cmocka_unit_test(address_literal_as_helo_must_be_the_clients),
        cmocka_unit_test(spf_is_judged_by_policy),
        cmocka_unit_test(spf_of_the_helo_name_is_judged_beside_the_senders),
        cmocka_unit_test(spf_is_asked_for_what_was_said),
        cmocka_unit_test(recipients_are_read_strictly),
        cmocka_unit_test(recipients_have_a_limit),
        cmocka_unit_test(a_transaction_has_one_backend),
        cmocka_unit_test(refused_recipients_bind_to_no_backend),
        cmocka_unit_test(envelope_rules_refuse_sender_or_recipient),
        cmocka_unit_test(postmaster_hears_whoever_else_is_refused),
        cmocka_unit_test(limits_hold_for_postmaster_too),
        cmocka_unit_test(a_mail_that_is_refused_is_one_offence_whatever_its_recipients),
        cmocka_unit_test(who_is_refused_already_costs_dns_nothing),
        cmocka_unit_test(trusted_networks_are_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
