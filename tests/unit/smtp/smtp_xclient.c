// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_xclient.h"

#include "smtp/smtp.h"
#include "smtp_plays.h"

#define ALL "NAME ADDR PROTO HELO LOGIN PORT DESTADDR DESTPORT"

static struct smtp *smtp_of(struct mail_host_fake *fake)
{
    return fake->state;
}

static void set_user(struct smtp *smtp, struct span user)
{
    smtp->user_size = (uint8_t)user.size;
    memcpy(smtp->user, user.at, user.size);
}

static void without_addr_nothing_is_said(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", HELLO);
    assert_int_equal(smtp_xclient_commands(smtp_of(fake), smtp_xclient_offered(span_text(""))), 0);
    assert_int_equal(
        smtp_xclient_commands(smtp_of(fake), smtp_xclient_offered(span_text("NAME LOGIN"))), 0);
    mail_host_fake_close(fake);
}

static void only_what_is_offered_is_said(void **unused)
{
    char text[XCLIENT_TEXT_SIZE];
    struct mail_host_fake *fake = smtp_play_open("smtp", HELLO);
    uint8_t offered = smtp_xclient_offered(span_text("addr  unknown name"));
    assert_int_equal(offered, XCLIENT_ADDR | XCLIENT_NAME);
    assert_int_equal(smtp_xclient_commands(smtp_of(fake), offered), 1);
    struct span command = smtp_xclient_command(smtp_of(fake), offered, 1, 1, text);
    assert_true(
        span_equal(command, span_text("XCLIENT NAME=client.example ADDR=198.51.100.10\r\n")));
    mail_host_fake_close(fake);
}

static void foreign_values_are_xtext(void **unused)
{
    char text[XCLIENT_TEXT_SIZE];
    struct mail_host_fake *fake = smtp_play_open("smtp", HELLO);
    set_user(smtp_of(fake), span_text("a b+c=d\r\nQUIT\x80"));
    struct span command = smtp_xclient_command(
        smtp_of(fake), smtp_xclient_offered(span_text("ADDR LOGIN")), 1, 1, text);
    assert_true(span_equal(
        command, span_text("XCLIENT ADDR=198.51.100.10 LOGIN=a+20b+2Bc+3Dd+0D+0AQUIT+80\r\n")));
    mail_host_fake_close(fake);
}

static void an_unconfirmed_name_is_not_told(void **unused)
{
    char text[XCLIENT_TEXT_SIZE];
    struct mail_host_fake *fake =
        smtp_play_open("smtp", "E:rdns unconfirmed liar.example\n" BANNER EHLO);
    struct span command = smtp_xclient_command(
        smtp_of(fake), smtp_xclient_offered(span_text("ADDR NAME")), 1, 1, text);
    assert_true(
        span_equal(command, span_text("XCLIENT NAME=[UNAVAILABLE] ADDR=198.51.100.10\r\n")));
    mail_host_fake_close(fake);
}

static void ipv6_addresses_carry_their_tag(void **unused)
{
    char text[XCLIENT_TEXT_SIZE];
    struct mail_host_fake *fake = smtp_play_open("smtp", HELLO);
    assert_true(addr_parse("2001:db8::1", &fake->host.client));
    struct span command = smtp_xclient_command(
        smtp_of(fake), smtp_xclient_offered(span_text("ADDR LOGIN")), 1, 1, text);
    assert_true(
        span_equal(command, span_text("XCLIENT ADDR=IPV6:2001:db8::1 LOGIN=[UNAVAILABLE]\r\n")));
    mail_host_fake_close(fake);
}

static void a_long_identity_takes_two_commands_and_addr_and_login_come_last(void **unused)
{
    char text[XCLIENT_TEXT_SIZE], user[200];
    struct mail_host_fake *fake = smtp_play_open("smtp", HELLO);
    memset(user, '+', sizeof user); // three characters each
    set_user(smtp_of(fake), span_of(user, sizeof user));
    uint8_t offered = smtp_xclient_offered(span_text(ALL));
    assert_int_equal(smtp_xclient_commands(smtp_of(fake), offered), 2);
    struct span first = smtp_xclient_command(smtp_of(fake), offered, 2, 2, text);
    assert_true(span_equal(first, span_text("XCLIENT NAME=client.example PORT=40000 PROTO=ESMTP "
                                            "HELO=client.example DESTADDR=198.51.100.1 "
                                            "DESTPORT=25\r\n")));
    struct span last = smtp_xclient_command(smtp_of(fake), offered, 2, 1, text);
    assert_true(span_starts_nocase(last, span_text("XCLIENT ADDR=198.51.100.10 LOGIN=+2B")));
    mail_host_fake_close(fake);
}

static void two_commands_are_both_answered_before_ehlo(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", SENDER);
    char user[200];
    memset(user, '+', sizeof user);
    set_user(smtp_of(fake), span_of(user, sizeof user));
    mail_script_play(fake,
                     "C:RCPT TO:<alice@example.net>\n" CONNECT "B:250-x\n" XCLIENT_OFFER "B:250 x\n"
                     "P:XCLIENT NAME=client.example PORT=*\n"
                     "B:220 x\n"
                     "P:XCLIENT ADDR=198.51.100.10 LOGIN=+2B*\n"
                     "B:220 x\n"
                     "P:EHLO client.example\n");
    mail_host_fake_close(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_addr_nothing_is_said),
        cmocka_unit_test(only_what_is_offered_is_said),
        cmocka_unit_test(foreign_values_are_xtext),
        cmocka_unit_test(an_unconfirmed_name_is_not_told),
        cmocka_unit_test(ipv6_addresses_carry_their_tag),
        cmocka_unit_test(a_long_identity_takes_two_commands_and_addr_and_login_come_last),
        cmocka_unit_test(two_commands_are_both_answered_before_ehlo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
