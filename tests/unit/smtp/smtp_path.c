// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp_path.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum smtp_path_result parse(const char *text, struct smtp_path *path, struct span *rest)
{
    return smtp_path_parse(span_text(text), path, rest);
}

static void malformed_paths_are_refused(void **unused)
{
    static const char *const bad[] = {
        "",
        "<",
        ">",
        "alice@example.net",
        "<alice@example.net",
        "<alice>",
        "<@>",
        "<alice@>",
        "<@example.net>",
        "<alice@example.net.>",
        "<alice@.example.net>",
        "<alice@example..net>",
        "<alice@-example.net>",
        "<alice@example-.net>",
        "<alice@exa mple.net>",
        "<ali ce@example.net>",
        "< alice@example.net>",
        "<alice@example.net >",
        "<.alice@example.net>",
        "<alice.@example.net>",
        "<al..ice@example.net>",
        "<alice@bob@example.net>",
        "<alice@example.net@bob>",
        "<al<ice@example.net>",
        "<al>ice@example.net>",
        "<al(c)ice@example.net>",
        "<al,ice@example.net>",
        "<al:ice@example.net>",
        "<al;ice@example.net>",
        "<al\\ice@example.net>",
        "<\"alice@example.net>",
        "<\"al\"ice@example.net>",
        "<\"al\\\"@example.net>",
        "<\"alice\">",
        "<\"postmaster\">",
        "<alice@[192.0.2.1>",
        "<alice@[192.0.2.256]>",
        "<alice@[192.0.2.1]x>",
        "<alice@[2001:db8::1]>",
        "<alice@[IPv6:192.0.2.1]>",
        "<alice@[IPv6:2001:db8::g]>",
        "<alice@[]>",
        "<alice@[IPv6:]>",
        "<alice@[x-tag:data]>",
        "<al\tice@example.net>",
        "<\"al\tice\"@example.net>",
        "<al\x7fice@example.net>",
        "<al\xc0\xafice@example.net>",     // overlong
        "<al\xed\xa0\x80ice@example.net>", // a surrogate
        "<al\xf4\x90\x80\x80ice@example.net>",
        "<al\xc3@example.net>",
        "<al\x80@example.net>",
        "<alice@ex\xff.net>",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct smtp_path path;
        struct span rest;
        if (parse(bad[i], &path, &rest) == PATH_OK)
            fail_msg("accepted: %s", bad[i]);
    }
}

static void source_routes_are_told_apart(void **unused)
{
    struct smtp_path path;
    struct span rest;
    assert_int_equal(parse("<@a.example:alice@example.net>", &path, &rest), PATH_SOURCE_ROUTE);
    assert_int_equal(parse("<@a.example,@b.example:alice@example.net>", &path, &rest),
                     PATH_SOURCE_ROUTE);
}

static void lengths_have_limits(void **unused)
{
    char text[512];
    struct smtp_path path;
    struct span rest;
    for (int over = -1; over <= 1; over++) {
        memset(text, 'a', sizeof text);
        text[0] = '<';
        size_t local = (size_t)(64 + over);
        memcpy(text + 1 + local, "@b.example>", 11);
        enum smtp_path_result result = smtp_path_parse(span_of(text, 1 + local + 11), &path, &rest);
        assert_int_equal(result, over <= 0 ? PATH_OK : PATH_MALFORMED);
    }
    for (int over = -1; over <= 1; over++) { // a label
        memset(text, 'a', sizeof text);
        memcpy(text, "<b@", 3);
        size_t label = (size_t)(63 + over);
        text[3 + label] = '>';
        enum smtp_path_result result = smtp_path_parse(span_of(text, 4 + label), &path, &rest);
        assert_int_equal(result, over <= 0 ? PATH_OK : PATH_MALFORMED);
    }
    for (int over = -1; over <= 1; over++) { // the domain
        memset(text, 'a', sizeof text);
        memcpy(text, "<b@", 3);
        size_t domain = (size_t)(255 + over);
        for (size_t dot = 50; dot < domain - 1; dot += 50)
            text[3 + dot] = '.';
        text[3 + domain] = '>';
        enum smtp_path_result result = smtp_path_parse(span_of(text, 4 + domain), &path, &rest);
        assert_int_equal(result, over <= 0 ? PATH_OK : PATH_MALFORMED);
    }
}

struct good {
    const char *text, *local, *domain, *rest;
};

static void good_paths_are_taken_apart(void **unused)
{
    static const struct good good[] = {
        {"<>", "", "", ""},
        {"<> SIZE=1", "", "", " SIZE=1"},
        {"<alice@example.net>", "alice", "example.net", ""},
        {"<Alice@EXAMPLE.net> BODY=7BIT", "Alice", "EXAMPLE.net", " BODY=7BIT"},
        {"<a.b-c_d+e!f%g@x_y.example>", "a.b-c_d+e!f%g", "x_y.example", ""},
        {"<\"alice bob\"@example.net>", "\"alice bob\"", "example.net", ""},
        {"<\"a@b\"@example.net>", "\"a@b\"", "example.net", ""},
        {"<\"a\\\"b>\"@example.net>", "\"a\\\"b>\"", "example.net", ""},
        {"<\"\"@example.net>", "\"\"", "example.net", ""},
        {"<alice@[192.0.2.1]>", "alice", "[192.0.2.1]", ""},
        {"<alice@[IPv6:2001:db8::1]>", "alice", "[IPv6:2001:db8::1]", ""},
        {"<postmaster>", "postmaster", "", ""},
        {"<PostMaster>", "PostMaster", "", ""},
        {"<al\xc3\xa9@ex\xc3\xa4mple.net>", "al\xc3\xa9", "ex\xc3\xa4mple.net", ""},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        struct smtp_path path;
        struct span rest;
        assert_int_equal(parse(good[i].text, &path, &rest), PATH_OK);
        assert_true(span_equal(path.local, span_text(good[i].local)));
        assert_true(span_equal(path.domain, span_text(good[i].domain)));
        assert_true(span_equal(rest, span_text(good[i].rest)));
        assert_int_equal(path.text.size,
                         path.local.size + path.domain.size + (path.domain.size ? 1 : 0));
        assert_int_equal(path.quoted, good[i].local[0] == '"');
        assert_int_equal(path.literal, good[i].domain[0] == '[');
    }
}

static void utf8_is_noticed_in_both_parts(void **unused)
{
    struct smtp_path path;
    struct span rest;
    assert_int_equal(parse("<al\xc3\xa9@example.net>", &path, &rest), PATH_OK);
    assert_true(path.utf8);
    assert_int_equal(parse("<alice@ex\xc3\xa4mple.net>", &path, &rest), PATH_OK);
    assert_true(path.utf8);
    assert_int_equal(parse("<\"\xc3\xa9\"@example.net>", &path, &rest), PATH_OK);
    assert_true(path.utf8);
    assert_int_equal(parse("<alice@example.net>", &path, &rest), PATH_OK);
    assert_false(path.utf8);
}

static void routing_local_parts_are_noticed(void **unused)
{
    static const char *const routed[] = {"<a%b@example.net>",        "<b!a@example.net>",
                                         "<\"a@b\"@example.net>",    "<\"@b:a\"@example.net>",
                                         "<\"a%b\"@example.net>",    "<\"b!a\"@example.net>",
                                         "<\"@b,@c:\"@example.net>", "<a％b@example.net>",
                                         "<b！a@example.net>",       "<a﹫b@example.net>"};
    struct smtp_path path;
    struct span rest;
    for (size_t i = 0; i < COUNT(routed); i++) {
        assert_int_equal(parse(routed[i], &path, &rest), PATH_OK);
        assert_true(smtp_path_is_routed(&path));
    }
    assert_int_equal(parse("<a+b=ü…ｃ@example.net>", &path, &rest), PATH_OK);
    assert_false(smtp_path_is_routed(&path));
}

static void postmaster_needs_no_domain(void **unused)
{
    struct smtp_path path;
    struct span rest;
    assert_int_equal(parse("<postMASTER>", &path, &rest), PATH_OK);
    assert_true(smtp_path_is_postmaster(&path));
    assert_int_equal(parse("<Postmaster@example.net>", &path, &rest), PATH_OK);
    assert_true(smtp_path_is_postmaster(&path));
    assert_int_equal(parse("<postmaster+x@example.net>", &path, &rest), PATH_OK);
    assert_false(smtp_path_is_postmaster(&path));
    assert_int_equal(parse("<>", &path, &rest), PATH_OK);
    assert_false(smtp_path_is_postmaster(&path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_paths_are_refused),
        cmocka_unit_test(source_routes_are_told_apart),
        cmocka_unit_test(lengths_have_limits),
        cmocka_unit_test(good_paths_are_taken_apart),
        cmocka_unit_test(utf8_is_noticed_in_both_parts),
        cmocka_unit_test(routing_local_parts_are_noticed),
        cmocka_unit_test(postmaster_needs_no_domain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
