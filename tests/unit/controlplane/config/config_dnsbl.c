// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_dnsbl.h"

#include "section_read.h"

static bool reads(const char *text)
{
    static const struct config_key root = {.read = config_schema_mapping,
                                           .keys = config_dnsbl_keys};
    return section_reads(&root, 0, text);
}

static void assert_refused(const char *text, const char *want)
{
    assert_false(reads(text));
    section_assert_said(want);
}

static void wrong_entries_are_refused(void **state)
{
    assert_refused("zones: [{weight: 1}]", "zones[0].zone: missing");
    assert_refused("zones: [{zone: 'a b'}]", "zones[0].zone: expected a host name, not \"a b\"");
    assert_refused("zones: [{zone: a.example, replies: 127.0.0.*}]",
                   "zones[0].replies: expected a pattern of replies");
    assert_refused("zones: [{zone: a.example, weight: 0}]", "zones[0].weight: expected a number");
    assert_refused("zones: [{zone: a.example, weight: 101}]", "expected a number from -100 to 100");
    assert_refused("zones: [{zone: a.example, weight: --1}]", "zones[0].weight: expected a number");
    assert_refused("threshold: 0", "threshold: expected a number from 1 to 1600");
    assert_refused("listed: drop", "listed: expected tag, defer, reject, shadow, off, or points");
}

static void name_that_leaves_no_room_for_an_address_is_refused(void **state)
{
    char text[256];
    snprintf(text, sizeof text, "zones: [{zone: %0*d}]", CONFIG_DNSBL_ZONE_SIZE - 1, 0);
    assert_true(reads(text));
    snprintf(text, sizeof text, "zones: [{zone: %0*d}]", CONFIG_DNSBL_ZONE_SIZE, 0);
    assert_false(reads(text));
}

static void add(char *text, size_t size)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "- {zone: a.example}\n");
}

static void seventeenth_entry_is_refused(void **state)
{
    char text[1024] = "zones:\n";
    for (int i = 0; i < CONFIG_DNSBL_MAX; i++)
        add(text, sizeof text);
    assert_true(reads(text));
    assert_int_equal(config->head.smtp.dnsbl_zones, CONFIG_DNSBL_MAX);
    add(text, sizeof text);
    assert_refused(text, "more than 16 items");
}

static void entry_has_its_defaults(void **state)
{
    struct addr reply, refused;
    assert_true(reads("zones: [{zone: Zen.Example.}]"));
    const struct config_dnsbl *entry = &config->dnsbl[0];
    assert_string_equal(entry->zone, "zen.example");
    assert_int_equal(entry->weight, 1);
    assert_int_equal(config->head.smtp.dnsbl_threshold, 1);
    assert_int_equal(config->head.smtp.verdicts[FINDING_DNSBL_LISTED].action, ACTION_TAG);
    assert_true(addr_parse("127.0.0.2", &reply) && addr_parse("127.255.255.254", &refused));
    assert_true(addr_pattern_holds(&entry->replies, &reply));
    assert_false(addr_pattern_holds(&entry->replies, &refused));
}

static void entries_are_read(void **state)
{
    assert_true(reads("threshold: 5\n"
                      "listed: reject\n"
                      "zones:\n"
                      "- {zone: zen.example, replies: '127.0.0.[2..11]', weight: 5}\n"
                      "- {zone: allow.example, replies: '127.0.[0..255].[1..3]', weight: -4}\n"));
    assert_int_equal(config->head.smtp.dnsbl_zones, 2);
    assert_int_equal(config->head.smtp.dnsbl_threshold, 5);
    assert_int_equal(config->head.smtp.verdicts[FINDING_DNSBL_LISTED].action, ACTION_REJECT);
    assert_int_equal(config->dnsbl[1].weight, -4);
}

static int stop(void **state)
{
    config_free(config);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_entries_are_refused),
        cmocka_unit_test(name_that_leaves_no_room_for_an_address_is_refused),
        cmocka_unit_test(seventeenth_entry_is_refused),
        cmocka_unit_test(entry_has_its_defaults),
        cmocka_unit_test(entries_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, stop);
}
