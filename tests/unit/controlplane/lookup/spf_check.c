// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/spf_check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct record {
    const char *name;
    enum dns_type type;
    const char *value; // NULL: the look-up fails
};

static const struct record *zone;
static unsigned asked;
static struct dns_answer answer;

static void value_add(enum dns_type type, const char *value)
{
    struct dns_record *record = &answer.records[answer.count++];
    if (type == DNS_A || type == DNS_AAAA) {
        assert_true(addr_parse(value, &record->addr));
        return;
    }
    record->offset = answer.bytes_used;
    record->size = (uint32_t)strlen(value);
    memcpy(answer.bytes + record->offset, value, record->size + 1);
    answer.bytes_used += record->size + 1;
}

static const struct dns_answer *lookup(void *context, const char *name, enum dns_type type)
{
    asked++;
    dns_answer_make(&answer, DNS_EMPTY);
    for (const struct record *r = zone; r->name; r++) {
        if (strcasecmp(r->name, name) != 0 || r->type != type)
            continue;
        answer.status = r->value ? DNS_FOUND : DNS_FAILED;
        if (r->value)
            value_add(type, r->value);
    }
    return &answer;
}

static enum spf_result result_of(const struct record *records, const char *addr, const char *from)
{
    static const struct spf_dns dns = {lookup, NULL, "mail.example.net"};
    struct spf_question question = {0};
    uint32_t ttl;
    zone = records;
    asked = 0;
    assert_true(addr_parse(addr, &question.addr));
    assert_true(message_name_set(&question.helo, span_text("helo.example.org")));
    question.mail_from_size = (uint16_t)strlen(from);
    memcpy(question.mail_from, from, strlen(from));
    return spf_check(&question, &dns, &ttl);
}

#define ZONE(...)                                                                                  \
    (const struct record[])                                                                        \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            NULL, DNS_A, NULL                                                                      \
        }                                                                                          \
    }
#define TXT(name, text)                                                                            \
    {                                                                                              \
        name, DNS_TXT, text                                                                        \
    }

static void dead_name_server_is_a_temporary_error(void **state)
{
    assert_int_equal(result_of(ZONE(TXT("a.example", NULL)), "192.0.2.1", "x@a.example"),
                     SPF_TEMPERROR);
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 a -all"), {"a.example", DNS_A, NULL}),
                               "192.0.2.1", "x@a.example"),
                     SPF_TEMPERROR);
}

static void two_records_are_an_error(void **state)
{
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 -all"), TXT("a.example", "v=spf1")),
                               "192.0.2.1", "x@a.example"),
                     SPF_PERMERROR);
}

static void malformed_record_is_an_error(void **state)
{
    assert_int_equal(
        result_of(ZONE(TXT("a.example", "v=spf1 nonsense -all")), "192.0.2.1", "x@a.example"),
        SPF_PERMERROR);
}

static void include_of_nothing_is_an_error(void **state)
{
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 include:b.example -all")), "192.0.2.1",
                               "x@a.example"),
                     SPF_PERMERROR);
}

static void include_of_itself_ends(void **state)
{
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 include:b.example"),
                                    TXT("b.example", "v=spf1 include:a.example")),
                               "192.0.2.1", "x@a.example"),
                     SPF_PERMERROR);
    assert_true(asked <= 1 + SPF_TERMS_ASKING_MAX);
}

static void eleventh_term_over_all_includes_is_an_error(void **state)
{
    static const struct record ten[] = {
        TXT("a.example", "v=spf1 include:b.example a a a a -all"),
        TXT("b.example", "v=spf1 a:h.example a:h.example a:h.example a:h.example a:h.example"),
        {"a.example", DNS_A, "203.0.113.1"},
        {"h.example", DNS_A, "203.0.113.1"},
        {NULL, DNS_A, NULL}};
    static const struct record eleven[] = {
        TXT("a.example", "v=spf1 include:b.example a a a a a -all"),
        TXT("b.example", "v=spf1 a:h.example a:h.example a:h.example a:h.example a:h.example"),
        {"a.example", DNS_A, "203.0.113.1"},
        {"h.example", DNS_A, "203.0.113.1"},
        {NULL, DNS_A, NULL}};
    assert_int_equal(result_of(ten, "192.0.2.1", "x@a.example"), SPF_FAIL);
    assert_int_equal(result_of(eleven, "192.0.2.1", "x@a.example"), SPF_PERMERROR);
}

static void third_void_look_up_is_an_error(void **state)
{
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 a:x.example a:y.example -all")),
                               "192.0.2.1", "x@a.example"),
                     SPF_FAIL);
    assert_int_equal(
        result_of(ZONE(TXT("a.example", "v=spf1 a:x.example a:y.example a:z.example -all")),
                  "192.0.2.1", "x@a.example"),
        SPF_PERMERROR);
}

static void name_that_cannot_be_asked_is_not_void(void **state)
{
    assert_int_equal(
        result_of(ZONE(TXT("a.example", "v=spf1 a:x..example a:x.example a:y.example -all")),
                  "192.0.2.1", "x@a.example"),
        SPF_FAIL);
}

static void macro_of_all_parts_is_whole(void **state)
{
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 exists:%{l1r-}.%{d2} -all"),
                                    {"bob.a.example", DNS_A, "127.0.0.2"}),
                               "192.0.2.1", "bob@a.example"),
                     SPF_PASS);
}

static void final_dot_makes_no_other_name(void **state)
{
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 ptr:b.example. -all"),
                                    {"1.2.0.192.in-addr.arpa", DNS_PTR, "m.b.example"},
                                    {"m.b.example", DNS_A, "192.0.2.1"}),
                               "192.0.2.1", "x@a.example"),
                     SPF_PASS);
}

static void names_of_a_mail_exchanger_are_no_terms(void **state)
{
    static struct record records[16] = {TXT("a.example", "v=spf1 mx -all"),
                                        {"m.example", DNS_A, "203.0.113.1"}};
    for (int i = 2; i < 12; i++)
        records[i] = (struct record){"a.example", DNS_MX, "m.example"};
    assert_int_equal(result_of(records, "192.0.2.1", "x@a.example"), SPF_FAIL);
    assert_int_equal(asked, 2 + SPF_NAMES_MAX);
    records[12] = (struct record){"a.example", DNS_MX, "m.example"};
    assert_int_equal(result_of(records, "192.0.2.1", "x@a.example"), SPF_PERMERROR);
}

static void explanation_is_never_looked_up(void **state)
{
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 -all exp=why.%{p}.example"),
                                    TXT("why.example", "\r\nX: y")),
                               "192.0.2.1", "x@a.example"),
                     SPF_FAIL);
    assert_int_equal(asked, 1);
}

static void sender_without_a_domain_is_none(void **state)
{
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 -all")), "192.0.2.1", "nobody"),
                     SPF_NONE);
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 -all")), "192.0.2.1", "x@[192.0.2.1]"),
                     SPF_NONE);
    assert_int_equal(result_of(ZONE(TXT("a.example", "other")), "192.0.2.1", "x@a.example"),
                     SPF_NONE);
}

static void each_qualifier_gives_its_result(void **state)
{
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 +all")), "192.0.2.1", "x@a.example"),
                     SPF_PASS);
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 -all")), "192.0.2.1", "x@a.example"),
                     SPF_FAIL);
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 ~all")), "192.0.2.1", "x@a.example"),
                     SPF_SOFTFAIL);
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1 ?all")), "192.0.2.1", "x@a.example"),
                     SPF_NEUTRAL);
    assert_int_equal(result_of(ZONE(TXT("a.example", "v=spf1")), "192.0.2.1", "x@a.example"),
                     SPF_NEUTRAL);
}

static void empty_sender_asks_for_the_greeting_name(void **state)
{
    assert_int_equal(
        result_of(ZONE(TXT("helo.example.org", "v=spf1 ip4:192.0.2.1 -all")), "192.0.2.1", ""),
        SPF_PASS);
}

static void both_families_match(void **state)
{
    static const struct record records[] = {TXT("a.example", "v=spf1 mx/24//64 -all"),
                                            {"a.example", DNS_MX, "m.example"},
                                            {"m.example", DNS_A, "192.0.2.77"},
                                            {"m.example", DNS_AAAA, "2001:db8::77"},
                                            {NULL, DNS_A, NULL}};
    assert_int_equal(result_of(records, "192.0.2.1", "x@a.example"), SPF_PASS);
    assert_int_equal(result_of(records, "192.0.3.1", "x@a.example"), SPF_FAIL);
    assert_int_equal(result_of(records, "2001:db8::1", "x@a.example"), SPF_PASS);
    assert_int_equal(result_of(records, "2001:db8:1::1", "x@a.example"), SPF_FAIL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_name_server_is_a_temporary_error),
        cmocka_unit_test(two_records_are_an_error),
        cmocka_unit_test(malformed_record_is_an_error),
        cmocka_unit_test(include_of_nothing_is_an_error),
        cmocka_unit_test(include_of_itself_ends),
        cmocka_unit_test(eleventh_term_over_all_includes_is_an_error),
        cmocka_unit_test(third_void_look_up_is_an_error),
        cmocka_unit_test(name_that_cannot_be_asked_is_not_void),
        cmocka_unit_test(macro_of_all_parts_is_whole),
        cmocka_unit_test(final_dot_makes_no_other_name),
        cmocka_unit_test(names_of_a_mail_exchanger_are_no_terms),
        cmocka_unit_test(explanation_is_never_looked_up),
        cmocka_unit_test(sender_without_a_domain_is_none),
        cmocka_unit_test(each_qualifier_gives_its_result),
        cmocka_unit_test(empty_sender_asks_for_the_greeting_name),
        cmocka_unit_test(both_families_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
