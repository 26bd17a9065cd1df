// SPDX-License-Identifier: BSD-3-Clause
#include "imap_test.h"

#include "contract/mechanism.h"

#include <stdio.h>

static void nothing_with_a_password_happens_in_the_clear(void **state)
{
    play(CLEAR_GREETING "C:a LOGIN alice wonderland\n"
                        "S:a NO [PRIVACYREQUIRED] No login without TLS\n"
                        "C:b AUTHENTICATE PLAIN\n"
                        "S:b NO [PRIVACYREQUIRED] No login without TLS\n"
                        "C:c AUTHENTICATE PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\n"
                        "S:c NO [PRIVACYREQUIRED] No login without TLS\n"
                        "C:d LOGIN {5}\n" // the password is not even asked for
                        "S:d NO [PRIVACYREQUIRED] No login without TLS\n"
                        "C:e LOGIN {5+}\nRC:alice {3+}\\r\\nxyz\\r\\n\n"
                        "S:e NO [PRIVACYREQUIRED] No login without TLS\n");
    assert_int_equal(fake->counted[REASON_MAIL_TLS_REQUIRED], 5);
    assert_int_equal(fake->host.report.refusals, 5);
    assert_int_equal(fake->asked, 0);
}

static void a_service_without_tls_offers_no_login_at_all(void **state)
{
    fake->policy.policy.services[fake->host.service].tls = TLS_OFF;
    play("S:* OK [CAPABILITY IMAP4rev1 LITERAL- ID LOGINDISABLED] mail.example.net ready\n"
         "C:a STARTTLS\nS:a BAD TLS is not offered here\n"
         "C:b LOGIN a b\nS:b NO [PRIVACYREQUIRED] No login without TLS\n");
}

static void other_protocols_are_shown_the_door_without_a_word(void **state)
{
    static const char *const firsts[] = {"GET / HTTP/1.1\\r\\n", "\\x16\\x03\\x01\\x02\\x00",
                                         "CONNECT mail:25 HTTP/1.0\\r\\n"};
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        char script[256];
        imap_close(state);
        imap_open_plain(state);
        snprintf(script, sizeof script, CLEAR_GREETING "RC:%s\nE:finish mail_not_mail\n",
                 firsts[i]);
        play(script);
    }
}

static void malformed_commands_are_bad_and_counted(void **state)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"", "* BAD A command has a tag and a name"},
        {"a", "* BAD A command has a tag and a name"},
        {"a ", "* BAD A command has a tag and a name"},
        {" NOOP", "* BAD A command has a tag and a name"},
        {"* NOOP", "* BAD A command has a tag and a name"},
        {"a+ NOOP", "* BAD A command has a tag and a name"},
        {"a\\x01 NOOP", "* BAD A command has a tag and a name"},
        {"a  NOOP", "a BAD Command unknown, or not before login"},
        {"a NOOP x", "a BAD Command takes no arguments"},
        {"a NOOP ", "a BAD Command takes no arguments"},
        {"a CAPABILITY x", "a BAD Command takes no arguments"},
        {"a LOGOUT now", "a BAD Command takes no arguments"},
        {"a STARTTLS x", "a BAD Command takes no arguments"},
        {"a STARTTLS", "a BAD TLS is already there"},
        {"a SELECT INBOX", "a BAD Command unknown, or not before login"},
        {"a IDLE", "a BAD Command unknown, or not before login"},
        {"a COMPRESS DEFLATE", "a BAD Command unknown, or not before login"},
        {"a ID", "a BAD ID wants NIL or a list of strings"},
        {"a ID (", "a BAD ID wants NIL or a list of strings"},
        {"a ID (\"a\")", "a BAD ID wants NIL or a list of strings"},
        {"a ID (\"a\" \"b\" \"c\")", "a BAD ID wants NIL or a list of strings"},
        {"a ID ((\"a\" \"b\"))", "a BAD ID wants NIL or a list of strings"},
        {"a ID (\"a\" (\"b\"))", "a BAD ID wants NIL or a list of strings"},
        {"a ID (\"a\" \"b\") x", "a BAD ID wants NIL or a list of strings"},
        {"a ID NIL NIL", "a BAD ID wants NIL or a list of strings"},
        {"a LOGIN", "a BAD LOGIN wants a user and a password"},
        {"a LOGIN alice", "a BAD LOGIN wants a user and a password"},
        {"a LOGIN alice ", "a BAD LOGIN wants a user and a password"},
        {"a LOGIN alice wonder land", "a BAD LOGIN wants a user and a password"},
        {"a LOGIN  alice wonderland", "a BAD LOGIN wants a user and a password"},
        {"a LOGIN \"alice wonderland", "a BAD LOGIN wants a user and a password"},
        {"a LOGIN (alice) wonderland", "a BAD LOGIN wants a user and a password"},
        {"a LOGIN al*ce wonderland", "a BAD LOGIN wants a user and a password"},
        {"a AUTHENTICATE PLAIN ", "a BAD Initial response missing"},
        {"a AUTHENTICATE PLAIN !", "a BAD Authentication exchange malformed"},
        {"a AUTHENTICATE PLAIN =", "a BAD Authentication exchange malformed"},
        {"a AUTHENTICATE PLAIN *", "a BAD Authentication exchange malformed"},
        {"a AUTHENTICATE", "a NO [CANNOT] Mechanism not supported"},
        {"a AUTHENTICATE CRAM-MD5", "a NO [CANNOT] Mechanism not supported"},
        {"a AUTHENTICATE SCRAM-SHA-256 biws", "a NO [CANNOT] Mechanism not supported"},
        {"a LOGIN {1025}", "a BAD Literal not accepted"},
        {"a NOOP {99999999999}", "a BAD Literal not accepted"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[512];
        imap_close(state);
        imap_open_tls(state);
        snprintf(script, sizeof script, TLS_GREETING "C:%s\nS:%s\nE:state login\n", cases[i].line,
                 cases[i].want);
        play(script);
        assert_int_equal(fake->host.report.refusals, 1);
        assert_int_equal(fake->asked, 0);
    }
}

static void bare_line_ends_and_nul_are_refused_and_the_session_goes_on(void **state)
{
    play(TLS_GREETING "RC:a NOOP\\nb NOOP\\r\\n\n"
                      "S:* BAD Lines end with CR LF and have no other control bytes\n"
                      "RC:a NO\\rOP\\r\\n\n"
                      "S:* BAD Lines end with CR LF and have no other control bytes\n"
                      "RC:a LOGIN alice\\0 x\\r\\n\n"
                      "S:* BAD Lines end with CR LF and have no other control bytes\n"
                      "C:c NOOP\nS:c OK Nothing done\n");
    assert_int_equal(fake->counted[REASON_MAIL_BARE_LF], 1);
    assert_int_equal(fake->counted[REASON_MAIL_BARE_CR], 1);
    assert_int_equal(fake->counted[REASON_MAIL_NUL], 1);
}

static void fill_line(size_t size)
{
    char line[LINE_BYTES_MAX + 2];
    memset(line, 'x', sizeof line);
    memcpy(line, "a NOOP ", 7);
    memcpy(line + size - 2, "\r\n", 2);
    mail_host_fake_input(fake, SIDE_CLIENT, span_of(line, size));
}

static void a_line_has_its_limit(void **state)
{
    play(TLS_GREETING);
    fill_line(LINE_BYTES_MAX - 1);
    mail_script_play(fake, "S:a BAD Command takes no arguments\n");
    fill_line(LINE_BYTES_MAX);
    mail_script_play(fake, "S:a BAD Command takes no arguments\n");
    fill_line(LINE_BYTES_MAX + 1);
    mail_script_play(fake, "S:* BYE Command too long\nE:finish mail_line_too_long\n");
}

static void a_line_without_end_is_refused_before_the_buffer_is_full(void **state)
{
    char bytes[LINE_BYTES_MAX];
    memset(bytes, 'x', sizeof bytes);
    play(TLS_GREETING);
    mail_host_fake_input(fake, SIDE_CLIENT, span_of(bytes, sizeof bytes - 1));
    assert_false(fake->finished);
    mail_script_play(fake, "RC:x\nS:* BYE Command too long\nE:finish mail_line_too_long\n");
}

static void a_literal_has_its_limit(void **state)
{
    play(TLS_GREETING "C:a LOGIN {1024}\nS:+ Go ahead\n");
    imap_close(state);
    imap_open_tls(state);
    play(TLS_GREETING "C:a LOGIN {1025+}\nS:* BYE Literal too big\n"
                      "E:finish imap_literal_too_big\n");
    imap_close(state);
    imap_open_tls(state);
    fake->policy.policy.limits[LIMIT_LITERAL_BYTES_LOGIN] = 16;
    play(TLS_GREETING "C:a LOGIN {16}\nS:+ Go ahead\nRC:1234567890123456\nC: {17}\n"
                      "S:a BAD Literal not accepted\nE:counted imap_literal_too_big\n"
                      "C:b NOOP\nS:b OK Nothing done\n");
}

static void too_many_bad_commands_end_the_session(void **state)
{
    play(TLS_GREETING);
    for (int i = 0; i < 9; i++)
        mail_script_play(fake, "C:a XYZ\nS:a BAD Command unknown, or not before login\n");
    mail_script_play(fake, "C:a XYZ\nS:a BAD Command unknown, or not before login\n"
                           "S:* BYE Too many bad commands\nE:finish mail_too_many_errors\n");
    assert_int_equal(fake->counted[REASON_MAIL_BAD_COMMAND], 10);
}

static void wrong_throttled_and_unavailable_are_three_replies(void **state)
{
    play(TLS_GREETING "C:a LOGIN alice x\nE:auth wrong\n"
                      "S:a NO [AUTHENTICATIONFAILED] Wrong user or password\n"
                      "E:state login\nE:counted mail_auth_failed\n"
                      "C:b LOGIN alice x\nE:auth throttled\n"
                      "S:b NO [UNAVAILABLE] Too many attempts, try again later\n"
                      "E:counted mail_auth_unavailable\n"
                      "C:c LOGIN alice x\nE:unavailable auth\n"
                      "S:c NO [UNAVAILABLE] Logins cannot be checked now, try again later\n");
    assert_int_equal(fake->connects, 0);
    assert_int_equal(fake->host.report.user_size, 0);
    assert_int_equal(fake->host.report.refusals, 3);
}

static void a_session_more_than_the_user_may_have_is_no_with_limit(void **state)
{
    fake->login_reason = REASON_SESSIONS_USER;
    play(TLS_GREETING "C:a LOGIN alice 1\nE:auth right alice@example.net\nS:a NO [LIMIT] *\n"
                      "E:state login\nE:counted sessions_user\n");
    assert_int_equal(fake->connects, 0);
    assert_int_equal(fake->host.report.login, REPORT_LOGIN_THROTTLED);
}

static void too_many_wrong_passwords_end_the_session(void **state)
{
    play(TLS_GREETING "C:a LOGIN alice 1\nE:auth wrong\nS:a NO [AUTHENTICATIONFAILED] *\n"
                      "C:b AUTHENTICATE PLAIN AGFsaWNlADI=\nE:auth wrong\n"
                      "S:b NO [AUTHENTICATIONFAILED] *\n"
                      "C:c LOGIN alice 3\nE:auth wrong\nS:c NO [AUTHENTICATIONFAILED] *\n"
                      "S:* BYE Too many wrong passwords\nE:finish mail_auth_too_many\n");
}

static void a_pair_that_cannot_be_right_is_wrong_without_a_question(void **state)
{
    play(TLS_GREETING "C:a LOGIN \"\" x\nS:a NO [AUTHENTICATIONFAILED] *\n"
                      "C:b LOGIN alice \"\"\nS:b NO [AUTHENTICATIONFAILED] *\n");
    char line[400];
    memset(line, 'x', sizeof line);
    memcpy(line, "c LOGIN alice ", 14);
    memcpy(line + 14 + 256, "\r\n", 3);
    mail_host_fake_client(fake, line);
    mail_script_play(fake, "S:c NO [AUTHENTICATIONFAILED] *\nS:* BYE *\n"
                           "E:finish mail_auth_too_many\n");
    assert_int_equal(fake->asked, 0);
    assert_int_equal(fake->counted[REASON_MAIL_AUTH_FAILED], 3);
}

static void sasl_can_be_cancelled_and_must_be_well_formed(void **state)
{
    play(TLS_GREETING "C:a AUTHENTICATE PLAIN\nS:+ \nE:state sasl\n"
                      "C:*\nS:a BAD Authentication cancelled\nE:state login\n"
                      "C:b AUTHENTICATE LOGIN\nS:+ VXNlcm5hbWU6\n"
                      "C:YWxpY2U=\nS:+ UGFzc3dvcmQ6\n"
                      "C:no base64\nS:b BAD Authentication exchange malformed\nE:state login\n"
                      "C:c AUTHENTICATE PLAIN\nS:+ \nRC:AAA\\nBBB\\r\\n\n"
                      "S:* BAD Lines end with CR LF and have no other control bytes\n"
                      "E:state login\nC:d NOOP\nS:d OK Nothing done\n");
}

static void what_is_pipelined_behind_starttls_has_no_effect(void **state)
{
    play(CLEAR_GREETING);
    mail_host_fake_client(fake, "a STARTTLS\r\nb LOGIN mallory x\r\n");
    mail_script_play(fake, "S:a OK Begin TLS negotiation now\nE:tls\nE:state login\n"
                           "C:c NOOP\nS:c OK Nothing done\n");
    assert_int_equal(fake->plaintext_discarded, 19);
    assert_int_equal(fake->asked, 0);
}

static void a_half_command_before_starttls_is_forgotten(void **state)
{
    play(CLEAR_GREETING "C:a STARTTLS\nS:a OK Begin TLS negotiation now\nE:tls\n"
                        "C:b LOGIN {5}\nS:+ Go ahead\nRC:alice\nC: x\nE:state asking\n");
}

// What a login in that form asks.
static void asks(const char *script, const char *user, const char *password)
{
    play(TLS_GREETING);
    mail_script_play(fake, script);
    mail_script_play(fake, "E:state asking\n");
    const struct auth_question *question = &fake->question.auth_question;
    assert_true(span_equal(span_of(question->user, question->user_size), span_text(user)));
    assert_true(
        span_equal(span_of(question->password, question->password_size), span_text(password)));
    assert_true(addr_equal(&question->client.addr, &fake->host.client));
    assert_int_equal(question->client.protocol, PROTOCOL_IMAP);
}

static void every_form_of_login_asks_the_same(void **state)
{
    static const char *const scripts[] = {
        "C:a LOGIN alice wonderland\n",
        "C:a login \"alice\" \"wonderland\"\n",
        "C:a LOGIN {5}\nS:+ Go ahead\nRC:alice\nC: {10}\nS:+ Go ahead\nRC:wonderland\nC:\n",
        "C:a LOGIN {5+}\nRC:alice\nC: {10+}\nRC:wonderland\nC:\n",
        "C:a LOGIN \"alice\" {10}\nS:+ Go ahead\nRC:wonderland\\r\\n\n",
        "RC:a LOGIN {5}\\r\\nalice {10}\\r\\nwonderland\\r\\n\nS:+ Go ahead\nS:+ Go ahead\n",
        "C:a AUTHENTICATE PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\n",
        "C:a AUTHENTICATE PLAIN\nS:+ \nC:AGFsaWNlAHdvbmRlcmxhbmQ=\n",
        "C:a authenticate plain\nS:+ \nC:YWxpY2UAYWxpY2UAd29uZGVybGFuZA==\n",
        ("C:a AUTHENTICATE LOGIN\nS:+ VXNlcm5hbWU6\nC:YWxpY2U=\nS:+ UGFzc3dvcmQ6\n"
         "C:d29uZGVybGFuZA==\n"),
        "C:a AUTHENTICATE LOGIN YWxpY2U=\nS:+ UGFzc3dvcmQ6\nC:d29uZGVybGFuZA==\n",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        imap_close(state);
        imap_open_tls(state);
        asks(scripts[i], "alice", "wonderland");
    }
}

static void passwords_keep_every_byte(void **state)
{
    asks("C:a LOGIN alice \"a \\\\\\\\\\\\\"b\"\n", "alice", "a \\\"b");
    imap_close(state);
    imap_open_tls(state);
    asks("RC:a LOGIN alice {4+}\\r\\na\\r\\nb\\r\\n\n", "alice", "a\r\nb");
    imap_close(state);
    imap_open_tls(state);
    asks("C:a LOGIN \"\\xc3\\xa4\" \"\\xc3\\xb6 }{\"\n", "\xc3\xa4", "\xc3\xb6 }{");
}

static void commands_sent_ahead_wait_for_the_login(void **state)
{
    play(TLS_GREETING);
    mail_host_fake_client(fake, "a LOGIN alice x\r\nb NOOP\r\n");
    mail_script_play(fake, "E:auth wrong\nS:a NO [AUTHENTICATIONFAILED] *\n"
                           "S:b OK Nothing done\n");
}

static void every_command_without_a_password_works_in_the_clear(void **state)
{
    play(CLEAR_GREETING "C:a noop\nS:a OK Nothing done\n"
                        "C:b Id NIL\nS:* ID NIL\nS:b OK ID taken\n"
                        "C:c ID ()\nS:* ID NIL\nS:c OK ID taken\n"
                        "C:d ID (\"name\" NIL \"x\" {3+}\nRC:abc\nC:)\n"
                        "S:* ID NIL\nS:d OK ID taken\n"
                        "C:e LOGOUT\nS:* BYE Logging out\nS:e OK Logged out\n"
                        "E:finish mail_quit\n");
}

static void every_command_before_login_is_counted_once(void **state)
{
    play(TLS_GREETING "C:a NOOP\nS:a OK Nothing done\nC:b DANCE\nS:b BAD *\nC:+ NOOP\nS:* BAD *\n"
                      "C:c LOGIN {99999}\nS:c BAD *\n" // with its literal cut off
                      "C:d AUTHENTICATE PLAIN\nS:+ \nC:*\nS:d BAD *\n"
                      "C:e LOGIN {5}\nS:+ *\nRC:alice\nC: x\nE:state asking\nE:auth wrong\n"
                      "S:e NO *\n");
    assert_int_equal(fake->host.report.commands, 6);
}

static void a_flood_of_commands_in_one_packet_is_answered_in_full(void **state)
{
    play(TLS_GREETING);
    char bytes[1000 * 8 + 1] = "";
    for (int i = 0; i < 1000; i++)
        memcpy(bytes + (size_t)i * 8, "a NOOP\r\n", 9);
    mail_host_fake_client(fake, bytes);
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_CLIENT).size, 1000 * 19);
}

static void an_exchange_is_offered_where_a_master_logs_in(void **state)
{
    fake->mechanisms = MECHANISMS_SCRAM;
    play(TLS_GREETING "C:a AUTHENTICATE SCRAM-SHA-256 AAAA\n"
                      "S:a NO [CANNOT] Mechanism not supported\n");
    fake->mechanisms |= MECHANISMS_TOKEN;
    fake->policy.policy.backends[1].master_file[0] = '/';
    mail_script_play(fake, "C:b CAPABILITY\n"
                           "S:* CAPABILITY IMAP4rev1 LITERAL- ID SASL-IR AUTH=SCRAM-SHA-256-PLUS "
                           "AUTH=SCRAM-SHA-256 AUTH=OAUTHBEARER AUTH=XOAUTH2 AUTH=PLAIN "
                           "AUTH=LOGIN\nS:b OK Capabilities listed\n");
}

static void an_exchange_goes_round_by_round_and_may_fail_in_each(void **state)
{
    fake->mechanisms = MECHANISMS_SCRAM;
    fake->policy.policy.backends[1].master_file[0] = '/';
    play("S:*\n"
         "C:a AUTHENTICATE SCRAM-SHA-256 AAAA\nE:state asking\nE:unavailable sasl\n"
         "S:a NO [UNAVAILABLE] Logins cannot be checked now, try again later\n"
         "C:b AUTHENTICATE SCRAM-SHA-256\nS:+ \nC:AAAA\nE:sasl wrong xyz\nS:+ eHl6\nC:*\n"
         "S:b BAD Authentication cancelled\n"
         "C:c AUTHENTICATE SCRAM-SHA-256 AAAA\nE:sasl wrong xyz\nS:+ eHl6\nC:AAAA\n"
         "E:sasl wrong\nS:c NO [AUTHENTICATIONFAILED] Wrong user or password\n"
         "C:d AUTHENTICATE SCRAM-SHA-256 AAAA\nE:sasl throttled\n"
         "S:d NO [UNAVAILABLE] Too many attempts, try again later\n"
         "C:e AUTHENTICATE SCRAM-SHA-256 AAAA\nE:proven alice xyz\nS:+ eHl6\nC:AAAA\n"
         "S:e BAD Authentication exchange malformed\n"
         "C:f AUTHENTICATE SCRAM-SHA-256 AAAA\nE:proven alice xyz\nS:+ eHl6\nE:state sasl\nC:\n"
         "E:state backend\nE:connecting 1\n");
    assert_int_equal(fake->counted[REASON_MAIL_AUTH_UNAVAILABLE], 2);
    assert_int_equal(fake->counted[REASON_MAIL_AUTH_FAILED], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN_TEST(nothing_with_a_password_happens_in_the_clear),
        PLAIN_TEST(a_service_without_tls_offers_no_login_at_all),
        PLAIN_TEST(other_protocols_are_shown_the_door_without_a_word),
        TLS_TEST(malformed_commands_are_bad_and_counted),
        TLS_TEST(bare_line_ends_and_nul_are_refused_and_the_session_goes_on),
        TLS_TEST(a_line_has_its_limit),
        TLS_TEST(a_line_without_end_is_refused_before_the_buffer_is_full),
        TLS_TEST(a_literal_has_its_limit),
        TLS_TEST(too_many_bad_commands_end_the_session),
        TLS_TEST(wrong_throttled_and_unavailable_are_three_replies),
        TLS_TEST(a_session_more_than_the_user_may_have_is_no_with_limit),
        TLS_TEST(too_many_wrong_passwords_end_the_session),
        TLS_TEST(a_pair_that_cannot_be_right_is_wrong_without_a_question),
        TLS_TEST(sasl_can_be_cancelled_and_must_be_well_formed),
        PLAIN_TEST(what_is_pipelined_behind_starttls_has_no_effect),
        PLAIN_TEST(a_half_command_before_starttls_is_forgotten),
        TLS_TEST(every_form_of_login_asks_the_same),
        TLS_TEST(passwords_keep_every_byte),
        TLS_TEST(commands_sent_ahead_wait_for_the_login),
        PLAIN_TEST(every_command_without_a_password_works_in_the_clear),
        TLS_TEST(every_command_before_login_is_counted_once),
        TLS_TEST(a_flood_of_commands_in_one_packet_is_answered_in_full),
        TLS_TEST(an_exchange_is_offered_where_a_master_logs_in),
        TLS_TEST(an_exchange_goes_round_by_round_and_may_fail_in_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
