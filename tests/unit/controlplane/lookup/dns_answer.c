// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dns_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct dns_answer answer;

// A response to one question, with `counts` records in the answer section.
#define HEAD(flags_low, answers, authorities)                                                      \
    0x12, 0x34, 0x81, 0x80 | (flags_low), 0, 1, 0, answers, 0, authorities, 0, 0
#define QUESTION_A_EXAMPLE 1, 'a', 2, 'e', 'x', 0, 0, 1, 0, 1

static void parse(const uint8_t *packet, size_t size, enum dns_type type)
{
    memset(&answer, 0xee, sizeof answer);
    dns_answer_parse(span_of(packet, size), "a.ex", type, &answer);
}

static const uint8_t one_address[] = {
    HEAD(0, 1, 0), QUESTION_A_EXAMPLE, 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1};

static void every_cut_of_a_response_fails(void **state)
{
    for (size_t size = 0; size < sizeof one_address; size++) {
        parse(one_address, size, DNS_A);
        assert_int_equal(answer.status, DNS_FAILED);
        assert_int_equal(answer.count, 0);
    }
}

static void answer_to_another_question_fails(void **state)
{
    dns_answer_parse(span_of(one_address, sizeof one_address), "b.ex", DNS_A, &answer);
    assert_int_equal(answer.status, DNS_FAILED);
}

static void name_that_points_at_itself_fails(void **state)
{
    static const uint8_t packet[] = {
        HEAD(0, 1, 0), QUESTION_A_EXAMPLE, 0xc0, 22, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1};
    parse(packet, sizeof packet, DNS_A);
    assert_int_equal(answer.status, DNS_FAILED);
}

static void server_failure_fails(void **state)
{
    static const uint8_t packet[] = {HEAD(2, 0, 0), QUESTION_A_EXAMPLE};
    parse(packet, sizeof packet, DNS_A);
    assert_int_equal(answer.status, DNS_FAILED);
}

static void no_such_name_is_empty_for_a_while(void **state)
{
    static const uint8_t packet[] = {HEAD(3, 0, 0), QUESTION_A_EXAMPLE};
    parse(packet, sizeof packet, DNS_A);
    assert_int_equal(answer.status, DNS_EMPTY);
    assert_int_equal(answer.ttl, DNS_TTL_EMPTY);
}

static void soa_says_how_long_nothing_stays_nothing(void **state)
{
    static const uint8_t packet[] = {HEAD(3, 0, 1),
                                     QUESTION_A_EXAMPLE,
                                     0,
                                     0,
                                     6,
                                     0,
                                     1,
                                     0,
                                     0,
                                     1,
                                     0,
                                     0,
                                     22,
                                     0,
                                     0,
                                     0,
                                     0,
                                     0,
                                     1,
                                     0,
                                     0,
                                     0,
                                     2,
                                     0,
                                     0,
                                     0,
                                     3,
                                     0,
                                     0,
                                     0,
                                     4,
                                     0,
                                     0,
                                     0,
                                     33};
    parse(packet, sizeof packet, DNS_A);
    assert_int_equal(answer.status, DNS_EMPTY);
    assert_int_equal(answer.ttl, 33);
}

static void record_of_another_owner_is_not_taken(void **state)
{
    uint8_t packet[sizeof one_address];
    memcpy(packet, one_address, sizeof packet);
    packet[23] = 14; // the owner is "ex"
    parse(packet, sizeof packet, DNS_A);
    assert_int_equal(answer.status, DNS_EMPTY);
}

static void pointer_name_with_line_ends_is_left_out(void **state)
{
    static const uint8_t packet[] = {HEAD(0, 2, 0),
                                     QUESTION_A_EXAMPLE,
                                     0xc0,
                                     12,
                                     0,
                                     12,
                                     0,
                                     1,
                                     0,
                                     0,
                                     0,
                                     9,
                                     0,
                                     5,
                                     3,
                                     'x',
                                     '\r',
                                     '\n',
                                     0,
                                     0xc0,
                                     12,
                                     0,
                                     12,
                                     0,
                                     1,
                                     0,
                                     0,
                                     0,
                                     9,
                                     0,
                                     3,
                                     1,
                                     'y',
                                     0};
    parse(packet, sizeof packet, DNS_PTR);
    assert_int_equal(answer.status, DNS_FOUND);
    assert_int_equal(answer.count, 1);
    assert_true(span_equal(dns_answer_text(&answer, 0), span_text("y")));
}

static void label_with_a_dot_is_left_out(void **state)
{
    static const uint8_t packet[] = {HEAD(0, 1, 0),
                                     QUESTION_A_EXAMPLE,
                                     0xc0,
                                     12,
                                     0,
                                     12,
                                     0,
                                     1,
                                     0,
                                     0,
                                     0,
                                     9,
                                     0,
                                     5,
                                     3,
                                     'x',
                                     '.',
                                     'y',
                                     0};
    parse(packet, sizeof packet, DNS_PTR);
    assert_int_equal(answer.status, DNS_EMPTY);
}

static void address_of_a_wrong_size_is_left_out(void **state)
{
    static const uint8_t packet[] = {
        HEAD(0, 1, 0), QUESTION_A_EXAMPLE, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 3, 192, 0, 2};
    parse(packet, sizeof packet, DNS_A);
    assert_int_equal(answer.status, DNS_EMPTY);
}

static void text_string_longer_than_its_record_is_not_read_on(void **state)
{
    static const uint8_t packet[] = {
        HEAD(0, 1, 0), QUESTION_A_EXAMPLE, 0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 9, 0, 3, 200, 'a', 'b'};
    parse(packet, sizeof packet, DNS_TXT);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.records[0].size, 0);
}

static void address_is_found_with_its_time(void **state)
{
    struct addr want;
    assert_true(addr_parse("192.0.2.1", &want));
    parse(one_address, sizeof one_address, DNS_A);
    assert_int_equal(answer.status, DNS_FOUND);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.ttl, 300);
    assert_true(addr_equal(&answer.records[0].addr, &want));
}

static void alias_is_followed_within_the_response(void **state)
{
    static const uint8_t packet[] = {HEAD(0, 2, 0),
                                     QUESTION_A_EXAMPLE,
                                     0xc0,
                                     12,
                                     0,
                                     5,
                                     0,
                                     1,
                                     0,
                                     0,
                                     0,
                                     9,
                                     0,
                                     4,
                                     1,
                                     'b',
                                     0xc0,
                                     14,
                                     0xc0,
                                     34,
                                     0,
                                     1,
                                     0,
                                     1,
                                     0,
                                     0,
                                     0,
                                     60,
                                     0,
                                     4,
                                     192,
                                     0,
                                     2,
                                     1};
    parse(packet, sizeof packet, DNS_A);
    assert_int_equal(answer.status, DNS_FOUND);
    assert_int_equal(answer.ttl, 9);
}

static void strings_of_a_text_are_joined(void **state)
{
    static const uint8_t packet[] = {HEAD(0, 1, 0),
                                     QUESTION_A_EXAMPLE,
                                     0xc0,
                                     12,
                                     0,
                                     16,
                                     0,
                                     1,
                                     0,
                                     0,
                                     0,
                                     9,
                                     0,
                                     6,
                                     2,
                                     'a',
                                     'b',
                                     0,
                                     1,
                                     'c'};
    parse(packet, sizeof packet, DNS_TXT);
    assert_int_equal(answer.count, 1);
    assert_true(span_equal(dns_answer_text(&answer, 0), span_text("abc")));
}

static void only_names_that_fit_the_wire_are_askable(void **state)
{
    char label[65];
    memset(label, 'a', sizeof label);
    assert_false(dns_name_is_askable(span_text("")));
    assert_false(dns_name_is_askable(span_text(".")));
    assert_false(dns_name_is_askable(span_text("a..b")));
    assert_false(dns_name_is_askable(span_text("a.")));
    assert_false(dns_name_is_askable(span_text("a\\.b")));
    assert_false(dns_name_is_askable(span_text("a\r\n.b")));
    assert_false(dns_name_is_askable(span_of(label, 64)));
    assert_true(dns_name_is_askable(span_of(label, 63)));
    assert_true(dns_name_is_askable(span_text("_spf.example.org")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_of_a_response_fails),
        cmocka_unit_test(answer_to_another_question_fails),
        cmocka_unit_test(name_that_points_at_itself_fails),
        cmocka_unit_test(server_failure_fails),
        cmocka_unit_test(no_such_name_is_empty_for_a_while),
        cmocka_unit_test(soa_says_how_long_nothing_stays_nothing),
        cmocka_unit_test(record_of_another_owner_is_not_taken),
        cmocka_unit_test(pointer_name_with_line_ends_is_left_out),
        cmocka_unit_test(label_with_a_dot_is_left_out),
        cmocka_unit_test(address_of_a_wrong_size_is_left_out),
        cmocka_unit_test(text_string_longer_than_its_record_is_not_read_on),
        cmocka_unit_test(address_is_found_with_its_time),
        cmocka_unit_test(alias_is_followed_within_the_response),
        cmocka_unit_test(strings_of_a_text_are_joined),
        cmocka_unit_test(only_names_that_fit_the_wire_are_askable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
