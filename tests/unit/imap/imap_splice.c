// SPDX-License-Identifier: BSD-3-Clause
#include "imap_test.h"

#include "mail/budget.h"

#include <stdio.h>

static void what_would_blind_us_is_refused_and_does_not_reach_the_backend(void **state)
{
    play(LOGGED_IN "C:b COMPRESS DEFLATE\nS:b BAD Command not available\n"
                   "C:c compress deflate\nS:c BAD Command not available\n"
                   "C:d LOGIN bob builder\nS:d BAD Command not available\n"
                   "C:e AUTHENTICATE PLAIN\nS:e BAD Command not available\n"
                   "C:f STARTTLS\nS:f BAD Command not available\n"
                   "C:g UNAUTHENTICATE\nS:g BAD Command not available\n"
                   "C:h NOOP\nP:h NOOP\n");
    assert_int_equal(fake->counted[REASON_MAIL_VERB_REFUSED], 6);
    assert_int_equal(fake->host.report.commands, 1 + 7); // with LOGIN
}

static void commands_without_tag_or_name_are_refused(void **state)
{
    play(LOGGED_IN "C:\nS:* BAD A command has a tag and a name\n"
                   "C:b\nS:b BAD A command has a tag and a name\n"
                   "C: COMPRESS DEFLATE\nS:* BAD A command has a tag and a name\n"
                   "C:b  COMPRESS DEFLATE\nS:b BAD A command has a tag and a name\n"
                   "C:+ NOOP\nS:* BAD A command has a tag and a name\n"
                   "C:b NOOP\nP:b NOOP\n");
}

static void too_many_of_them_end_the_session(void **state)
{
    play(LOGGED_IN);
    for (int i = 0; i < 9; i++)
        mail_script_play(fake, "C:b COMPRESS DEFLATE\nS:b BAD Command not available\n");
    mail_script_play(fake, "C:b COMPRESS DEFLATE\n"
                           "S:b BAD Command not available\n"
                           "S:* BYE Too many bad commands\nE:finish mail_too_many_errors\n");
}

static void a_refused_command_is_swallowed_with_its_literals(void **state)
{
    play(LOGGED_IN "C:b LOGIN {5+}\nS:b BAD Command not available\n"
                   "RC:alice\nC: {3+}\nRC:a\\r\\n\nC:\nC:c NOOP\nP:c NOOP\n"
                   "C:d LOGIN {5}\nS:d BAD Command not available\n" // none will come
                   "C:e NOOP\nP:e NOOP\n"
                   "C:f LOGIN {0+}\nS:f BAD Command not available\nC:\nC:g NOOP\nP:g NOOP\n");
}

static void lines_that_servers_read_differently_end_the_session(void **state)
{
    static const struct {
        const char *line;
        const char *want;
    } cases[] = {
        {"b NOOP\\nc COMPRESS DEFLATE\\r\\n", "mail_bare_lf"},
        {"b NOOP\\rc COMPRESS DEFLATE\\r\\n", "mail_bare_cr"},
        {"b NOOP\\0\\r\\n", "mail_nul"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[1024];
        imap_close(state);
        imap_open_tls(state);
        snprintf(script, sizeof script, LOGGED_IN "RC:%s\nS:* BYE Line refused\nE:finish %s\n",
                 cases[i].line, cases[i].want);
        play(script);
    }
}

static void a_line_has_its_limit(void **state)
{
    static char line[8193];
    play(LOGGED_IN);
    memset(line, 'x', sizeof line);
    memcpy(line, "b SEARCH ", 9);
    memcpy(line + 8190, "\r\n", 2);
    mail_host_fake_input(fake, SIDE_CLIENT, span_of(line, 8192));
    mail_host_fake_pump(fake);
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_BACKEND).size, 8192);
    line[8190] = line[8191] = 'x';
    mail_host_fake_input(fake, SIDE_CLIENT, span_of(line, 8193));
    mail_script_play(fake, "S:* BYE Line refused\nE:finish mail_line_too_long\n");
}

static void a_literal_beyond_its_limit_is_refused_and_the_session_goes_on(void **state)
{
    fake->policy.policy.limits[LIMIT_LITERAL_BYTES_APPEND] = 65536;
    play(LOGGED_IN "C:b APPEND x {65537}\nS:b NO [TOOBIG] Message too big\n"
                   "C:c SEARCH TEXT {65537}\nS:c NO [LIMIT] Command too big\n"
                   "C:d APPEND x {4294967296}\nS:d NO [LIMIT] Command too big\n"
                   "C:e SEARCH TEXT {65536}\nP:e SEARCH TEXT {65536}\n"
                   "B:e NO\nS:e NO\nC:f UID REPLACE 1 x {65536}\nP:f UID REPLACE 1 x {65536}\n");
    assert_int_equal(fake->counted[REASON_IMAP_APPEND_TOO_BIG], 1);
    assert_int_equal(fake->counted[REASON_IMAP_ARGUMENT_TOO_BIG], 1);
    assert_int_equal(fake->counted[REASON_IMAP_LITERAL_TOO_BIG], 1);
}

static void a_literal_beyond_its_limit_that_comes_all_the_same_ends_the_session(void **state)
{
    static const char *const wrong[] = {
        "C:b SEARCH TEXT {65537+}\nS:* BYE Command too big\nE:finish imap_argument_too_big\n",
        "C:b APPEND x {4294967296+}\nS:* BYE Command too big\nE:finish imap_literal_too_big\n",
        ("C:b SEARCH TEXT {1}\nP:b SEARCH TEXT {1}\nB:+ OK\nS:+ OK\nRC:x\nP:x\n"
         "C: TEXT {65537}\nS:* BYE Command too big\nE:finish imap_argument_too_big\n"),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        imap_close(state);
        imap_open_tls(state);
        play(LOGGED_IN);
        mail_script_play(fake, wrong[i]);
    }
}

static void sizes_have_modes(void **state)
{
    fake->policy.policy.modes[LIMIT_LITERAL_BYTES_COMMAND] = MODE_SHADOW;
    fake->policy.policy.modes[LIMIT_LITERAL_BYTES_APPEND] = MODE_OFF;
    play(LOGGED_IN "C:b SEARCH TEXT {65537}\nP:b SEARCH TEXT {65537}\nB:b NO\nS:b NO\n"
                   "E:shadowed imap_argument_too_big\n"
                   "C:c APPEND x {4294967295}\nP:c APPEND x {4294967295}\n");
}

static void a_command_nested_too_deep_is_refused(void **state)
{
    char script[1024], deep[129];
    memset(deep, '(', 64);
    memset(deep + 64, ')', 64);
    deep[128] = '\0';
    snprintf(script, sizeof script, LOGGED_IN "C:b SEARCH %s\nP:b SEARCH %s\n", deep, deep);
    play(script);
    snprintf(script, sizeof script, "C:c SEARCH (%s)\nS:c NO [LIMIT] Command too big\n", deep);
    mail_script_play(fake, script);
    snprintf(script, sizeof script, "C:d SEARCH \"((%s\"\nP:d SEARCH \"((%s\"\n", deep, deep);
    mail_script_play(fake, script);
    assert_int_equal(fake->counted[REASON_IMAP_TOO_COMPLEX], 1);
}

static void commands_over_their_rate_wait_for_it(void **state)
{
    fake->policy.policy.limits[LIMIT_COMMAND_RATE_SESSION] = 10;
    fake->policy.policy.limits[LIMIT_COMMAND_BURST_SESSION] = 2;
    play(LOGGED_IN "RC:b NOOP\\r\\nc NOOP\\r\\nd NOOP\\r\\ne NOOP\\r\\n\nP:b NOOP\nP:c NOOP\n");
    assert_int_equal(fake->deadline_us - fake->now_us, 100000);
    mail_script_play(fake, "B:b OK\nS:b OK\n");          // what goes the other way does not wait
    assert_int_equal(fake->host.report.commands, 1 + 2); // with LOGIN
    mail_script_play(fake, "E:timeout\nP:d NOOP\nE:timeout\nP:e NOOP\n");
    assert_int_equal(fake->host.report.commands, 1 + 4);
    assert_true(fake->deadline_us - fake->now_us > 1000000000);
    assert_int_equal(fake->counted[REASON_MAIL_COMMAND_RATE], 2);
}

static void literals_over_their_rate_wait_for_it(void **state)
{
    fake->policy.policy.limits[LIMIT_LITERAL_BYTES_MINUTE] = 65536;
    play(LOGGED_IN "C:b APPEND x {98304}\nP:b APPEND x {98304}\nB:b NO\nS:b NO\n"
                   "C:c APPEND x {1}\n");
    assert_int_equal(fake->deadline_us - fake->now_us, 30000000);
    mail_script_play(fake, "E:timeout\nP:c APPEND x {1}\nE:counted imap_literal_rate\n");
}

static void bytes_over_their_rate_wait_for_it(void **state)
{
    fake->policy.policy.limits[LIMIT_UPLOAD_RATE_SESSION] = 1000;
    fake->policy.policy.limits[LIMIT_DOWNLOAD_RATE_SESSION] = 1024;
    static char bytes[3000];
    memset(bytes, 'm', sizeof bytes);
    play(LOGGED_IN "C:b APPEND x {6000}\nP:b APPEND x {6000}\nB:+ OK\nS:+ OK\n");
    mail_host_fake_input(fake, SIDE_CLIENT, span_of(bytes, sizeof bytes));
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_BACKEND).size, sizeof bytes);
    mail_host_fake_input(fake, SIDE_CLIENT, span_of(bytes, sizeof bytes));
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_BACKEND).size, 0);
    assert_in_range(fake->deadline_us - fake->now_us, 2000000, 2100000);
    mail_host_fake_wait(fake, fake->deadline_us - fake->now_us);
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_BACKEND).size, sizeof bytes);
    assert_int_equal(fake->counted[REASON_MAIL_UPLOAD_RATE], 1);
    mail_script_play(fake, "B:* 1 FETCH (BODY[] {6000}\nS:* 1 FETCH (BODY[] {6000}\n");
    mail_host_fake_input(fake, SIDE_BACKEND, span_of(bytes, sizeof bytes));
    mail_host_fake_input(fake, SIDE_BACKEND, span_of(bytes, sizeof bytes));
    size_t sent = mail_host_fake_sent_span(fake, SIDE_CLIENT).size;
    assert_true(sent < 2 * sizeof bytes);
    assert_int_equal(fake->counted[REASON_MAIL_DOWNLOAD_RATE], 1);
    for (int i = 0; i < 10 && sent < 2 * sizeof bytes; i++) {
        mail_host_fake_wait(fake, fake->deadline_us - fake->now_us);
        sent += mail_host_fake_sent_span(fake, SIDE_CLIENT).size;
    }
    assert_int_equal(sent, 2 * sizeof bytes);
}

static void a_command_that_is_begun_and_does_not_get_on_ends_the_session(void **state)
{
    static const char *const begun[] = {
        "RC:b NO\n",
        "C:b APPEND x {10}\nP:b APPEND x {10}\nB:+ OK\nS:+ OK\nRC:12345\nP:12345\n",
        "C:b APPEND x {5}\nP:b APPEND x {5}\nB:+ OK\nS:+ OK\nRC:12345\nP:12345\n",
    };
    for (size_t i = 0; i < sizeof begun / sizeof *begun; i++) {
        imap_close(state);
        imap_open_tls(state);
        play(LOGGED_IN);
        mail_script_play(fake, begun[i]);
        assert_int_equal(fake->deadline_us - fake->now_us, BUDGET_WINDOW_US);
        mail_script_play(fake, "E:timeout\nS:* BYE Command too slow\nE:finish mail_upload_slow\n");
    }
}

static void who_waits_for_a_go_ahead_is_not_slow(void **state)
{
    play(LOGGED_IN "C:b APPEND x {10}\nP:b APPEND x {10}\n");
    assert_true(fake->deadline_us - fake->now_us > BUDGET_WINDOW_US);
}

static void a_literal_goes_when_the_backend_wants_it(void **state)
{
    play(LOGGED_IN "C:b APPEND x {6}\nP:b APPEND x {6}\n"
                   "RC:d XY\\r\\n\n" // sent too early: rests
                   "B:+ OK\nS:+ OK\nP:d XY\nC:\nP:\nB:b OK done\nS:b OK done\n"
                   "C:c COMPRESS DEFLATE\nS:c BAD Command not available\n");
}

// RFC 6855; its literals are RFC 3516's.
static void utf8_goes_as_the_backend_offers_it(void **state)
{
    play(LOGGED_IN "C:b ENABLE UTF8=ACCEPT\nP:b ENABLE UTF8=ACCEPT\n"
                   "B:* ENABLED UTF8=ACCEPT\nS:* ENABLED UTF8=ACCEPT\nB:b OK\nS:b OK\n"
                   "B:* OK [CAPABILITY IMAP4rev1 UTF8=ACCEPT AUTH=PLAIN] x\n"
                   "S:* OK [CAPABILITY IMAP4rev1 UTF8=ACCEPT] x\n"
                   "C:c CREATE \"\xe2\x98\xba (\"\nP:c CREATE \"\xe2\x98\xba (\"\nB:c OK\nS:c OK\n"
                   "C:d APPEND x UTF8 (~{6}\nP:d APPEND x UTF8 (~{6}\nB:+ OK\nS:+ OK\n"
                   "RC:a\xc3\xa9!\\r\\n)\\r\\n\nP:a\xc3\xa9!\nP:)\nB:d OK done\nS:d OK done\n"
                   "C:e COMPRESS DEFLATE\nS:e BAD Command not available\n");
}

static void after_a_refused_literal_come_commands(void **state)
{
    play(LOGGED_IN "C:b APPEND x {1000}\nP:b APPEND x {1000}\n"
                   "B:b NO [TRYCREATE] none\nS:b NO [TRYCREATE] none\n"
                   "C:c COMPRESS DEFLATE\nS:c BAD Command not available\n");
}

static void a_literal_that_does_not_wait_is_made_to(void **state)
{
    play(LOGGED_IN "C:b APPEND x {6+}\nP:b APPEND x {6}\nRC:1234\\r\\n\nB:+ OK\nP:1234\n"
                   "C:\nP:\nB:b OK\nS:b OK\n");
}

static void a_literal_that_does_not_wait_and_is_refused_is_swallowed(void **state)
{
    // The backend that fails the command early would take these bytes for commands.
    play(LOGGED_IN "C:b NOOP {21+}\nP:b NOOP {21}\nRC:x COMPRESS DEFLATE\\r\\ny\n"
                   "C: {3+}\nRC:abc\nC:\nC:c NOOP\n"
                   "B:b BAD too many arguments\nS:b BAD too many arguments\nP:c NOOP\n");
    assert_int_equal(fake->counted[REASON_MAIL_BAD_COMMAND], 0);
}

static void an_open_quote_hides_nothing(void **state)
{
    play(LOGGED_IN "C:b LIST \"\" \"x{50+}\nP:b LIST \"\" \"x{50}\n"
                   "C:c COMPRESS DEFLATE\n"
                   "B:b BAD Missing quote\nS:b BAD Missing quote\n");
    // 50 bytes are swallowed, as the client said; the rest of them:
    mail_script_play(fake, "RC:1234567890123456789012345678\\r\\n\nC:\nC:d NOOP\nP:d NOOP\n");
}

static void a_tag_used_twice_does_not_end_the_wait(void **state)
{
    play(LOGGED_IN "C:b FETCH 1:* ALL\nP:b FETCH 1:* ALL\n"
                   "C:b APPEND x {6}\nP:b APPEND x {6}\n"
                   "B:b OK fetched\nS:b OK fetched\n"
                   "RC:123456\n" // rests still
                   "B:+ OK\nS:+ OK\nP:123456\n");
}

static void idle_rests_until_the_backend_idles(void **state)
{
    play(LOGGED_IN "C:b IDLE\nP:b IDLE\nC:DONE\nB:+ idling\nS:+ idling\nP:DONE\n"
                   "B:b OK\nS:b OK\nC:c NOOP\nP:c NOOP\n");
}

static void only_done_ends_idle(void **state)
{
    play(LOGGED_IN "C:b IDLE\nP:b IDLE\nB:+ idling\nS:+ idling\nB:* 5 EXISTS\nS:* 5 EXISTS\n"
                   "C:c COMPRESS DEFLATE\nS:* BYE Expected DONE\nE:finish mail_bad_command\n");
}

static void the_go_ahead_of_idle_is_not_a_literals(void **state)
{
    play(LOGGED_IN);
    mail_host_fake_client(fake, "b IDLE\r\nDONE\r\nc APPEND x {30}\r\n"
                                "d COMPRESS DEFLATE\r\n");
    mail_script_play(fake, "P:b IDLE\nB:+ idling\nS:+ idling\nP:DONE\nP:c APPEND x {30}\n"
                           "B:b OK\nS:b OK\nB:c NO none\nS:c NO none\n"
                           "S:d BAD Command not available\n");
}

static void idle_that_the_backend_refuses_or_ends_is_over(void **state)
{
    play(LOGGED_IN "C:b IDLE\nP:b IDLE\nB:b BAD no\nS:b BAD no\nC:c NOOP\nP:c NOOP\n"
                   "B:c OK\nS:c OK\n"
                   "C:d IDLE\nP:d IDLE\nB:+ x\nS:+ x\nB:d OK enough\nS:d OK enough\n"
                   "C:DONE\nC:e NOOP\nP:e NOOP\n");
}

static void idle_takes_no_arguments(void **state)
{
    play(LOGGED_IN "C:b IDLE {5+}\nS:b BAD IDLE takes no arguments\nRC:DONE\\r\n"
                   "RC:\\n\nC:c IDLE x\n"
                   "S:* BYE Line refused\nE:finish mail_bare_lf\n");
}

static void our_replies_wait_for_the_end_of_the_backends(void **state)
{
    play(LOGGED_IN "C:b FETCH 1 BODY[]\nP:b FETCH 1 BODY[]\n"
                   "B:* 1 FETCH (BODY[] {10}\nS:* 1 FETCH (BODY[] {10}\n"
                   "C:c COMPRESS DEFLATE\n"
                   "RB:0123\nS:0123\nRB:456789\nS:456789\n"
                   "B:)\nS:)\nS:c BAD Command not available\n"
                   "B:b OK\nS:b OK\n");
}

static void what_looks_like_a_capability_list_inside_a_message_is_left_alone(void **state)
{
    play(LOGGED_IN "B:* 1 FETCH (BODY[] {50}\nS:* 1 FETCH (BODY[] {50}\n"
                   "B:* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE\n"
                   "S:* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE\n"
                   "RB:1234567)\\r\\n\nS:1234567)\n"
                   "B:* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE\nS:* CAPABILITY IMAP4rev1\n"
                   "B:b OK [CAPABILITY COMPRESS=DEFLATE IDLE] x\nS:b OK [CAPABILITY IDLE] x\n");
}

// COMPRESS among the words, and then enough of others for a line of that size.
static size_t capabilities(char *line, size_t size, const char *begin, const char *end)
{
    size_t used = (size_t)sprintf(line, "%s COMPRESS=DEFLATE ", begin);
    memset(line + used, 'X', size - used);
    return (size_t)sprintf(line + size - strlen(end), "%s", end) + size - strlen(end);
}

static void a_long_capability_list_is_filtered_however_it_is_cut(void **state)
{
    static const struct {
        const char *begin, *end;
    } kinds[] = {{"* CAPABILITY IDLE", "\r\n"}, {"b OK [CAPABILITY IDLE", "] done\r\n"}};
    static char line[LINE_BYTES_MAX + 1];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (size_t size = 600; size <= LINE_BYTES_MAX; size += LINE_BYTES_MAX - 600)
            for (size_t cut = 1; cut < size; cut += 101) {
                imap_close(state);
                imap_open_tls(state);
                play(LOGGED_IN);
                fake->pipes[SIDE_CLIENT].room_call = INPUT_BUFFER_SIZE;
                capabilities(line, size, kinds[i].begin, kinds[i].end);
                mail_host_fake_input(fake, SIDE_BACKEND, span_of(line, cut));
                mail_host_fake_input(fake, SIDE_BACKEND, span_of(line + cut, size - cut));
                struct span sent = mail_host_fake_sent_span(fake, SIDE_CLIENT);
                assert_int_equal(sent.size, size - strlen("COMPRESS=DEFLATE "));
                assert_null(memmem(sent.at, sent.size, "COMPRESS", 8));
            }
}

static void a_capability_list_without_end_ends_the_session(void **state)
{
    static char line[LINE_BYTES_MAX + 2];
    play(LOGGED_IN);
    capabilities(line, sizeof line - 1, "* CAPABILITY", "");
    mail_host_fake_input(fake, SIDE_BACKEND, span_of(line, sizeof line - 1));
    mail_script_play(fake, "E:finish mail_backend_bad\n");
}

static void text_for_people_announces_no_literal(void **state)
{
    play(LOGGED_IN "B:* OK see {100}\nS:* OK see {100}\n"
                   "B:b NO no such mailbox x{100}\nS:b NO no such mailbox x{100}\n"
                   "B:+ go {100}\nS:+ go {100}\n"
                   "C:c COMPRESS DEFLATE\nS:c BAD Command not available\n");
}

static void a_literal_at_the_end_of_a_long_response_is_seen_however_it_is_cut(void **state)
{
    static char response[4096];
    size_t size = 0;
    size += (size_t)sprintf(response, "* 1 FETCH (ENVELOPE (");
    while (size < 3000)
        size += (size_t)sprintf(response + size, "\"word {7}\" ");
    size += (size_t)sprintf(response + size, "BODY[] {12}\r\n\r\n* BYE {99}\r\n)\r\n");
    for (size_t step = 1; step < 64; step++) {
        imap_close(state);
        imap_open_tls(state);
        play(LOGGED_IN);
        for (size_t at = 0; at < size; at += step)
            mail_host_fake_input(fake, SIDE_BACKEND,
                                 span_head(span_of(response + at, size - at), step));
        assert_true(
            span_equal(mail_host_fake_sent_span(fake, SIDE_CLIENT), span_of(response, size)));
        mail_script_play(fake, "C:c COMPRESS DEFLATE\nS:c BAD Command not available\n"
                               "E:close\nS:* BYE *\nE:finish mail_backend_lost\n");
    }
}

static void nothing_is_taken_that_has_no_room(void **state)
{
    static char bytes[INPUT_BUFFER_SIZE];
    memset(bytes, 'm', sizeof bytes);
    play(LOGGED_IN "B:* 1 FETCH (BODY[] {10000}\nS:* 1 FETCH *\n");
    fake->pipes[SIDE_CLIENT].room_call = 0;
    mail_host_fake_input(fake, SIDE_BACKEND, span_of(bytes, 10000));
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_CLIENT).size, 0);
    fake->pipes[SIDE_CLIENT].room_call = 100;
    mail_host_fake_pump(fake);
    assert_int_equal(mail_host_fake_sent_span(fake, SIDE_CLIENT).size, 10000);

    fake->pipes[SIDE_BACKEND].room_call = 3;
    mail_script_play(fake, "C:b APPEND x {8+}\nP:b APPEND x {8}\n");
    fake->pipes[SIDE_BACKEND].room_call = 0;
    mail_script_play(fake, "RC:12345678\nRB:)\\r\\n+ OK\\r\\n\nS:)\n");
    fake->pipes[SIDE_BACKEND].room_call = 3;
    mail_host_fake_pump(fake);
    mail_script_play(fake, "P:12345678\n");
}

static void twenty_megabytes_pass_both_ways(void **state)
{
    static char block[10000];
    memset(block, 'x', sizeof block);
    play(LOGGED_IN "C:b APPEND x {20000000}\nP:b APPEND x {20000000}\nB:+ OK\nS:+ OK\n"
                   "B:* 1 FETCH (BODY[] {20000000}\nS:* 1 FETCH *\n");
    for (int i = 0; i < 2000; i++) {
        mail_host_fake_input(fake, SIDE_CLIENT, span_of(block, sizeof block));
        mail_host_fake_input(fake, SIDE_BACKEND, span_of(block, sizeof block));
        assert_int_equal(mail_host_fake_sent_span(fake, SIDE_BACKEND).size, sizeof block);
        assert_int_equal(mail_host_fake_sent_span(fake, SIDE_CLIENT).size, sizeof block);
        mail_host_fake_forget(fake);
    }
    mail_script_play(fake, "B:)\nS:)\nC:\nP:\nB:b OK\nS:b OK\n"
                           "C:c STARTTLS\nS:c BAD Command not available\n");
}

static void a_backend_that_announces_nonsense_ends_the_session(void **state)
{
    play(LOGGED_IN "B:* 1 FETCH (BODY[] {99999999999}\nE:finish mail_backend_bad\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(what_would_blind_us_is_refused_and_does_not_reach_the_backend),
        TLS_TEST(commands_without_tag_or_name_are_refused),
        TLS_TEST(too_many_of_them_end_the_session),
        TLS_TEST(a_refused_command_is_swallowed_with_its_literals),
        TLS_TEST(lines_that_servers_read_differently_end_the_session),
        TLS_TEST(a_line_has_its_limit),
        TLS_TEST(a_literal_beyond_its_limit_is_refused_and_the_session_goes_on),
        TLS_TEST(a_literal_beyond_its_limit_that_comes_all_the_same_ends_the_session),
        TLS_TEST(sizes_have_modes),
        TLS_TEST(a_command_nested_too_deep_is_refused),
        TLS_TEST(commands_over_their_rate_wait_for_it),
        TLS_TEST(literals_over_their_rate_wait_for_it),
        TLS_TEST(bytes_over_their_rate_wait_for_it),
        TLS_TEST(a_command_that_is_begun_and_does_not_get_on_ends_the_session),
        TLS_TEST(who_waits_for_a_go_ahead_is_not_slow),
        TLS_TEST(a_literal_goes_when_the_backend_wants_it),
        TLS_TEST(utf8_goes_as_the_backend_offers_it),
        TLS_TEST(after_a_refused_literal_come_commands),
        TLS_TEST(a_literal_that_does_not_wait_is_made_to),
        TLS_TEST(a_literal_that_does_not_wait_and_is_refused_is_swallowed),
        TLS_TEST(an_open_quote_hides_nothing),
        TLS_TEST(a_tag_used_twice_does_not_end_the_wait),
        TLS_TEST(idle_rests_until_the_backend_idles),
        TLS_TEST(only_done_ends_idle),
        TLS_TEST(the_go_ahead_of_idle_is_not_a_literals),
        TLS_TEST(idle_that_the_backend_refuses_or_ends_is_over),
        TLS_TEST(idle_takes_no_arguments),
        TLS_TEST(our_replies_wait_for_the_end_of_the_backends),
        TLS_TEST(what_looks_like_a_capability_list_inside_a_message_is_left_alone),
        TLS_TEST(a_long_capability_list_is_filtered_however_it_is_cut),
        TLS_TEST(a_capability_list_without_end_ends_the_session),
        TLS_TEST(text_for_people_announces_no_literal),
        TLS_TEST(a_literal_at_the_end_of_a_long_response_is_seen_however_it_is_cut),
        TLS_TEST(nothing_is_taken_that_has_no_room),
        TLS_TEST(twenty_megabytes_pass_both_ways),
        TLS_TEST(a_backend_that_announces_nonsense_ends_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
