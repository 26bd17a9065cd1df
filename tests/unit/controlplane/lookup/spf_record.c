// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/spf_record.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct addr client;
static char out[256];
static struct spf_names names;

static bool normalised(const char *record)
{
    memset(out, 'x', sizeof out);
    return spf_record_normalise(span_text(record), &client, &names, out, sizeof out);
}

static void assert_becomes(const char *addr, const char *record, const char *want)
{
    assert_true(addr_parse(addr, &client));
    assert_true(normalised(record));
    assert_string_equal(out, want);
}

static void malformed_records_are_errors(void **state)
{
    static const char *const records[] = {
        "v=spf10 -all",
        "v=spf1 -all\t",
        "v=spf1 all:x.example",
        "v=spf1 -al",
        "v=spf1 include",
        "v=spf1 include:",
        "v=spf1 include:example",
        "v=spf1 include:example.1",
        "v=spf1 include:example.-x",
        "v=spf1 include:a.example/24",
        "v=spf1 a:",
        "v=spf1 a/33",
        "v=spf1 a//129",
        "v=spf1 a/",
        "v=spf1 a/01",
        "v=spf1 a//",
        "v=spf1 a/24/64",
        "v=spf1 ip4",
        "v=spf1 ip4:",
        "v=spf1 ip4:1.2.3",
        "v=spf1 ip4:1.2.3.4/33",
        "v=spf1 ip4:1.2.3.4/",
        "v=spf1 ip4:::1",
        "v=spf1 ip6:1.2.3.4",
        "v=spf1 ip6:::1/129",
        "v=spf1 exists",
        "v=spf1 exists:%{x}.example",
        "v=spf1 exists:%{c}.example",
        "v=spf1 exists:%{d0}.example",
        "v=spf1 exists:%{d.example",
        "v=spf1 exists:%a.example",
        "v=spf1 redirect=a.example redirect=b.example",
        "v=spf1 exp=a.example exp=b.example",
        "v=spf1 redirect=",
        "v=spf1 +redirect=a.example",
        "v=spf1 x=%{",
        "v=spf1 a\x80:x.example",
        "v=spf1 --all",
    };
    assert_true(addr_parse("192.0.2.1", &client));
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
        if (normalised(records[i]))
            fail_msg("taken: %s", records[i]);
}

static void error_after_the_deciding_term_is_an_error_still(void **state)
{
    assert_true(addr_parse("192.0.2.1", &client));
    assert_false(normalised("v=spf1 -all nonsense"));
}

static void too_many_terms_are_an_error(void **state)
{
    static char record[SPF_RECORD_MAX];
    size_t at = 6;
    memcpy(record, "v=spf1", 6);
    for (int i = 0; i < SPF_TERMS_MAX + 1; i++, at += 2)
        memcpy(record + at, " a", 2);
    static char room[SPF_RECORD_MAX];
    assert_true(addr_parse("192.0.2.1", &client));
    assert_true(spf_record_normalise(span_of(record, at), &client, &names, room, sizeof room));
    memcpy(record + at, " a", 2);
    assert_false(spf_record_normalise(span_of(record, at + 2), &client, &names, room, sizeof room));
}

static void result_that_does_not_fit_is_an_error(void **state)
{
    char small[16];
    assert_true(addr_parse("192.0.2.1", &client));
    assert_false(spf_record_normalise(span_text("v=spf1 a:x.example"), &client, &names, small,
                                      sizeof small));
    assert_true(spf_record_normalise(span_text("v=spf1 -a"), &client, &names, small, sizeof small));
}

static void version_stands_alone(void **state)
{
    assert_true(spf_record_is(span_text("v=spf1")));
    assert_true(spf_record_is(span_text("V=SPF1 -all")));
    assert_false(spf_record_is(span_text("v=spf1-all")));
    assert_false(spf_record_is(span_text("v=spf")));
    assert_false(spf_record_is(span_text(" v=spf1")));
}

static void address_terms_are_decided_here(void **state)
{
    assert_becomes("192.0.2.1", "v=spf1 ip4:203.0.113.0/24 a -all", "v=spf1 +a -all");
    assert_becomes("192.0.2.1", "v=spf1 ?ip4:192.0.2.0/24 a -all", "v=spf1 ?all");
    assert_becomes("192.0.2.1", "v=spf1 ip4:1.2.3.4/0 -all", "v=spf1 +all");
    assert_becomes("192.0.2.1", "v=spf1 ip6:::/0 -all", "v=spf1 -all");
    assert_becomes("2001:db8::1", "v=spf1 ip4:0.0.0.0/0 ip6:2001:db8::/32 -all", "v=spf1 +all");
}

static void what_does_not_decide_is_left_out(void **state)
{
    assert_becomes("192.0.2.1", "v=spf1  MX  exp=x.example foo=bar  ~ALL a ", "v=spf1 +mx ~all");
    assert_becomes("192.0.2.1", "v=spf1 -all redirect=x.example", "v=spf1 -all");
    assert_becomes("192.0.2.1", "v=spf1 redirect=x.example a", "v=spf1 +a redirect=x.example");
}

static void final_dot_is_left_out(void **state)
{
    assert_becomes("192.0.2.1", "v=spf1 ptr:x.example. a:%{d}.x.example./24 redirect=y.example.",
                   "v=spf1 +ptr:x.example +a:%{d}.x.example/24 redirect=y.example");
}

static void number_that_means_all_parts_is_left_out(void **state)
{
    names = (struct spf_names){
        .sender = span_text("a-b+c@x.example.org"),
        .local_part = span_text("a-b+c"),
        .sender_domain = span_text("x.example.org"),
        .domain = span_text("example.org"),
        .helo = span_text("mail.x.example.org"),
    };
    assert_becomes("192.0.2.1", "v=spf1 a:%{d1}.x a:%{d2}.x a:%{D3r}.x",
                   "v=spf1 +a:%{d1}.x +a:%{d}.x +a:%{Dr}.x");
    assert_becomes("192.0.2.1", "v=spf1 a:%{o2}.x a:%{o3}.x a:%{h3} a:%{h4}",
                   "v=spf1 +a:%{o2}.x +a:%{o}.x +a:%{h3} +a:%{h}");
    assert_becomes("192.0.2.1", "v=spf1 a:%{l1} a:%{l1r-} a:%{l2-+} a:%{l3-+}",
                   "v=spf1 +a:%{l} +a:%{l1r-} +a:%{l2-+} +a:%{l-+}");
    assert_becomes("192.0.2.1", "v=spf1 a:%{s2} a:%{s3} a:%{i3} a:%{i4} a:%{v1} a:%{v1-}",
                   "v=spf1 +a:%{s2} +a:%{s} +a:%{i3} +a:%{i} +a:%{v} +a:%{v1-}");
    assert_becomes("2001:db8::1", "v=spf1 a:%{i31} a:%{i32r} a:%{v1-}",
                   "v=spf1 +a:%{i31} +a:%{ir} +a:%{v-}");
    assert_becomes("192.0.2.1", "v=spf1 redirect=%{d2}", "v=spf1 redirect=%{d}");
}

static void more_parts_than_names_have_are_all_parts(void **state)
{
    assert_becomes("192.0.2.1", "v=spf1 a:%{d129}.%{p128}.x.example",
                   "v=spf1 +a:%{d}.%{p128}.x.example");
    assert_becomes("192.0.2.1", "v=spf1 exists:x.%%%{P99999999999r-}", "v=spf1 +exists:x.%%%{Pr-}");
    assert_becomes("192.0.2.1", "v=spf1 redirect=%{d0200}", "v=spf1 redirect=%{d}");
}

static void prefix_length_of_the_other_family_is_left_out(void **state)
{
    assert_becomes("192.0.2.1", "v=spf1 a/24//64 mx:x.example//64", "v=spf1 +a/24 +mx:x.example");
    assert_becomes("2001:db8::1", "v=spf1 a/24//64 mx:x.example/24", "v=spf1 +a//64 +mx:x.example");
    assert_becomes("192.0.2.1", "v=spf1 a:x.example/0", "v=spf1 +a:\x7fx.example");
    assert_becomes("192.0.2.1", "v=spf1 mx/0", "v=spf1 +mx:\x7f%{d}");
}

static void domains_need_labels_and_a_dot(void **state)
{
    assert_false(spf_record_domain_is_sound(span_text("")));
    assert_false(spf_record_domain_is_sound(span_text("localhost")));
    assert_false(spf_record_domain_is_sound(span_text("[192.0.2.1]")));
    assert_false(spf_record_domain_is_sound(span_text("a..example")));
    assert_false(spf_record_domain_is_sound(span_text("a b.example")));
    assert_true(spf_record_domain_is_sound(span_text("a.example")));
    assert_true(spf_record_domain_is_sound(span_text("a.example.")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_records_are_errors),
        cmocka_unit_test(error_after_the_deciding_term_is_an_error_still),
        cmocka_unit_test(too_many_terms_are_an_error),
        cmocka_unit_test(result_that_does_not_fit_is_an_error),
        cmocka_unit_test(version_stands_alone),
        cmocka_unit_test(address_terms_are_decided_here),
        cmocka_unit_test(what_does_not_decide_is_left_out),
        cmocka_unit_test(final_dot_is_left_out),
        cmocka_unit_test(number_that_means_all_parts_is_left_out),
        cmocka_unit_test(more_parts_than_names_have_are_all_parts),
        cmocka_unit_test(prefix_length_of_the_other_family_is_left_out),
        cmocka_unit_test(domains_need_labels_and_a_dot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
