// SPDX-License-Identifier: BSD-3-Clause
#include "imap_test.h"

static void a_client_that_vanishes_ends_the_session_in_every_state(void **state)
{
    static const char *const scripts[] = {
        "",
        "C:a LOGIN alice wonderland\nE:state asking\n",
        "C:a AUTHENTICATE PLAIN\nS:+ \nE:state sasl\n",
        "RC:a LOG\nE:state login\n",
        RIGHT "E:connecting 1\n",
        RIGHT "E:connecting 1\nE:connect\n",
        RIGHT GREETED_BACKEND "P:W ID *\n",
        RIGHT GREETED_BACKEND IDENTIFIED PLAIN_SENT,
        RIGHT GREETED_BACKEND IDENTIFIED PLAIN_SENT "B:W OK x\nS:a OK Logged in\nE:state open\n",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        imap_close(state);
        imap_open_tls(state);
        play(TLS_GREETING);
        mail_script_play(fake, scripts[i]);
        mail_script_play(fake, "E:eof\nE:finish mail_client_lost\nE:state over\n");
    }
}

static void a_slow_login_is_ended_with_bye(void **state)
{
    play(TLS_GREETING "C:a NOOP\nS:a OK Nothing done\n");
    assert_int_equal(fake->deadline_us - fake->now_us, 180 * 1000000);
    mail_script_play(fake, "E:timeout\nS:* BYE Too long without login\n"
                           "E:finish mail_login_timeout\n");
}

static void a_slow_question_and_a_slow_response_end_alike(void **state)
{
    play(TLS_GREETING "C:a AUTHENTICATE LOGIN\nS:+ VXNlcm5hbWU6\nE:timeout\n"
                      "S:* BYE Too long without login\nE:finish mail_login_timeout\n");
}

static void commands_do_not_put_the_login_deadline_off(void **state)
{
    mail_host_fake_start(fake);
    uint64_t deadline = fake->deadline_us;
    mail_host_fake_wait(fake, 1000000);
    mail_script_play(fake, CLEAR_GREETING "C:a NOOP\nS:a OK Nothing done\n"
                                          "C:b STARTTLS\n"
                                          "S:b OK Begin TLS negotiation now\n"
                                          "E:state starttls\nE:tls\nE:state login\n");
    assert_int_equal(fake->deadline_us, deadline);
}

static void a_backend_that_does_not_answer_is_unavailable(void **state)
{
    play(TLS_GREETING RIGHT "E:connecting 1\nE:connect\nE:timeout\n"
                            "S:a NO [UNAVAILABLE] Mailbox server does not answer\n"
                            "S:* BYE Try again later\nE:finish mail_backend_down\n");
}

static void an_idle_session_is_ended_with_bye_between_responses(void **state)
{
    play(LOGGED_IN);
    assert_int_equal(fake->deadline_us - fake->now_us, UINT64_C(1860) * 1000000);
    mail_script_play(fake, "E:timeout\nS:* BYE Idle for too long\nE:finish imap_autologout\n");
}

static void an_idle_session_is_ended_without_a_word_inside_a_response(void **state)
{
    play(LOGGED_IN "C:b FETCH 1 BODY[]\nP:b FETCH 1 BODY[]\n"
                   "B:* 1 FETCH (BODY[] {100}\nS:* 1 FETCH (BODY[] {100}\n"
                   "E:timeout\nE:finish imap_autologout\n");
}

static const uint64_t autologout_us = UINT64_C(1860) * 1000000;

static void commands_put_the_autologout_off_and_so_do_answers_to_them(void **state)
{
    play(LOGGED_IN);
    fake->now_us += 1000000000;
    mail_script_play(fake, "C:b FETCH 1:* ALL\nP:b FETCH 1:* ALL\n");
    assert_int_equal(fake->deadline_us - fake->now_us, autologout_us);
    fake->now_us += 1000000000;
    mail_script_play(fake, "B:* 5 EXISTS\nS:* 5 EXISTS\n");
    assert_int_equal(fake->deadline_us - fake->now_us, autologout_us);
}

static void what_comes_unasked_or_while_idling_does_not(void **state)
{
    play(LOGGED_IN);
    fake->now_us += 1000000000;
    mail_script_play(fake, "B:* 5 EXISTS\nS:* 5 EXISTS\n");
    assert_int_equal(fake->deadline_us - fake->now_us, autologout_us - 1000000000);
    mail_script_play(fake, "C:b IDLE\nP:b IDLE\nB:+ idling\nS:+ idling\n");
    fake->now_us += 1700000000;
    mail_script_play(fake, "B:* OK Still here\nS:* OK Still here\n");
    assert_int_equal(fake->deadline_us - fake->now_us, autologout_us - 1700000000);
    mail_script_play(fake, "E:timeout\nS:* BYE Idle for too long\nE:finish imap_autologout\n");
}

static void a_drain_ends_a_session_before_login(void **state)
{
    play(TLS_GREETING "E:drain\nS:* BYE Server is shutting down, please connect again\n"
                      "E:finish mail_drained\n");
}

static void a_drain_waits_for_the_login_under_way(void **state)
{
    play(TLS_GREETING RIGHT "E:drain\n" GREETED_BACKEND IDENTIFIED PLAIN_SENT
                            "B:W OK Logged in\nS:a OK Logged in\n"
                            "S:* BYE Server is shutting down, please connect again\n"
                            "E:finish mail_drained\n");
}

static void a_drain_waits_for_the_command_under_way(void **state)
{
    play(LOGGED_IN "C:b FETCH 1 BODY[]\nP:b FETCH 1 BODY[]\n"
                   "B:* 1 FETCH (BODY[] {5}\nS:* 1 FETCH (BODY[] {5}\nE:drain\n"
                   "RB:12345)\\r\\n\nS:12345)\nB:b OK\nS:b OK\n"
                   "S:* BYE Server is shutting down, please connect again\n"
                   "E:finish mail_drained\n");
}

static void a_drain_leaves_idle_its_time(void **state)
{
    play(LOGGED_IN "C:b IDLE\nP:b IDLE\nB:+ idling\nS:+ idling\nE:drain\n"
                   "B:* 5 EXISTS\nS:* 5 EXISTS\nC:DONE\nP:DONE\nB:b OK\nS:b OK\n"
                   "S:* BYE Server is shutting down, please connect again\n"
                   "E:finish mail_drained\n");
}

static void at_its_deadline_a_drain_ends_idle_too(void **state)
{
    play(LOGGED_IN "C:b IDLE\nP:b IDLE\nB:+ idling\nS:+ idling\nE:drain\nE:drain now\n"
                   "S:* BYE Server is shutting down\nE:finish session_drain_over\n");
}

static void at_its_deadline_it_says_nothing_into_a_response(void **state)
{
    play(LOGGED_IN "C:b FETCH 1 BODY[]\nP:b FETCH 1 BODY[]\n"
                   "B:* 1 FETCH (BODY[] {100}\nS:* 1 FETCH (BODY[] {100}\n"
                   "E:drain\nE:drain now\nE:finish session_drain_over\n");
}

static void a_whole_session_in_the_clear_and_under_tls(void **state)
{
    play(CLEAR_GREETING "C:a1 CAPABILITY\n"
                        "S:* CAPABILITY IMAP4rev1 LITERAL- ID STARTTLS LOGINDISABLED\n"
                        "S:a1 OK Capabilities listed\n"
                        "C:a2 STARTTLS\nS:a2 OK Begin TLS negotiation now\nE:tls\n"
                        "C:a3 CAPABILITY\n"
                        "S:* CAPABILITY IMAP4rev1 LITERAL- ID SASL-IR AUTH=PLAIN AUTH=LOGIN\n"
                        "S:a3 OK Capabilities listed\n"
                        "C:a4 ID (\"name\" \"mutt\")\nS:* ID NIL\nS:a4 OK ID taken\n"
                        "C:a5 AUTHENTICATE PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\n"
                        "E:auth right alice@example.net\n"
                        "E:connecting 1\nE:connect\n"
                        "B:* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\n"
                        "P:W ID *\n"
                        "B:W OK\n" PLAIN_SENT
                        "B:W OK [CAPABILITY IMAP4rev1 IDLE COMPRESS=DEFLATE UIDPLUS] Logged in\n"
                        "S:a5 OK [CAPABILITY IMAP4rev1 IDLE UIDPLUS] Logged in\n"
                        "C:a6 SELECT INBOX\nP:a6 SELECT INBOX\n"
                        "B:* 1 EXISTS\nS:* 1 EXISTS\n"
                        "B:a6 OK [READ-WRITE] done\nS:a6 OK [READ-WRITE] done\n"
                        "C:a7 LOGOUT\nP:a7 LOGOUT\n"
                        "B:* BYE Logging out\nS:* BYE Logging out\n"
                        "B:a7 OK Bye\nS:a7 OK Bye\n"
                        "E:close\nE:finish mail_quit\n");
    assert_int_equal(fake->host.report.user_size, 17);
    assert_memory_equal(fake->host.report.user, "alice@example.net", 17);
    assert_int_equal(fake->host.report.refusals, 0);
    assert_int_equal(fake->host.report.commands, 7);
}

static void a_client_that_leaves_after_logout_has_quit(void **state)
{
    play(LOGGED_IN "C:b LOGOUT\nP:b LOGOUT\nE:eof\nB:* BYE\nS:* BYE\nB:b OK\nS:b OK\n"
                   "E:finish mail_quit\n");
}

static void a_client_that_ends_its_side_gets_the_answers_to_what_it_has_asked(void **state)
{
    play(LOGGED_IN "C:b FETCH 1 BODY[]\nP:b FETCH 1 BODY[]\nC:c NOOP\nP:c NOOP\nE:eof\n"
                   "B:* 1 FETCH (BODY[] {3}\nS:* 1 FETCH (BODY[] {3}\nRB:xyz\nS:xyz\nB:)\nS:)\n"
                   "B:b OK\nS:b OK\nB:c OK\nS:c OK\nE:finish mail_client_lost\n");
}

static void a_client_that_ends_within_a_command_or_idle_is_gone(void **state)
{
    static const char *const scripts[] = {
        "C:b APPEND x {3}\nP:b APPEND x {3}\n",
        "C:b APPEND x {3}\nP:b APPEND x {3}\nB:+ OK\nS:+ OK\nRC:x\nP:x\n",
        "C:b IDLE\nP:b IDLE\nB:+ idling\nS:+ idling\n"};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        imap_close(state);
        imap_open_tls(state);
        play(LOGGED_IN);
        mail_script_play(fake, scripts[i]);
        mail_script_play(fake, "E:eof\nE:finish mail_client_lost\n");
    }
}

// Wherever the bytes are cut, the same is said.
static void the_cuts_between_packets_do_not_matter(void **state)
{
    static const char client[] = "a LOGIN {5+}\r\nalice \"wonder\\\\land\"\r\n"
                                 "b APPEND x {3+}\r\nyes\r\nc COMPRESS DEFLATE\r\nd LOGOUT\r\n";
    for (size_t step = 1; step < sizeof client; step++) {
        imap_close(state);
        imap_open_tls(state);
        play(TLS_GREETING);
        struct span left = span_text(client);
        for (; left.size; left = span_skip(left, step))
            mail_host_fake_input(fake, SIDE_CLIENT, span_head(left, step));
        mail_script_play(
            fake, "E:auth right alice@example.net\n" GREETED_BACKEND IDENTIFIED
                  "P:W AUTHENTICATE PLAIN *\nB:W OK hi\nS:a OK Logged in\n"
                  "P:b APPEND x {3}\nB:+ OK\nP:yes\nS:c BAD Command not available\nP:d LOGOUT\n"
                  "B:b OK\nS:b OK\nB:* BYE\nS:* BYE\nB:d OK\nS:d OK\nE:close\n"
                  "E:finish mail_quit\n");
    }
}

static void secrets_are_wiped_at_the_end(void **state)
{
    play(TLS_GREETING "C:a LOGIN alice wonderland\n");
    assert_non_null(memmem(fake->state, imap_protocol.state_size, "wonderland", 10));
    mail_script_play(fake, "E:eof\nE:finish mail_client_lost\n");
    assert_null(memmem(fake->state, imap_protocol.state_size, "wonderland", 10));
}

static void the_password_is_forgotten_when_the_backend_has_it(void **state)
{
    play(TLS_GREETING RIGHT GREETED_BACKEND IDENTIFIED PLAIN_SENT);
    assert_null(memmem(fake->state, imap_protocol.state_size, "wonderland", 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_client_that_vanishes_ends_the_session_in_every_state),
        TLS_TEST(a_slow_login_is_ended_with_bye),
        TLS_TEST(a_slow_question_and_a_slow_response_end_alike),
        PLAIN_TEST(commands_do_not_put_the_login_deadline_off),
        TLS_TEST(a_backend_that_does_not_answer_is_unavailable),
        TLS_TEST(an_idle_session_is_ended_with_bye_between_responses),
        TLS_TEST(an_idle_session_is_ended_without_a_word_inside_a_response),
        TLS_TEST(commands_put_the_autologout_off_and_so_do_answers_to_them),
        TLS_TEST(what_comes_unasked_or_while_idling_does_not),
        TLS_TEST(a_drain_ends_a_session_before_login),
        TLS_TEST(a_drain_waits_for_the_login_under_way),
        TLS_TEST(a_drain_waits_for_the_command_under_way),
        TLS_TEST(a_drain_leaves_idle_its_time),
        TLS_TEST(at_its_deadline_a_drain_ends_idle_too),
        TLS_TEST(at_its_deadline_it_says_nothing_into_a_response),
        PLAIN_TEST(a_whole_session_in_the_clear_and_under_tls),
        TLS_TEST(a_client_that_leaves_after_logout_has_quit),
        TLS_TEST(a_client_that_ends_its_side_gets_the_answers_to_what_it_has_asked),
        TLS_TEST(a_client_that_ends_within_a_command_or_idle_is_gone),
        TLS_TEST(the_cuts_between_packets_do_not_matter),
        TLS_TEST(secrets_are_wiped_at_the_end),
        TLS_TEST(the_password_is_forgotten_when_the_backend_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
