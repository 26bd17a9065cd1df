// SPDX-License-Identifier: BSD-3-Clause
#include "pop3_test.h"

enum { POP3_PIPELINED = 64 };

static void lines_that_servers_read_differently_end_the_session(void **state)
{
    play(LOGGED_IN "RC:NOOP\\nQUIT\\r\\n\nE:finish mail_bare_lf\n");
    pop3_close(state);
    pop3_open_tls(state);
    play(LOGGED_IN "RC:NO\\0OP\\r\\n\nE:finish mail_nul\n");
}

static void a_line_has_its_limit(void **state)
{
    char line[513];
    memset(line, 'x', sizeof line);
    memcpy(line, "RETR ", 5);
    memcpy(line + 510, "\r\n", 2);
    play(LOGGED_IN);
    mail_host_fake_input(fake, SIDE_CLIENT, span_of(line, 512));
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_BACKEND).size, 512);
    memset(line, 'x', sizeof line);
    mail_host_fake_input(fake, SIDE_CLIENT, span_of(line, 513));
    mail_script_play(fake, "E:finish mail_line_too_long\n");
}

static void half_a_line_does_not_reach_the_backend(void **state)
{
    play(LOGGED_IN "RC:DEL\nRC:E 1\\r\nRC:\\nST\nP:DELE 1\n");
}

static void nothing_is_taken_that_has_no_room(void **state)
{
    static char bytes[8000];
    memset(bytes, 'm', sizeof bytes);
    memcpy(bytes + 3998, "\r\n", 2);
    memcpy(bytes + 7995, "\r\n.\r\n", 5);
    play(LOGGED_IN "C:RETR 1\nP:RETR 1\nB:+OK\nS:+OK\n");
    fake->pipes[SIDE_CLIENT].room_call = 0;
    mail_host_fake_input(fake, SIDE_BACKEND, span_of(bytes, sizeof bytes));
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_CLIENT).size, 0);
    fake->pipes[SIDE_CLIENT].room_call = 100;
    mail_host_fake_pump(fake);
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_CLIENT).size, sizeof bytes);
    fake->pipes[SIDE_BACKEND].room_call = 3;
    mail_script_play(fake, "C:RETR 1\nP:RETR 1\nC:QUIT\nP:QUIT\n");
}

static void what_would_change_the_login_or_is_not_known_is_refused_in_its_place(void **state)
{
    play(LOGGED_IN
         "C:STLS\nS:-ERR Command not available\nC:AUTH PLAIN\nS:-ERR Command not available\n"
         "C:STAT\nP:STAT\nC:XCLIENT ADDR=1.2.3.4\nC:STAT\nB:+OK 1 2\nS:+OK 1 2\n"
         "S:-ERR Command not available\nP:STAT\nB:+OK 1 2\nS:+OK 1 2\n"
         "C:XTND\nS:-ERR Command not available\nE:counted mail_bad_command\n");
    assert_int_equal(fake->counted[REASON_MAIL_VERB_REFUSED], 3);
    assert_int_equal(fake->host.report.commands, 2 + 6); // one of which had to wait
}

static void a_capa_says_nothing_of_logins(void **state)
{
    play(LOGGED_IN "C:CAPA\nP:CAPA\nB:+OK\nS:+OK\nB:TOP\nB:STLS\nB:SASL PLAIN LOGIN\nB:USER\n"
                   "B:UIDL\nB:.\nS:TOP\nS:UIDL\nS:.\nC:STAT\nP:STAT\nB:+OK\nS:+OK\n"
                   "C:CAPA\nP:CAPA\nB:-ERR\nS:-ERR\nE:drain\n"
                   "S:-ERR [SYS/TEMP] Server is shutting down, please connect again\n");
}

// A drain says good-bye just where a reply ends: that is how the tests see where it does.
static void the_end_of_a_reply_is_seen_however_it_is_cut(void **state)
{
    static const char reply[] = "+OK\r\n..\r\n.x\r\n\r\n.\r\n";
    for (size_t cut = 1; cut < sizeof reply - 1; cut++) {
        pop3_close(state);
        pop3_open_tls(state);
        play(LOGGED_IN "C:RETR 1\nP:RETR 1\n");
        mail_host_fake_input(fake, SIDE_BACKEND, span_of(reply, cut));
        mail_host_fake_drain(fake, false);
        assert_false(fake->finished);
        mail_host_fake_input(fake, SIDE_BACKEND, span_of(reply + cut, sizeof reply - 1 - cut));
        assert_true(fake->finished);
        assert_string_equal(reason_name(fake->reason), "mail_drained");
    }
}

static void an_empty_list_ends_at_once(void **state)
{
    play(LOGGED_IN "C:LIST\nP:LIST\nB:+OK\nS:+OK\nB:.\nS:.\nC:LIST 1\nP:LIST 1\nB:+OK 1 5\n"
                   "S:+OK 1 5\nC:STLS\nS:-ERR Command not available\n");
}

static void pipelined_commands_wait_when_too_many_have_no_reply(void **state)
{
    play(LOGGED_IN);
    for (int i = 0; i < POP3_PIPELINED; i++)
        mail_script_play(fake, "C:NOOP\nP:NOOP\n");
    mail_script_play(fake, "C:STAT\n");
    mail_script_play(fake, "B:+OK\nS:+OK\nP:STAT\n");
}

static void commands_over_their_rate_wait_for_it(void **state)
{
    fake->policy.policy.limits[LIMIT_COMMAND_RATE_SESSION] = 10;
    fake->policy.policy.limits[LIMIT_COMMAND_BURST_SESSION] = 1;
    play(LOGGED_IN "C:STAT\nP:STAT\nC:STAT\n");
    assert_int_equal(fake->deadline_us - fake->now_us, 100000);
    assert_int_equal(fake->host.report.commands, 2 + 1); // with USER and PASS
    mail_script_play(fake, "E:timeout\nP:STAT\nE:counted mail_command_rate\n");
    assert_int_equal(fake->host.report.commands, 2 + 2);
}

static void half_a_line_that_stays_one_ends_the_session(void **state)
{
    play(LOGGED_IN "RC:STA\nE:timeout\nE:finish mail_upload_slow\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(lines_that_servers_read_differently_end_the_session),
        TLS_TEST(a_line_has_its_limit),
        TLS_TEST(half_a_line_does_not_reach_the_backend),
        TLS_TEST(nothing_is_taken_that_has_no_room),
        TLS_TEST(what_would_change_the_login_or_is_not_known_is_refused_in_its_place),
        TLS_TEST(a_capa_says_nothing_of_logins),
        TLS_TEST(the_end_of_a_reply_is_seen_however_it_is_cut),
        TLS_TEST(an_empty_list_ends_at_once),
        TLS_TEST(pipelined_commands_wait_when_too_many_have_no_reply),
        TLS_TEST(commands_over_their_rate_wait_for_it),
        TLS_TEST(half_a_line_that_stays_one_ends_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
