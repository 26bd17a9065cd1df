// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_relay.h"

#include "smtp/smtp.h"
#include "smtp_plays.h"

#include <stdio.h>

static const char *const relay_attempts[] = {
#include "data/relay_attempts.def"
};

#define MAIL_UTF8                                                                                  \
    "C:MAIL FROM:<joe@good.example.org> SMTPUTF8\n"                                                \
    "E:spf pass\n"                                                                                 \
    "S:250 2.1.0 Ok\n"

static void no_classic_relay_attempt_passes(void **unused)
{
    for (size_t i = 0; i < sizeof relay_attempts / sizeof relay_attempts[0]; i++) {
        char line[256];
        struct mail_host_fake *fake = smtp_play_open("smtp", HELLO MAIL_UTF8);
        snprintf(line, sizeof line, "C:RCPT TO:%s\nS:5*\n", relay_attempts[i]);
        mail_script_play(fake, line);
        assert_int_equal(fake->connects, 0);
        mail_host_fake_close(fake);
    }
}

static void strangers_are_denied_with_554(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", SENDER);
    mail_script_play(fake, "C:RCPT TO:<x@elsewhere.example>\n"
                           "S:554 5.7.1 Relay access denied\n"
                           "C:RCPT TO:<@example.net:x@elsewhere.example>\n"
                           "S:554 5.7.1 Relay access denied\n"
                           "C:RCPT TO:<x%elsewhere.example@example.net>\n"
                           "S:554 5.7.1 Relay access denied\n"
                           "E:state mail\n");
    assert_int_equal(fake->counted[REASON_SMTP_RELAY_DENIED], 3);
    mail_host_fake_close(fake);
}

static void a_sender_of_ours_is_no_ticket(void **unused)
{
    smtp_play("smtp", HELLO "C:MAIL FROM:<alice@example.net>\n"
                            "E:spf pass\n"
                            "S:250 2.1.0 Ok\n"
                            "C:RCPT TO:<x@elsewhere.example>\n"
                            "S:554 5.7.1 Relay access denied\n");
}

static bool goes_to(struct mail_host_fake *fake, const char *rcpt, unsigned backend)
{
    char line[256];
    snprintf(line, sizeof line, "C:RCPT TO:%s\n", rcpt);
    mail_script_play(fake, line);
    bool reached = fake->connecting && fake->backend == backend;
    mail_host_fake_close(fake);
    return reached;
}

static void our_domains_pass_in_any_case_of_letters(void **unused)
{
    assert_true(goes_to(smtp_play_open("smtp", SENDER), "<Alice@Example.NET>", 0));
    assert_true(goes_to(smtp_play_open("smtp", SENDER), "<bob@example.org>", 3));
    assert_true(goes_to(smtp_play_open("smtp", SENDER), "<\"a b\"@example.net>", 0));
    assert_true(goes_to(smtp_play_open("smtp", SENDER), "<postmaster>", 0));
    assert_true(goes_to(smtp_play_open("smtp", SENDER), "<PostMaster@example.org>", 3));
}

static struct mail_host_fake *open_from(const char *client)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    assert_true(addr_parse(client, &fake->host.client));
    mail_host_fake_start(fake);
    return fake;
}

static void relay_networks_pass_and_their_neighbours_do_not(void **unused)
{
    struct mail_host_fake *fake = open_from("192.0.2.15");
    mail_script_play(fake, HELLO "C:MAIL FROM:<joe@elsewhere.example>\nS:250 2.1.0 Ok\n");
    assert_true(goes_to(fake, "<x@elsewhere.example>", 0));
    fake = open_from("192.0.2.16");
    mail_script_play(fake, HELLO MAIL "C:RCPT TO:<x@elsewhere.example>\n"
                                      "S:554 5.7.1 Relay access denied\n");
    mail_host_fake_close(fake);
}

static void the_authenticated_pass(void **unused)
{
    const char *way = LOGGED_IN "C:MAIL FROM:<alice@example.net>\nS:250 2.1.0 Ok\n";
    assert_true(goes_to(smtp_play_open("submissions", way), "<x@elsewhere.example>", 0));
    assert_true(goes_to(smtp_play_open("submissions", way), "<bob@example.org>", 3));
}

static bool owns(struct mail_host_fake *fake, const char *address)
{
    struct smtp_path path;
    struct span rest;
    assert_int_equal(smtp_path_parse(span_text(address), &path, &rest), PATH_OK);
    return smtp_relay_owns(fake->state, &path);
}

static void a_login_owns_its_address_and_the_null_sender(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("submissions", LOGGED_IN);
    assert_false(owns(fake, "<bob@example.net>"));
    assert_false(owns(fake, "<alice@example.org>"));
    assert_false(owns(fake, "<alice@example.net.evil.example>"));
    assert_false(owns(fake, "<\"alice\"@example.net>"));
    assert_false(owns(fake, "<alice+tag@example.net>"));
    assert_true(owns(fake, "<alice@example.net>"));
    assert_true(owns(fake, "<Alice@EXAMPLE.net>"));
    assert_true(owns(fake, "<>"));
    mail_host_fake_close(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_classic_relay_attempt_passes),
        cmocka_unit_test(strangers_are_denied_with_554),
        cmocka_unit_test(a_sender_of_ours_is_no_ticket),
        cmocka_unit_test(our_domains_pass_in_any_case_of_letters),
        cmocka_unit_test(relay_networks_pass_and_their_neighbours_do_not),
        cmocka_unit_test(the_authenticated_pass),
        cmocka_unit_test(a_login_owns_its_address_and_the_null_sender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
