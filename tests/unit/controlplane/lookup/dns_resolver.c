// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dns_resolver.h"

#include "lookup_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct outcome {
    bool done;
    unsigned calls;
    enum dns_status status;
    uint32_t count;
    struct addr first;      // record
    struct lookup_rig *rig; // for who asks more
};

static void on_answer(void *context, const struct dns_answer *answer)
{
    struct outcome *outcome = context;
    outcome->done = true;
    outcome->first = answer->count ? answer->records[0].addr : (struct addr){0};
    outcome->calls++;
    outcome->status = answer->status;
    outcome->count = answer->count;
}

static struct outcome ask(struct lookup_rig *rig, const char *name, enum dns_type type)
{
    struct outcome outcome = {0};
    dns_resolver_ask(rig->resolver, name, type, on_answer, &outcome);
    lookup_rig_run(rig, &outcome.done, 5000);
    assert_int_equal(outcome.calls, 1);
    return outcome;
}

static struct outcome ask_one(enum dns_fake_manner manner)
{
    struct lookup_rig *rig = lookup_rig_open(300);
    assert_non_null(rig);
    dns_fake_add_addr(&rig->dns, "a.example.org", "192.0.2.1");
    rig->dns.manner = manner;
    struct outcome outcome = ask(rig, "a.example.org", DNS_A);
    lookup_rig_close(rig);
    return outcome;
}

static void unusable_server_text_is_refused(void **state)
{
    struct dns_resolver *resolver;
    struct dns_resolver_config config = {"nonsense:port", 1000};
    assert_true(dns_resolver_open(&resolver, &config) < 0);
}

static void silent_server_fails_within_its_time(void **state)
{
    assert_int_equal(ask_one(DNS_FAKE_SILENT).status, DNS_FAILED);
}

static void server_failure_fails(void **state)
{
    assert_int_equal(ask_one(DNS_FAKE_SERVFAIL).status, DNS_FAILED);
}

static void garbage_fails(void **state)
{
    assert_int_equal(ask_one(DNS_FAKE_GARBAGE).status, DNS_FAILED);
}

static void answer_to_another_question_is_no_answer(void **state)
{
    assert_int_equal(ask_one(DNS_FAKE_OTHER_NAME).status, DNS_FAILED);
}

static void name_that_loops_fails(void **state)
{
    assert_int_equal(ask_one(DNS_FAKE_LOOPS).status, DNS_FAILED);
}

static void lame_server_fails(void **state)
{
    assert_int_equal(ask_one(DNS_FAKE_REFUSES).status, DNS_FAILED);
}

static void answer_with_another_id_is_no_answer(void **state)
{
    assert_int_equal(ask_one(DNS_FAKE_OTHER_ID).status, DNS_FAILED);
}

static void forged_answer_does_not_keep_out_the_servers(void **state)
{
    struct addr right;
    struct outcome outcome = ask_one(DNS_FAKE_FORGED);
    assert_true(addr_parse("192.0.2.1", &right));
    assert_int_equal(outcome.count, 1);
    assert_true(addr_equal(&outcome.first, &right));
}

static void unrelated_records_are_not_believed(void **state)
{
    struct lookup_rig *rig = lookup_rig_open(1000);
    dns_fake_add_addr(&rig->dns, "a.example.org", "192.0.2.1");
    rig->dns.manner = DNS_FAKE_ADDS;
    assert_int_equal(ask(rig, "a.example.org", DNS_A).count, 1);
    rig->dns.manner = DNS_FAKE_HONEST;
    assert_int_equal(ask(rig, DNS_FAKE_VICTIM, DNS_A).status, DNS_EMPTY);
    assert_int_equal(rig->dns.queries, 2);
    lookup_rig_close(rig);
}

static void aliases_in_a_circle_lead_nowhere(void **state)
{
    struct lookup_rig *rig = lookup_rig_open(1000);
    dns_fake_add_name(&rig->dns, "a.example.org", 5, "b.example.org");
    dns_fake_add_name(&rig->dns, "b.example.org", 5, "a.example.org");
    dns_fake_add_name(&rig->dns, "c.example.org", 5, "c.example.org");
    assert_int_equal(ask(rig, "a.example.org", DNS_A).status, DNS_EMPTY);
    assert_int_equal(ask(rig, "c.example.org", DNS_A).status, DNS_EMPTY);
    assert_int_equal(rig->dns.queries, 2);
    lookup_rig_close(rig);
}

static void names_in_other_case_are_the_same(void **state)
{
    assert_int_equal(ask_one(DNS_FAKE_MIXES_CASE).count, 1);
}

static void aliases_are_followed(void **state)
{
    struct lookup_rig *rig = lookup_rig_open(1000);
    for (int i = 0; i < 6; i++) {
        char alias[32], target[32];
        snprintf(alias, sizeof alias, "n%d.example.org", i);
        snprintf(target, sizeof target, "n%d.example.org", i + 1);
        dns_fake_add_name(&rig->dns, alias, 5, target);
    }
    dns_fake_add_addr(&rig->dns, "n6.example.org", "192.0.2.1");
    assert_int_equal(ask(rig, "n0.example.org", DNS_A).count, 1);
    lookup_rig_close(rig);
}

static void more_records_than_there_is_room_for_are_left_out(void **state)
{
    struct lookup_rig *rig = lookup_rig_open(2000);
    for (int i = 0; i < DNS_RECORDS_MAX + 100; i++) {
        char addr[32];
        snprintf(addr, sizeof addr, "10.0.%d.%d", i / 200, i % 200);
        dns_fake_add_addr(&rig->dns, "many.example.org", addr);
    }
    assert_int_equal(ask(rig, "many.example.org", DNS_A).count, DNS_RECORDS_MAX);
    lookup_rig_close(rig);
}

// The first of two servers has that manner; the second knows the name.
static void ask_the_second(enum dns_fake_manner manner, bool open)
{
    static struct dns_fake first;
    char servers[64];
    struct outcome outcome = {0};
    struct lookup_rig *rig = lookup_rig_open(1000);
    dns_resolver_close(rig->resolver);
    assert_true(dns_fake_open(&first));
    if (!open)
        dns_fake_close(&first);
    first.manner = manner;
    snprintf(servers, sizeof servers, "127.0.0.1:%u,127.0.0.1:%u", first.port, rig->dns.port);
    struct dns_resolver_config config = {servers, 1000};
    assert_int_equal(dns_resolver_open(&rig->resolver, &config), 0);
    dns_fake_add_addr(&rig->dns, "a.example.org", "192.0.2.1");
    dns_resolver_ask(rig->resolver, "a.example.org", DNS_A, on_answer, &outcome);
    for (int turns = 0; !outcome.done && turns < 1000; turns++) {
        if (open)
            dns_fake_turn(&first);
        lookup_rig_run(rig, &outcome.done, 2);
    }
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(first.queries > 0, open);
    lookup_rig_close(rig);
    if (open)
        dns_fake_close(&first);
}

static void second_server_answers_when_the_first_does_not(void **state)
{
    ask_the_second(DNS_FAKE_SILENT, true);
    ask_the_second(DNS_FAKE_SERVFAIL, true);
    ask_the_second(DNS_FAKE_REFUSES, true);
    ask_the_second(DNS_FAKE_OTHER_ID, true);
    ask_the_second(DNS_FAKE_HONEST, false); // nobody at that port
}

static void name_that_cannot_be_asked_is_empty_without_a_query(void **state)
{
    struct lookup_rig *rig = lookup_rig_open(300);
    assert_int_equal(ask(rig, "a..b", DNS_A).status, DNS_EMPTY);
    assert_int_equal(ask(rig, "a\r\nb.example.org", DNS_A).status, DNS_EMPTY);
    assert_int_equal(rig->dns.queries, 0);
    lookup_rig_close(rig);
}

static void questions_pending_at_the_end_fail(void **state)
{
    struct lookup_rig *rig = lookup_rig_open(1000);
    struct outcome outcome = {0};
    rig->dns.manner = DNS_FAKE_SILENT;
    dns_resolver_ask(rig->resolver, "a.example.org", DNS_A, on_answer, &outcome);
    dns_resolver_close(rig->resolver);
    rig->resolver = NULL;
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.status, DNS_FAILED);
    lookup_rig_close(rig);
}

static void truncated_answer_is_fetched_by_tcp(void **state)
{
    struct lookup_rig *rig = lookup_rig_open(2000);
    for (int i = 1; i < 200; i++) {
        char addr[32];
        snprintf(addr, sizeof addr, "192.0.2.%d", i);
        dns_fake_add_addr(&rig->dns, "many.example.org", addr);
    }
    struct outcome outcome = ask(rig, "many.example.org", DNS_A);
    assert_int_equal(outcome.status, DNS_FOUND);
    assert_int_equal(outcome.count, 199);
    assert_true(rig->dns.tcp_queries > 0);
    lookup_rig_close(rig);
}

static void records_are_found(void **state)
{
    struct lookup_rig *rig = lookup_rig_open(1000);
    dns_fake_add_addr(&rig->dns, "a.example.org", "192.0.2.1");
    dns_fake_add_addr(&rig->dns, "a.example.org", "2001:db8::1");
    dns_fake_add_name(&rig->dns, "alias.example.org", 5, "a.example.org");
    dns_fake_add_txt(&rig->dns, "a.example.org", "v=spf1 -all");
    assert_int_equal(ask(rig, "a.example.org", DNS_A).count, 1);
    assert_int_equal(ask(rig, "A.Example.ORG", DNS_AAAA).count, 1);
    assert_int_equal(ask(rig, "alias.example.org", DNS_A).count, 1);
    assert_int_equal(ask(rig, "a.example.org", DNS_TXT).count, 1);
    assert_int_equal(ask(rig, "a.example.org", DNS_MX).status, DNS_EMPTY);
    assert_int_equal(ask(rig, "b.example.org", DNS_A).status, DNS_EMPTY);
    lookup_rig_close(rig);
}

static void known_answer_is_not_asked_for_again(void **state)
{
    struct lookup_rig *rig = lookup_rig_open(1000);
    dns_fake_add_addr(&rig->dns, "a.example.org", "192.0.2.1");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(rig, i == 1 ? "A.EXAMPLE.org" : "a.example.org", DNS_A).count, 1);
        assert_int_equal(ask(rig, "b.example.org", DNS_A).status, DNS_EMPTY);
        assert_int_equal(ask(rig, "a.example.org", DNS_TXT).status, DNS_EMPTY);
    }
    assert_int_equal(rig->dns.queries, 3);
    assert_int_equal(dns_resolver_counters(rig->resolver)->from_cache, 6);
    lookup_rig_close(rig);
}

static void failure_is_asked_for_again(void **state)
{
    struct lookup_rig *rig = lookup_rig_open(1000);
    dns_fake_add_addr(&rig->dns, "a.example.org", "192.0.2.1");
    rig->dns.manner = DNS_FAKE_SERVFAIL;
    assert_int_equal(ask(rig, "a.example.org", DNS_A).status, DNS_FAILED);
    rig->dns.manner = DNS_FAKE_HONEST;
    assert_int_equal(ask(rig, "a.example.org", DNS_A).status, DNS_FOUND);
    lookup_rig_close(rig);
}

// The first of them asks for something known meanwhile, as users do; the others' answer stays.
static void on_answer_ask_more(void *context, const struct dns_answer *answer)
{
    struct outcome *outcomes = context, more = {0};
    struct lookup_rig *rig = outcomes[3].rig;
    dns_resolver_ask(rig->resolver, "many.example.org", DNS_A, on_answer, &more);
    assert_int_equal(more.count, 3);
    on_answer(&outcomes[2], answer);
}

static void equal_questions_under_way_are_one_query(void **state)
{
    struct lookup_rig *rig = lookup_rig_open(1000);
    struct outcome outcomes[4] = {[3].rig = rig};
    for (int i = 1; i < 4; i++)
        dns_fake_add_addr(&rig->dns, "many.example.org",
                          i == 1   ? "192.0.2.1"
                          : i == 2 ? "192.0.2.2"
                                   : "192.0.2.3");
    dns_fake_add_addr(&rig->dns, "a.example.org", "192.0.2.1");
    assert_int_equal(ask(rig, "many.example.org", DNS_A).count, 3);
    dns_resolver_ask(rig->resolver, "a.example.org", DNS_A, on_answer, &outcomes[0]);
    dns_resolver_ask(rig->resolver, "a.example.ORG", DNS_A, on_answer, &outcomes[1]);
    dns_resolver_ask(rig->resolver, "a.example.org", DNS_A, on_answer_ask_more, outcomes);
    assert_true(lookup_rig_run(rig, &outcomes[0].done, 5000));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(outcomes[i].calls, 1);
        assert_int_equal(outcomes[i].count, 1);
    }
    assert_int_equal(rig->dns.queries, 2);
    assert_int_equal(dns_resolver_counters(rig->resolver)->joined, 2);
    lookup_rig_close(rig);
}

static void ids_and_ports_are_not_the_same_again(void **state)
{
    enum { QUERIES = 200 };
    struct lookup_rig *rig = lookup_rig_open(1000);
    rig->dns.ttl = 0; // so that every question is asked
    dns_fake_add_addr(&rig->dns, "a.example.org", "192.0.2.1");
    for (int i = 0; i < QUERIES; i++)
        assert_int_equal(ask(rig, "a.example.org", DNS_A).count, 1);
    unsigned id_steps = 0, new_ports = 0;
    for (int i = 1; i < QUERIES; i++) {
        id_steps += rig->dns.seen[i].id != (uint16_t)(rig->dns.seen[i - 1].id + 1);
        new_ports += rig->dns.seen[i].port != rig->dns.seen[i - 1].port;
    }
    assert_true(id_steps > QUERIES * 9 / 10);
    assert_true(new_ports > QUERIES * 9 / 10); // each went dry before the next
    lookup_rig_close(rig);
}

static void reverse_names_are_as_the_rfcs_say(void **state)
{
    struct addr addr;
    char name[DNS_NAME_SIZE];
    assert_true(addr_parse("192.0.2.1", &addr));
    dns_reverse_name(&addr, "in-addr.arpa", name);
    assert_string_equal(name, "1.2.0.192.in-addr.arpa");
    assert_true(addr_parse("2001:db8::567:89ab", &addr));
    dns_reverse_name(&addr, "ip6.arpa", name);
    assert_string_equal(name,
                        "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unusable_server_text_is_refused),
        cmocka_unit_test(silent_server_fails_within_its_time),
        cmocka_unit_test(server_failure_fails),
        cmocka_unit_test(garbage_fails),
        cmocka_unit_test(answer_to_another_question_is_no_answer),
        cmocka_unit_test(name_that_loops_fails),
        cmocka_unit_test(lame_server_fails),
        cmocka_unit_test(answer_with_another_id_is_no_answer),
        cmocka_unit_test(forged_answer_does_not_keep_out_the_servers),
        cmocka_unit_test(unrelated_records_are_not_believed),
        cmocka_unit_test(aliases_in_a_circle_lead_nowhere),
        cmocka_unit_test(name_that_cannot_be_asked_is_empty_without_a_query),
        cmocka_unit_test(questions_pending_at_the_end_fail),
        cmocka_unit_test(second_server_answers_when_the_first_does_not),
        cmocka_unit_test(names_in_other_case_are_the_same),
        cmocka_unit_test(aliases_are_followed),
        cmocka_unit_test(more_records_than_there_is_room_for_are_left_out),
        cmocka_unit_test(truncated_answer_is_fetched_by_tcp),
        cmocka_unit_test(records_are_found),
        cmocka_unit_test(known_answer_is_not_asked_for_again),
        cmocka_unit_test(failure_is_asked_for_again),
        cmocka_unit_test(equal_questions_under_way_are_one_query),
        cmocka_unit_test(ids_and_ports_are_not_the_same_again),
        cmocka_unit_test(reverse_names_are_as_the_rfcs_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
