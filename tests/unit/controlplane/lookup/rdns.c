// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/rdns.h"

#include "lookup_rig.h"
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct outcome {
    bool done;
    unsigned calls;
    uint32_t ttl;
    struct rdns_answer answer;
};

static struct lookup_rig *rig;

static int start(void **state)
{
    rig = lookup_rig_open(300);
    return rig ? 0 : 1;
}

static int stop(void **state)
{
    lookup_rig_close(rig);
    return 0;
}

static void on_rdns(void *context, const struct rdns_answer *answer, uint32_t ttl)
{
    struct outcome *outcome = context;
    outcome->done = true;
    outcome->calls++;
    outcome->answer = *answer;
    outcome->ttl = ttl;
}

static struct outcome outcome_of(const char *text)
{
    struct outcome outcome = {0};
    struct addr addr;
    struct rdns rdns;
    assert_true(addr_parse(text, &addr));
    rdns_start(&rdns, rig->resolver, &addr, on_rdns, &outcome);
    assert_true(lookup_rig_run(rig, &outcome.done, 5000));
    assert_int_equal(outcome.calls, 1);
    return outcome;
}

static void assert_name(const struct outcome *outcome, const char *name)
{
    assert_true(span_equal(message_name_span(&outcome->answer.name), span_text(name)));
}

static void silent_servers_give_no_verdict(void **state)
{
    rig->dns.manner = DNS_FAKE_SILENT;
    assert_int_equal(outcome_of("192.0.2.1").answer.verdict, RDNS_TEMPERROR);
}

static void failing_servers_give_no_verdict(void **state)
{
    rig->dns.manner = DNS_FAKE_SERVFAIL;
    assert_int_equal(outcome_of("192.0.2.1").answer.verdict, RDNS_TEMPERROR);
}

static void failing_forward_look_up_gives_no_verdict(void **state)
{
    dns_fake_add_ptr(&rig->dns, "192.0.2.1", "mx.example.org");
    rig->dns.manner = DNS_FAKE_SERVFAIL;
    memcpy(rig->dns.manner_name, "mx.example.org", sizeof "mx.example.org");
    assert_int_equal(outcome_of("192.0.2.1").answer.verdict, RDNS_TEMPERROR);
}

static void no_name_is_none(void **state)
{
    struct outcome outcome = outcome_of("192.0.2.1");
    assert_int_equal(outcome.answer.verdict, RDNS_NONE);
    assert_int_equal(outcome.answer.name.size, 0);
}

static void names_that_are_no_host_names_are_none(void **state)
{
    dns_fake_add_ptr(&rig->dns, "192.0.2.1", "a b.example.org");
    dns_fake_add_ptr(&rig->dns, "192.0.2.1", "x;y.example.org");
    dns_fake_add_ptr(&rig->dns, "192.0.2.1", "localhost");
    struct outcome outcome = outcome_of("192.0.2.1");
    assert_int_equal(outcome.answer.verdict, RDNS_NONE);
    assert_int_equal(outcome.answer.name.size, 0);
}

static void failing_servers_beside_a_confirmed_name_do_not_matter(void **state)
{
    dns_fake_add_ptr(&rig->dns, "192.0.2.1", "bad.example.org");
    dns_fake_add_ptr(&rig->dns, "192.0.2.1", "mx.example.org");
    dns_fake_add_addr(&rig->dns, "mx.example.org", "192.0.2.1");
    dns_fake_add_manner(&rig->dns, "bad.example.org", DNS_FAKE_SERVFAIL);
    struct outcome outcome = outcome_of("192.0.2.1");
    assert_int_equal(outcome.answer.verdict, RDNS_CONFIRMED);
    assert_name(&outcome, "mx.example.org");
}

static void name_that_leads_elsewhere_is_unconfirmed(void **state)
{
    dns_fake_add_ptr(&rig->dns, "192.0.2.1", "mail.bank.example");
    dns_fake_add_addr(&rig->dns, "mail.bank.example", "203.0.113.5");
    struct outcome outcome = outcome_of("192.0.2.1");
    assert_int_equal(outcome.answer.verdict, RDNS_UNCONFIRMED);
    assert_name(&outcome, "mail.bank.example");
}

static void eleventh_name_is_not_looked_at(void **state)
{
    for (int i = 0; i < RDNS_NAMES_MAX; i++) {
        char name[] = "x0.example.org";
        name[1] = (char)('0' + i);
        dns_fake_add_ptr(&rig->dns, "192.0.2.1", name);
    }
    dns_fake_add_ptr(&rig->dns, "192.0.2.1", "true.example.org");
    dns_fake_add_addr(&rig->dns, "true.example.org", "192.0.2.1");
    assert_int_equal(outcome_of("192.0.2.1").answer.verdict, RDNS_UNCONFIRMED);
    assert_int_equal(rig->dns.queries, 1 + RDNS_NAMES_MAX);
}

static void one_of_several_names_confirms(void **state)
{
    dns_fake_add_ptr(&rig->dns, "192.0.2.1", "other.example.org");
    rig->dns.ttl = 77;
    dns_fake_add_ptr(&rig->dns, "192.0.2.1", "true.example.org");
    rig->dns.ttl = 300;
    dns_fake_add_addr(&rig->dns, "true.example.org", "192.0.2.9");
    dns_fake_add_addr(&rig->dns, "true.example.org", "192.0.2.1");
    dns_fake_add_addr(&rig->dns, "other.example.org", "192.0.2.9");
    struct outcome outcome = outcome_of("192.0.2.1");
    assert_int_equal(outcome.answer.verdict, RDNS_CONFIRMED);
    assert_name(&outcome, "true.example.org");
    assert_int_equal(outcome.ttl, 77);
}

static void ipv6_address_is_confirmed(void **state)
{
    dns_fake_add_ptr(&rig->dns, "2001:db8::5", "six.example.org");
    dns_fake_add_addr(&rig->dns, "six.example.org", "2001:db8::5");
    assert_int_equal(outcome_of("2001:db8::5").answer.verdict, RDNS_CONFIRMED);
}

static void only_letters_digits_and_hyphens_make_host_names(void **state)
{
    assert_false(rdns_is_host_name(span_text("localhost")));
    assert_false(rdns_is_host_name(span_text("a..b")));
    assert_false(rdns_is_host_name(span_text("a:b.example")));
    assert_false(rdns_is_host_name(span_text("a\"b.example")));
    assert_true(rdns_is_host_name(span_text("a-b_c.Example")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(silent_servers_give_no_verdict, start, stop),
        cmocka_unit_test_setup_teardown(failing_servers_give_no_verdict, start, stop),
        cmocka_unit_test_setup_teardown(failing_forward_look_up_gives_no_verdict, start, stop),
        cmocka_unit_test_setup_teardown(no_name_is_none, start, stop),
        cmocka_unit_test_setup_teardown(names_that_are_no_host_names_are_none, start, stop),
        cmocka_unit_test_setup_teardown(failing_servers_beside_a_confirmed_name_do_not_matter,
                                        start, stop),
        cmocka_unit_test_setup_teardown(name_that_leads_elsewhere_is_unconfirmed, start, stop),
        cmocka_unit_test_setup_teardown(eleventh_name_is_not_looked_at, start, stop),
        cmocka_unit_test_setup_teardown(one_of_several_names_confirms, start, stop),
        cmocka_unit_test_setup_teardown(ipv6_address_is_confirmed, start, stop),
        cmocka_unit_test(only_letters_digits_and_hyphens_make_host_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
