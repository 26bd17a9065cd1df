// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_budget.h"

#include "smtp/smtp.h"
#include "smtp_plays.h"

static struct mail_host_fake *open_with(const char *service, enum limit limit, uint64_t value)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, service);
    fake->policy.policy.limits[limit] = value;
    mail_host_fake_start(fake);
    return fake;
}

// Says the lines again and again up to the end of the session; how often they were answered.
static int repeat(struct mail_host_fake *fake, const char *client, const char *backend)
{
    int times = 0;
    while (!fake->finished && times < 50) {
        mail_host_fake_client(fake, client);
        if (backend && !fake->finished)
            mail_host_fake_backend(fake, backend);
        mail_host_fake_forget(fake);
        times++;
    }
    return times;
}

static void failed_recipients_have_a_limit(void **unused)
{
    for (uint64_t limit = 1; limit <= 5; limit += 2) {
        struct mail_host_fake *fake = open_with("smtp", LIMIT_RECIPIENT_FAILURES_SESSION, limit);
        mail_script_play(fake, RECIPIENT);
        int times = repeat(fake, "RCPT TO:<x@example.net>\r\n", "550 5.1.1 Unknown\r\n");
        assert_int_equal(times, limit);
        assert_int_equal(fake->reason, REASON_SMTP_HARVEST);
        mail_host_fake_close(fake);

        fake = open_with("smtp", LIMIT_RECIPIENT_FAILURES_SESSION, limit);
        mail_script_play(fake, SENDER);
        times = repeat(fake, "RCPT TO:<x@elsewhere.example>\r\n", NULL);
        assert_int_equal(times, limit);
        assert_int_equal(fake->reason, REASON_SMTP_HARVEST);
        mail_host_fake_close(fake);
    }
}

static void a_mail_over_its_rate_is_put_off_and_the_session_goes_on(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    mail_host_fake_start(fake);
    fake->charge_reason = REASON_MESSAGE_RATE_SOURCE;
    mail_script_play(fake, HELLO
                     "C:MAIL FROM:<joe@good.example.org>\n"
                     "S:450 4.7.1 Too many messages from your address, try again later\n" QUIT);
    assert_int_equal(fake->charged[CHARGE_MESSAGE], 1);
    assert_int_equal(fake->counted[REASON_MESSAGE_RATE_SOURCE], 1);
    mail_host_fake_close(fake);
}

static void a_recipient_over_its_rate_is_put_off(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    mail_host_fake_start(fake);
    mail_script_play(fake, SENDER);
    fake->charge_reason = REASON_RECIPIENT_RATE_SOURCE;
    mail_script_play(fake, "C:RCPT TO:<alice@example.net>\n"
                           "S:450 4.7.1 Too many recipients from your address, try again later\n");
    assert_int_equal(fake->connects, 0);
    mail_host_fake_close(fake);
}

static void the_last_failure_is_answered_before_the_end(void **unused)
{
    struct mail_host_fake *fake = open_with("smtp", LIMIT_RECIPIENT_FAILURES_SESSION, 1);
    mail_script_play(fake, RECIPIENT "C:RCPT TO:<x@example.net>\n"
                                     "P:RCPT TO:<x@example.net>\n"
                                     "B:550 5.1.1 Unknown\n"
                                     "S:550 5.1.1 Unknown\n"
                                     "S:421 4.7.0 Too many recipients failed\n"
                                     "P:QUIT\n"
                                     "E:finish smtp_harvest\n");
    mail_host_fake_close(fake);
}

static void recipients_that_fail_for_now_or_for_users_are_no_harvest(void **unused)
{
    struct mail_host_fake *fake = open_with("smtp", LIMIT_RECIPIENT_FAILURES_SESSION, 1);
    mail_script_play(fake, RECIPIENT);
    assert_int_equal(repeat(fake, "RCPT TO:<x@example.net>\r\n", "450 4.2.0 Greylisted\r\n"), 50);
    mail_host_fake_close(fake);

    fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->policy.policy.limits[LIMIT_RECIPIENT_FAILURES_SESSION] = 1;
    assert_true(addr_parse("192.0.2.1", &fake->host.client)); // in a relay network
    mail_host_fake_start(fake);
    mail_script_play(fake, HELLO "C:MAIL FROM:<joe@good.example.org>\nS:250 2.1.0 Ok\n"
                                 "C:RCPT TO:<x@example.net>\n" CONNECT
                                 "B:250 postfix\n" BACKEND_MAIL "P:RCPT TO:<x@example.net>\n"
                                 "B:550 5.1.1 Unknown\n"
                                 "S:550 5.1.1 Unknown\n");
    assert_int_equal(repeat(fake, "RCPT TO:<x@example.net>\r\n", "550 5.1.1 Unknown\r\n"), 50);
    mail_host_fake_close(fake);
}

static void commands_without_mail_have_a_limit(void **unused)
{
    static const char *const junk[] = {"NOOP\r\n", "RSET\r\n", "HELP\r\n", "VRFY x\r\n",
                                       "EHLO client.example\r\n"};
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        for (uint64_t limit = 1; limit <= 3; limit++) {
            struct mail_host_fake *fake = open_with("smtp", LIMIT_JUNK_COMMANDS_SESSION, limit);
            mail_script_play(fake, GREETED);
            assert_int_equal(repeat(fake, junk[i], NULL), limit + 1);
            assert_int_equal(fake->reason, REASON_SMTP_JUNK_COMMANDS);
            mail_host_fake_close(fake);
        }
    }
}

static void a_mail_pays_for_later_junk(void **unused)
{
    struct mail_host_fake *fake = open_with("smtp", LIMIT_JUNK_COMMANDS_SESSION, 2);
    mail_script_play(fake, GREETED EHLO EHLO MAIL "C:RCPT TO:<alice@example.net>\n" CONNECT IDENTITY
                               BACKEND_MAIL ALICE GO_AHEAD HEADERS MESSAGE "C:.\n"
                                                  "P:.\n"
                                                  "B:250 2.0.0 Ok\n"
                                                  "S:250 2.0.0 Ok\n"
                                                  "C:NOOP\n"
                                                  "S:250 2.0.0 Ok\n"
                                                  "C:NOOP\n"
                                                  "S:250 2.0.0 Ok\n"
                                                  "C:NOOP\n"
                                                  "S:421 4.7.0 *\n"
                                                  "P:QUIT\n");
    mail_host_fake_close(fake);
}

static void messages_have_a_limit(void **unused)
{
    for (uint64_t limit = 1; limit <= 3; limit++) {
        struct mail_host_fake *fake = open_with("smtp", LIMIT_MESSAGES_SESSION, limit);
        mail_script_play(fake, MAIL_TAKEN);
        for (uint64_t i = 1; i < limit; i++)
            mail_script_play(fake, MAIL "C:RCPT TO:<alice@example.net>\n" BACKEND_MAIL ALICE
                                       GO_AHEAD HEADERS MESSAGE "C:.\n"
                                        "P:.\n"
                                        "B:451 4.3.0 Not now\n"
                                        "S:451 4.3.0 Not now\n");
        mail_script_play(fake, "C:MAIL FROM:<joe@good.example.org>\n"
                               "S:421 4.7.0 Too many messages in a session, connect again\n"
                               "P:QUIT\n"
                               "E:finish smtp_too_many_messages\n");
        mail_host_fake_close(fake);
    }
}

static void a_session_has_its_time(void **unused)
{
    for (int over = -1; over <= 1; over++) {
        struct mail_host_fake *fake = open_with("smtp", LIMIT_SMTP_SESSION_SECONDS, 600);
        mail_script_play(fake, HELLO);
        for (int i = 0; i < 5; i++) {
            mail_host_fake_wait(fake, 100 * 1000000);
            mail_script_play(fake, "C:NOOP\nS:250 2.0.0 Ok\n");
        }
        mail_host_fake_wait(fake, (uint64_t)(100 * 1000000 + over));
        if (over >= 0)
            mail_script_play(fake, "S:421 4.4.2 Session too long\n"
                                   "E:finish smtp_session_too_long\n");
        assert_int_equal(fake->finished, over >= 0);
        mail_host_fake_close(fake);
    }
}

static void a_message_at_the_backend_is_waited_for_beyond_that_time(void **unused)
{
    struct mail_host_fake *fake = open_with("smtp", LIMIT_SMTP_SESSION_SECONDS, 60);
    mail_script_play(fake, FINAL);
    mail_host_fake_wait(fake, 61 * 1000000);
    mail_script_play(fake, "B:250 2.0.0 Ok\n"
                           "S:250 2.0.0 Ok\n"
                           "E:timeout\n"
                           "S:421 4.4.2 Session too long\n"
                           "P:QUIT\n");
    mail_host_fake_close(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_recipients_have_a_limit),
        cmocka_unit_test(the_last_failure_is_answered_before_the_end),
        cmocka_unit_test(recipients_that_fail_for_now_or_for_users_are_no_harvest),
        cmocka_unit_test(commands_without_mail_have_a_limit),
        cmocka_unit_test(a_mail_pays_for_later_junk),
        cmocka_unit_test(messages_have_a_limit),
        cmocka_unit_test(a_mail_over_its_rate_is_put_off_and_the_session_goes_on),
        cmocka_unit_test(a_recipient_over_its_rate_is_put_off),
        cmocka_unit_test(a_session_has_its_time),
        cmocka_unit_test(a_message_at_the_backend_is_waited_for_beyond_that_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
