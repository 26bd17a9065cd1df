// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_martians.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct config *config;

static int setup(void **state)
{
    config = config_new();
    return 0;
}

static int teardown(void **state)
{
    config_free(config);
    return 0;
}

static bool is_martian(const char *text)
{
    struct addr addr;
    assert_true(addr_parse(text, &addr));
    const struct config_prefixes *list = &config->lists[CLASS_MARTIAN];
    for (uint32_t i = 0; i < list->count; i++)
        if (prefix_contains(&list->items[i], &addr))
            return true;
    return false;
}

static void outside_is(const char *text, enum family_index family, uint8_t bits)
{
    assert_true(addr_parse(text, &config->head.boot.legs[0].addr[family]));
    config->head.boot.legs[0].bits[family] = bits;
}

static void special_purpose_prefixes_are_martian(void **state)
{
    static const char *const special[] = {
        "10.0.0.0",   "10.255.255.255", "100.64.0.1",      "100.127.255.255", "169.254.1.1",
        "172.16.0.1", "172.31.255.255", "192.0.0.1",       "192.0.2.1",       "192.168.255.1",
        "198.18.0.1", "198.19.255.255", "198.51.100.7",    "203.0.113.255",   "64:ff9b:1::1",
        "100::1",     "2001:2::1",      "2001:db8::1",     "3fff:fff::1",     "5f00::1",
        "fc00::1",    "fdff::1",        "2001:1f:ffff::1",
    };
    config_martians_default(config);
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
        if (!is_martian(special[i]))
            fail_msg("%s is no martian", special[i]);
}

static void the_internet_is_not(void **state)
{
    static const char *const global[] = {
        "9.255.255.255", "11.0.0.1",   "100.63.255.255", "100.128.0.0", "172.15.1.1",
        "172.32.0.0",    "192.0.1.1",  "192.167.1.1",    "198.17.0.0",  "198.20.0.0",
        "203.0.114.0",   "8.8.8.8",    "2001:470::1",    "2a00::1",     "2600::1",
        "2002:c000::1",  "64:ff9b::1", "2003::1",        "2001:3::1",   "4000::1",
    };
    config_martians_default(config);
    for (size_t i = 0; i < sizeof global / sizeof global[0]; i++)
        if (is_martian(global[i]))
            fail_msg("%s is a martian", global[i]);
}

static void our_own_networks_are_not(void **state)
{
    outside_is("10.7.0.1", FAMILY_V4, ADDR_V4_BITS + 24);
    outside_is("2001:db8:1::1", FAMILY_V6, 64);
    struct prefix relay;
    assert_true(prefix_parse("172.0.0.0/8", &relay)); // holds a special one
    assert_int_equal(config_prefixes_append(&config->relay_networks, &relay), 0);
    config_martians_default(config);
    assert_false(is_martian("10.200.0.1"));
    assert_false(is_martian("2001:db8:2::1"));
    assert_false(is_martian("172.16.0.1"));
    assert_true(is_martian("192.168.0.1"));
    assert_true(is_martian("fc00::1"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(special_purpose_prefixes_are_martian),
        TEST(the_internet_is_not),
        TEST(our_own_networks_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
