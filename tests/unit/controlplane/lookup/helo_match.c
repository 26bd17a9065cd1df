// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/helo_match.h"

#include "lookup_rig.h"
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct outcome {
    bool done;
    enum helo_match match;
};

static struct lookup_rig *rig;

static int start(void **state)
{
    rig = lookup_rig_open(300);
    helo_match_open();
    return rig ? 0 : 1;
}

static int stop(void **state)
{
    helo_match_close();
    lookup_rig_close(rig);
    return 0;
}

static void on_match(void *context, enum helo_match match, uint32_t ttl)
{
    struct outcome *outcome = context;
    assert_false(outcome->done);
    *outcome = (struct outcome){true, match};
}

static enum helo_match match_of(const char *addr, const char *helo, const char *name)
{
    struct outcome outcome = {0};
    struct helo_question question = {0};
    struct helo_match_job job;
    assert_true(addr_parse(addr, &question.addr));
    assert_true(message_name_set(&question.helo, span_text(helo)));
    assert_true(message_name_set(&question.name, span_text(name)));
    helo_match_start(&job, rig->resolver, &question, on_match, &outcome);
    assert_true(lookup_rig_run(rig, &outcome.done, 5000));
    return outcome.match;
}

static bool same(const char *a, const char *b)
{
    return helo_match_is_organisation(span_text(a), span_text(b));
}

static void neighbours_under_a_public_suffix_are_not_one(void **state)
{
    assert_false(same("a.co.uk", "b.co.uk"));
    assert_false(same("co.uk", "co.uk"));
    assert_false(same("com", "com"));
    assert_false(same("mail.example.org", "mail.example.net"));
    assert_false(same("badexample.org", "example.org"));
    assert_false(same("", ""));
    assert_false(same("1.2.3.4", "1.2.3.5"));
}

static void name_that_leads_nowhere_is_a_mismatch(void **state)
{
    assert_int_equal(match_of("192.0.2.1", "nowhere.example.org", "mx.other.net"), HELO_MISMATCH);
    assert_int_equal(match_of("192.0.2.1", "nowhere.example.org", ""), HELO_MISMATCH);
    assert_int_equal(match_of("192.0.2.1", "a..b", ""), HELO_MISMATCH);
    assert_int_equal(match_of("192.0.2.1", "", ""), HELO_MISMATCH);
}

static void name_that_leads_elsewhere_is_a_mismatch(void **state)
{
    dns_fake_add_addr(&rig->dns, "mail.bank.example", "203.0.113.5");
    dns_fake_add_addr(&rig->dns, "six.example.org", "2001:db8::5");
    assert_int_equal(match_of("192.0.2.1", "mail.bank.example", "mx.example.org"), HELO_MISMATCH);
    assert_int_equal(match_of("2001:db8::6", "six.example.org", ""), HELO_MISMATCH);
}

static void servers_that_fail_give_a_temporary_error(void **state)
{
    rig->dns.manner = DNS_FAKE_SERVFAIL;
    assert_int_equal(match_of("192.0.2.1", "mx.example.org", ""), HELO_TEMPERROR);
}

static void names_that_say_enough_are_not_asked(void **state)
{
    rig->dns.manner = DNS_FAKE_SILENT;
    assert_int_equal(match_of("192.0.2.1", "MX.example.org", "mx.Example.org"), HELO_EQUAL);
    assert_int_equal(match_of("192.0.2.1", "out.Example.co.uk", "mx.example.CO.UK"),
                     HELO_ORGANISATION);
    assert_int_equal(rig->dns.queries, 0);
}

static void name_that_leads_back_is_a_forward_match(void **state)
{
    dns_fake_add_addr(&rig->dns, "mx.example.org", "192.0.2.9");
    dns_fake_add_addr(&rig->dns, "mx.example.org", "192.0.2.1");
    dns_fake_add_addr(&rig->dns, "six.example.org", "2001:db8::5");
    assert_int_equal(match_of("192.0.2.1", "mx.example.org", "host.provider.net"), HELO_FORWARD);
    assert_int_equal(match_of("2001:db8::5", "six.example.org", ""), HELO_FORWARD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(neighbours_under_a_public_suffix_are_not_one, start, stop),
        cmocka_unit_test_setup_teardown(name_that_leads_nowhere_is_a_mismatch, start, stop),
        cmocka_unit_test_setup_teardown(name_that_leads_elsewhere_is_a_mismatch, start, stop),
        cmocka_unit_test_setup_teardown(servers_that_fail_give_a_temporary_error, start, stop),
        cmocka_unit_test_setup_teardown(names_that_say_enough_are_not_asked, start, stop),
        cmocka_unit_test_setup_teardown(name_that_leads_back_is_a_forward_match, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
