// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dovecot_line.h"

#include "base/base64.h"
#include "contract/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct dovecot_line line_of(const char *text)
{
    return dovecot_line_read(span_text(text));
}

static void lines_without_what_they_must_have_are_malformed(void **state)
{
    static const char *const texts[] = {"VERSION",  "VERSION\tx",     "OK",      "OK\t",
                                        "FAIL\t-1", "OK\t4294967296", "CONT\tx", "OK\t1x\tuser=a"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(line_of(texts[i]).verb, DOVECOT_MALFORMED);
}

static void unknown_lines_are_for_nobody(void **state)
{
    static const char *const texts[] = {"",         "\t",      "OKAY\t1",     "ok\t1",
                                        "SPID\t77", "CUID\t1", "COOKIE\tabc", "CANCELLED\t1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(line_of(texts[i]).verb, DOVECOT_UNKNOWN);
}

static void causes_of_failure_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        bool temporary, refused;
    } rows[] = {
        {"FAIL\t7", false, false},
        {"FAIL\t7\tuser=alice\treason=temp", false, false},
        {"FAIL\t7\tuser=temp\tuser=code=temp_fail", false, false},
        {"FAIL\t7\tuser=alice\ttemp", true, false},
        {"FAIL\t7\tcode=temp_fail", true, false},
        {"FAIL\t7\tuser=a\tauthz", false, true},
        {"FAIL\t7\tuser_disabled", false, true},
        {"FAIL\t7\tcode=pass_expired", false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dovecot_line line = line_of(rows[i].text);
        assert_int_equal(line.verb, DOVECOT_FAIL);
        assert_int_equal(line.id, 7);
        assert_int_equal(line.temporary, rows[i].temporary);
        assert_int_equal(line.refused, rows[i].refused);
    }
}

static void greeting_and_user_are_read(void **state)
{
    assert_int_equal(line_of("VERSION\t1\t3").major, 1);
    assert_int_equal(line_of("MECH\tPLAIN\tplaintext").mechanism, MECHANISM_PLAIN);
    assert_int_equal(line_of("MECH\tCRAM-MD5\tdictionary\tactive").mechanism, MECHANISM_NONE);
    assert_int_equal(line_of("DONE").verb, DOVECOT_DONE);
    struct dovecot_line line = line_of("OK\t9\tfoo\tuser=alice@example.net\tbar=user=eve");
    assert_int_equal(line.id, 9);
    assert_true(span_equal(line.user, span_text("alice@example.net")));
}

static void what_was_typed_makes_no_field_and_no_line(void **state)
{
    static const char evil[] = "x\tservice=smtp\nAUTH\t2\tPLAIN\r\n\x01t";
    struct auth_question question = {.client = {.protocol = PROTOCOL_IMAP,
                                                .tls = 1,
                                                .session = 0xabc,
                                                .port = 4000,
                                                .local_port = 993}};
    char out[DOVECOT_REQUEST_MAX];
    assert_true(addr_parse("2001:db8::9", &question.client.addr));
    assert_true(addr_parse("192.0.2.1", &question.client.local));
    question.user_size = question.password_size = sizeof evil - 1;
    memcpy(question.user, evil, sizeof evil - 1);
    memcpy(question.password, evil, sizeof evil - 1);
    struct span line = span_of(out, dovecot_line_plain(&question, 5, out));
    static const char head[] = "AUTH\t5\tPLAIN\tservice=imap\tsecured\tnologin\tno-penalty\t"
                               "session=0000000000000abc\tlip=192.0.2.1\trip=2001:db8::9\t"
                               "lport=993\trport=4000\tresp=";
    assert_true(span_equal(span_head(line, sizeof head - 1), span_text(head)));
    struct span response = span_skip(line, sizeof head - 1);
    assert_int_equal(span_find(response, '\n'), response.size - 1);
    assert_int_equal(span_find(response, '\t'), response.size);
    uint8_t plain[600];
    int size = base64_decode(span_head(response, response.size - 1), plain, sizeof plain);
    assert_int_equal(size, 2 * sizeof evil);
    assert_memory_equal(plain + 1, evil, sizeof evil - 1);
}

static void longest_login_fits_and_without_tls_is_not_secured(void **state)
{
    struct auth_question question = {.user_size = 255, .password_size = 255};
    char out[DOVECOT_REQUEST_MAX];
    size_t size = dovecot_line_plain(&question, UINT32_MAX, out);
    assert_true(size < sizeof out);
    assert_null(memmem(out, size, "secured", 7));
}

static void an_exchange_goes_on_and_is_cancelled_by_its_id(void **state)
{
    struct auth_client client = {.protocol = PROTOCOL_SMTP, .tls = 1};
    char out[DOVECOT_REQUEST_MAX];
    size_t size = dovecot_line_begin(&client, 6, MECHANISM_XOAUTH2, span_text("token"), out);
    assert_non_null(memmem(out, size, "AUTH\t6\tXOAUTH2\tservice=smtp\tsecured\t", 36));
    assert_non_null(memmem(out, size, "\tresp=dG9rZW4=\n", 15));
    size = dovecot_line_go_on(6, span_text("\x01"), out);
    assert_true(span_equal(span_of(out, size), span_text("CONT\t6\tAQ==\n")));
    size = dovecot_line_go_on(6, span_text(""), out);
    assert_true(span_equal(span_of(out, size), span_text("CONT\t6\t\n")));
    size = dovecot_line_cancel(6, out);
    assert_true(span_equal(span_of(out, size), span_text("CANCEL\t6\n")));
    struct dovecot_line line = line_of("CONT\t6\teyJ9\tmore");
    assert_int_equal(line.verb, DOVECOT_CONT);
    assert_true(span_equal(line.challenge, span_text("eyJ9")));
    assert_int_equal(line_of("CONT\t6").challenge.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_without_what_they_must_have_are_malformed),
        cmocka_unit_test(unknown_lines_are_for_nobody),
        cmocka_unit_test(causes_of_failure_are_told_apart),
        cmocka_unit_test(what_was_typed_makes_no_field_and_no_line),
        cmocka_unit_test(an_exchange_goes_on_and_is_cancelled_by_its_id),
        cmocka_unit_test(greeting_and_user_are_read),
        cmocka_unit_test(longest_login_fits_and_without_tls_is_not_secured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
