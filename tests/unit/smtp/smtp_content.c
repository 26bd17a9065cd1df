// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp.h"

#include "smtp_plays.h"

#include <stdio.h>

static void data_sent_before_it_is_asked_for_ends_the_session(void **unused)
{
    smtp_play("smtp", RECIPIENT "RC:DATA\\r\\nSubject: x\\r\\n\n"
                                "S:554 5.5.0 Message sent before it was asked for\n"
                                "P:QUIT\n"
                                "E:finish smtp_pipelining\n");
}

// A false end with commands behind it, as smugglers send it: nothing of it is a command, the
// backend sees no end, and what goes on is what stands behind the true one.
static void play_smuggling(const char *ending, const char *reply, const char *reason)
{
    char script[4096];
    snprintf(script, sizeof script,
             DATA MESSAGE "RC:text%s\n"
                          "E:disconnected\n"
                          "RC:MAIL FROM:<forged@example.net>\\r\\n\n"
                          "E:state data\n"
                          "RC:RCPT TO:<alice@example.net>\\r\\nDATA\\r\\n\\r\\n.\\r\\n\n"
                          "S:550 5.6.0 %s\n"
                          "E:counted %s\n"
                          "E:state hello\n" QUIT,
             ending, reply, reason);
    smtp_play("smtp", script);
}

static void smuggled_ends_end_nothing(void **unused)
{
    static const struct {
        const char *ending, *reply, *reason;
    } cases[] = {
        {"\\n.\\n", "Message has a bare LF*", "mail_bare_lf"},
        {"\\n.\\r\\n", "Message has a bare LF*", "mail_bare_lf"},
        {"\\r\\n.\\n", "Message has a bare LF*", "mail_bare_lf"},
        {"\\r.\\r", "Message has a bare CR*", "mail_bare_cr"},
        {"\\r.\\r\\n", "Message has a bare CR*", "mail_bare_cr"},
        {"\\r\\n.\\rx", "Message has a bare CR*", "mail_bare_cr"},
        {"\\r\\n\\0.\\r\\n", "Message has a NUL byte", "mail_nul"},
        {"\\r\\n.\\0\\r\\n", "Message has a NUL byte", "mail_nul"},
        {"\\r\\n.\\r\\r\\n", "Message has a bare CR*", "mail_bare_cr"},
        {"\\r\\r\\n.\\r\\r\\n", "Message has a bare CR*", "mail_bare_cr"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        play_smuggling(cases[i].ending, cases[i].reply, cases[i].reason);
}

// The same from a client that need not keep to CR LF: all of it is the message, up to the true end.
static void smuggled_ends_of_a_lenient_client_are_text(void **unused)
{
    static const struct {
        const char *ending, *passed;
    } cases[] = {
        {"\\n.\\n", "P:text\nP:..\n"},          {"\\n.\\r\\n", "P:text\nP:..\n"},
        {"\\r\\n.\\n", "P:text\nP:..\n"},       {"\\r.\\r\\r\\n", "P:text .\n"},
        {"\\r\\n.\\r\\r\\n", "P:text\nP:..\n"}, {"\\r\\n\\0.\\r\\n", "P:text\nP: .\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char script[4096];
        snprintf(script, sizeof script,
                 DATA MESSAGE "RC:text%sMAIL FROM:<forged@example.net>\\nDATA\\r\\n.\\r\\nNOOP\\n\n"
                              "%sP:MAIL FROM:<forged@example.net>\nP:DATA\nP:.\n"
                              "B:250 2.0.0 Ok\n"
                              "S:250 2.0.0 Ok\n"
                              "S:250 2.0.0 Ok\n"
                              "C:QUIT\nS:221 2.0.0 Bye\nP:QUIT\nE:finish mail_quit\n",
                 cases[i].ending, cases[i].passed);
        smtp_play_lenient(script);
    }
}

static void a_lenient_clients_message_is_refused_up_to_its_true_end(void **unused)
{
#define REFUSED                                                                                    \
    "E:disconnected\n"                                                                             \
    "S:550 5.7.1 *\n"                                                                              \
    "S:250 2.0.0 Ok\n"                                                                             \
    "E:state hello\n"
    static const char *const scripts[] = {
        // what is refused and the end in one block, and in three
        DATA "RC:\\npills\\n.\\nNOOP\\r\\n.\\r\\nNOOP\\r\\n\n" REFUSED,
        DATA "RC:\\npills\\n.\\n\nRC:NOOP\\r\\n.\\r\nRC:\\nNOOP\\r\\n\n" REFUSED,
    };
#undef REFUSED
    for (int i = 0; i < 2; i++) {
        struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
        fake->policy.policy.lenient_networks.count = 1;
        fake->scan_word = "pills";
        fake->scan_parts = RULE_BODY;
        mail_host_fake_start(fake);
        mail_script_play(fake, scripts[i]);
        mail_host_fake_close(fake);
    }
}

static void a_refused_message_is_never_250(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", DATA MESSAGE "RC:a\\nb\\r\\n.\\r\\n\n"
                                                                      "S:550 5.6.0 *\n");
    assert_int_equal(fake->host.report.mails, 0);
    assert_int_equal(fake->host.report.refusals, 1);
    assert_false(fake->connected);
    // The next mail gets a connection of its own.
    mail_script_play(fake, MAIL "C:RCPT TO:<alice@example.net>\n" CONNECT);
    mail_host_fake_close(fake);
}

static void content_rules_reject_with_550_and_no_end_goes_out(void **unused)
{
    static const struct {
        enum rule_part part;
        const char *word;
    } rules[] = {{RULE_HEADERS, "Subject: hello"}, {RULE_BODY, "are you?"}};
    for (size_t i = 0; i < 2; i++) {
        struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
        fake->scan_parts = rules[i].part;
        fake->scan_word = rules[i].word;
        mail_host_fake_start(fake);
        mail_script_play(fake, DATA "RC:Subject: hello\\r\\n\\r\\nHow are you?\\r\\n.\\r\\n\n"
                                    "S:550 5.7.1 Refused by content policy\n"
                                    "E:disconnected\n"
                                    "E:counted smtp_rule_rejected\n" QUIT);
        mail_host_fake_close(fake);
    }
}

static void rules_see_parts_and_no_stuffed_dots(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", DATA);
    mail_host_fake_client(fake, "Subject: x\r\n.X-Dot: y\r\n\r\n..a\r\nb\r\n.\r\n");
    assert_string_equal(fake->scanned[1], "Subject: x\r\nX-Dot: y\r\n\r\n");
    assert_string_equal(fake->scanned[2], ".a\r\nb\r\n");
    assert_int_equal(fake->scans, 1);
    mail_script_play(fake, "P:Subject: x\nP:X-Dot: y\nP:\nP:..a\nP:b\nP:.\n");
    mail_host_fake_close(fake);
}

static struct mail_host_fake *open_with_limit(uint64_t bytes)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->policy.policy.limits[LIMIT_MESSAGE_BYTES] = bytes;
    mail_host_fake_start(fake);
    mail_script_play(fake, GREETED "C:HELO client.example\n"
                                   "S:250 mail.example.net\n" MAIL
                                   "C:RCPT TO:<alice@example.net>\n" CONNECT
                                   "B:250 postfix\n" BACKEND_MAIL ALICE GO_AHEAD
                                   "P:Auth*\nP:*\nP:*\nP:*\nP:*\nP:*\nP:Received:*\nP:*\nP:*\n");
    return fake;
}

static void messages_have_a_limit(void **unused)
{
    for (int over = -1; over <= 1; over++) { // "xxxx\r\n.\r\n" is nine bytes
        struct mail_host_fake *fake = open_with_limit((uint64_t)(9 - over));
        mail_host_fake_client(fake, "xxxx\r\n.\r\n");
        if (over <= 0)
            mail_script_play(fake, "P:xxxx\nP:.\nE:state final\n");
        else
            mail_script_play(fake, "S:552 5.3.4 Message too big\nE:disconnected\n"
                                   "E:counted smtp_too_big\nE:state hello\n");
        mail_host_fake_close(fake);
    }
}

static void a_message_without_end_is_given_up_for_good(void **unused)
{
    struct mail_host_fake *fake = open_with_limit(100);
    for (int i = 0; i < 20 && !fake->finished; i++)
        mail_host_fake_client(fake, "0123456789012345678901234\r\n");
    mail_script_play(fake, "P:0123456789012345678901234\nP:0123456789012345678901234\n"
                           "P:0123456789012345678901234\n"
                           "S:552 5.3.4 Message too big, closing\nE:finish smtp_too_big\n");
    mail_host_fake_close(fake);
}

static void no_250_without_the_backends(void **unused)
{
    smtp_play("smtp", FINAL "E:close\n"
                            "S:451 4.4.2 Mail server lost, try again\n"
                            "E:counted mail_backend_lost\n"
                            "E:state hello\n");
    smtp_play("smtp", FINAL "RB:250 2.0.0 O\n"
                            "E:close\n"
                            "S:451 4.4.2 Mail server lost, try again\n");
    smtp_play("smtp", FINAL "B:250-2.0.0 Ok\n"
                            "E:close\n"
                            "S:451 4.4.2 Mail server lost, try again\n");
    smtp_play("smtp", FINAL "B:554 5.7.1 Spam\n"
                            "S:554 5.7.1 Spam\n"
                            "E:state hello\n");
    smtp_play("smtp", FINAL "B:452 4.3.1 Disk full\n"
                            "S:452 4.3.1 Disk full\n");
    smtp_play("smtp", FINAL "B:354 what\n"
                            "S:451 4.3.0 Mail server not usable, try later\n"
                            "E:counted mail_backend_bad\n");
    smtp_play("smtp", FINAL "B:421 4.3.2 Shutting down\n"
                            "S:451 4.4.2 Mail server lost, try again\n");
    smtp_play("smtp", FINAL "B:garbage\n"
                            "S:451 4.3.0 Mail server not usable, try later\n");
    smtp_play("smtp", FINAL "RB:250 Ok\\n\n"
                            "S:451 4.3.0 Mail server not usable, try later\n");
}

static void a_backend_lost_in_the_message_is_told_at_its_end(void **unused)
{
    smtp_play("smtp", DATA MESSAGE "E:close\n"
                                   "C:more\n"
                                   "E:state data\n"
                                   "C:.\n"
                                   "S:451 4.4.2 Mail server lost, try again\n"
                                   "E:state hello\n" QUIT);
    smtp_play("smtp", DATA MESSAGE "B:552 5.3.4 Too big for me\n"
                                   "E:disconnected\n"
                                   "C:more\n"
                                   "C:.\n"
                                   "S:552 5.3.4 Too big for me\n"
                                   "E:state hello\n" QUIT);
    smtp_play("smtp", DATA MESSAGE "B:250 2.0.0 Have it already\n"
                                   "C:.\n"
                                   "S:451 4.3.0 Mail server not usable, try later\n");
}

static void data_refused_by_the_backend_is_refused(void **unused)
{
    smtp_play("smtp", RECIPIENT "C:DATA\n"
                                "P:DATA\n"
                                "B:451 4.3.0 Not now\n"
                                "S:451 4.3.0 Not now\n"
                                "E:state hello\n" MAIL "C:RCPT TO:<alice@example.net>\n"
                                "P:RSET\n"
                                "B:250 2.0.0 Ok\n" BACKEND_MAIL ALICE);
    smtp_play("smtp", RECIPIENT "C:DATA\n"
                                "P:DATA\n"
                                "E:close\n"
                                "S:451 4.4.2 Mail server lost, try again\n"
                                "E:state hello\n");
    smtp_play("smtp", RECIPIENT "C:DATA\n"
                                "P:DATA\n"
                                "B:250 2.0.0 Ok\n"
                                "S:451 4.3.0 Mail server not usable, try later\n");
}

static void recipients_that_went_with_their_connection_are_not_served(void **unused)
{
    smtp_play("smtp", RECIPIENT "E:close\n"
                                "C:RCPT TO:<alice@example.net>\n"
                                "S:451 4.4.2 Mail server lost, try again\n"
                                "C:DATA\n"
                                "S:451 4.4.2 Mail server lost, try again\n"
                                "E:state hello\n" MAIL "C:RCPT TO:<alice@example.net>\n" CONNECT);
    smtp_play("smtp", RECIPIENT "B:421 4.4.2 Timeout\n"
                                "E:disconnected\n"
                                "C:DATA\n"
                                "S:451 4.4.2 Mail server lost, try again\n");
}

static void text_waits_for_room(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", DATA);
    fake->pipes[SIDE_BACKEND].room_call = 0;
    mail_host_fake_client(fake, "Subject: x\r\n\r\nbody\r\n.\r\n");
    mail_script_play(fake, "E:state data\n"); // nothing went out
    fake->pipes[SIDE_BACKEND].room_call = 5;  // a byte, and what may come with it
    mail_host_fake_pump(fake);
    mail_script_play(fake, "P:Subject: x\nP:\nP:body\nP:.\nE:state final\n");
    mail_host_fake_close(fake);
}

static void forged_results_are_removed_and_all_else_stays(void **unused)
{
    static const char message[] = "ARC-Authentication-Results: i=1; mail.example.net; spf=pass\r\n"
                                  "A\r\n"
                                  "%sAuthentication-Results: other.example; spf=pass\r\n"
                                  "DKIM-Signature: v=1; h=from:\r\n  subject\r\n"
                                  "\r\n"
                                  "Authentication-Results: mail.example.net; spf=pass\r\n"
                                  "..\r\n"
                                  ".\r\n";
    static const char forged[] = "authentication-RESULTS:\r\n"
                                 ". (our\r\n\t own) Mail.Example.NET 1;\r\n"
                                 ". spf=pass\r\n"
                                 ".Authentication-Results: \"mail.example.net\"; dkim=pass\r\n";
    char with[512], without[512];
    int size = snprintf(with, sizeof with, message, forged);
    snprintf(without, sizeof without, message, "");
    for (size_t cut = 1; cut < (size_t)size; cut++) {
        struct mail_host_fake *fake = smtp_play_open("smtp", DATA);
        mail_host_fake_input(fake, SIDE_CLIENT, span_of(with, cut));
        mail_host_fake_input(fake, SIDE_CLIENT, span_of(with + cut, (size_t)size - cut));
        assert_string_equal(mail_host_fake_sent(fake, SIDE_BACKEND), without);
        assert_int_equal(fake->counted[REASON_SMTP_RESULTS_FORGED], 2);
        mail_host_fake_close(fake);
    }
}

static void a_message_does_not_continue_our_header(void **unused)
{
    smtp_play("smtp", DATA "RC:. by=forged\\r\\n\\r\\n.\\r\\n\n"
                           "S:550 5.6.0 Message begins with a continuation line\n"
                           "E:disconnected\n"
                           "E:state hello\n");
}

// With LF for CR LF but for the end.
static size_t loosen(const char *text, size_t size, char *loose)
{
    size_t kept = 0;
    for (size_t i = 0; i < size; i++)
        if (text[i] != '\r' || i + 5 >= size)
            loose[kept++] = text[i];
    return kept;
}

static void a_big_message_arrives_byte_by_byte_the_same(void **unused)
{
    static char text[200000], loose[sizeof text];
    size_t size = 0;
    uint32_t seed = 12345;
    while (size < sizeof text - 200) {
        seed = seed * 1664525 + 1013904223;
        unsigned line = seed >> 24;
        for (unsigned i = 0; i < line % 120; i++)
            text[size++] = (char)(i == 0 && line % 3 ? 'x' : 32 + (seed >> (i % 24)) % 95);
        if (line % 120 && text[size - line % 120] == '.')
            text[size - line % 120] = ',';
        memcpy(text + size, "\r\n", 2);
        size += 2;
    }
    memcpy(text + size, ".\r\n", 3);
    size += 3;

    struct mail_host_fake *fake = smtp_play_open("smtp", DATA);
    mail_host_fake_input(fake, SIDE_CLIENT, span_of(text, size));
    struct span got = mail_host_fake_sent_span(fake, SIDE_BACKEND);
    assert_true(span_equal(got, span_of(text, size)));
    mail_script_play(fake, "B:250 2.0.0 Ok\nS:250 2.0.0 Ok\n");
    mail_host_fake_forget(fake);

    fake->policy.policy.lenient_networks.count = 1;
    mail_script_play(fake,
                     MAIL "C:RCPT TO:<alice@example.net>\n" BACKEND_MAIL ALICE GO_AHEAD HEADERS);
    size_t loose_size = loosen(text, size, loose);
    mail_host_fake_input(fake, SIDE_CLIENT, span_of(loose, loose_size));
    got = mail_host_fake_sent_span(fake, SIDE_BACKEND);
    assert_true(loose_size < size && span_equal(got, span_of(text, size)));
    mail_host_fake_close(fake);
}

static void one_connection_serves_the_clients_next_mail(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open(
        "smtp", MAIL_TAKEN MAIL
        "C:RCPT TO:<alice@example.net>\n" BACKEND_MAIL ALICE GO_AHEAD HEADERS MESSAGE "C:.\n"
        "P:.\n"
        "B:250 2.0.0 Ok\n"
        "S:250 2.0.0 Ok\n");
    assert_int_equal(fake->connects, 1);
    assert_int_equal(fake->host.report.mails, 2);
    mail_host_fake_close(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_sent_before_it_is_asked_for_ends_the_session),
        cmocka_unit_test(smuggled_ends_end_nothing),
        cmocka_unit_test(smuggled_ends_of_a_lenient_client_are_text),
        cmocka_unit_test(a_lenient_clients_message_is_refused_up_to_its_true_end),
        cmocka_unit_test(a_refused_message_is_never_250),
        cmocka_unit_test(content_rules_reject_with_550_and_no_end_goes_out),
        cmocka_unit_test(rules_see_parts_and_no_stuffed_dots),
        cmocka_unit_test(messages_have_a_limit),
        cmocka_unit_test(a_message_without_end_is_given_up_for_good),
        cmocka_unit_test(no_250_without_the_backends),
        cmocka_unit_test(a_backend_lost_in_the_message_is_told_at_its_end),
        cmocka_unit_test(data_refused_by_the_backend_is_refused),
        cmocka_unit_test(recipients_that_went_with_their_connection_are_not_served),
        cmocka_unit_test(text_waits_for_room),
        cmocka_unit_test(forged_results_are_removed_and_all_else_stays),
        cmocka_unit_test(a_message_does_not_continue_our_header),
        cmocka_unit_test(a_big_message_arrives_byte_by_byte_the_same),
        cmocka_unit_test(one_connection_serves_the_clients_next_mail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
