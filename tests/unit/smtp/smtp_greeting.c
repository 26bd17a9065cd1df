// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp.h"

#include "smtp_plays.h"

#define TEASER "S:220-mail.example.net ESMTP\n"
#define RDNS   "E:rdns confirmed client.example\n"

static void play_stranger(enum action early, const char *script)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->unknown = true;
    fake->policy.policy.smtp.verdicts[FINDING_GREETING_EARLY] =
        (struct policy_verdict){(uint8_t)early, early == ACTION_SCORE ? 5 : 0};
    fake->policy.policy.smtp.verdicts[FINDING_SCORE_REACHED].action = ACTION_REJECT;
    fake->policy.policy.smtp.score_threshold = 5;
    fake->policy.policy.smtp.dnsbl_zones = 1;
    fake->policy.policy.smtp.dnsbl_threshold = 3;
    mail_host_fake_start(fake);
    mail_script_play(fake, script);
    mail_host_fake_close(fake);
}

static void a_client_that_speaks_between_teaser_and_greeting_is_refused(void **unused)
{
    play_stranger(ACTION_REJECT, TEASER RDNS "E:dnsbl 0\nC:EHLO client.example\n"
                                             "S:554 5.5.1 You spoke before the greeting\n"
                                             "E:finish smtp_early_talker\n");
    play_stranger(ACTION_DEFER, TEASER "RC:E\n"
                                       "S:421 4.7.0 You spoke before the greeting\n"
                                       "E:finish smtp_early_talker\n");
    play_stranger(ACTION_TAG, TEASER "RC:\\x16\\x03\\x01\\x02\n"
                                     "S:554 5.5.1 This is SMTP\n"
                                     "E:finish mail_not_mail\n");
}

static void an_early_talker_that_is_not_refused_is_read_after_the_greeting(void **unused)
{
    static const char again[] =
        TEASER "C:HELO client.example\n" RDNS "E:dnsbl 0\n"
               "E:state start\nE:timeout\n" BANNER "S:250 mail.example.net\n";
    play_stranger(ACTION_TAG, again);
    play_stranger(ACTION_OFF, again);
    play_stranger(ACTION_SHADOW,
                  TEASER "C:HELO client.example\n" RDNS "E:dnsbl 0\nE:timeout\n" BANNER
                         "S:250 mail.example.net\nE:shadowed smtp_early_talker\n");
    play_stranger(ACTION_SCORE,
                  TEASER "C:HELO client.example\n" RDNS "E:dnsbl 0\nE:timeout\n" BANNER
                         "S:250 mail.example.net\n"
                         "C:MAIL FROM:<joe@good.example.org>\nE:spf pass\n" MAIL_TO_ALICE
                         "S:550 5.7.1 Too much speaks against your mail\n"
                         "E:counted smtp_score_reached\n");
}

static void answers_and_delay_are_both_awaited(void **unused)
{
    play_stranger(ACTION_REJECT, TEASER "E:timeout\nE:state start\n" RDNS "E:state start\n"
                                        "E:dnsbl 0\n" BANNER "E:state greeted\n");
    play_stranger(ACTION_REJECT, TEASER RDNS "E:unavailable dnsbl\nE:state start\n"
                                             "E:timeout\n" BANNER);
}

static void a_client_on_an_allow_list_need_not_wait(void **unused)
{
    play_stranger(ACTION_REJECT, TEASER "E:dnsbl -4\nE:state start\n" RDNS BANNER);
    play_stranger(ACTION_REJECT, TEASER "E:dnsbl 1\n" RDNS "E:state start\nE:timeout\n" BANNER);
}

static void a_known_client_is_greeted_in_one_line_when_its_answers_are_there(void **unused)
{
    smtp_play("smtp", "E:state start\n" RDNS BANNER);
    smtp_play("submission", BANNER);
}

static void without_a_delay_nobody_waits(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->unknown = true;
    fake->policy.policy.limits[LIMIT_GREETING_DELAY_MS] = 0;
    mail_host_fake_start(fake);
    mail_script_play(fake, RDNS BANNER);
    mail_host_fake_close(fake);
}

static void trusted_networks_and_users_do_not_wait(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->unknown = true;
    assert_true(addr_parse("192.0.2.1", &fake->host.client));
    mail_host_fake_start(fake);
    mail_script_play(fake, RDNS BANNER);
    mail_host_fake_close(fake);
}

static void both_questions_are_asked_before_anything_else(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->policy.policy.smtp.dnsbl_zones = 1;
    fake->policy.policy.smtp.dnsbl_threshold = 1;
    mail_host_fake_start(fake);
    assert_int_equal(fake->asked, 2);
    assert_true(fake->pending[MESSAGE_RDNS] && fake->pending[MESSAGE_DNSBL]);
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_CLIENT).size, 0);
    mail_host_fake_close(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_speaks_between_teaser_and_greeting_is_refused),
        cmocka_unit_test(an_early_talker_that_is_not_refused_is_read_after_the_greeting),
        cmocka_unit_test(answers_and_delay_are_both_awaited),
        cmocka_unit_test(a_client_on_an_allow_list_need_not_wait),
        cmocka_unit_test(a_known_client_is_greeted_in_one_line_when_its_answers_are_there),
        cmocka_unit_test(without_a_delay_nobody_waits),
        cmocka_unit_test(trusted_networks_and_users_do_not_wait),
        cmocka_unit_test(both_questions_are_asked_before_anything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
