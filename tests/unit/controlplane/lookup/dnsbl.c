// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dnsbl.h"

#include "lookup_rig.h"
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct outcome {
    bool done, whole;
    int16_t score;
    uint32_t ttl;
};

static struct lookup_rig *rig;
static struct lookup_dnsbl entries[LOOKUP_DNSBL_MAX];
static unsigned count;

static int start(void **state)
{
    rig = lookup_rig_open(300);
    count = 0;
    return rig ? 0 : 1;
}

static int stop(void **state)
{
    lookup_rig_close(rig);
    return 0;
}

static void add(const char *zone, const char *replies, int weight)
{
    struct lookup_dnsbl *entry = &entries[count++];
    *entry = (struct lookup_dnsbl){.weight = weight};
    memcpy(entry->zone, zone, strlen(zone));
    assert_true(addr_pattern_parse(replies, &entry->replies));
}

static void on_score(void *context, bool whole, int16_t score, uint32_t ttl)
{
    struct outcome *outcome = context;
    assert_false(outcome->done);
    *outcome = (struct outcome){true, whole, score, ttl};
}

static struct outcome outcome_of(const char *text)
{
    struct outcome outcome = {0};
    struct addr addr;
    struct dnsbl dnsbl;
    assert_true(addr_parse(text, &addr));
    dnsbl_start(&dnsbl, rig->resolver, entries, count, &addr, on_score, &outcome);
    assert_true(lookup_rig_run(rig, &outcome.done, 5000));
    return outcome;
}

static void zone_that_fails_counts_nothing(void **state)
{
    add("silent.example", "127.0.0.2", 5);
    add("failing.example", "127.0.0.2", 5);
    add("good.example", "127.0.0.2", 2);
    dns_fake_add_manner(&rig->dns, "9.2.0.192.silent.example", DNS_FAKE_SILENT);
    dns_fake_add_manner(&rig->dns, "9.2.0.192.failing.example", DNS_FAKE_SERVFAIL);
    dns_fake_add_addr(&rig->dns, "9.2.0.192.good.example", "127.0.0.2");
    struct outcome outcome = outcome_of("192.0.2.9");
    assert_int_equal(outcome.score, 2);
    assert_false(outcome.whole);
}

static void address_that_is_not_listed_has_no_score(void **state)
{
    add("good.example", "127.0.0.2", 2);
    dns_fake_add_addr(&rig->dns, "9.2.0.192.good.example", "127.0.0.2");
    struct outcome outcome = outcome_of("192.0.2.8");
    assert_int_equal(outcome.score, 0);
    assert_true(outcome.whole);
}

static void reply_beside_the_pattern_counts_nothing(void **state)
{
    add("good.example", "127.0.0.[2..11]", 2);
    dns_fake_add_addr(&rig->dns, "9.2.0.192.good.example", "127.255.255.254");
    dns_fake_add_addr(&rig->dns, "9.2.0.192.good.example", "203.0.113.5"); // a parked domain
    assert_int_equal(outcome_of("192.0.2.9").score, 0);
}

static void weights_of_all_zones_are_summed(void **state)
{
    add("a.example", "127.0.0.2", 3);
    add("b.example", "127.0.0.[2..4]", 2);
    add("allow.example", "127.0.[0..255].[1..3]", -4);
    dns_fake_add_addr(&rig->dns, "9.2.0.192.a.example", "127.0.0.2");
    rig->dns.ttl = 33;
    dns_fake_add_addr(&rig->dns, "9.2.0.192.b.example", "127.0.0.4");
    dns_fake_add_addr(&rig->dns, "9.2.0.192.allow.example", "127.0.9.2");
    struct outcome outcome = outcome_of("192.0.2.9");
    assert_int_equal(outcome.score, 1);
    assert_int_equal(outcome.ttl, 33);
}

static void zone_with_several_entries_is_asked_once(void **state)
{
    add("zen.example", "127.0.0.2", 3);
    add("zen.example", "127.0.0.[10..11]", 2);
    dns_fake_add_addr(&rig->dns, "9.2.0.192.zen.example", "127.0.0.2");
    dns_fake_add_addr(&rig->dns, "9.2.0.192.zen.example", "127.0.0.10");
    assert_int_equal(outcome_of("192.0.2.9").score, 5);
    assert_int_equal(rig->dns.queries, 1);
}

static void ipv6_address_is_asked_by_its_nibbles(void **state)
{
    add("good.example", "127.0.0.2", 2);
    dns_fake_add_addr(
        &rig->dns, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.good.example",
        "127.0.0.2");
    assert_int_equal(outcome_of("2001:db8::1").score, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(zone_that_fails_counts_nothing, start, stop),
        cmocka_unit_test_setup_teardown(address_that_is_not_listed_has_no_score, start, stop),
        cmocka_unit_test_setup_teardown(reply_beside_the_pattern_counts_nothing, start, stop),
        cmocka_unit_test_setup_teardown(weights_of_all_zones_are_summed, start, stop),
        cmocka_unit_test_setup_teardown(zone_with_several_entries_is_asked_once, start, stop),
        cmocka_unit_test_setup_teardown(ipv6_address_is_asked_by_its_nibbles, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
