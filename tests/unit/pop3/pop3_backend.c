// SPDX-License-Identifier: BSD-3-Clause
#include "pop3_test.h"

#include "contract/mechanism.h"

#include <stdio.h>

#define UNAVAILABLE                                                                                \
    "S:-ERR [SYS/TEMP] Mailbox server not available, try again later\n"                            \
    "E:disconnected\nE:state login\n"

static void a_backend_that_fails_at_any_step_is_temporary_and_the_client_may_try_again(void **state)
{
    static const struct {
        const char *script;
        enum reason want;
    } cases[] = {
        {"E:connecting 2\nE:fail\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nE:close\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:-ERR [SYS/TEMP] busy\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:* OK imap\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:+OKAY\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nRB:+OK\\n\n", REASON_MAIL_BACKEND_DOWN},
        {GREETED_BACKEND "P:XCLIENT *\nE:close\n", REASON_MAIL_BACKEND_LOST},
        {GREETED_BACKEND "P:XCLIENT *\nB:-ERR who are you\n", REASON_MAIL_BACKEND_BAD},
        {GREETED_BACKEND IDENTIFIED USER_SENT "E:close\n", REASON_MAIL_BACKEND_LOST},
        {GREETED_BACKEND IDENTIFIED USER_SENT "B:-ERR [SYS/PERM] no\n", REASON_MAIL_BACKEND_DOWN},
        {GREETED_BACKEND IDENTIFIED PASS_SENT "E:close\n", REASON_MAIL_BACKEND_LOST},
        {GREETED_BACKEND IDENTIFIED PASS_SENT "B:-ERR [SYS/TEMP] no\n", REASON_MAIL_BACKEND_DOWN},
        {GREETED_BACKEND IDENTIFIED PASS_SENT "B:\n", REASON_MAIL_BACKEND_BAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[1024];
        pop3_close(state);
        pop3_open_tls(state);
        snprintf(script, sizeof script, "%s%s", cases[i].script, UNAVAILABLE);
        play(GREETING RIGHT);
        mail_script_play(fake, script);
        assert_int_equal(fake->counted[cases[i].want], 1);
        assert_int_equal(fake->host.report.refusals, 1);
        assert_int_equal(fake->host.report.login, REPORT_LOGIN_UNAVAILABLE);
        mail_script_play(fake, RIGHT GREETED_BACKEND IDENTIFIED PASS_SENT
                         "B:+OK\nS:+OK Logged in\nE:state open\n");
    }
}

static void a_login_that_only_the_backend_refuses_is_wrong(void **state)
{
    play(GREETING RIGHT GREETED_BACKEND IDENTIFIED PASS_SENT
         "B:-ERR [AUTH] Authentication failed.\n"
         "S:-ERR [AUTH] Wrong user or password\nE:disconnected\nE:counted pop3_auth_failed\n");
    assert_int_equal(fake->host.report.login, REPORT_LOGIN_WRONG);
    assert_int_equal(fake->host.report.refusal, REASON_POP3_AUTH_FAILED);
}

static void a_login_is_accepted_once_the_backend_says_so(void **state)
{
    play(GREETING RIGHT);
    assert_int_equal(fake->host.report.login, REPORT_LOGIN_UNAVAILABLE);
    mail_script_play(fake, GREETED_BACKEND IDENTIFIED PASS_SENT "B:+OK\nS:+OK Logged in\n");
    assert_int_equal(fake->host.report.login, REPORT_LOGIN_RIGHT);
}

static void a_mailbox_in_use_is_said_to_be(void **state)
{
    play(GREETING RIGHT GREETED_BACKEND IDENTIFIED PASS_SENT
         "B:-ERR [IN-USE] Mailbox is locked.\n"
         "S:-ERR [IN-USE] Mailbox is in use by another session\nE:disconnected\n");
    assert_int_equal(fake->counted[REASON_MAIL_AUTH_FAILED], 0);
}

static void without_forwarding_no_identity_is_sent(void **state)
{
    fake->policy.policy.backends[2].identity = IDENTITY_NONE;
    play(GREETING RIGHT GREETED_BACKEND PASS_SENT "B:+OK\nS:+OK Logged in\n");
}

static void an_ipv6_client_is_named_as_such(void **state)
{
    assert_true(addr_parse("2001:db8:51::10", &fake->host.client));
    play(GREETING RIGHT GREETED_BACKEND "P:XCLIENT ADDR=2001:db8:51::10 PORT=40000\n");
}

static void the_password_is_forgotten_when_the_backend_has_it(void **state)
{
    play(GREETING RIGHT GREETED_BACKEND IDENTIFIED PASS_SENT);
    assert_null(memmem(fake->state, pop3_protocol.state_size, "wonderland", 10));
}

static void a_lost_backend_ends_the_session(void **state)
{
    play(LOGGED_IN "E:close\nE:finish mail_backend_lost\n");
}

static void set_master(void)
{
    struct mail_master *master = &fake->masters[2];
    fake->policy.policy.backends[2].master_file[0] = '/';
    memcpy(master->name, "weir", master->name_size = 4);
    memcpy(master->password, "secret", master->password_size = 6);
}

#define MASTER "YWxpY2VAZXhhbXBsZS5uZXQAd2VpcgBzZWNyZXQ="

static void a_master_that_is_refused_is_no_wrong_password(void **state)
{
    set_master();
    play(GREETING RIGHT GREETED_BACKEND IDENTIFIED
         "P:AUTH PLAIN\nB:+ \nP:" MASTER "\nB:-ERR [AUTH] no\n"
         "S:-ERR [SYS/TEMP] Mailbox server not available, try again later\nE:state login\n");
    assert_int_equal(fake->counted[REASON_POP3_AUTH_FAILED], 1);
    assert_int_equal(fake->host.report.login, REPORT_LOGIN_UNAVAILABLE);
}

static void a_backend_that_wants_no_response_is_bad(void **state)
{
    set_master();
    play(GREETING RIGHT GREETED_BACKEND IDENTIFIED
         "P:AUTH PLAIN\nB:+OK\n"
         "S:-ERR [SYS/TEMP] Mailbox server not available, try again later\nE:state login\n");
    assert_int_equal(fake->counted[REASON_MAIL_BACKEND_BAD], 1);
}

static void a_master_logs_in_for_one_who_left_no_password(void **state)
{
    set_master();
    fake->mechanisms = MECHANISMS_SCRAM;
    play(GREETING
         "C:AUTH SCRAM-SHA-256 AAAA\nE:proven alice@example.net\n" GREETED_BACKEND IDENTIFIED
         "P:AUTH PLAIN\nB:+ \nP:" MASTER "\nB:+OK Hi\nS:+OK Logged in\n"
         "E:state open\n");
}

static void without_a_master_a_token_is_passed_on(void **state)
{
    fake->mechanisms = MECHANISMS_TOKEN;
    play(GREETING "C:AUTH XOAUTH2 dG9rZW4=\nE:state asking\nE:proven alice@example.net\n"
                  "E:state backend\n" GREETED_BACKEND IDENTIFIED
                  "P:AUTH XOAUTH2\nB:+ \nP:dG9rZW4=\nB:+OK Logged in.\nS:+OK Logged in\n"
                  "C:STAT\nP:STAT\n");
}

static void a_token_that_is_wrong_or_wanted_by_nobody_is_no_command(void **state)
{
    static const char *const ends[] = {
        "E:sasl wrong\nS:-ERR [AUTH] Wrong user or password\n",
        "E:unavailable sasl\nS:-ERR [SYS/TEMP]*\n",
        "E:proven alice\nE:connecting 2\nE:fail\nS:-ERR [SYS/TEMP]*\n",
        "E:proven alice\n" GREETED_BACKEND IDENTIFIED
        "P:AUTH OAUTHBEARER\nB:-ERR\nS:-ERR [AUTH] Wrong user or password\n",
        "E:proven alice\n" GREETED_BACKEND IDENTIFIED
        "P:AUTH OAUTHBEARER\nB:+OK\nS:-ERR [SYS/TEMP]*\n",
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        pop3_close(state);
        pop3_open_tls(state);
        fake->mechanisms = MECHANISMS_TOKEN;
        play(GREETING "C:AUTH OAUTHBEARER\nS:+ \nC:dG9rZW4=\n");
        mail_script_play(fake, ends[i]);
        mail_script_play(fake, "C:NOOP\nS:+OK\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_backend_that_fails_at_any_step_is_temporary_and_the_client_may_try_again),
        TLS_TEST(a_login_that_only_the_backend_refuses_is_wrong),
        TLS_TEST(a_login_is_accepted_once_the_backend_says_so),
        TLS_TEST(a_mailbox_in_use_is_said_to_be),
        TLS_TEST(without_forwarding_no_identity_is_sent),
        TLS_TEST(an_ipv6_client_is_named_as_such),
        TLS_TEST(the_password_is_forgotten_when_the_backend_has_it),
        TLS_TEST(a_lost_backend_ends_the_session),
        TLS_TEST(a_master_that_is_refused_is_no_wrong_password),
        TLS_TEST(a_backend_that_wants_no_response_is_bad),
        TLS_TEST(a_master_logs_in_for_one_who_left_no_password),
        TLS_TEST(without_a_master_a_token_is_passed_on),
        TLS_TEST(a_token_that_is_wrong_or_wanted_by_nobody_is_no_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
