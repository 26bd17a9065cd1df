// SPDX-License-Identifier: BSD-3-Clause
#include "contract/message.h"

#include "contract/mechanism.h"

#include "contract/policy.h"

#include "base/rng.h"
#include "contract/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expect(const struct message *m, bool sound)
{
    assert_int_equal(message_is_sound(m), sound);
}

static void headers_out_of_range_are_refused(void **state)
{
    struct message good = message_make(MESSAGE_RDNS, STATUS_ASKED, 5), m = good;
    expect(&good, true);
    m.version = contract_version + 1;
    expect(&m, false);
    m = good;
    m.kind = 0;
    expect(&m, false);
    m.kind = MESSAGE_KIND_COUNT;
    expect(&m, false);
    m = good;
    m.status = STATUS_COUNT;
    expect(&m, false);
    m = message_make(MESSAGE_REPORT, STATUS_ASKED, 0); // nobody asks for a report
    expect(&m, false);
}

static void names_hold_nothing_that_could_end_a_line(void **state)
{
    struct message m = message_make(MESSAGE_RDNS, STATUS_OK, 5);
    m.rdns_answer.verdict = RDNS_CONFIRMED;
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        m.rdns_answer.name = (struct message_name){.size = 3, .text = {'a', c, 'b'}};
        bool ldh = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   c == '-' || c == '.' || c == '_' || c == ':';
        expect(&m, ldh);
        struct message_name name = {.size = 9};
        assert_int_equal(message_name_set(&name, span_of((char[]){'a', c, 'b'}, 3)), ldh);
        assert_int_equal(name.size, ldh ? 3 : 9);
    }
    m.rdns_answer.name = (struct message_name){.size = 2, .text = "a."};
    expect(&m, false);
    m.rdns_answer.name.size = 255; // zeros behind the text
    expect(&m, false);
}

static void a_names_final_dot_is_left_out(void **state)
{
    struct message_name name;
    assert_true(message_name_set(&name, span_text("mail.example.org.")));
    assert_true(span_equal(message_name_span(&name), span_text("mail.example.org")));
    assert_true(message_name_set(&name, span_text(".")));
    assert_int_equal(name.size, 0);
    assert_false(message_name_set(&name, span_text("mail.example.org..")));
    assert_false(message_name_set(&name, span_text("..")));
    char big[257];
    memset(big, 'x', sizeof big);
    assert_true(message_name_set(&name, span_of(big, 255)));
    assert_false(message_name_set(&name, span_of(big, 256)));
    big[255] = '.';
    assert_true(message_name_set(&name, span_of(big, 256)));
}

static void enums_of_answers_are_checked(void **state)
{
    struct message m = message_make(MESSAGE_RDNS, STATUS_OK, 1);
    m.rdns_answer.verdict = RDNS_VERDICT_COUNT;
    expect(&m, false);
    m = message_make(MESSAGE_SPF, STATUS_OK, 1);
    m.spf_answer.result = SPF_RESULT_COUNT - 1;
    expect(&m, true);
    m.spf_answer.result = SPF_RESULT_COUNT;
    expect(&m, false);
    m = message_make(MESSAGE_HELO, STATUS_OK, 1);
    m.helo_answer.match = HELO_MATCH_COUNT;
    expect(&m, false);
    m = message_make(MESSAGE_DNSBL, STATUS_OK, 1);
    m.dnsbl_answer.score = -DNSBL_SCORE_MAX;
    expect(&m, true);
    m.dnsbl_answer.score--;
    expect(&m, false);
    m = message_make(MESSAGE_HELO, STATUS_ASKED, 1);
    m.helo_question.helo = (struct message_name){.size = 1, .text = "\n"};
    expect(&m, false);
    m = message_make(MESSAGE_AUTH, STATUS_OK, 1);
    m.auth_answer.verdict = AUTH_VERDICT_COUNT;
    expect(&m, false);
    // Without STATUS_OK nobody reads the body.
    m.status = STATUS_UNAVAILABLE;
    expect(&m, true);
}

static void logins_are_printable(void **state)
{
    struct message m = message_make(MESSAGE_AUTH, STATUS_OK, 1);
    m.auth_answer.user_size = 3;
    for (int byte = 0; byte < 256; byte++) {
        memcpy(m.auth_answer.user, (char[]){'a', (char)byte, 'b'}, 3);
        expect(&m, byte > 0x20 && byte < 0x7f);
    }
    m = message_make(MESSAGE_AUTH, STATUS_ASKED, 1);
    expect(&m, false); // no user
    m.auth_question.user_size = 1;
    m.auth_question.user[0] = '\n';
    expect(&m, false);
    m.auth_question.user[0] = 'u';
    expect(&m, true);
    m.auth_question.client.protocol = PROTOCOL_COUNT;
    expect(&m, false);
}

static void sizes_and_counts_are_checked(void **state)
{
    struct message m = message_make(MESSAGE_SPF, STATUS_ASKED, 1);
    m.spf_question.mail_from_size = MAIL_ADDRESS_MAX;
    memset(m.spf_question.mail_from, 'a', MAIL_ADDRESS_MAX);
    expect(&m, true);
    m.spf_question.mail_from_size++;
    expect(&m, false);
    m = message_make(MESSAGE_BAN_LIST, STATUS_OK, 1);
    m.ban_page.count = BANS_PER_MESSAGE;
    expect(&m, true);
    m.ban_page.bans[BANS_PER_MESSAGE - 1].reason = REASON_COUNT;
    expect(&m, false);
    m.ban_page.count++;
    m.ban_page.bans[BANS_PER_MESSAGE - 1].reason = 0;
    expect(&m, false);
    m = message_make(MESSAGE_BAN_ADD, STATUS_ASKED, 1);
    m.ban.reason = REASON_COUNT;
    expect(&m, false);
    m = message_make(MESSAGE_TOP_LIST, STATUS_ASKED, 1);
    m.page_question.measure = TOP_MEASURE_COUNT;
    expect(&m, false);
    m.page_question.measure = TOP_MEASURE_COUNT - 1;
    expect(&m, true);
    m.page_question.scope = TOP_SCOPE_COUNT;
    expect(&m, false);
    m = message_make(MESSAGE_TOP_LIST, STATUS_OK, 1);
    m.top_page.count = TOP_ROWS_PER_MESSAGE;
    expect(&m, true);
    m.top_page.rows[TOP_ROWS_PER_MESSAGE - 1].least = 1; // more than at most
    expect(&m, false);
    m.top_page.rows[TOP_ROWS_PER_MESSAGE - 1].least = 0;
    m.top_page.count++;
    expect(&m, false);
    m = message_make(MESSAGE_EXPLAIN, STATUS_OK, 1);
    expect(&m, true);
    m.explain_answer.ban_reason = REASON_COUNT;
    expect(&m, false);
    m = message_make(MESSAGE_SESSION_LIST, STATUS_OK, 1);
    m.session_page.count = SESSIONS_PER_MESSAGE;
    expect(&m, true);
    struct session_row *last = &m.session_page.rows[SESSIONS_PER_MESSAGE - 1];
    last->backend = 255;
    expect(&m, true);
    last->backend = BACKENDS_MAX;
    expect(&m, false);
    last->backend = 0;
    last->user_size = sizeof last->user + 1;
    expect(&m, false);
    last->user_size = 0;
    last->tls = 2;
    expect(&m, false);
    last->tls = 1;
    m.session_page.count++;
    expect(&m, false);
    m = message_make(MESSAGE_TRACE, STATUS_OK, 1);
    m.trace_page.count = STORIES_PER_MESSAGE;
    expect(&m, true);
    m.trace_page.stories[STORIES_PER_MESSAGE - 1].ended = 2;
    expect(&m, false);
    m.trace_page.stories[STORIES_PER_MESSAGE - 1].ended = 1;
    m.trace_page.count++;
    expect(&m, false);
}

static void texts_of_a_report_are_cut_and_recipients_left_out_whole(void **state)
{
    struct report report = {0};
    char most[REPORT_TEXT_MAX + 1], many[sizeof report.texts];
    memset(most, 'x', sizeof most);
    for (int which = 0; which < TEXT_RCPT_TO; which++)
        report_add(&report, (enum report_text)which, span_of(most, sizeof most));
    assert_int_equal(report_text(&report, TEXT_MAIL_FROM).size, REPORT_TEXT_MAX);
    size_t left = sizeof report.texts - TEXT_RCPT_TO * REPORT_TEXT_MAX;
    memset(many, 'y', sizeof many);
    many[9] = RECIPIENT_REFUSED;
    many[left - 1] = many[left + 9] = RECIPIENT_TAKEN;
    report_add(&report, TEXT_RCPT_TO, span_of(many, left + 10));
    assert_int_equal(report_text(&report, TEXT_RCPT_TO).size, left);
    report.sizes[TEXT_RCPT_TO] = 0;
    many[left - 1] = 'y';
    report_add(&report, TEXT_RCPT_TO, span_of(many, left + 10));
    assert_int_equal(report_text(&report, TEXT_RCPT_TO).size, 10);
    assert_memory_equal(report_text(&report, TEXT_RCPT_TO).at, many, 10);
}

static void reports_index_nothing_out_of_range(void **state)
{
    struct message good = message_make(MESSAGE_REPORT, STATUS_OK, 0), m;
    good.report.facts.backend = good.report.facts.rdns = good.report.facts.helo_match =
        good.report.facts.spf = good.report.facts.spf_helo = 255;
    expect(&good, true);
    m = good;
    m.status = STATUS_UNAVAILABLE; // then nothing in it would have been looked at
    expect(&m, false);
    m = message_make(MESSAGE_OFFER, STATUS_NOT_FOUND, 0);
    expect(&m, false);
    m = good;
    m.report.facts.helo_match = HELO_MATCH_COUNT;
    expect(&m, false);
    m = good;
    m.report.facts.dnsbl = DNSBL_SCORE_MAX + 1;
    expect(&m, false);
    m.report.facts.dnsbl = INT16_MIN;
    expect(&m, true);
    m = good;
    m.report.facts.rdns = RDNS_VERDICT_COUNT;
    expect(&m, false);
    m = good;
    m.report.facts.spf = SPF_RESULT_COUNT;
    expect(&m, false);
    m = good;
    m.report.facts.backend = BACKENDS_MAX;
    expect(&m, false);
    m = good;
    m.report.facts.tls_version = 4;
    expect(&m, false);
    m = good;
    m.report.facts.reason = REASON_COUNT;
    expect(&m, false);
    m = good;
    m.report.facts.service = SERVICES_MAX;
    expect(&m, false);
    m = good;
    m.report.facts.findings = UINT32_C(1) << FINDING_COUNT;
    expect(&m, false);
    m = good;
    m.report.facts.login = REPORT_LOGIN_COUNT;
    expect(&m, false);
    m = good;
    m.report.sizes[TEXT_HELO] = sizeof m.report.texts;
    expect(&m, true);
    m.report.sizes[TEXT_RCPT_TO] = 1;
    expect(&m, false);
}

static void any_bytes_are_judged_without_harm(void **state)
{
    struct rng rng;
    rng_seed(&rng, 12);
    unsigned sound = 0;
    for (int i = 0; i < 20000; i++) {
        struct message m;
        for (unsigned w = 0; w < sizeof m / 8; w++)
            memcpy((char *)&m + w * 8, &(uint64_t){rng_next(&rng)}, 8);
        m.version = contract_version;
        m.kind %= MESSAGE_KIND_COUNT + 1;
        m.status %= STATUS_COUNT + 1;
        sound += message_is_sound(&m);
    }
    assert_true(sound > 0);
}

static void a_wiped_message_holds_nothing(void **state)
{
    struct message m, zeros;
    memset(&m, 0xaa, sizeof m);
    memset(&zeros, 0, sizeof zeros);
    message_wipe(&m);
    assert_memory_equal(&m, &zeros, sizeof m);
}

static void exchanges_and_offers_are_checked(void **state)
{
    struct message m = message_make(MESSAGE_SASL, STATUS_ASKED, 1);
    expect(&m, false); // no mechanism
    m.sasl_question.mechanism = MECHANISM_XOAUTH2;
    m.sasl_question.response_size = SASL_PART_MAX;
    m.sasl_question.flags = EXCHANGE_FIRST | EXCHANGE_MORE | EXCHANGE_LOST;
    expect(&m, true);
    m.sasl_question.flags++;
    expect(&m, false);
    m.sasl_question.flags = 0;
    m.sasl_question.response_size++;
    expect(&m, false);
    m.sasl_question.response_size = 0;
    m.sasl_question.mechanism = MECHANISM_COUNT;
    expect(&m, false);
    m.sasl_question.mechanism = MECHANISM_XOAUTH2;
    m.sasl_question.client.protocol = PROTOCOL_COUNT;
    expect(&m, false);
    m = message_make(MESSAGE_SASL, STATUS_OK, 1);
    m.sasl_answer.challenge_size = SASL_CHALLENGE_MAX;
    expect(&m, true);
    m.sasl_answer.challenge_size++;
    expect(&m, false);
    m.sasl_answer.challenge_size = 0;
    m.sasl_answer.user_size = 1; // NUL
    expect(&m, false);
    m = message_make(MESSAGE_OFFER, STATUS_OK, 1);
    m.offer.mechanisms = (1U << MECHANISM_COUNT) - 2;
    expect(&m, true);
    m.offer.mechanisms++; // what is not spoken
    expect(&m, false);
    m.offer.mechanisms = 1U << MECHANISM_COUNT;
    expect(&m, false);
    m = message_make(MESSAGE_OFFER, STATUS_ASKED, 1);
    expect(&m, false);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(headers_out_of_range_are_refused),
        cmocka_unit_test(names_hold_nothing_that_could_end_a_line),
        cmocka_unit_test(a_names_final_dot_is_left_out),
        cmocka_unit_test(enums_of_answers_are_checked),
        cmocka_unit_test(logins_are_printable),
        cmocka_unit_test(sizes_and_counts_are_checked),
        cmocka_unit_test(texts_of_a_report_are_cut_and_recipients_left_out_whole),
        cmocka_unit_test(reports_index_nothing_out_of_range),
        cmocka_unit_test(any_bytes_are_judged_without_harm),
        cmocka_unit_test(a_wiped_message_holds_nothing),
        cmocka_unit_test(exchanges_and_offers_are_checked),
    };
    return cmocka_run_group_tests_name("message", cases, NULL, NULL);
}
