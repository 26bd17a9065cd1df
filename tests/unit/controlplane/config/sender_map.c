// SPDX-License-Identifier: BSD-3-Clause
#include "config/sender_map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct config_errors errors;

static int parse(const char *text, struct sender_map **ret_map)
{
    errors = (struct config_errors){0};
    return sender_map_parse("senders", span_text(text), MAP_SENDERS, ret_map, &errors);
}

static void assert_entry(const struct sender_map *map, uint32_t i, const char *want)
{
    const struct policy_sender *e = &map->entries[i];
    char text[128];
    snprintf(text, sizeof text, "%.*s %.*s", e->sender_size, map->texts + e->text, e->login_size,
             map->texts + e->text + e->sender_size);
    assert_string_equal(text, want);
}

static void bad_lines_are_told_by_number_and_nothing_is_taken(void **state)
{
    static const char *const lines[] = {
        "alice@example.net",  "alice: bob",   "alice@: bob", "@: bob",
        "a@b@c: bob",         "\"a\"@b: bob", "a b@c: bob",  ": bob",
        "alice@example.net:", "a@b: bob,",    "a@b: ,bob",   "a@b: bo b",
        "a@b: bob, b\x01",
    };
    struct sender_map *map = NULL;
    char text[128];
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        snprintf(text, sizeof text, "a@b: good\n# a@b\n%s\n", lines[i]);
        assert_int_equal(parse(text, &map), -EINVAL);
        assert_null(map);
        assert_int_equal(errors.count, 1);
        assert_non_null(strstr(errors.text, "senders:3:1: expected "));
    }
}

static void a_mailbox_map_has_logins_without_a_domain_too(void **state)
{
    struct sender_map *map;
    struct span text = span_text("Bob: Dovecot-2, pop\n@example.org: dovecot-3\n");
    errors = (struct config_errors){0};
    assert_int_equal(
        sender_map_parse("map", span_text("a b: dovecot"), MAP_MAILBOXES, &map, &errors), -EINVAL);
    assert_non_null(strstr(errors.text, "map:1:1: expected a login or @DOMAIN"));
    assert_int_equal(sender_map_parse("map", text, MAP_MAILBOXES, &map, &errors), 0);
    assert_int_equal(map->count, 3);
    assert_entry(map, 0, "@example.org dovecot-3");
    assert_entry(map, 1, "bob dovecot-2");
    assert_entry(map, 2, "bob pop");
    sender_map_give(map);
}

static void names_end_at_their_limits(void **state)
{
    char text[MAIL_ADDRESS_MAX + USER_NAME_MAX + 16];
    struct sender_map *map;
    for (int more = 0; more < 3; more++) {
        int sender = MAIL_ADDRESS_MAX + (more == 1), login = USER_NAME_MAX + (more == 2);
        memset(text, 'x', sizeof text);
        text[1] = '@';
        text[sender] = ':';
        text[sender + 1 + login] = '\0';
        assert_int_equal(parse(text, &map), more ? -EINVAL : 0);
        if (more == 0)
            sender_map_give(map);
    }
}

static void a_file_that_is_not_there_is_told(void **state)
{
    struct sender_map *map;
    errors = (struct config_errors){0};
    assert_int_equal(sender_map_read("/nowhere", MAP_SENDERS, &map, &errors), -ENOENT);
    assert_non_null(strstr(errors.text, "/nowhere: cannot be read: No such file"));
}

static void entries_are_sorted_single_and_in_lower_case(void **state)
{
    struct sender_map *map;
    assert_int_equal(parse("# who may send as whom\n\n"
                           "Sales@Example.net: Bob@example.net , alice@example.net\r\n"
                           "  @example.org:alice@example.net\n"
                           "sales@example.net: alice@example.net",
                           &map),
                     0);
    assert_int_equal(map->count, 3);
    assert_entry(map, 0, "@example.org alice@example.net");
    assert_entry(map, 1, "sales@example.net alice@example.net");
    assert_entry(map, 2, "sales@example.net bob@example.net");
    struct sender_map *other = sender_map_share(map);
    sender_map_give(map);
    sender_map_give(other);
    assert_int_equal(parse("", &map), 0);
    assert_int_equal(map->count, 0);
    sender_map_give(map);
    assert_null(sender_map_share(NULL));
}

static void a_million_lines_are_taken(void **state)
{
    enum { LINES = 1 << 20, LINE = 50 };
    char *text = malloc((size_t)LINES * LINE + 1);
    struct sender_map *map;
    assert_non_null(text);
    for (unsigned i = 0; i < LINES; i++)
        snprintf(text + (size_t)i * LINE, LINE + 1, "user%07u@example.net: login%07u@example.net\n",
                 i * 7919 % LINES, i);
    assert_int_equal(parse(text, &map), 0);
    free(text);
    assert_int_equal(map->count, LINES);
    assert_entry(map, 0, "user0000000@example.net login0000000@example.net");
    sender_map_give(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_lines_are_told_by_number_and_nothing_is_taken),
        cmocka_unit_test(a_mailbox_map_has_logins_without_a_domain_too),
        cmocka_unit_test(names_end_at_their_limits),
        cmocka_unit_test(a_file_that_is_not_there_is_told),
        cmocka_unit_test(entries_are_sorted_single_and_in_lower_case),
        cmocka_unit_test(a_million_lines_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
