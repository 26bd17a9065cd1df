// SPDX-License-Identifier: BSD-3-Clause
#include "pop3_test.h"

static void a_client_that_vanishes_ends_the_session_in_every_state(void **state)
{
    static const char *const scripts[] = {
        "",
        "C:USER alice\nS:+OK Now the password\n",
        "C:USER alice\nS:+OK Now the password\nC:PASS wonderland\nE:state asking\n",
        "C:AUTH PLAIN\nS:+ \nE:state sasl\n",
        "RC:USE\nE:state login\n",
        RIGHT "E:connecting 2\n",
        RIGHT GREETED_BACKEND "P:XCLIENT *\n",
        RIGHT GREETED_BACKEND IDENTIFIED PASS_SENT,
        RIGHT GREETED_BACKEND IDENTIFIED PASS_SENT "B:+OK\nS:+OK Logged in\nE:state open\n",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        pop3_close(state);
        pop3_open_tls(state);
        play(GREETING);
        mail_script_play(fake, scripts[i]);
        mail_script_play(fake, "E:eof\nE:finish mail_client_lost\nE:state over\n");
        assert_null(memmem(fake->state, pop3_protocol.state_size, "wonderland", 10));
    }
}

static void a_slow_session_is_ended_without_a_word(void **state)
{
    play(GREETING "C:NOOP\nS:+OK\n");
    assert_int_equal(fake->deadline_us - fake->now_us, 180 * 1000000);
    mail_script_play(fake, "E:timeout\nE:finish mail_login_timeout\n");
    pop3_close(state);
    pop3_open_tls(state);
    play(LOGGED_IN);
    assert_int_equal(fake->deadline_us - fake->now_us, UINT64_C(600) * 1000000);
    mail_script_play(fake, "E:timeout\nE:finish pop3_autologout\n");
}

static void a_drain_ends_a_session_between_commands(void **state)
{
    play(GREETING "E:drain\nS:-ERR [SYS/TEMP] Server is shutting down, please connect again\n"
                  "E:finish mail_drained\n");
    pop3_close(state);
    pop3_open_tls(state);
    play(LOGGED_IN "C:RETR 1\nP:RETR 1\nB:+OK\nS:+OK\nB:text\nS:text\nE:drain\nB:.\nS:.\n"
                   "S:-ERR [SYS/TEMP] Server is shutting down, please connect again\n"
                   "E:finish mail_drained\n");
}

static void a_drain_waits_for_the_quit_that_deletes(void **state)
{
    play(LOGGED_IN "C:DELE 1\nP:DELE 1\nB:+OK\nS:+OK\nE:drain\nC:QUIT\nP:QUIT\nB:+OK\nS:+OK\n"
                   "E:close\nE:finish mail_quit\n");
    pop3_close(state);
    pop3_open_tls(state);
    play(LOGGED_IN "C:DELE 1\nP:DELE 1\nB:+OK\nS:+OK\nE:drain\nE:drain now\n"
                   "E:finish session_drain_over\n");
}

static void a_backend_that_does_not_answer_is_a_temporary_failure(void **state)
{
    play(GREETING RIGHT "E:connecting 2\nE:connect\nE:timeout\n"
                        "S:-ERR [SYS/TEMP] Mailbox server does not answer\n"
                        "E:finish mail_backend_down\n");
}

static void commands_and_tls_do_not_put_the_login_deadline_off(void **state)
{
    mail_host_fake_start(fake);
    uint64_t deadline = fake->deadline_us;
    mail_host_fake_wait(fake, 1000000);
    mail_script_play(fake, GREETING "C:NOOP\nS:+OK\nC:STLS\nS:+OK Begin TLS negotiation now\n"
                                    "E:state stls\nE:tls\nE:state login\n");
    assert_int_equal(fake->deadline_us, deadline);
}

static void a_whole_session_in_the_clear_and_under_tls(void **state)
{
    play(GREETING
         "C:CAPA\nS:+OK Capabilities follow\nS:TOP\nS:UIDL\nS:RESP-CODES\n"
         "S:AUTH-RESP-CODE\nS:PIPELINING\nS:STLS\nS:.\n"
         "C:STLS\nS:+OK Begin TLS negotiation now\nE:tls\n"
         "C:CAPA\nS:+OK Capabilities follow\nS:TOP\nS:UIDL\nS:RESP-CODES\n"
         "S:AUTH-RESP-CODE\nS:PIPELINING\nS:USER\nS:SASL PLAIN LOGIN\nS:.\n" RIGHT GREETED_BACKEND
             IDENTIFIED PASS_SENT "B:+OK Logged in.\nS:+OK Logged in\n"
         "C:STAT\nP:STAT\nB:+OK 1 5\nS:+OK 1 5\n"
         "C:RETR 1\nP:RETR 1\nB:+OK\nS:+OK\nB:a\nS:a\nB:..\nS:..\nB:.\nS:.\n"
         "C:QUIT\nP:QUIT\nB:+OK Bye\nS:+OK Bye\nE:close\nE:finish mail_quit\n");
    assert_int_equal(fake->host.report.user_size, 17);
    assert_memory_equal(fake->host.report.user, "alice@example.net", 17);
    assert_int_equal(fake->host.report.refusals, 0);
    assert_int_equal(fake->host.report.commands, 8);
}

static void the_cuts_between_packets_do_not_matter(void **state)
{
    static const char client[] = "USER alice\r\nPASS wonderland\r\nSTAT\r\nQUIT\r\n";
    for (size_t step = 1; step < sizeof client; step++) {
        pop3_close(state);
        pop3_open_tls(state);
        play(GREETING);
        struct span left = span_text(client);
        for (; left.size; left = span_skip(left, step))
            mail_host_fake_input(fake, SIDE_CLIENT, span_head(left, step));
        mail_script_play(fake,
                         "S:+OK Now the password\n"
                         "E:auth right alice@example.net\n" GREETED_BACKEND IDENTIFIED PASS_SENT
                         "B:+OK\nS:+OK Logged in\nP:STAT\nP:QUIT\n"
                         "E:eof\nB:+OK 1 5\nS:+OK 1 5\nB:+OK Bye\nS:+OK Bye\n"
                         "E:finish mail_quit\n");
    }
}

static void a_client_that_ends_its_side_gets_the_replies_to_what_it_has_asked(void **state)
{
    play(LOGGED_IN "C:RETR 1\nP:RETR 1\nC:STAT\nP:STAT\nE:eof\n"
                   "B:+OK\nS:+OK\nB:x\nS:x\nB:.\nS:.\nB:+OK 1 5\nS:+OK 1 5\n"
                   "E:finish mail_client_lost\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_client_that_vanishes_ends_the_session_in_every_state),
        TLS_TEST(a_slow_session_is_ended_without_a_word),
        TLS_TEST(a_drain_ends_a_session_between_commands),
        TLS_TEST(a_drain_waits_for_the_quit_that_deletes),
        TLS_TEST(a_backend_that_does_not_answer_is_a_temporary_failure),
        PLAIN_TEST(commands_and_tls_do_not_put_the_login_deadline_off),
        PLAIN_TEST(a_whole_session_in_the_clear_and_under_tls),
        TLS_TEST(the_cuts_between_packets_do_not_matter),
        TLS_TEST(a_client_that_ends_its_side_gets_the_replies_to_what_it_has_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
