// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_header.h"

#include "smtp/smtp.h"
#include "smtp_plays.h"

static void assert_header(struct mail_host_fake *fake, const char *want)
{
    char buffer[SMTP_HEADER_MAX];
    struct span got = smtp_header_write(fake->state, buffer);
    if (!span_equal(got, span_text(want)))
        fail_msg("%.*s", (int)got.size, (const char *)got.at);
    mail_host_fake_close(fake);
}

static void a_strangers_words_make_no_header_lines(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("smtp", SENDER);
    struct smtp *smtp = fake->state;
    struct span from = span_text("\"a\r\nBcc: x\"@good.example.org");
    memcpy(smtp->mail.from, from.at, from.size);
    smtp->mail.from_size = (uint16_t)from.size;
    memcpy(smtp->helo, "x)\r\n y", 6);
    smtp->helo_size = 6;
    assert_header(fake, "Authentication-Results: mail.example.net;\r\n"
                        "\tspf=pass smtp.mailfrom=good.example.org;\r\n"
                        "\tiprev=pass policy.iprev=198.51.100.10\r\n"
                        "Received-SPF: pass receiver=mail.example.net; identity=mailfrom;\r\n"
                        "\tclient-ip=198.51.100.10; helo=\"x)\?\? y\";\r\n"
                        "\tenvelope-from=\"\\\"a\?\?Bcc: x\\\"@good.example.org\"\r\n"
                        "Received: from x????y (client.example [198.51.100.10])\r\n"
                        "\tby mail.example.net (Weir) with ESMTP id abcd;\r\n"
                        "\tTue, 14 Nov 2023 22:13:21 +0000\r\n");
}

static void the_longest_of_all_fits(void **unused)
{
    char buffer[SMTP_HEADER_MAX];
    struct mail_host_fake *fake = smtp_play_open("smtp", SENDER);
    struct smtp *smtp = fake->state;
    memset(fake->policy.policy.smtp.host_name, 'h', HOST_NAME_MAX_DNS);
    memset(smtp->helo, 'e', sizeof smtp->helo);
    smtp->helo_size = sizeof smtp->helo;
    memset(smtp->rdns_name.text, 'r', sizeof smtp->rdns_name.text);
    smtp->rdns_name.size = sizeof smtp->rdns_name.text;
    memset(smtp->mail.from, 'm', sizeof smtp->mail.from);
    smtp->mail.from_size = sizeof smtp->mail.from;
    memset(smtp->user, 'u', sizeof smtp->user);
    smtp->user_size = sizeof smtp->user;
    smtp->helo_spf = SPF_PERMERROR;
    smtp->helo_match = HELO_ORGANISATION;
    smtp->dnsbl = -1000;
    fake->host.tls = true;
    fake->host.tls_version = 3;
    memset(fake->host.tls_cipher, 'c', sizeof fake->host.tls_cipher - 1);
    fake->host.id = UINT64_MAX;
    assert_true(addr_parse("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", &fake->host.client));

    struct span left = smtp_header_write(smtp, buffer);
    while (left.size) {
        size_t line = span_find(left, '\n') + 1;
        assert_in_range(line, 3, 1000); // RFC 5321, section 4.5.3.1.6
        left = span_skip(left, line);
    }
    mail_host_fake_close(fake);
}

static void spf_of_the_helo_name_stands_beside_the_senders(void **unused)
{
    char buffer[SMTP_HEADER_MAX + 1];
    struct mail_host_fake *fake = smtp_play_open("smtp", SENDER);
    struct smtp *smtp = fake->state;
    smtp->helo_spf = SPF_NEUTRAL;
    struct span header = smtp_header_write(smtp, buffer);
    buffer[header.size] = '\0';
    assert_non_null(strstr(buffer, "\tspf=pass smtp.mailfrom=good.example.org;\r\n"
                                   "\tspf=neutral smtp.helo="));
    mail_host_fake_close(fake);
}

static void without_answers_verdicts_are_temporary_errors(void **unused)
{
    assert_header(smtp_play_open("smtp", "E:unavailable rdns\n" BANNER "C:HELO [192.0.2.1]\n"
                                         "S:250 mail.example.net\n"
                                         "C:MAIL FROM:<joe@good.example.org>\n"
                                         "E:unavailable spf\n"
                                         "S:250 2.1.0 Ok\n"),
                  "Authentication-Results: mail.example.net;\r\n"
                  "\tspf=temperror smtp.mailfrom=good.example.org;\r\n"
                  "\tiprev=temperror policy.iprev=198.51.100.10\r\n"
                  "Received-SPF: temperror receiver=mail.example.net; identity=mailfrom;\r\n"
                  "\tclient-ip=198.51.100.10; helo=\"[192.0.2.1]\";\r\n"
                  "\tenvelope-from=\"joe@good.example.org\"\r\n"
                  "Received: from [192.0.2.1] ([198.51.100.10])\r\n"
                  "\tby mail.example.net (Weir) with SMTP id abcd;\r\n"
                  "\tTue, 14 Nov 2023 22:13:21 +0000\r\n");
}

static void verdicts_of_our_own_are_told(void **unused)
{
    struct mail_host_fake *fake = mail_host_fake_open(&smtp_protocol, "smtp");
    struct policy_smtp *policy = &fake->policy.policy.smtp;
    policy->verdicts[FINDING_HELO_MISMATCH].action = ACTION_TAG;
    policy->dnsbl_zones = 1;
    policy->dnsbl_threshold = 3;
    mail_host_fake_start(fake);
    mail_script_play(fake, "E:rdns none\n"
                           "E:dnsbl 4\n" BANNER EHLO "C:MAIL FROM:<joe@good.example.org>\n"
                           "E:helo mismatch\n"
                           "E:spf pass\n"
                           "S:250 2.1.0 Ok\n");
    assert_header(fake, "Authentication-Results: mail.example.net;\r\n"
                        "\tspf=pass smtp.mailfrom=good.example.org;\r\n"
                        "\tiprev=permerror policy.iprev=198.51.100.10;\r\n"
                        "\tx-helo=mismatch smtp.helo=client.example;\r\n"
                        "\tx-dnsbl=fail policy.score=4\r\n"
                        "Received-SPF: pass receiver=mail.example.net; identity=mailfrom;\r\n"
                        "\tclient-ip=198.51.100.10; helo=client.example;\r\n"
                        "\tenvelope-from=\"joe@good.example.org\"\r\n"
                        "Received: from client.example ([198.51.100.10])\r\n"
                        "\tby mail.example.net (Weir) with ESMTP id abcd;\r\n"
                        "\tTue, 14 Nov 2023 22:13:21 +0000\r\n");
}

static void a_submitted_mail_tells_login_and_tls(void **unused)
{
    struct mail_host_fake *fake = smtp_play_open("submission", BANNER EHLO STARTTLS EHLO_LOGIN
                                                 "C:AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\n"
                                                 "E:auth right alice@example.net\n"
                                                 "S:235 2.7.0 Authentication successful\n"
                                                 "C:MAIL FROM:<alice@example.net>\n"
                                                 "S:250 2.1.0 Ok\n");
    assert_header(fake, "Authentication-Results: mail.example.net;\r\n"
                        "\tauth=pass smtp.auth=alice@example.net\r\n"
                        "Received: from client.example ([198.51.100.10])\r\n"
                        "\t(using TLSv1.3 with cipher TLS_AES_128_GCM_SHA256)\r\n"
                        "\tby mail.example.net (Weir) with ESMTPSA id abcd;\r\n"
                        "\tTue, 14 Nov 2023 22:13:21 +0000\r\n");
}

static void verdicts_have_their_names(void **unused)
{
    struct mail_host_fake *fake =
        smtp_play_open("smtp", "E:rdns unconfirmed liar.example\n" BANNER EHLO "C:MAIL FROM:<>\n"
                               "E:spf softfail\n"
                               "S:250 2.1.0 Ok\n");
    assert_header(fake, "Authentication-Results: mail.example.net;\r\n"
                        "\tspf=softfail smtp.helo=client.example;\r\n"
                        "\tiprev=fail policy.iprev=198.51.100.10\r\n"
                        "Received-SPF: softfail receiver=mail.example.net; identity=helo;\r\n"
                        "\tclient-ip=198.51.100.10; helo=client.example\r\n"
                        "Received: from client.example ([198.51.100.10])\r\n"
                        "\tby mail.example.net (Weir) with ESMTP id abcd;\r\n"
                        "\tTue, 14 Nov 2023 22:13:21 +0000\r\n");
}

static void dates_are_of_rfc_5322(void **unused)
{
    char text[SMTP_DATE_SIZE];
    smtp_header_date(0, text);
    assert_string_equal(text, "Thu, 1 Jan 1970 00:00:00 +0000");
    smtp_header_date(951782399, text);
    assert_string_equal(text, "Mon, 28 Feb 2000 23:59:59 +0000");
    smtp_header_date(253402300799, text);
    assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 +0000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strangers_words_make_no_header_lines),
        cmocka_unit_test(the_longest_of_all_fits),
        cmocka_unit_test(spf_of_the_helo_name_stands_beside_the_senders),
        cmocka_unit_test(without_answers_verdicts_are_temporary_errors),
        cmocka_unit_test(verdicts_of_our_own_are_told),
        cmocka_unit_test(a_submitted_mail_tells_login_and_tls),
        cmocka_unit_test(verdicts_have_their_names),
        cmocka_unit_test(dates_are_of_rfc_5322),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
