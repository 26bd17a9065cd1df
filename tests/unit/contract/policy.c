// SPDX-License-Identifier: BSD-3-Clause
#include "contract/policy.h"

#include "base/packet.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct whole { // each part at a multiple of 8, as the contract asks
    struct policy policy;
    _Alignas(8) struct policy_domain domains[2];
    _Alignas(8) struct prefix relay[2];
    _Alignas(8) struct policy_class_prefix prefixes[3];
    _Alignas(8) struct policy_rule rules[1];
    _Alignas(8) uint8_t database[16];
};

static struct whole whole;

static struct policy_range range_of(const void *at, uint32_t count)
{
    return (struct policy_range){.offset = (uint64_t)((const char *)at - (const char *)&whole),
                                 .count = count};
}

static struct prefix prefix_of(const char *text)
{
    struct prefix p;
    CHECK(prefix_parse(text, &p));
    return p;
}

static struct addr addr_of(const char *text)
{
    struct addr a;
    CHECK(addr_parse(text, &a));
    return a;
}

static void fill_boot(struct policy_boot *boot)
{
    *boot = (struct policy_boot){
        .workers = 1, .mbufs = 1024, .connections = 16, .sessions = 8, .sources = 64};
    for (int leg = 0; leg < LEG_COUNT; leg++)
        boot->legs[leg] = (struct policy_interface){
            .device = "net_null0",
            .addr = {addr_of("192.0.2.1"), addr_of("2001:db8::1")},
            .bits = {120, 64},
            .mtu = 1500,
        };
}

static int set_up(void **state)
{
    memset(&whole, 0, sizeof whole);
    struct policy *p = &whole.policy;
    *p = (struct policy){
        .magic = POLICY_MAGIC,
        .version = contract_version,
        .size = sizeof whole,
        .smtp = {.host_name = "mail.example.net", .score_threshold = 1},
        .services_count = 1,
        .backends_count = 1,
        .certificates_count = 1,
        .routes_count = 1,
        .services = {{.name = "smtp", .port = 25}},
        .backends = {{.name = "postfix",
                      .servers_count = 1,
                      .servers = {{addr_of("192.0.2.9"), 25, 1, 0}}}},
        .certificates = {{.certificate_file = "a", .key_file = "b"}},
        .routes = {{.to = prefix_of("0.0.0.0/0"), .via = addr_of("192.0.2.254")}},
    };
    fill_boot(&p->boot);
    for (int i = 0; i < LIMIT_COUNT; i++)
        p->limits[i] = limit_facts((enum limit)i)->value;
    whole.domains[0] = (struct policy_domain){.name = "example.net"};
    whole.domains[1] = (struct policy_domain){.name = "example.org"};
    whole.relay[0] = prefix_of("198.51.100.0/24");
    whole.relay[1] = prefix_of("2001:db8::/32");
    whole.prefixes[0] = (struct policy_class_prefix){prefix_of("::/0"), CLASS_ALLOW};
    whole.prefixes[1] = (struct policy_class_prefix){prefix_of("192.0.2.0/24"), CLASS_DENY};
    whole.prefixes[2] = (struct policy_class_prefix){prefix_of("198.18.0.0/15"), CLASS_NAMED};
    p->classes[CLASS_NAMED] = (struct policy_class){
        .name = "cgnat",
        .own_limits.words[0] = UINT64_C(1) << LIMIT_CONNECTIONS_SOURCE,
        .own_modes.words[0] = UINT64_C(1) << LIMIT_CONNECTIONS_PREFIX,
        .limits = {[LIMIT_CONNECTIONS_SOURCE] = 500},
        .modes = {[LIMIT_CONNECTIONS_PREFIX] = MODE_OFF},
    };
    whole.rules[0] = (struct policy_rule){.name = "r", .parts = 7};
    p->domains = range_of(whole.domains, 2);
    p->relay_networks = range_of(whole.relay, 2);
    p->lenient_networks = range_of(whole.relay, 1);
    p->prefixes = range_of(whole.prefixes, 3);
    p->rules = range_of(whole.rules, 1);
    p->rules_database = range_of(whole.database, 8);
    return 0;
}

// Sound, and not any more after `change`, which is undone.
#define EXPECT_REFUSED(field, change)                                                              \
    do {                                                                                           \
        const char *what_ = "nothing said";                                                        \
        assert_true(policy_is_sound(&whole.policy, sizeof whole, &what_));                         \
        struct whole kept_ = whole;                                                                \
        change;                                                                                    \
        assert_false(policy_is_sound(&whole.policy, sizeof whole, &what_));                        \
        assert_string_equal(what_, field);                                                         \
        whole = kept_;                                                                             \
    } while (0)

static struct policy *const p = &whole.policy;

static void the_header_must_fit_the_bytes(void **state)
{
    EXPECT_REFUSED("header", p->magic ^= 1);
    EXPECT_REFUSED("header", p->version++);
    EXPECT_REFUSED("header", p->size++);
    const char *what;
    assert_false(policy_is_sound(p, sizeof *p - 1, &what));
    assert_false(policy_is_sound(p, sizeof whole - 1, &what));
    assert_false(policy_is_sound(p, 0, &what));
}

static void a_boot_that_cannot_run_is_refused(void **state)
{
    struct policy_interface *leg = &p->boot.legs[LEG_INSIDE];
    EXPECT_REFUSED("boot", leg->device[0] = '\0');
    EXPECT_REFUSED("boot", memset(leg->device, 'x', sizeof leg->device));
    EXPECT_REFUSED("boot", leg->mtu = 1279);
    EXPECT_REFUSED("boot", leg->mtu = 9001);
    EXPECT_REFUSED("boot", leg->vlan = 4095);
    EXPECT_REFUSED("boot", leg->bits[FAMILY_V6] = 129);
    EXPECT_REFUSED("boot", memset(leg->addr, 0, sizeof leg->addr));
    EXPECT_REFUSED("boot", leg->addr[FAMILY_V4] = leg->addr[FAMILY_V6]);
    EXPECT_REFUSED("boot", leg->addr[FAMILY_V6] = leg->addr[FAMILY_V4]);
    EXPECT_REFUSED("boot", p->boot.workers = 0);
    EXPECT_REFUSED("boot", p->boot.workers = WORKERS_MAX + 1);
    EXPECT_REFUSED("boot", p->boot.sources = 65);
    EXPECT_REFUSED("boot", p->boot.sources = 1u << 28);
    EXPECT_REFUSED("boot", memset(p->boot.eal, 'x', sizeof p->boot.eal));
}

static void each_limit_has_its_bounds(void **state)
{
    for (int i = 0; i < LIMIT_COUNT; i++) {
        const struct limit_facts *facts = limit_facts((enum limit)i);
        assert_true(facts->least <= facts->value && facts->value <= facts->most);
        EXPECT_REFUSED("limits", p->limits[i] = facts->least - 1);
        EXPECT_REFUSED("limits", p->limits[i] = facts->most + 1);
    }
}

static void only_limits_that_refuse_have_modes(void **state)
{
    EXPECT_REFUSED("limits", p->modes[LIMIT_CONNECTIONS_SOURCE] = MODE_COUNT);
    for (int i = 0; i < LIMIT_COUNT; i++) {
        const char *what = NULL;
        p->modes[i] = MODE_SHADOW;
        assert_int_equal(policy_is_sound(p, sizeof whole, &what),
                         limit_why_modeless((enum limit)i) == NULL);
        p->modes[i] = MODE_ENFORCE;
    }
}

static void limits_without_a_mode_say_why(void **state)
{
    assert_null(limit_why_modeless(LIMIT_ERRORS_SESSION));
    assert_string_equal(limit_why_modeless(LIMIT_SYN_BURST_SOURCE),
                        "nothing is refused by it alone");
    assert_string_equal(limit_why_modeless(LIMIT_LITERAL_BYTES_LOGIN),
                        "it bounds memory or a wait, and is always enforced");
}

// What is counted by reason, in shadow too, is then known to be the limit's.
static void no_two_limits_refuse_with_one_reason(void **state)
{
    for (int i = 0; i < LIMIT_COUNT; i++)
        for (int k = 0; k < i; k++)
            assert_true(limit_facts((enum limit)i)->reason == REASON_NONE ||
                        limit_facts((enum limit)i)->reason != limit_facts((enum limit)k)->reason);
}

static void a_set_holds_any_limits(void **state)
{
    struct limit_set set = {{0}};
    for (int i = 0; i < LIMIT_COUNT; i += 3)
        limit_set_add(&set, (enum limit)i);
    for (int i = 0; i < LIMIT_COUNT; i++)
        assert_int_equal(limit_set_has(&set, (enum limit)i), i % 3 == 0);
}

static void a_class_has_of_its_own_what_a_class_may_have_within_its_bounds(void **state)
{
    struct policy_class *class = &p->classes[CLASS_NAMED];
    EXPECT_REFUSED("classes", memset(class->name, 'x', sizeof class->name));
    EXPECT_REFUSED("classes", class->name[0] = '\0');
    EXPECT_REFUSED("classes", class->limits[LIMIT_CONNECTIONS_SOURCE] = 0);
    EXPECT_REFUSED("classes", class->modes[LIMIT_CONNECTIONS_PREFIX] = MODE_COUNT);
    EXPECT_REFUSED("classes", limit_set_add(&class->own_limits, LIMIT_QUESTION_MS);
                   class->limits[LIMIT_QUESTION_MS] = 5000);
    EXPECT_REFUSED("classes", class->own_modes.words[1] |= UINT64_C(1) << 63);
    EXPECT_REFUSED("classes", p->classes[CLASS_ALLOW] = *class);
    EXPECT_REFUSED("classes", p->classes[CLASS_DEFAULT] = *class);
}

static void a_class_has_the_default_where_it_has_nothing_of_its_own(void **state)
{
    assert_int_equal(policy_limit(p, CLASS_DEFAULT, LIMIT_CONNECTIONS_SOURCE), 50);
    assert_int_equal(policy_limit(p, CLASS_NAMED, LIMIT_CONNECTIONS_SOURCE), 500);
    p->limits[LIMIT_CONNECTIONS_PREFIX] = 77;
    p->modes[LIMIT_CONNECTIONS_SOURCE] = MODE_SHADOW;
    assert_int_equal(policy_limit(p, CLASS_NAMED, LIMIT_CONNECTIONS_PREFIX), 77);
    assert_int_equal(policy_mode(p, CLASS_NAMED, LIMIT_CONNECTIONS_PREFIX), MODE_OFF);
    assert_int_equal(policy_mode(p, CLASS_DEFAULT, LIMIT_CONNECTIONS_PREFIX), MODE_ENFORCE);
    assert_int_equal(policy_mode(p, CLASS_NAMED, LIMIT_CONNECTIONS_SOURCE), MODE_SHADOW);
}

static void limits_are_found_by_name_in_any_case(void **state)
{
    enum limit limit = LIMIT_COUNT;
    assert_false(limit_find("", &limit));
    assert_false(limit_find("syn_rate", &limit));
    assert_int_equal(limit, LIMIT_COUNT);
    assert_true(limit_find("syn_Rate_source", &limit));
    assert_int_equal(limit, LIMIT_SYN_RATE_SOURCE);
}

static void services_and_backends_must_belong_together(void **state)
{
    EXPECT_REFUSED("services", p->services_count = 0);
    EXPECT_REFUSED("services", p->services_count = SERVICES_MAX + 1);
    EXPECT_REFUSED("services", p->services[0].port = 0);
    EXPECT_REFUSED("services", p->services[0].backend = 1);
    EXPECT_REFUSED("services", p->services[0].protocol = PROTOCOL_IMAP);
    EXPECT_REFUSED("services", p->services[0].submission = 1);
    EXPECT_REFUSED("services", p->services[0].submission = 2);
    EXPECT_REFUSED("services", (p->services[0].tls = TLS_IMPLICIT, p->certificates_count = 0));
    EXPECT_REFUSED("services", memset(p->services[0].name, 'x', sizeof p->services[0].name));
    EXPECT_REFUSED("backends", p->backends_count = BACKENDS_MAX + 1);
    EXPECT_REFUSED("backends", p->backends[0].identity = IDENTITY_COUNT);
    EXPECT_REFUSED("certificates", p->certificates_count = CERTIFICATES_MAX + 1);
    EXPECT_REFUSED("smtp", p->smtp.host_name[0] = '\0');
    EXPECT_REFUSED("smtp", p->smtp.verdicts[0].action = ACTION_COUNT);
    EXPECT_REFUSED("smtp", p->smtp.verdicts[FINDING_COUNT - 1].action = ACTION_SCORE);
    EXPECT_REFUSED("smtp", p->smtp.verdicts[FINDING_SPF_FAIL].points = 1);
    EXPECT_REFUSED("smtp", (p->smtp.verdicts[FINDING_SPF_FAIL] =
                                (struct policy_verdict){ACTION_SCORE, POINTS_MAX + 1}));
    EXPECT_REFUSED("smtp", p->smtp.score_threshold = 0);
    EXPECT_REFUSED("smtp", p->smtp.dnsbl_zones = 1);
    EXPECT_REFUSED("routes", p->routes_count = ROUTES_MAX + 1);
    EXPECT_REFUSED("routes", p->routes[0].leg = LEG_COUNT);
    EXPECT_REFUSED("routes", p->routes[0].to.addr.bytes[15] = 1);
}

static void ranges_stay_inside_the_snapshot(void **state)
{
    struct {
        struct policy_range *range;
        const char *field;
        size_t element;
    } ranges[] = {
        {&p->domains, "domains", sizeof(struct policy_domain)},
        {&p->relay_networks, "relay_networks", sizeof(struct prefix)},
        {&p->lenient_networks, "lenient_networks", sizeof(struct prefix)},
        {&p->prefixes, "prefixes", sizeof(struct policy_class_prefix)},
        {&p->rules, "rules", sizeof(struct policy_rule)},
        {&p->rules_database, "rules", 1},
    };
    for (unsigned i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        struct policy_range *range = ranges[i].range;
        size_t room = (sizeof whole - range->offset) / ranges[i].element;
        EXPECT_REFUSED(ranges[i].field, range->count = (uint32_t)room + 1);
        EXPECT_REFUSED(ranges[i].field, range->count = UINT32_MAX);
        EXPECT_REFUSED(ranges[i].field, range->offset += 1);
        EXPECT_REFUSED(ranges[i].field, range->offset = 0);
        EXPECT_REFUSED(ranges[i].field, range->offset = sizeof whole + 8);
        EXPECT_REFUSED(ranges[i].field, range->offset = UINT64_MAX - 7);
    }
}

static void elements_are_checked_each(void **state)
{
    EXPECT_REFUSED("domains", whole.domains[1].backend = 1);
    EXPECT_REFUSED("domains", whole.domains[0].name[8] = 'z');      // out of order
    EXPECT_REFUSED("domains", whole.domains[1] = whole.domains[0]); // doubled
    EXPECT_REFUSED("domains", whole.domains[0].name[0] = 'E');      // never found
    EXPECT_REFUSED("domains", memset(whole.domains[1].name, 'x', sizeof whole.domains[1].name));
    EXPECT_REFUSED("prefixes", whole.prefixes[0].prefix.bits = 129);
    EXPECT_REFUSED("prefixes", whole.prefixes[0].prefix.addr.bytes[0] = 0x20); // a host bit of ::/0
    EXPECT_REFUSED("prefixes", whole.prefixes[0].class = CLASSES_MAX);
    EXPECT_REFUSED("prefixes", whole.prefixes[0].class = CLASS_NAMED + 1); // no such class
    EXPECT_REFUSED("prefixes", whole.prefixes[0].class = CLASS_DEFAULT);
    EXPECT_REFUSED("rules", whole.rules[0].parts = 8);
    EXPECT_REFUSED("rules", whole.rules[0].action = ACTION_COUNT);
    EXPECT_REFUSED("rules", memset(whole.rules[0].name, 'x', sizeof whole.rules[0].name));
}

static void domains_are_found_in_any_case_and_whole(void **state)
{
    assert_non_null(policy_domain_find(p, span_text("EXAMPLE.net")));
    assert_string_equal(policy_domain_find(p, span_text("example.ORG"))->name, "example.org");
    static const char *const others[] = {
        "", "example.ne", "example.nett", "xexample.net", "example.nft", "a", "z"};
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_null(policy_domain_find(p, span_text(others[i])));
    assert_null(policy_domain_find(p, span_of(NULL, 0)));
    assert_null(policy_domain_find(p, span_of("example.net\0", 12)));
    assert_null(policy_domain_find(p, span_of("example\0net", 11)));
}

static void networks_admit_their_own_family_only(void **state)
{
    struct addr client = addr_of("198.51.100.77");
    assert_true(policy_may_relay(p, &client));
    client = addr_of("198.51.101.77");
    assert_false(policy_may_relay(p, &client));
    client = addr_of("2001:db8:1::1");
    assert_true(policy_may_relay(p, &client));
    assert_false(policy_is_lenient(p, &client)); // that list is the first alone
    client = addr_of("198.51.100.77");
    assert_true(policy_is_lenient(p, &client));
    whole.relay[1] = prefix_of("::/0");
    client = addr_of("203.0.113.1");
    assert_false(policy_may_relay(p, &client));
}

static void any_changed_byte_is_judged_without_harm(void **state)
{
    struct rng rng;
    rng_seed(&rng, 13);
    for (int i = 0; i < 20000; i++) {
        struct whole kept = whole;
        for (unsigned n = (unsigned)rng_below(&rng, 4) + 1; n; n--)
            ((uint8_t *)&whole)[rng_below(&rng, sizeof whole)] = (uint8_t)rng_next(&rng);
        const char *what = NULL;
        if (policy_is_sound(p, sizeof whole, &what))
            (void)policy_domain_find(p, span_text("example.net"));
        else
            assert_non_null(what);
        whole = kept;
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest cases[] = {
        CASE(the_header_must_fit_the_bytes),
        CASE(a_boot_that_cannot_run_is_refused),
        CASE(each_limit_has_its_bounds),
        CASE(only_limits_that_refuse_have_modes),
        CASE(limits_without_a_mode_say_why),
        CASE(no_two_limits_refuse_with_one_reason),
        CASE(a_set_holds_any_limits),
        CASE(a_class_has_of_its_own_what_a_class_may_have_within_its_bounds),
        CASE(a_class_has_the_default_where_it_has_nothing_of_its_own),
        CASE(limits_are_found_by_name_in_any_case),
        CASE(services_and_backends_must_belong_together),
        CASE(ranges_stay_inside_the_snapshot),
        CASE(elements_are_checked_each),
        CASE(domains_are_found_in_any_case_and_whole),
        CASE(networks_admit_their_own_family_only),
        CASE(any_changed_byte_is_judged_without_harm),
    };
    return cmocka_run_group_tests_name("policy", cases, NULL, NULL);
}
