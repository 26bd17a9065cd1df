// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_schema.h"

#include "config/config_field.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ENTRIES_MAX = 3 };

struct thing {
    char name[16];
    uint32_t size, order_size;
    unsigned entries, items;
    struct {
        bool wide;
    } inner;
};

static char file[] = "/tmp/weir-schema-XXXXXX";
static struct config_errors errors;
static struct thing thing;
static unsigned reads; // of keys, to tell their order

static void read_size(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                      void *at)
{
    config_field_number(r, node, key, at);
    thing.order_size = ++reads;
}

static void count_one(struct config_reader *r, yaml_node_t *name, yaml_node_t *value, void *arg)
{
    if (config_schema_text(r, value, "a word"))
        ++*(unsigned *)arg;
}

static void read_entries(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                         void *at)
{
    reads++;
    config_schema_entries(r, node, ENTRIES_MAX, count_one, at);
}

static void read_items(struct config_reader *r, yaml_node_t *node, const struct config_key *key,
                       void *at)
{
    config_schema_items(r, node, ENTRIES_MAX, count_one, at);
}

static const struct config_key inner_keys[] = {
    {"wide", config_field_bool, CONFIG_FIELD(thing, inner.wide)},
    {NULL},
};
static const struct config_key thing_keys[] = {
    {"name", config_field_text, CONFIG_FIELD(thing, name), .required = true},
    {"size", read_size, CONFIG_FIELD(thing, size), .most = 9},
    {"entries", read_entries, CONFIG_FIELD(thing, entries)},
    {"items", read_items, CONFIG_FIELD(thing, items)},
    {"inner", config_schema_mapping, .keys = inner_keys},
    {NULL},
};
static const struct config_key root = {.read = config_schema_mapping, .keys = thing_keys};

static int load(const char *yaml, size_t size)
{
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    fwrite(yaml, 1, size, stream);
    fclose(stream);
    errors = (struct config_errors){0};
    thing = (struct thing){0};
    reads = 0;
    return config_schema_load(file, &root, &thing, NULL, &errors);
}

static void assert_refused(const char *yaml, const char *want)
{
    char line[512];
    assert_int_equal(load(yaml, strlen(yaml)), -EINVAL);
    snprintf(line, sizeof line, "%s:%s", file, want);
    assert_int_equal(errors.count, 1);
    assert_string_equal(errors.text, line);
}

static void file_that_cannot_be_read_is_named(void **state)
{
    errors = (struct config_errors){0};
    assert_int_equal(config_schema_load("/nowhere/x", &root, &thing, NULL, &errors), -ENOENT);
    assert_string_equal(errors.text, "/nowhere/x: cannot be read: No such file or directory\n");
}

static void what_is_not_one_document_is_refused(void **state)
{
    assert_refused("", " empty\n");
    assert_refused("# nothing\n", " empty\n");
    assert_refused("name: a\n--- \nname: b\n", "3:1: expected one document, this is a second\n");
    assert_int_equal(load("name: [a\n", 9), -EINVAL);
    assert_non_null(strstr(errors.text, ": not YAML: "));
    assert_int_equal(load("name: \xff\n", 8), -EINVAL);
    assert_non_null(strstr(errors.text, ": not YAML: "));
}

static void other_kinds_of_value_are_named(void **state)
{
    assert_refused("word", "1:1: expected a mapping, not \"word\"\n");
    assert_refused("[a]", "1:1: expected a mapping, not a list\n");
    assert_refused("{name: a, inner: [a]}", "1:18: inner: expected a mapping, not a list\n");
    assert_refused("{name: a, entries: [a]}", "1:20: entries: expected a mapping, not a list\n");
    assert_refused("{name: a, items: {a: b}}", "1:18: items: expected a list, not a mapping\n");
    assert_refused("{name: a, items: [[]]}", "1:19: items[0]: expected a word, not a list\n");
}

static void unknown_doubled_and_missing_keys_are_refused(void **state)
{
    assert_refused("{name: a, colour: red}",
                   "1:11: colour: unknown key, expected one of: name, size, entries, items, "
                   "inner\n");
    assert_refused("{name: a, [b]: c}",
                   "1:11: ?: unknown key, expected one of: name, size, entries, items, inner\n");
    assert_refused("{name: a, inner: {tall: true}}",
                   "1:19: inner.tall: unknown key, expected one of: wide\n");
    assert_refused("{name: a, name: b}", "1:11: name: given twice\n");
    assert_refused("{name: a, entries: {x: y, x: z}}", "1:27: entries.x: given twice\n");
    assert_refused("{size: 1}", "1:1: name: missing\n");
}

static void entries_and_items_have_their_limit(void **state)
{
    const char *full = "{name: a, entries: {a: a, b: b, c: c}, items: [a, b, c]}";
    assert_int_equal(load(full, strlen(full)), 0);
    assert_int_equal(thing.entries, ENTRIES_MAX);
    assert_int_equal(thing.items, ENTRIES_MAX);
    assert_refused("{name: a, entries: {a: a, b: b, c: c, d: d}}",
                   "1:39: entries: more than 3 entries\n");
    assert_refused("{name: a, items: [a, b, c, d]}", "1:28: items: more than 3 items\n");
}

static void foreign_text_in_messages_is_cut_and_harmless(void **state)
{
    char yaml[600] = "\"\\e[1m";
    memset(yaml + 6, 'k', 500);
    memcpy(yaml + 506, "\": v\nname: a\n", 14);
    assert_int_equal(load(yaml, strlen(yaml)), -EINVAL);
    assert_null(strchr(errors.text, '\x1b'));
    assert_null(
        strstr(errors.text, "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"));
}

static void reading_goes_on_after_an_error(void **state)
{
    const char *yaml = "{name: a, size: 10, inner: {wide: maybe}, items: [b]}";
    assert_int_equal(load(yaml, strlen(yaml)), -EINVAL);
    assert_int_equal(errors.count, 2);
    assert_int_equal(thing.items, 1);
}

static void keys_are_read_in_the_order_of_the_table(void **state)
{
    const char *yaml = "entries: {a: a}\nsize: 5\ninner: {wide: true}\nname: last\n";
    assert_int_equal(load(yaml, strlen(yaml)), 0);
    assert_int_equal(errors.count, 0);
    assert_int_equal(thing.order_size, 1);
    assert_int_equal(reads, 2);
    assert_int_equal(thing.size, 5);
    assert_true(thing.inner.wide);
    assert_string_equal(thing.name, "last");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_that_cannot_be_read_is_named),
        cmocka_unit_test(what_is_not_one_document_is_refused),
        cmocka_unit_test(other_kinds_of_value_are_named),
        cmocka_unit_test(unknown_doubled_and_missing_keys_are_refused),
        cmocka_unit_test(entries_and_items_have_their_limit),
        cmocka_unit_test(foreign_text_in_messages_is_cut_and_harmless),
        cmocka_unit_test(reading_goes_on_after_an_error),
        cmocka_unit_test(keys_are_read_in_the_order_of_the_table),
    };
    close(mkstemp(file));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}
