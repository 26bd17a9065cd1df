// SPDX-License-Identifier: BSD-3-Clause
#include "report/session_json.h"

#include "contract/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct policy policy = {
    .services_count = 1,
    .services = {{.name = "smtp"}},
    .backends_count = 1,
    .backends = {{.name = "postfix"}},
};

// Takes `value` over. That it dumps to one line without control bytes that reads back the same.
static void assert_one_sound_line(json_t *value)
{
    json_error_t error;
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_non_null(text);
    for (const char *c = text; *c; c++)
        assert_true((unsigned char)*c >= 0x20);
    json_t *again = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    assert_true(json_equal(value, again));
    free(text);
    json_decref(again);
    json_decref(value);
}

static void assert_text(const char *bytes, size_t size, const char *want)
{
    json_t *string = session_json_text(bytes, size);
    assert_string_equal(json_string_value(string), want);
    json_decref(string);
}

// Takes `object` over.
static void assert_dump(json_t *object, const char *want)
{
    char *text = json_dumps(object, JSON_COMPACT);
    assert_string_equal(text, want);
    free(text);
    json_decref(object);
}

static void any_two_foreign_bytes_make_one_sound_line(void **state)
{
    for (int first = 0; first < 256; first++)
        for (int second = 0; second < 256; second++) {
            char bytes[2] = {(char)first, (char)second};
            assert_one_sound_line(session_json_text(bytes, 2));
        }
}

static void quotes_controls_and_broken_utf8_are_kept_apart(void **state)
{
    assert_text("a\"b\\c", 5, "a\"b\\c");
    assert_text("a\r\n\x1b[1m", 7, "a\r\n\x1b[1m");
    assert_text("a\0b", 3,
                "a\xef\xbf\xbd"
                "b");
    assert_text("\xff", 1, "\xef\xbf\xbd");
    assert_text("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); // a surrogate
    assert_text("m\xc3", 2, "m\xef\xbf\xbd");                               // cut in a character
}

static void text_of_any_length_is_cut_not_refused(void **state)
{
    static char bytes[5000];
    memset(bytes, 0xff, sizeof bytes);
    json_t *string = session_json_text(bytes, sizeof bytes);
    assert_int_equal(json_string_length(string), 256 * 3);
    assert_one_sound_line(string);
}

static void empty_text_is_null(void **state)
{
    json_t *none = session_json_text("", 0);
    assert_true(json_is_null(none));
    json_decref(none);
}

static void report_out_of_every_range_is_still_one_sound_line(void **state)
{
    struct report report;
    memset(&report, 0xff, sizeof report);
    report.facts.reason = report.facts.refusal = REASON_COUNT - 1;
    report.facts.user_size = sizeof report.facts.user;
    for (int i = 0; i < REPORT_TEXTS; i++)
        report.sizes[i] = sizeof report.texts / REPORT_TEXTS;
    json_t *line = session_json_report(&report, &policy);
    static const char *const nulls[] = {"service",    "backend", "tls",  "rdns",
                                        "helo_match", "spf",     "login"};
    for (size_t i = 0; i < sizeof nulls / sizeof nulls[0]; i++)
        assert_true(json_is_null(json_object_get(line, nulls[i])));
    assert_true(json_integer_value(json_object_get(line, "bytes_in")) >= 0);
    assert_one_sound_line(line);
}

static void index_just_beyond_the_policy_has_no_name(void **state)
{
    struct session_row row = {.service = 1, .backend = 1};
    json_t *line = session_json_row(&row, 0, &policy);
    assert_true(json_is_null(json_object_get(line, "service")));
    assert_true(json_is_null(json_object_get(line, "backend")));
    assert_one_sound_line(line);
}

static void times_are_utc_with_milliseconds(void **state)
{
    static const struct {
        uint64_t unix_us;
        const char *want;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1769903999123999, "2026-01-31T23:59:59.123Z"},
        {1709164800000000, "2024-02-29T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *time = session_json_time(rows[i].unix_us);
        assert_string_equal(json_string_value(time), rows[i].want);
        json_decref(time);
    }
}

static void report_is_told_in_full(void **state)
{
    struct report report = {.facts = {
                                .id = 5,
                                .started_us = 1769903999000000,
                                .duration_us = 123999,
                                .bytes_in = 10,
                                .bytes_out = 20,
                                .message_bytes = 7,
                                .client_port = 4711,
                                .local_port = 25,
                                .tls_version = 3,
                                .login = REPORT_LOGIN_RIGHT,
                                .rdns = RDNS_CONFIRMED,
                                .helo_match = HELO_ORGANISATION,
                                .dnsbl = -4,
                                .spf = SPF_SOFTFAIL,
                                .spf_helo = 255,
                                .findings = 1u << FINDING_HELO_SHORT | 1u << FINDING_SPF_SOFTFAIL,
                                .score = 4,
                                .commands = 6,
                                .user_size = 2,
                                .user = "al",
                                .mails = 1,
                                .recipients = 2,
                                .refusals = 3,
                                .refusal = REASON_SMTP_RELAY_DENIED,
                                .reason = REASON_BANNED,
                            }};
    assert_true(addr_parse("192.0.2.1", &report.facts.client));
    assert_true(addr_parse("192.0.2.2", &report.facts.local));
    report_add(&report, TEXT_TLS_CIPHER, span_text("TLS_AES_128_GCM_SHA256"));
    report_add(&report, TEXT_SERVER_NAME, span_text("mail.example.net"));
    report_add(&report, TEXT_RDNS_NAME, span_text("p.example"));
    report_add(&report, TEXT_HELO, span_text("h"));
    report_add(&report, TEXT_MAIL_FROM, span_text("a\"@b"));
    report_add(&report, TEXT_RCPT_TO, span_of("c@d\0r\1e\"@f\0s", 12));
    assert_dump(
        session_json_report(&report, &policy),
        "{\"time\":\"2026-01-31T23:59:59.123Z\",\"started\":\"2026-01-31T23:59:59.000Z\","
        "\"duration_ms\":123,\"id\":5,\"service\":\"smtp\",\"client\":\"192.0.2.1\","
        "\"client_port\":4711,\"local\":\"192.0.2.2\",\"local_port\":25,"
        "\"backend\":\"postfix\",\"tls\":\"1.3\",\"tls_cipher\":\"TLS_AES_128_GCM_SHA256\","
        "\"tls_sni\":\"mail.example.net\",\"user\":\"al\",\"login\":\"accepted\","
        "\"rdns\":\"confirmed\",\"rdns_name\":\"p.example\",\"helo\":\"h\","
        "\"helo_match\":\"organisation\",\"dnsbl\":-4,\"spf\":\"softfail\",\"spf_helo\":null,"
        "\"findings\":[\"helo.short\",\"spf.softfail\"],\"score\":4,"
        "\"mail_from\":\"a\\\"@b\",\"rcpt_to\":[\"c@d\",\"e\\\"@f\"],"
        "\"rcpt_refused\":[\"r\"],"
        "\"mails\":1,\"recipients\":2,\"message_bytes\":7,\"commands\":6,\"refusals\":3,"
        "\"refusal\":\"smtp_relay_denied\",\"bytes_in\":10,\"bytes_out\":20,"
        "\"reason\":\"banned\"}");
}

static void row_is_told_in_full(void **state)
{
    struct session_row row = {
        .id = 9,
        .age_us = 2500,
        .idle_us = 999,
        .bytes_in = 1,
        .bytes_out = 2,
        .client_port = 99,
        .tls = 1,
        .backend = 255,
        .state_size = 4,
        .state = "data",
    };
    assert_true(addr_parse("2001:db8::1", &row.client));
    assert_dump(session_json_row(&row, 3, &policy),
                "{\"id\":9,\"worker\":3,\"service\":\"smtp\",\"client\":\"2001:db8::1\","
                "\"client_port\":99,\"state\":\"data\",\"user\":null,\"tls\":true,"
                "\"backend\":null,\"age_ms\":2,\"idle_ms\":0,\"bytes_in\":1,\"bytes_out\":2}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_two_foreign_bytes_make_one_sound_line),
        cmocka_unit_test(quotes_controls_and_broken_utf8_are_kept_apart),
        cmocka_unit_test(text_of_any_length_is_cut_not_refused),
        cmocka_unit_test(empty_text_is_null),
        cmocka_unit_test(report_out_of_every_range_is_still_one_sound_line),
        cmocka_unit_test(index_just_beyond_the_policy_has_no_name),
        cmocka_unit_test(times_are_utc_with_milliseconds),
        cmocka_unit_test(report_is_told_in_full),
        cmocka_unit_test(row_is_told_in_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
