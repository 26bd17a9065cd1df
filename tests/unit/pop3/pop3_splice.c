// SPDX-License-Identifier: BSD-3-Clause
#include "pop3_test.h"

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
    play(LOGGED_IN);
    fake->pipes[SIDE_CLIENT].room_call = 0;
    mail_host_fake_input(fake, SIDE_BACKEND, span_of(bytes, sizeof bytes));
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_CLIENT).size, 0);
    fake->pipes[SIDE_CLIENT].room_call = 100;
    mail_host_fake_pump(fake);
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_CLIENT).size, sizeof bytes);
    fake->pipes[SIDE_BACKEND].room_call = 3;
    mail_script_play(fake, "C:RETR 1\nP:RETR 1\nC:QUIT\nP:QUIT\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(lines_that_servers_read_differently_end_the_session),
        TLS_TEST(a_line_has_its_limit),
        TLS_TEST(half_a_line_does_not_reach_the_backend),
        TLS_TEST(nothing_is_taken_that_has_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
