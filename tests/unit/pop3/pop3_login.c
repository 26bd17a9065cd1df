// SPDX-License-Identifier: BSD-3-Clause
#include "pop3_test.h"

#include "contract/mechanism.h"

#include <stdio.h>

static void nothing_with_a_password_happens_in_the_clear(void **state)
{
    play(GREETING "C:USER alice\nS:-ERR No login without TLS\n"
                  "C:PASS wonderland\nS:-ERR No login without TLS\n"
                  "C:AUTH PLAIN\nS:-ERR No login without TLS\n"
                  "C:AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\nS:-ERR No login without TLS\n"
                  "C:APOP alice c4c9334bac560ecc979e58001b3e22fb\nS:-ERR No login without TLS\n");
    assert_int_equal(fake->counted[REASON_MAIL_TLS_REQUIRED], 5);
    assert_int_equal(fake->host.report.refusals, 5);
    assert_int_equal(fake->asked, 0);
}

static void a_service_without_tls_offers_no_login_at_all(void **state)
{
    fake->policy.policy.services[fake->host.service].tls = TLS_OFF;
    play(GREETING "C:STLS\nS:-ERR TLS is not offered here\n"
                  "C:USER alice\nS:-ERR No login without TLS\n");
}

static void other_protocols_are_shown_the_door_without_a_word(void **state)
{
    play(GREETING "RC:GET / HTTP/1.1\\r\\n\nE:finish mail_not_mail\n");
    pop3_close(state);
    pop3_open_plain(state);
    play(GREETING "RC:\\x16\\x03\\x01\\x02\\x00\nE:finish mail_not_mail\n");
}

static void malformed_commands_are_errors_and_counted(void **state)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"", "-ERR Command unknown, or not before login"},
        {" NOOP", "-ERR Command unknown, or not before login"},
        {"STAT", "-ERR Command unknown, or not before login"},
        {"LIST", "-ERR Command unknown, or not before login"},
        {"XCLIENT ADDR=1.2.3.4", "-ERR Command unknown, or not before login"},
        {"APOP alice 00", "-ERR Command unknown, or not before login"},
        {"NOOP x", "-ERR Command takes no arguments"},
        {"QUIT now", "-ERR Command takes no arguments"},
        {"CAPA x", "-ERR Command takes no arguments"},
        {"STLS x", "-ERR Command takes no arguments"},
        {"STLS", "-ERR TLS is already there"},
        {"USER", "-ERR USER wants a name"},
        {"USER ", "-ERR USER wants a name"},
        {"USER a\\x01", "-ERR USER wants a name"},
        {"PASS x", "-ERR USER comes first"},
        {"AUTH", "-ERR AUTH wants a mechanism that CAPA lists"},
        {"AUTH CRAM-MD5", "-ERR AUTH wants a mechanism that CAPA lists"},
        {"AUTH PLAIN ", "-ERR AUTH wants a mechanism that CAPA lists"},
        {"AUTH PLAIN !", "-ERR Authentication exchange malformed"},
        {"AUTH PLAIN =", "-ERR Authentication exchange malformed"},
        // alice and "a CR LF QUIT": no line for the backend
        {"AUTH PLAIN AGFsaWNlAGENClFVSVQ=", "-ERR Authentication exchange malformed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[512];
        pop3_close(state);
        pop3_open_tls(state);
        snprintf(script, sizeof script, GREETING "C:%s\nS:%s\nE:state login\n", cases[i].line,
                 cases[i].want);
        play(script);
        assert_int_equal(fake->host.report.refusals, 1);
        assert_int_equal(fake->asked, 0);
    }
}

static void bare_line_ends_and_nul_are_refused_and_the_session_goes_on(void **state)
{
    play(GREETING "RC:NOOP\\nNOOP\\r\\n\nS:-ERR Lines end with *\n"
                  "RC:NO\\rOP\\r\\n\nS:-ERR Lines end with *\n"
                  "RC:USER a\\0b\\r\\n\nS:-ERR Lines end with *\n"
                  "C:AUTH PLAIN\nS:+ \nRC:AA\\nBB\\r\\n\nS:-ERR Lines end with *\nE:state login\n"
                  "C:NOOP\nS:+OK\n");
    assert_int_equal(fake->counted[REASON_MAIL_BARE_LF], 2);
    assert_int_equal(fake->counted[REASON_MAIL_BARE_CR], 1);
    assert_int_equal(fake->counted[REASON_MAIL_NUL], 1);
}

static void fill_line(size_t size)
{
    char line[LINE_BYTES_MAX + 1];
    memset(line, 'x', sizeof line);
    memcpy(line, "NOOP ", 5);
    memcpy(line + size - 2, "\r\n", 2);
    mail_host_fake_input(fake, SIDE_CLIENT, span_of(line, size));
}

static void a_line_has_its_limit(void **state)
{
    play(GREETING);
    fill_line(LINE_BYTES_MAX - 1);
    mail_script_play(fake, "S:-ERR Command takes no arguments\n");
    fill_line(LINE_BYTES_MAX);
    mail_script_play(fake, "S:-ERR Command takes no arguments\n");
    fill_line(LINE_BYTES_MAX + 1);
    mail_script_play(fake, "S:-ERR Line too long\nE:finish mail_line_too_long\n");
}

static void too_many_bad_commands_end_the_session(void **state)
{
    play(GREETING);
    for (int i = 0; i < 10; i++)
        mail_script_play(fake, "C:XYZ\nS:-ERR Command unknown, or not before login\n");
    mail_script_play(fake, "E:finish mail_too_many_errors\n");
}

static void wrong_throttled_and_unavailable_are_three_replies(void **state)
{
    play(GREETING "C:USER alice\nS:+OK *\nC:PASS x\nE:auth wrong\n"
                  "S:-ERR [AUTH] Wrong user or password\nE:counted mail_auth_failed\n"
                  "C:PASS x\nS:-ERR USER comes first\n"
                  "C:USER alice\nS:+OK *\nC:PASS x\nE:auth throttled\n"
                  "S:-ERR [SYS/TEMP] Too many attempts, try again later\n"
                  "C:USER alice\nS:+OK *\nC:PASS x\nE:unavailable auth\n"
                  "S:-ERR [SYS/TEMP] Logins cannot be checked now, try again later\n");
    assert_int_equal(fake->connects, 0);
    assert_int_equal(fake->counted[REASON_MAIL_AUTH_UNAVAILABLE], 2);
}

static void a_session_more_than_the_user_may_have_is_in_use(void **state)
{
    fake->login_reason = REASON_SESSIONS_USER_SOURCE;
    play(GREETING "C:AUTH PLAIN AGFsaWNlADI=\nE:auth right alice@example.net\n"
                  "S:-ERR [IN-USE] *\nE:state login\nE:counted sessions_user_source\n");
    fake->login_reason = REASON_LOGIN_RATE_USER;
    mail_script_play(fake, "C:AUTH PLAIN AGFsaWNlADI=\nE:auth right alice@example.net\n"
                           "S:-ERR [SYS/TEMP] *\n");
    assert_int_equal(fake->connects, 0);
    assert_int_equal(fake->host.report.login, REPORT_LOGIN_THROTTLED);
}

static void too_many_wrong_passwords_end_the_session(void **state)
{
    play(GREETING);
    for (int i = 0; i < 3; i++)
        mail_script_play(fake, "C:AUTH PLAIN AGFsaWNlADI=\nE:auth wrong\nS:-ERR [AUTH] *\n");
    mail_script_play(fake, "E:finish mail_auth_too_many\n");
}

static void sasl_can_be_cancelled(void **state)
{
    play(GREETING "C:AUTH PLAIN\nS:+ \nE:state sasl\n"
                  "C:*\nS:-ERR Authentication cancelled\nE:state login\n");
}

static void what_is_pipelined_behind_stls_has_no_effect(void **state)
{
    play(GREETING);
    mail_host_fake_client(fake, "STLS\r\nUSER mallory\r\nPASS x\r\n");
    mail_script_play(fake, "S:+OK Begin TLS negotiation now\nE:tls\n"
                           "C:PASS x\nS:-ERR USER comes first\n");
    assert_int_equal(fake->plaintext_discarded, 22);
    assert_int_equal(fake->asked, 0);
}

static void every_form_of_login_asks_the_same(void **state)
{
    static const char *const scripts[] = {
        "C:USER alice\nS:+OK *\nC:PASS wonder land\n",
        "C:user alice\nS:+OK *\nC:pass wonder land\n",
        "C:USER bob\nS:+OK *\nC:USER alice\nS:+OK *\nC:PASS wonder land\n",
        "C:AUTH PLAIN AGFsaWNlAHdvbmRlciBsYW5k\n",
        "C:AUTH PLAIN\nS:+ \nC:AGFsaWNlAHdvbmRlciBsYW5k\n",
        "C:auth login\nS:+ VXNlcm5hbWU6\nC:YWxpY2U=\nS:+ UGFzc3dvcmQ6\nC:d29uZGVyIGxhbmQ=\n",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        pop3_close(state);
        pop3_open_tls(state);
        play(GREETING);
        mail_script_play(fake, scripts[i]);
        mail_script_play(fake, "E:state asking\n");
        const struct auth_question *question = &fake->question.auth_question;
        assert_true(span_equal(span_of(question->user, question->user_size), span_text("alice")));
        assert_true(span_equal(span_of(question->password, question->password_size),
                               span_text("wonder land")));
        assert_int_equal(question->client.protocol, PROTOCOL_POP3);
    }
}

static void spaces_of_a_password_are_kept(void **state)
{
    play(GREETING "C:USER alice\nS:+OK *\nC:PASS  x \nE:state asking\n");
    assert_int_equal(fake->question.auth_question.password_size, 3);
    assert_memory_equal(fake->question.auth_question.password, " x ", 3);
}

static void quit_ends_the_session(void **state)
{
    play(GREETING "C:quit\nS:+OK Logging out\nE:finish mail_quit\n");
}

static void every_command_before_login_is_counted_once(void **state)
{
    play(GREETING "C:NOOP\nS:+OK\nC:DANCE\nS:-ERR *\nC:AUTH PLAIN\nS:+ \nC:*\nS:-ERR *\n"
                  "C:USER alice\nS:+OK *\nC:PASS x\nE:state asking\nE:auth wrong\nS:-ERR *\n");
    assert_int_equal(fake->host.report.commands, 5);
}

static void an_exchange_goes_round_by_round_and_may_fail_in_each(void **state)
{
    fake->mechanisms = MECHANISMS_SCRAM;
    fake->policy.policy.backends[2].master_file[0] = '/';
    play(GREETING "C:AUTH SCRAM-SHA-256 AAAA\nE:state asking\nE:unavailable sasl\n"
                  "S:-ERR [SYS/TEMP] Logins cannot be checked now, try again later\n"
                  "C:AUTH SCRAM-SHA-256\nS:+ \nC:AAAA\nE:sasl wrong xyz\nS:+ eHl6\nC:*\n"
                  "S:-ERR Authentication cancelled\n"
                  "C:AUTH SCRAM-SHA-256 AAAA\nE:sasl wrong\nS:-ERR [AUTH] Wrong user or password\n"
                  "C:AUTH SCRAM-SHA-256 AAAA\nE:sasl throttled\n"
                  "S:-ERR [SYS/TEMP] Too many attempts, try again later\n"
                  "C:AUTH SCRAM-SHA-256 AAAA\nE:proven alice xyz\nS:+ eHl6\nC:AAAA\n"
                  "S:-ERR Authentication exchange malformed\n"
                  "C:AUTH SCRAM-SHA-256 AAAA\nE:proven alice xyz\nS:+ eHl6\nE:state sasl\nC:\n"
                  "E:state backend\nE:connecting 2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN_TEST(nothing_with_a_password_happens_in_the_clear),
        PLAIN_TEST(a_service_without_tls_offers_no_login_at_all),
        PLAIN_TEST(other_protocols_are_shown_the_door_without_a_word),
        TLS_TEST(malformed_commands_are_errors_and_counted),
        TLS_TEST(bare_line_ends_and_nul_are_refused_and_the_session_goes_on),
        TLS_TEST(a_line_has_its_limit),
        TLS_TEST(too_many_bad_commands_end_the_session),
        TLS_TEST(wrong_throttled_and_unavailable_are_three_replies),
        TLS_TEST(a_session_more_than_the_user_may_have_is_in_use),
        TLS_TEST(too_many_wrong_passwords_end_the_session),
        TLS_TEST(sasl_can_be_cancelled),
        PLAIN_TEST(what_is_pipelined_behind_stls_has_no_effect),
        TLS_TEST(every_form_of_login_asks_the_same),
        TLS_TEST(spaces_of_a_password_are_kept),
        PLAIN_TEST(quit_ends_the_session),
        TLS_TEST(every_command_before_login_is_counted_once),
        TLS_TEST(an_exchange_goes_round_by_round_and_may_fail_in_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
