// SPDX-License-Identifier: BSD-3-Clause
#include "mail/opening.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// Every line that could be a capability is one: "offer" makes it known.
static void note_offer(struct mail_offer *offer, struct span line)
{
    for (size_t i = 0; i + 5 <= line.size; i++)
        if (memcmp(line.at + i, "offer", 5) == 0)
            offer->known = true;
}

static struct opening opening;
static char say[OPENING_SAY_SIZE];

static void start(enum protocol protocol, bool starttls)
{
    const struct mail_protocol machine = {
        .protocol = protocol, .note_offer = protocol == PROTOCOL_POP3 ? NULL : note_offer};
    opening_start(&opening, &machine, starttls);
}

// What the last of these lines brings; all before it wait for more.
static enum opening_result hear(const char *lines)
{
    struct span input = span_text(lines);
    enum opening_result result = OPENING_WAIT;
    while (input.size) {
        size_t taken;
        assert_int_equal(result, OPENING_WAIT);
        result = opening_input(&opening, input, "we.example", &taken, say);
        if (taken == 0)
            break;
        input = span_skip(input, taken);
    }
    return result;
}

static void what_a_protocol_does_not_allow_is_bad(void **state)
{
    static const struct {
        enum protocol protocol;
        const char *lines;
    } rows[] = {
        {PROTOCOL_SMTP, "garbage\r\n"},
        {PROTOCOL_SMTP, "22\r\n"},
        {PROTOCOL_SMTP, "220bare\r\n"},
        {PROTOCOL_SMTP, "354 go\r\n"},
        {PROTOCOL_SMTP, "199 x\r\n"},
        {PROTOCOL_SMTP, "220-a\r\n221 b\r\n"},
        {PROTOCOL_SMTP, "250 a\r\n"},
        {PROTOCOL_SMTP, "220 a\r\n220 offer\r\n"},
        {PROTOCOL_SMTP, "220 a\n\r\n"},
        {PROTOCOL_SMTP, "* OK offer\r\n"},
        {PROTOCOL_IMAP, "* PREAUTH offer\r\n"},
        {PROTOCOL_IMAP, "* NO x\r\n"},
        {PROTOCOL_IMAP, "W OK x\r\n"},
        {PROTOCOL_IMAP, "+ x\r\n"},
        {PROTOCOL_IMAP, "* OK hi\r\nW NO none\r\n"},
        {PROTOCOL_IMAP, "* OK hi\r\nW OK but nothing said\r\n"},
        {PROTOCOL_POP3, "+OKAY\r\n"},
        {PROTOCOL_POP3, "220 x\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start(rows[i].protocol, false);
        assert_int_equal(hear(rows[i].lines), OPENING_BAD);
    }
}

static void a_line_or_a_reply_without_end_is_bad(void **state)
{
    static char line[LINE_BYTES_MAX + 1];
    memset(line, 'x', sizeof line - 1);
    start(PROTOCOL_SMTP, false);
    assert_int_equal(hear(line), OPENING_BAD);

    start(PROTOCOL_SMTP, false);
    for (int i = 0; i < OPENING_LINES_MAX; i++)
        assert_int_equal(hear("220-more\r\n"), OPENING_WAIT);
    assert_int_equal(hear("220-more\r\n"), OPENING_BAD);
    start(PROTOCOL_IMAP, false);
    assert_int_equal(hear("* OK hi\r\n"), OPENING_WAIT);
    for (int i = 0; i < OPENING_LINES_MAX; i++)
        assert_int_equal(hear("* more\r\n"), OPENING_WAIT);
    assert_int_equal(hear("* more\r\n"), OPENING_BAD);
}

static void a_server_may_refuse_at_each_step(void **state)
{
    static const struct {
        enum protocol protocol;
        const char *lines;
    } rows[] = {
        {PROTOCOL_SMTP, "421 4.3.2 busy\r\n"},
        {PROTOCOL_SMTP, "554-no\r\n554 service\r\n"},
        {PROTOCOL_SMTP, "220 hi\r\n502 no EHLO\r\n"},
        {PROTOCOL_SMTP, "220 hi\r\n250 offer\r\n454 no TLS now\r\n"},
        {PROTOCOL_IMAP, "* BYE too many\r\n"},
        {PROTOCOL_IMAP, "* OK offer\r\n* BYE\r\n"},
        {PROTOCOL_POP3, "-ERR [SYS/TEMP] busy\r\n"},
        {PROTOCOL_POP3, "+OK\r\n-ERR no STLS\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start(rows[i].protocol, true);
        assert_int_equal(hear(rows[i].lines), OPENING_REFUSED);
    }
}

static void an_unfinished_line_is_waited_for(void **state)
{
    start(PROTOCOL_SMTP, false);
    assert_int_equal(hear("220 hi\r"), OPENING_WAIT);
    assert_string_equal(say, "");
}

static void smtp_is_greeted_in_our_name(void **state)
{
    start(PROTOCOL_SMTP, false);
    assert_int_equal(hear("220-hi\r\n220 there\r\n"), OPENING_WAIT);
    assert_string_equal(say, "EHLO we.example\r\n");
    assert_false(opening.offer.known);
    assert_int_equal(hear("250-offer\r\n250 DSN\r\n"), OPENING_READY);
    assert_true(opening.offer.known);
    assert_string_equal(say, "");
    assert_string_equal(opening_farewell(&opening), "QUIT\r\n");
}

static void imap_is_asked_only_for_what_its_greeting_did_not_say(void **state)
{
    start(PROTOCOL_IMAP, false);
    assert_int_equal(hear("* OK offer\r\n"), OPENING_READY);
    start(PROTOCOL_IMAP, false);
    assert_int_equal(hear("* OK hi\r\n"), OPENING_WAIT);
    assert_string_equal(say, "W CAPABILITY\r\n");
    assert_int_equal(hear("* offer\r\nW OK done\r\n"), OPENING_READY);
    assert_string_equal(opening_farewell(&opening), "W LOGOUT\r\n");
}

static void pop3_is_only_greeted(void **state)
{
    start(PROTOCOL_POP3, false);
    assert_int_equal(hear("+OK hi\r\n"), OPENING_READY);
}

static void what_was_offered_in_the_clear_is_forgotten_under_tls(void **state)
{
    static const struct {
        enum protocol protocol;
        const char *greeting, *starttls, *good, *after;
    } rows[] = {
        {PROTOCOL_SMTP, "220 hi\r\n250 offer\r\n", "STARTTLS\r\n", "220 go\r\n",
         "EHLO we.example\r\n"},
        {PROTOCOL_IMAP, "* OK offer\r\n", "W STARTTLS\r\n", "W OK go offer\r\n",
         "W CAPABILITY\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start(rows[i].protocol, true);
        assert_int_equal(hear(rows[i].greeting), OPENING_WAIT);
        assert_string_equal(say, rows[i].starttls);
        assert_int_equal(hear(rows[i].good), OPENING_TLS);
        assert_false(opening.offer.known);
        assert_int_equal(opening_secured(&opening, "we.example", say), OPENING_WAIT);
        assert_string_equal(say, rows[i].after);
    }
    start(PROTOCOL_POP3, true);
    assert_int_equal(hear("+OK hi\r\n"), OPENING_WAIT);
    assert_string_equal(say, "STLS\r\n");
    assert_int_equal(hear("+OK go\r\n"), OPENING_TLS);
    assert_int_equal(opening_secured(&opening, "we.example", say), OPENING_READY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_protocol_does_not_allow_is_bad),
        cmocka_unit_test(a_line_or_a_reply_without_end_is_bad),
        cmocka_unit_test(a_server_may_refuse_at_each_step),
        cmocka_unit_test(an_unfinished_line_is_waited_for),
        cmocka_unit_test(smtp_is_greeted_in_our_name),
        cmocka_unit_test(imap_is_asked_only_for_what_its_greeting_did_not_say),
        cmocka_unit_test(pop3_is_only_greeted),
        cmocka_unit_test(what_was_offered_in_the_clear_is_forgotten_under_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
