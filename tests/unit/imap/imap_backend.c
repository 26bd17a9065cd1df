// SPDX-License-Identifier: BSD-3-Clause
#include "imap_test.h"

#include "contract/mechanism.h"

#include <stdio.h>

#define UNAVAILABLE                                                                                \
    "S:a NO [UNAVAILABLE] Mailbox server not available, try again later\n"                         \
    "E:disconnected\nE:state login\n"

static void
a_backend_that_fails_at_any_step_is_unavailable_and_the_client_may_try_again(void **state)
{
    static const struct {
        const char *script;
        enum reason want;
    } cases[] = {
        {"E:connecting 1\nE:fail\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connecting 1\nE:connect\nE:close\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:* BYE Too many connections\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:* PREAUTH [CAPABILITY IMAP4rev1] Hi\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:* NO Hi\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:220 smtp\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:W OK early\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:+ go\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nRB:* OK bare\\n\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:* OK Hi\nP:W CAPABILITY\nE:close\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:* OK Hi\nP:W CAPABILITY\nB:W OK none\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:* OK Hi\nP:W CAPABILITY\nB:W BAD none\n", REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:* OK Hi\nP:W CAPABILITY\nB:+ what\n", REASON_MAIL_BACKEND_DOWN},
        {GREETED_BACKEND "P:W ID *\nE:close\n", REASON_MAIL_BACKEND_LOST},
        {GREETED_BACKEND "P:W ID *\nB:W BAD no ID\n", REASON_MAIL_BACKEND_BAD},
        {GREETED_BACKEND "P:W ID *\nB:W NO ID\n", REASON_MAIL_BACKEND_BAD},
        {GREETED_BACKEND "P:W ID *\nB:* BYE\n", REASON_MAIL_BACKEND_DOWN},
        {GREETED_BACKEND IDENTIFIED PLAIN_SENT "E:close\n", REASON_MAIL_BACKEND_LOST},
        {GREETED_BACKEND IDENTIFIED PLAIN_SENT "B:W BAD eh\n", REASON_MAIL_BACKEND_BAD},
        {GREETED_BACKEND IDENTIFIED PLAIN_SENT "B:+ more\n", REASON_MAIL_BACKEND_BAD},
        {GREETED_BACKEND IDENTIFIED PLAIN_SENT "B:* BYE over\n", REASON_MAIL_BACKEND_DOWN},
        {GREETED_BACKEND IDENTIFIED PLAIN_SENT "B:X OK whose\n", REASON_MAIL_BACKEND_BAD},
        {GREETED_BACKEND IDENTIFIED PLAIN_SENT "B:W NO [UNAVAILABLE] db down\n",
         REASON_MAIL_BACKEND_DOWN},
        {"E:connect\nB:* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] Hi\nP:W ID *\nB:W OK\n",
         REASON_MAIL_BACKEND_BAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        imap_close(state);
        imap_open_tls(state);
        char script[1024];
        snprintf(script, sizeof script, "%s%s", cases[i].script, UNAVAILABLE);
        play(TLS_GREETING RIGHT);
        mail_script_play(fake, script);
        assert_int_equal(fake->counted[cases[i].want], 1);
        assert_int_equal(fake->host.report.refusals, 1);
        assert_int_equal(fake->host.report.login, REPORT_LOGIN_UNAVAILABLE);
        mail_script_play(fake,
                         "C:a LOGIN alice wonderland\n"
                         "E:auth right alice@example.net\n" GREETED_BACKEND IDENTIFIED PLAIN_SENT
                         "B:W OK\nS:a OK Logged in\nE:state open\n");
    }
}

static void a_login_that_only_the_backend_refuses_is_wrong(void **state)
{
    play(TLS_GREETING RIGHT GREETED_BACKEND IDENTIFIED PLAIN_SENT
         "B:W NO [AUTHENTICATIONFAILED] Authentication failed.\n"
         "S:a NO [AUTHENTICATIONFAILED] Wrong user or password\n"
         "E:disconnected\nE:counted imap_auth_failed\nE:state login\n");
    assert_int_equal(fake->host.report.login, REPORT_LOGIN_WRONG);
    assert_int_equal(fake->host.report.refusal, REASON_IMAP_AUTH_FAILED);
}

static void a_login_is_accepted_once_the_backend_says_so(void **state)
{
    play(TLS_GREETING RIGHT);
    assert_int_equal(fake->host.report.login, REPORT_LOGIN_UNAVAILABLE);
    mail_script_play(fake, GREETED_BACKEND IDENTIFIED PLAIN_SENT "B:W OK\nS:a OK Logged in\n");
    assert_int_equal(fake->host.report.login, REPORT_LOGIN_RIGHT);
}

static void a_backend_line_over_its_limit_is_refused(void **state)
{
    char line[LINE_BYTES_MAX + 1];
    memset(line, 'x', sizeof line);
    play(TLS_GREETING RIGHT "E:connect\n");
    mail_host_fake_input(fake, SIDE_BACKEND, span_of(line, sizeof line));
    mail_script_play(fake, UNAVAILABLE);
}

static void a_backend_without_sasl_ir_is_given_the_response_when_it_asks(void **state)
{
    play(TLS_GREETING RIGHT "E:connect\nB:* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] Hi\n" IDENTIFIED
                            "P:W AUTHENTICATE PLAIN\nB:+ \n"
                            "P:AGFsaWNlQGV4YW1wbGUubmV0AHdvbmRlcmxhbmQ=\n"
                            "B:W OK Hi\nS:a OK Logged in\nE:state open\n");
    assert_null(memmem(fake->state, imap_protocol.state_size, "wonderland", 10));
}

static void a_backend_without_plain_is_given_literals(void **state)
{
    play(TLS_GREETING RIGHT "E:connect\nB:* OK [CAPABILITY IMAP4rev1] Hi\n" IDENTIFIED
                            "P:W LOGIN {17}\nB:+ go\nP:alice@example.net {10}\nB:+ go\n"
                            "P:wonderland\nB:W OK Hi\nS:a OK Logged in\nE:state open\n");
    assert_null(memmem(fake->state, imap_protocol.state_size, "wonderland", 10));
}

static void a_greeting_without_capabilities_is_followed_by_the_question(void **state)
{
    play(TLS_GREETING RIGHT
         "E:connect\nB:* OK Hi\nP:W CAPABILITY\n"
         "B:* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\nB:W OK\n" IDENTIFIED PLAIN_SENT
         "B:W OK Hi\nS:a OK Logged in\n");
}

static void without_forwarding_no_identity_is_sent(void **state)
{
    fake->policy.policy.backends[1].identity = IDENTITY_NONE;
    play(TLS_GREETING RIGHT GREETED_BACKEND PLAIN_SENT "B:W OK Hi\nS:a OK Logged in\n");
}

static void an_ipv6_client_is_named_as_such(void **state)
{
    assert_true(addr_parse("2001:db8:51::10", &fake->host.client));
    assert_true(addr_parse("2001:db8:51::1", &fake->host.local));
    play(TLS_GREETING RIGHT GREETED_BACKEND
         "P:W ID (\"x-originating-ip\" \"2001:db8:51::10\" \"x-originating-port\" \"40000\" "
         "\"x-connected-ip\" \"2001:db8:51::1\" \"x-connected-port\" \"993\")\n");
}

static void the_client_sees_the_backends_capabilities_less_ours(void **state)
{
    play(TLS_GREETING RIGHT GREETED_BACKEND IDENTIFIED PLAIN_SENT
         "B:* OK [ALERT] ignored\n"
         "B:* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE IDLE AUTH=PLAIN\n"
         "S:* CAPABILITY IMAP4rev1 IDLE\n"
         "B:W OK [CAPABILITY IMAP4rev1 STARTTLS LITERAL+ COMPRESS=DEFLATE] Hi\n"
         "S:a OK [CAPABILITY IMAP4rev1 LITERAL+] Logged in\n");
}

static void a_list_too_long_to_pass_on_is_left_for_the_client_to_ask(void **state)
{
    char line[3000] = "W OK [CAPABILITY";
    while (strlen(line) < 2500)
        strcat(line, " XSOMETHING");
    strcat(line, "] Hi\r\n");
    play(TLS_GREETING RIGHT GREETED_BACKEND IDENTIFIED PLAIN_SENT);
    mail_host_fake_backend(fake, line);
    mail_script_play(fake, "S:a OK Logged in\nE:state open\n");
}

static void commands_sent_ahead_go_to_the_backend_after_the_login(void **state)
{
    play(TLS_GREETING);
    mail_host_fake_client(fake, "a LOGIN alice wonderland\r\nb SELECT INBOX\r\n");
    mail_script_play(fake, "E:auth right alice@example.net\n" GREETED_BACKEND IDENTIFIED PLAIN_SENT
                           "B:W OK Hi\nS:a OK Logged in\nP:b SELECT INBOX\n");
}

static void the_typed_name_is_used_when_no_other_is_known(void **state)
{
    play(TLS_GREETING
         "C:a LOGIN alice@example.net wonderland\nE:auth right\n" GREETED_BACKEND IDENTIFIED
             PLAIN_SENT);
    assert_memory_equal(fake->host.report.user, "alice@example.net", 17);
}

static void a_lost_backend_is_told_with_bye_between_responses_only(void **state)
{
    play(LOGGED_IN "E:close\nS:* BYE Mailbox server has gone, try again later\n"
                   "E:finish mail_backend_lost\n");
    imap_close(state);
    imap_open_tls(state);
    play(LOGGED_IN "B:* 1 FETCH (BODY[] {5}\nS:* 1 FETCH (BODY[] {5}\n"
                   "E:close\nE:finish mail_backend_lost\n");
    imap_close(state);
    imap_open_tls(state);
    play(LOGGED_IN "B:* BYE Shutting down\nS:* BYE Shutting down\n"
                   "E:close\nE:finish mail_backend_lost\n");
}

static void set_master(void)
{
    struct mail_master *master = &fake->masters[1];
    fake->policy.policy.backends[1].master_file[0] = '/';
    memcpy(master->name, "weir", master->name_size = 4);
    memcpy(master->password, "secret", master->password_size = 6);
}

// PLAIN of alice@example.net as authorisation identity, weir and secret.
#define MASTER "YWxpY2VAZXhhbXBsZS5uZXQAd2VpcgBzZWNyZXQ="

static void a_master_that_is_refused_is_no_wrong_password(void **state)
{
    set_master();
    play(TLS_GREETING RIGHT GREETED_BACKEND IDENTIFIED
         "P:W AUTHENTICATE PLAIN " MASTER "\nB:W NO [AUTHENTICATIONFAILED] no\n" UNAVAILABLE);
    assert_int_equal(fake->counted[REASON_IMAP_AUTH_FAILED], 1);
    assert_int_equal(fake->host.report.login, REPORT_LOGIN_UNAVAILABLE);
}

static void a_master_never_logs_in_by_login(void **state)
{
    set_master();
    play(TLS_GREETING RIGHT
         "E:connecting 1\nE:connect\nB:* OK [CAPABILITY IMAP4rev1 ID] Hi\n" IDENTIFIED UNAVAILABLE);
    assert_int_equal(fake->counted[REASON_MAIL_BACKEND_BAD], 1);
}

static void a_master_logs_in_for_one_who_left_no_password(void **state)
{
    set_master();
    fake->mechanisms = MECHANISMS_SCRAM;
    play("S:*\nC:a AUTHENTICATE SCRAM-SHA-256 AAAA\nE:proven alice@example.net\n"
         "E:connecting 1\nE:connect\nB:* OK [CAPABILITY IMAP4rev1 ID AUTH=PLAIN] Hi\n" IDENTIFIED
         "P:W AUTHENTICATE PLAIN\nB:+ \nP:" MASTER "\nB:W OK Hi\nS:a OK Logged in\n");
}

#define TOKEN_GREETING                                                                             \
    "S:* OK [CAPABILITY IMAP4rev1 LITERAL- ID SASL-IR AUTH=OAUTHBEARER AUTH=XOAUTH2 AUTH=PLAIN "   \
    "AUTH=LOGIN] mail.example.net ready\n"

static void without_a_master_a_token_is_passed_on(void **state)
{
    fake->mechanisms = MECHANISMS_TOKEN;
    play(TOKEN_GREETING "C:a AUTHENTICATE XOAUTH2 dG9rZW4=\nE:state asking\n"
                        "E:proven alice@example.net\nE:state backend\n" GREETED_BACKEND IDENTIFIED
                        "P:W AUTHENTICATE XOAUTH2\nB:+ \nP:dG9rZW4=\nB:W OK Logged in\n"
                        "S:a OK Logged in\nC:b NOOP\nP:b NOOP\n");
}

static void a_token_that_is_wrong_or_wanted_by_nobody_is_no_command(void **state)
{
    static const char *const ends[] = {
        "E:sasl wrong\nS:a NO [AUTHENTICATIONFAILED] Wrong user or password\n",
        ("E:sasl wrong xyz\nS:+ eHl6\nC:AQ==\nE:sasl wrong\n"
         "S:a NO [AUTHENTICATIONFAILED] Wrong user or password\n"),
        "E:unavailable sasl\nS:a NO [UNAVAILABLE]*\n",
        "E:proven alice\nE:connecting 1\nE:fail\nS:a NO [UNAVAILABLE]*\n",
        "E:proven alice\n" GREETED_BACKEND IDENTIFIED "P:W AUTHENTICATE OAUTHBEARER\nB:W NO\n"
        "S:a NO [AUTHENTICATIONFAILED] Wrong user or password\n",
        "E:proven alice\n" GREETED_BACKEND IDENTIFIED
        "P:W AUTHENTICATE OAUTHBEARER\nB:+ \nP:dG9rZW4=\nB:+ eHl6\nS:a NO [UNAVAILABLE]*\n",
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        imap_close(state);
        imap_open_tls(state);
        fake->mechanisms = MECHANISMS_TOKEN;
        play(TOKEN_GREETING "C:a AUTHENTICATE OAUTHBEARER\nS:+ \nC:dG9rZW4=\n");
        mail_script_play(fake, ends[i]);
        mail_script_play(fake, "C:b NOOP\nS:b OK Nothing done\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_backend_that_fails_at_any_step_is_unavailable_and_the_client_may_try_again),
        TLS_TEST(a_login_that_only_the_backend_refuses_is_wrong),
        TLS_TEST(a_login_is_accepted_once_the_backend_says_so),
        TLS_TEST(a_backend_line_over_its_limit_is_refused),
        TLS_TEST(a_backend_without_sasl_ir_is_given_the_response_when_it_asks),
        TLS_TEST(a_backend_without_plain_is_given_literals),
        TLS_TEST(a_greeting_without_capabilities_is_followed_by_the_question),
        TLS_TEST(without_forwarding_no_identity_is_sent),
        TLS_TEST(an_ipv6_client_is_named_as_such),
        TLS_TEST(the_client_sees_the_backends_capabilities_less_ours),
        TLS_TEST(a_list_too_long_to_pass_on_is_left_for_the_client_to_ask),
        TLS_TEST(commands_sent_ahead_go_to_the_backend_after_the_login),
        TLS_TEST(the_typed_name_is_used_when_no_other_is_known),
        TLS_TEST(a_lost_backend_is_told_with_bye_between_responses_only),
        TLS_TEST(a_master_that_is_refused_is_no_wrong_password),
        TLS_TEST(a_master_never_logs_in_by_login),
        TLS_TEST(a_master_logs_in_for_one_who_left_no_password),
        TLS_TEST(without_a_master_a_token_is_passed_on),
        TLS_TEST(a_token_that_is_wrong_or_wanted_by_nobody_is_no_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
