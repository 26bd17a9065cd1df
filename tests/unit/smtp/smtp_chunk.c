// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp.h"

#include "smtp_plays.h"

#include <stdio.h>

#define BEGUN                                                                                      \
    "P:DATA\n"                                                                                     \
    "B:354 go ahead\n" HEADERS
#define TAKEN                                                                                      \
    "B:250 2.0.0 Ok: queued\n"                                                                     \
    "S:250 2.0.0 Ok: queued\n"                                                                     \
    "E:state hello\n"
#define BYE                                                                                        \
    "C:QUIT\n"                                                                                     \
    "S:221 2.0.0 Bye\n"                                                                            \
    "P:QUIT\n"                                                                                     \
    "E:finish mail_quit\n"

static void a_chunk_without_a_size_ends_the_session(void **unused)
{
    static const char *const bad[] = {"BDAT",
                                      "BDAT x",
                                      "BDAT -1",
                                      "BDAT 1x",
                                      "BDAT LAST",
                                      "BDAT 5 LAST x",
                                      "BDAT 5 FIRST",
                                      "BDAT 5LAST",
                                      "BDAT 18446744073709551616",
                                      "BDAT 000000000000000000005"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char script[4096];
        snprintf(script, sizeof script,
                 RECIPIENT "RC:%s\\r\\nNOOP\\r\\n\n"
                           "S:501 5.5.4 Bad chunk size, closing\n"
                           "P:QUIT\n"
                           "E:finish mail_bad_command\n",
                 bad[i]);
        smtp_play("smtp", script);
    }
}

static void bytes_of_a_refused_chunk_are_no_commands(void **unused)
{
    static const struct {
        const char *way, *reply, *state;
    } cases[] = {
        {GREETED, "503 5.5.1 EHLO or HELO first", "greeted"},
        {HELLO, "503 5.5.1 MAIL first", "hello"},
        {SENDER, "503 5.5.1 RCPT first", "hello"},
        {RECIPIENT "E:close\n", "451 4.4.2 Mail server lost, try again", "hello"},
        {CHUNKS "E:close\n", "451 4.4.2 Mail server lost, try again", "hello"},
        {CHUNKS "B:452 4.3.1 Disk full\nE:disconnected\n", "452 4.3.1 Disk full", "hello"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char script[4096];
        snprintf(script, sizeof script,
                 "%sRC:BDAT 21\\r\\nQUIT\\r\\n\n"
                 "E:state chunk\n"
                 "RC:\\n\\0.\\r\\nEHLO x\\r\\n.\\nNOOP\\r\\n\n"
                 "S:%s\n"
                 "E:state %s\n"
                 "S:250 2.0.0 Ok\n",
                 cases[i].way, cases[i].reply, cases[i].state);
        smtp_play("smtp", script);
    }
    smtp_play("smtp",
              GREETED "C:HELO client.example\n"
                      "S:250 mail.example.net\n" MAIL "C:RCPT TO:<alice@example.net>\n" CONNECT
                      "B:250 postfix\n" BACKEND_MAIL ALICE "C:BDAT 6 LAST\n"
                      "RC:NOOP\\r\\n\n"
                      "S:502 5.5.1 Command not implemented\n");
}

static void chunks_behind_a_refused_one_are_refused_too(void **unused)
{
    smtp_play("smtp", RECIPIENT "RC:BDAT 5\\r\\na\\nb\\r\\nBDAT 3\\r\\nabcBDAT 2 LAST\\r\\nde"
                                "RSET\\r\\n\n" BEGUN "E:disconnected\n"
                                "S:550 5.6.0 Message has a bare LF*\n"
                                "S:503 5.5.1 MAIL first\n"
                                "S:503 5.5.1 MAIL first\n"
                                "S:250 2.0.0 Ok\n"
                                "E:counted mail_bare_lf\n" QUIT);
}

static void line_discipline_is_the_same_as_in_data(void **unused)
{
    static const struct {
        const char *text, *reason;
        unsigned size;
    } cases[] = {
        {"x\\ny\\r\\n", "mail_bare_lf", 5}, {"x\\ry\\r\\n", "mail_bare_cr", 5},
        {"x\\0y\\r\\n", "mail_nul", 5},     {"\\r\\n.\\n", "mail_bare_lf", 4},
        {"\\r\\n.\\rx", "mail_bare_cr", 5}, {"\\r\\r\\n", "mail_bare_cr", 3},
        {"\\n.\\r\\nx", "mail_bare_lf", 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char script[4096];
        snprintf(script, sizeof script,
                 RECIPIENT "RC:BDAT %u LAST\\r\\n%s\n" BEGUN "E:counted %s\n"
                           "E:disconnected\n"
                           "S:550 5.6.0 *\n" QUIT,
                 cases[i].size, cases[i].text, cases[i].reason);
        smtp_play("smtp", script);
    }
}

static void chunks_of_a_lenient_client_are_made_strict(void **unused)
{
    smtp_play_lenient(RECIPIENT "RC:BDAT 7\\na\\n.\\nb\\r\\r\n"
                                "RC:BDAT 7 LAST\\r\\n\\n.\\r\\nc\\0\\r\n" BEGUN "P:a\nP:..\nP:b\n"
                                "S:250 2.0.0 7 octets received\n"
                                "P:..\nP:c \nP:.\n"
                                "B:250 2.0.0 Ok\n"
                                "S:250 2.0.0 Ok\n" BYE);
}

static void a_cr_and_its_lf_may_stand_in_two_chunks(void **unused)
{
    smtp_play("smtp",
              RECIPIENT "RC:BDAT 2 LAST\\r\\nx\\r\n" BEGUN "S:550 5.6.0 Message has a bare CR*\n"
                        "P:x*\n"
                        "E:disconnected\n");
    smtp_play("smtp", RECIPIENT "RC:BDAT 2\\r\\nx\\r\n" BEGUN "S:250 2.0.0 2 octets received\n"
                                "RC:BDAT 3 LAST\\r\\n\\n.\\r\n"
                                "S:550 5.6.0 Message has a bare CR*\n"
                                "P:x\n"
                                "P:*\n"
                                "E:disconnected\n");
}

static void data_and_chunks_do_not_mix(void **unused)
{
    smtp_play("smtp", CHUNKS "C:DATA\n"
                             "S:503 5.5.1 Not between chunks of a message\n"
                             "C:RCPT TO:<alice@example.net>\n"
                             "S:503 5.5.1 Not between chunks of a message\n"
                             "C:MAIL FROM:<>\n"
                             "S:503 5.5.1 Not during a mail transaction\n"
                             "C:BDAT 0 LAST\n"
                             "P:\n"
                             "P:.\n" TAKEN BYE);
}

static void a_reset_between_chunks_leaves_no_end_behind(void **unused)
{
    static const char *const ways[] = {"C:RSET\nS:250 2.0.0 Ok\nE:state hello\n",
                                       "C:HELO client.example\nS:250 mail.example.net\n",
                                       "C:QUIT\nS:221 2.0.0 Bye\nE:finish mail_quit\n",
                                       "E:eof\nE:finish mail_client_lost\n",
                                       "E:timeout\nS:421 4.4.2 *\nE:finish smtp_command_timeout\n"};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct mail_host_fake *fake = smtp_play_open("smtp", CHUNKS);
        mail_script_play(fake, ways[i]);
        mail_script_play(fake, "E:disconnected\n");
        assert_int_equal(fake->host.report.mails, 0);
        mail_host_fake_close(fake);
    }
}

static void a_data_refused_by_the_backend_is_told_behind_the_chunk(void **unused)
{
    smtp_play("smtp", RECIPIENT "RC:BDAT 6\\r\\nNOO\n"
                                "P:DATA\n"
                                "B:451 4.3.0 Not now\n"
                                "E:state chunk\n"
                                "RC:P\\r\\n\n"
                                "S:451 4.3.0 Not now\n"
                                "E:state hello\n");
    smtp_play("smtp", RECIPIENT "C:BDAT 0 LAST\n"
                                "P:DATA\n"
                                "E:close\n"
                                "S:451 4.4.2 Mail server lost, try again\n"
                                "E:state hello\n");
    smtp_play("smtp", RECIPIENT "RC:BDAT 3\\r\\nabc\n" BEGUN "P:abc\n"
                                "S:250 2.0.0 3 octets received\n"
                                "RC:BDAT 4\\r\\nab\n"
                                "P:ab\n"
                                "B:452 4.3.1 Disk full\n"
                                "E:disconnected\n"
                                "RC:cd\n"
                                "S:452 4.3.1 Disk full\n"
                                "E:state hello\n");
}

static struct mail_host_fake *open_with_limit(uint64_t bytes)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", RECIPIENT);
    fake->policy.policy.limits[LIMIT_MESSAGE_BYTES] = bytes;
    return fake;
}

static void messages_have_a_limit(void **unused)
{
    for (int over = -1; over <= 1; over++) {
        struct mail_host_fake *fake = open_with_limit((uint64_t)(12 - over));
        mail_script_play(fake, "RC:BDAT 6\\r\\nabcd\\r\\n\n" BEGUN "P:abcd\n"
                               "S:250 2.0.0 6 octets received\n");
        mail_host_fake_client(fake, "BDAT 6 LAST\r\nABCD\r\n");
        mail_script_play(fake, over <= 0 ? "P:ABCD\nP:.\n" TAKEN
                                         : "S:552 5.3.4 Message too big\nE:disconnected\n");
        mail_host_fake_close(fake);
    }
    for (int over = -1; over <= 1; over++) { // what is still read of a refused message
        struct mail_host_fake *fake = open_with_limit(50);
        char script[64];
        snprintf(script, sizeof script, "BDAT %d\r\n", 100 + over);
        mail_host_fake_client(fake, script);
        mail_script_play(fake, over <= 0 ? "E:state chunk\n"
                                         : "S:552 5.3.4 Message too big, closing\nP:QUIT\n"
                                           "E:finish smtp_too_big\n");
        mail_host_fake_close(fake);
    }
}

static void dots_are_stuffed_and_a_last_line_is_ended(void **unused)
{
    smtp_play("smtp",
              RECIPIENT "RC:BDAT 20 LAST\\r\\n.a\\r\\n\\r\\n.\\r\\n..\\r\\nx.\\r\\nend\n" BEGUN
                        "P:..a\nP:\nP:..\nP:...\nP:x.\nP:end\nP:.\n" TAKEN BYE);
    smtp_play("smtp", RECIPIENT "RC:BDAT 3 LAST\\r\\nx\\r\\n\n" BEGUN "P:x\nP:.\n" TAKEN);
    smtp_play("smtp", RECIPIENT "C:BDAT 0 LAST\n" BEGUN "P:.\n" TAKEN);
}

static void forged_results_are_removed_from_chunks(void **unused)
{
    smtp_play("smtp", RECIPIENT "RC:BDAT 30\\r\\nAuthentication-Results: mail.eBDAT 16 LAST\\r\\n"
                                "xample.net\\r\\nA: b\n" BEGUN "S:250 2.0.0 30 octets received\n"
                                "P:A: b\n"
                                "P:.\n"
                                "E:counted smtp_results_forged\n" TAKEN);
}

static void pipelined_chunks_go_the_whole_way_in_every_cut(void **unused)
{
    static const char input[] = "BDAT 12\r\nSubject: x\r\n"
                                "BDAT 0\r\n"
                                "bdat 3\r\n\r\n."
                                "BDAT 6 last\r\ne\r\n.fg"
                                "NOOP\r\n";
    enum { FIRST = 9, SIZE = sizeof input - 1 }; // bytes of the first command, and of all
    for (size_t cut = FIRST; cut <= SIZE; cut++) {
        struct mail_host_fake *fake = smtp_play_open("smtp", RECIPIENT);
        mail_host_fake_input(fake, SIDE_CLIENT, span_of(input, FIRST));
        mail_script_play(fake, BEGUN);
        mail_host_fake_input(fake, SIDE_CLIENT, span_of(input + FIRST, cut - FIRST));
        mail_host_fake_input(fake, SIDE_CLIENT, span_of(input + cut, SIZE - cut));
        mail_script_play(fake, "S:250 2.0.0 12 octets received\n"
                               "S:250 2.0.0 12 octets received\n"
                               "S:250 2.0.0 15 octets received\n"
                               "P:Subject: x\nP:\nP:..e\nP:..fg\nP:.\n" TAKEN "S:250 2.0.0 Ok\n");
        assert_int_equal(fake->host.report.mails, 1);
        mail_host_fake_close(fake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_without_a_size_ends_the_session),
        cmocka_unit_test(bytes_of_a_refused_chunk_are_no_commands),
        cmocka_unit_test(chunks_behind_a_refused_one_are_refused_too),
        cmocka_unit_test(line_discipline_is_the_same_as_in_data),
        cmocka_unit_test(a_cr_and_its_lf_may_stand_in_two_chunks),
        cmocka_unit_test(chunks_of_a_lenient_client_are_made_strict),
        cmocka_unit_test(data_and_chunks_do_not_mix),
        cmocka_unit_test(a_reset_between_chunks_leaves_no_end_behind),
        cmocka_unit_test(a_data_refused_by_the_backend_is_told_behind_the_chunk),
        cmocka_unit_test(messages_have_a_limit),
        cmocka_unit_test(dots_are_stuffed_and_a_last_line_is_ended),
        cmocka_unit_test(forged_results_are_removed_from_chunks),
        cmocka_unit_test(pipelined_chunks_go_the_whole_way_in_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
