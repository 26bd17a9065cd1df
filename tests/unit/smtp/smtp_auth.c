// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp.h"

#include "smtp_plays.h"

#include <stdio.h>

#define TLS_HELLO BANNER EHLO_LOGIN
#define ASKED     TLS_HELLO "C:AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\n"

static void auth_is_refused_where_it_is_not_offered(void **unused)
{
    smtp_play("submission", BANNER EHLO "C:AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\n"
                                        "S:538 5.7.11 Encryption required: issue STARTTLS first\n"
                                        "E:counted mail_tls_required\n");
    smtp_play("smtp", HELLO "C:AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\n"
                            "S:503 5.5.1 AUTH not offered\n");
    smtp_play("smtp", HELLO STARTTLS EHLO_TLS "C:AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\n"
                                              "S:503 5.5.1 AUTH not offered\n");
    smtp_play("submissions", BANNER "C:HELO client.example\n"
                                    "S:250 mail.example.net\n"
                                    "C:AUTH PLAIN\n"
                                    "S:503 5.5.1 AUTH not offered\n");
}

static void malformed_attempts_are_refused_and_not_asked(void **unused)
{
    struct mail_host_fake *fake =
        smtp_play_open("submissions", TLS_HELLO "C:AUTH\n"
                                                "S:501 5.5.2 Syntax error\n"
                                                "C:AUTH CRAM-MD5\n"
                                                "S:504 5.5.4 Mechanism not offered\n"
                                                "C:AUTH PLAIN =\n"
                                                "S:501 5.5.2 Malformed authentication response\n"
                                                "C:AUTH PLAIN ////\n"
                                                "S:501 5.5.2 Malformed authentication response\n"
                                                "C:AUTH LOGIN\n"
                                                "S:334 VXNlcm5hbWU6\n"
                                                "C:not base64\n"
                                                "S:501 5.5.2 Malformed authentication response\n"
                                                "C:AUTH PLAIN\n"
                                                "S:334 \n"
                                                "RC:AGFs\\nQUIT\\r\\n\n"
                                                "S:500 5.5.2 Bare LF: lines end with CR LF\n"
                                                "E:state hello\n");
    assert_int_equal(fake->asked, 0);
    mail_host_fake_close(fake);
}

static void a_client_may_cancel(void **unused)
{
    smtp_play("submissions", TLS_HELLO "C:AUTH LOGIN\n"
                                       "S:334 VXNlcm5hbWU6\n"
                                       "C:*\n"
                                       "S:501 5.7.0 Authentication cancelled\n"
                                       "E:state hello\n");
}

static void wrong_throttled_and_unavailable_are_three_replies(void **unused)
{
    smtp_play("submissions", ASKED "E:auth wrong\n"
                                   "S:535 5.7.8 Wrong user or password\n"
                                   "E:counted mail_auth_failed\n");
    smtp_play("submissions", ASKED "E:auth throttled\n"
                                   "S:454 4.7.0 Too many attempts, try again later\n"
                                   "E:counted mail_auth_unavailable\n");
    smtp_play("submissions", ASKED "E:unavailable auth\n"
                                   "S:454 4.7.0 Temporary authentication failure\n"
                                   "E:counted mail_auth_unavailable\n");
    smtp_play("submissions", ASKED "E:auth right\n" // without a name
                                   "S:454 4.7.0 Temporary authentication failure\n");
}

static void a_session_more_than_the_user_may_have_is_put_off(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "submissions");
    mail_host_fake_start(fake);
    fake->login_reason = REASON_SESSIONS_USER;
    mail_script_play(fake, ASKED "E:auth right alice@example.net\n"
                                 "S:454 4.7.0 Too many sessions of this user, try again later\n"
                                 "C:MAIL FROM:<alice@example.net>\n"
                                 "S:530 5.7.0 Authentication required\n");
    assert_int_equal(fake->host.report.login, REPORT_LOGIN_THROTTLED);
    mail_host_fake_close(fake);
}

static void too_many_wrong_passwords_end_the_session(void **unused)
{
    smtp_play("submissions", ASKED "E:auth wrong\n"
                                   "S:535 5.7.8 Wrong user or password\n"
                                   "C:AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\n"
                                   "E:auth wrong\n"
                                   "S:535 5.7.8 Wrong user or password\n"
                                   "C:AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\n"
                                   "E:auth wrong\n"
                                   "S:535 5.7.8 Wrong user or password\n"
                                   "S:421 4.7.0 Too many wrong passwords\n"
                                   "E:finish mail_auth_too_many\n");
}

static void commands_behind_a_login_wait_for_its_answer(void **unused)
{
    smtp_play("submissions", TLS_HELLO
              "RC:AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\\r\\nMAIL FROM:<alice@example.net>\\r\\n\n"
              "E:state auth verify\n"
              "E:auth wrong\n"
              "S:535 5.7.8 Wrong user or password\n"
              "S:530 5.7.0 Authentication required\n");
}

static void the_question_holds_what_was_said(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("submissions", ASKED);
    const struct auth_question *question = &fake->question.auth_question;
    assert_int_equal(fake->question.kind, MESSAGE_AUTH);
    assert_true(span_equal(span_of(question->user, question->user_size), span_text("alice")));
    assert_true(
        span_equal(span_of(question->password, question->password_size), span_text("wonderland")));
    assert_int_equal(question->client.protocol, PROTOCOL_SMTP);
    assert_int_equal(question->client.local_port, fake->host.local_port);
    assert_true(addr_equal(&question->client.addr, &fake->host.client));
    const struct smtp *smtp = fake->state;
    assert_null(memmem(smtp, sizeof *smtp, "wonderland", 10)); // kept nowhere else
    mail_host_fake_close(fake);
}

static void login_by_two_prompts_succeeds_and_is_canonical(void **unused)
{
    struct mail_host_fake *fake =
        smtp_play_open("submissions", TLS_HELLO "C:auth login\n"
                                                "S:334 VXNlcm5hbWU6\n"
                                                "C:YWxpY2U=\n"
                                                "S:334 UGFzc3dvcmQ6\n"
                                                "C:d29uZGVybGFuZA==\n"
                                                "E:auth right alice@example.net\n"
                                                "S:235 2.7.0 Authentication successful\n"
                                                "C:AUTH LOGIN\n"
                                                "S:503 5.5.1 Already authenticated\n");
    const struct report_facts *report = &fake->host.report;
    assert_true(
        span_equal(span_of(report->user, report->user_size), span_text("alice@example.net")));
    assert_int_equal(report->login, REPORT_LOGIN_RIGHT);
    mail_host_fake_close(fake);
}

// An exchange with the back end, whose messages are not understood here.
static struct mail_host_fake *exchange_open(const char *script)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "submissions");
    fake->mechanisms = MECHANISMS_SCRAM;
    mail_host_fake_start(fake);
    mail_script_play(fake, BANNER
                     "C:EHLO client.example\n" OFFERS_HEAD
                     "S:250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\n" OFFERS_TAIL);
    mail_script_play(fake, script);
    return fake;
}

static void an_exchange_that_fails_anywhere_leaves_nobody_logged_in(void **unused)
{
    static const char *const ways[] = {
        "C:AUTH XOAUTH2 AAAA\nS:504 5.5.4 Mechanism not offered\n",
        "C:AUTH SCRAM-SHA-256\nS:334 \nC:*\nS:501 5.7.0 Authentication cancelled\n",
        "C:AUTH SCRAM-SHA-256 AA=A\nS:501 5.5.2 Malformed authentication response\n",
        "C:AUTH SCRAM-SHA-256 AAAA\nE:sasl wrong\nS:535 5.7.8 Wrong user or password\n",
        "C:AUTH SCRAM-SHA-256 AAAA\nE:sasl throttled\n"
        "S:454 4.7.0 Too many attempts, try again later\n",
        "C:AUTH SCRAM-SHA-256 AAAA\nE:unavailable sasl\n"
        "S:454 4.7.0 Temporary authentication failure\n",
        "C:AUTH SCRAM-SHA-256 AAAA\nE:sasl wrong xyz\nS:334 eHl6\nC:*\n"
        "S:501 5.7.0 Authentication cancelled\n",
        "C:AUTH SCRAM-SHA-256 AAAA\nE:sasl wrong xyz\nS:334 eHl6\nC:AAAA\nE:sasl wrong\n"
        "S:535 5.7.8 Wrong user or password\n",
        // Right, but the client does not like the server's last word.
        "C:AUTH SCRAM-SHA-256 AAAA\nE:proven alice xyz\nS:334 eHl6\nC:*\n"
        "S:501 5.7.0 Authentication cancelled\n",
        "C:AUTH SCRAM-SHA-256 AAAA\nE:proven alice xyz\nS:334 eHl6\nC:AAAA\n"
        "S:501 5.5.2 Malformed authentication response\n",
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct mail_host_fake *fake = exchange_open(ways[i]);
        mail_script_play(fake, "C:MAIL FROM:<alice@example.net>\n"
                               "S:530 5.7.0 Authentication required\n");
        mail_host_fake_close(fake);
    }
}

static void an_exchange_ends_behind_the_last_word(void **unused)
{
    mail_host_fake_close(exchange_open("C:AUTH scram-sha-256\n"
                                       "S:334 \n"
                                       "C:AAAA\n"
                                       "E:state auth verify\n"
                                       "E:sasl wrong xyz\n"
                                       "S:334 eHl6\n"
                                       "E:state auth\n"
                                       "C:AAAA\n"
                                       "E:proven alice@example.net xyz\n"
                                       "S:334 eHl6\n"
                                       "C:\n"
                                       "S:235 2.7.0 Authentication successful\n"
                                       "C:AUTH PLAIN\n"
                                       "S:503 5.5.1 Already authenticated\n"));
}

static void a_response_ends_at_its_limit(void **unused)
{
    static char script[64 + 2 * SASL_LINE_MAX];
    for (size_t more = 0; more < 2; more++) {
        int head = snprintf(script, sizeof script, "C:AUTH SCRAM-SHA-256\nS:334 \nC:");
        memset(script + head, 'A', SASL_LINE_MAX + more);
        snprintf(script + head + SASL_LINE_MAX + more, 64, "\n%s",
                 more ? "S:500 5.5.6 Authentication response too long\nE:state hello\n"
                      : "E:state auth verify\n");
        mail_host_fake_close(exchange_open(script));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auth_is_refused_where_it_is_not_offered),
        cmocka_unit_test(malformed_attempts_are_refused_and_not_asked),
        cmocka_unit_test(a_client_may_cancel),
        cmocka_unit_test(wrong_throttled_and_unavailable_are_three_replies),
        cmocka_unit_test(a_session_more_than_the_user_may_have_is_put_off),
        cmocka_unit_test(too_many_wrong_passwords_end_the_session),
        cmocka_unit_test(commands_behind_a_login_wait_for_its_answer),
        cmocka_unit_test(the_question_holds_what_was_said),
        cmocka_unit_test(login_by_two_prompts_succeeds_and_is_canonical),
        cmocka_unit_test(an_exchange_that_fails_anywhere_leaves_nobody_logged_in),
        cmocka_unit_test(an_exchange_ends_behind_the_last_word),
        cmocka_unit_test(a_response_ends_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
