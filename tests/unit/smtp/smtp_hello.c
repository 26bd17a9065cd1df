// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp.h"

#include "smtp_plays.h"

#include <stdio.h>

static void names_that_are_none_are_refused(void **unused)
{
    static const char *const bad[] = {"",
                                      "exa mple",
                                      "example.",
                                      ".example",
                                      "ex..ample",
                                      "-example",
                                      "client.example-",
                                      "exam\\xe9ple",
                                      "exam<ple",
                                      "exam@ple",
                                      "exam\\x09ple",
                                      "exam(ple)",
                                      "[192.0.2.1",
                                      "[192.0.2.300]",
                                      "[2001:db8::1]",
                                      "[IPv6:192.0.2.1]",
                                      "[]",
                                      "*"};
    static const char *const verbs[] = {"EHLO", "HELO"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char script[512];
        snprintf(script, sizeof script,
                 GREETED "C:%s %s\nS:501 5.5.2 Neither a host name nor an address literal\n"
                         "E:counted smtp_helo_refused\nE:state greeted\n",
                 verbs[i % 2], bad[i]);
        smtp_play("smtp", script);
    }
}

static void names_and_literals_are_taken(void **unused)
{
    static const char *const good[] = {"a",           "client.example",     "WIN_PC",
                                       "[192.0.2.1]", "[IPv6:2001:db8::1]", " client.example "};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char script[512];
        snprintf(script, sizeof script,
                 GREETED "C:HELO %s\nS:250 mail.example.net\nE:state hello\n", good[i]);
        smtp_play("smtp", script);
    }
}

static void our_own_name_is_refused_to_strangers(void **unused)
{
    static const char *const ours[] = {"mail.example.net",      "MAIL.Example.NET",
                                       "[198.51.100.1]",        "[198.51.100.2]",
                                       "[IPv6:2001:db8:51::1]", "[ipv6:2001:DB8:51:0::1]"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
        struct policy_interface *outside = &fake->policy.policy.boot.legs[LEG_OUTSIDE];
        assert_true(addr_parse("198.51.100.2", &outside->addr[FAMILY_V4]));
        assert_true(addr_parse("2001:db8:51::1", &outside->addr[FAMILY_V6]));
        char script[512];
        snprintf(script, sizeof script,
                 GREETED "C:HELO %s\nS:250 mail.example.net\n"
                         "C:MAIL FROM:<joe@good.example.org>\n" MAIL_TO_ALICE
                         "S:550 5.7.1 That is our own name, not yours\n"
                         "E:counted smtp_helo_forged\nE:state mail\n",
                 ours[i]);
        mail_host_fake_start(fake);
        mail_script_play(fake, script);
        mail_host_fake_close(fake);
    }
    smtp_play("smtp", GREETED "C:HELO 198.51.100.10\n"
                              "S:501 5.5.2 Neither a host name nor an address literal\n");
}

static void others_names_that_look_like_ours_are_taken(void **unused)
{
    static const char *const others[] = {"example.net",          "xmail.example.net",
                                         "mail.example.net.org", "[198.51.100.10]",
                                         "[198.51.100.11]",      "10.example"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char script[512];
        snprintf(script, sizeof script, GREETED "C:HELO %s\nS:250 mail.example.net\n", others[i]);
        smtp_play("smtp", script);
    }
    smtp_play("submission", BANNER "C:HELO mail.example.net\nS:250 mail.example.net\n");
    smtp_play("submission", BANNER "C:HELO 192.168.1.5\nS:250 mail.example.net\n");
}

static void tls_is_not_started_twice_or_where_it_is_not_offered(void **unused)
{
    smtp_play("submissions", BANNER EHLO_LOGIN "C:STARTTLS\n"
                                               "S:503 5.5.1 TLS already active\n");
    smtp_play("smtp", HELLO "C:STARTTLS now\n"
                            "S:501 5.5.4 No arguments here\n");
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    fake->policy.policy.services[0].tls = TLS_OFF;
    mail_host_fake_start(fake);
    mail_script_play(fake, GREETED EHLO_TLS "C:STARTTLS\n"
                                            "S:502 5.5.1 STARTTLS not offered\n");
    mail_host_fake_close(fake);
}

static void plaintext_behind_starttls_is_not_read(void **unused)
{
    struct mail_host_fake *fake =
        smtp_play_open("smtp", HELLO "RC:STARTTLS\\r\\nNOOP\\r\\nQUIT\\r\\n\n"
                                     "S:220 2.0.0 Ready to start TLS\n"
                                     "E:state tls\n"
                                     "E:tls\n"
                                     "E:state greeted\n");
    assert_int_equal(fake->plaintext_discarded, 12);
    mail_host_fake_close(fake);
}

static void under_tls_all_starts_afresh(void **unused)
{
    smtp_play("smtp", HELLO STARTTLS "C:MAIL FROM:<joe@good.example.org>\n"
                                     "S:503 5.5.1 EHLO or HELO first\n" EHLO_TLS);
    smtp_play("submission", BANNER EHLO STARTTLS EHLO_LOGIN);
}

static void a_new_name_gets_a_new_backend_connection(void **unused)
{
    smtp_play("smtp", MAIL_TAKEN "C:EHLO client.example\n"
                                 "P:QUIT\n"
                                 "E:disconnected\n" OFFERS_HEAD "S:250-STARTTLS\n" OFFERS_TAIL);
    smtp_play("smtp", MAIL_TAKEN "C:STARTTLS\n"
                                 "P:QUIT\n"
                                 "E:disconnected\n"
                                 "S:220 2.0.0 Ready to start TLS\n");
}

static void auth_is_offered_under_tls_on_submission_only(void **unused)
{
    smtp_play("smtp", HELLO STARTTLS EHLO_TLS);
    smtp_play("submission", BANNER EHLO);
    smtp_play("submissions", BANNER EHLO_LOGIN);
    smtp_play("submissions", LOGGED_IN EHLO_TLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_none_are_refused),
        cmocka_unit_test(names_and_literals_are_taken),
        cmocka_unit_test(our_own_name_is_refused_to_strangers),
        cmocka_unit_test(others_names_that_look_like_ours_are_taken),
        cmocka_unit_test(tls_is_not_started_twice_or_where_it_is_not_offered),
        cmocka_unit_test(plaintext_behind_starttls_is_not_read),
        cmocka_unit_test(under_tls_all_starts_afresh),
        cmocka_unit_test(a_new_name_gets_a_new_backend_connection),
        cmocka_unit_test(auth_is_offered_under_tls_on_submission_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
