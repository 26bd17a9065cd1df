// SPDX-License-Identifier: BSD-3-Clause
/* Each reader by way of a file of one value, as config_schema calls it. */
#include "config/config_field.h"

#include "base/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char file[] = "/tmp/weir-field-XXXXXX";
static struct config_errors errors;
static union {
    uint64_t u64;
    uint32_t u32;
    uint16_t u16;
    uint8_t u8;
    bool flag;
    char text[9];
    char server[64];
    char path[32];
    struct addr addr;
    struct prefix prefix;
    unsigned char bytes[64];
} value, untouched;

// Reads `yaml` as one value of that key, over a pattern that shows what was not written.
static bool reads(const struct config_key *key, const char *yaml)
{
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    fputs(yaml, stream);
    fclose(stream);
    errors = (struct config_errors){0};
    memset(&untouched, 0xa5, sizeof untouched);
    value = untouched;
    return config_schema_load(file, key, &value, NULL, &errors) == 0;
}

static void assert_refused(const struct config_key *key, const char *yaml, const char *expected)
{
    if (reads(key, yaml))
        fail_msg("taken: %s", yaml);
    assert_int_equal(errors.count, 1);
    if (!strstr(errors.text, expected))
        fail_msg("%s: %s", yaml, errors.text);
    assert_memory_equal(&value, &untouched, sizeof value);
}

static void text_keeps_to_printable_bytes_and_its_size(void **state)
{
    static const struct config_key key = {
        .read = config_field_text, .size = sizeof value.text, .least = 2};
    const char *expected = "expected printable ASCII text of 2 to 8 bytes";
    assert_refused(&key, "a", expected);
    assert_refused(&key, "123456789", expected);
    assert_refused(&key, "\"a\\nb\"", expected);
    assert_refused(&key, "\"a\\0b\"", expected);
    assert_refused(&key, "f\xc3\xbcr", expected);
    assert_refused(&key, "[ab]", expected);
    assert_refused(&key, "{a: b}", expected);
    assert_true(reads(&key, "ab"));
    assert_string_equal(value.text, "ab");
    assert_true(reads(&key, "12345678"));
    assert_string_equal(value.text, "12345678");
}

static void path_too_long_with_its_directory_is_refused(void **state)
{
    static const struct config_key key = {.read = config_field_path, .size = sizeof value.path};
    assert_refused(&key, "123456789012345678901234567", "expected a path of at most 31 bytes");
    assert_true(reads(&key, "12345678901234567890123456"));
    assert_string_equal(value.path, "/tmp/12345678901234567890123456");
    assert_true(reads(&key, "/etc/weir"));
    assert_string_equal(value.path, "/etc/weir");
    assert_true(reads(&key, "''"));
    assert_string_equal(value.path, "");
}

static void number_is_decimal_and_within_its_bounds(void **state)
{
    static const struct config_key key = {
        .read = config_field_number, .size = sizeof value.u16, .least = 10, .most = 300};
    static const char *const bad[] = {"9",
                                      "301",
                                      "-10",
                                      "0x20",
                                      "1e2",
                                      "10.0",
                                      "''",
                                      "~",
                                      "[1]",
                                      "'11 '",
                                      "18446744073709551626"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(&key, bad[i], "expected a number from 10 to 300");
    assert_true(reads(&key, "10"));
    assert_int_equal(value.u16, 10);
    assert_true(reads(&key, "300"));
    assert_int_equal(value.u16, 300);
}

static void number_is_written_in_its_own_size_only(void **state)
{
    for (size_t size = 1; size <= 8; size *= 2) {
        const struct config_key key = {.read = config_field_number, .size = size, .most = 255};
        assert_true(reads(&key, "255"));
        uint64_t got = size == 1   ? value.u8
                       : size == 2 ? value.u16
                       : size == 4 ? value.u32
                                   : value.u64;
        assert_int_equal(got, 255);
        assert_memory_equal(value.bytes + size, untouched.bytes + size, sizeof value - size);
    }
}

static void bool_is_true_or_false_and_no_other_word(void **state)
{
    static const struct config_key key = {.read = config_field_bool, .size = sizeof value.flag};
    static const char *const bad[] = {"yes", "no", "True", "1", "''", "[true]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(&key, bad[i], "expected true or false");
    assert_true(reads(&key, "true"));
    assert_true(value.flag);
    assert_true(reads(&key, "false"));
    assert_false(value.flag);
}

static void choice_is_one_of_the_words(void **state)
{
    static const char *const words[] = {"off", "starttls", "implicit", NULL};
    static const struct config_key key = {
        .read = config_field_choice, .size = sizeof value.u8, .choices = words};
    static const char *const bad[] = {"Off", "of", "offf", "''", "0", "[off]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(&key, bad[i], "expected off, starttls or implicit");
    assert_true(reads(&key, "implicit"));
    assert_int_equal(value.u8, 2);
}

static void addr_is_one_address_and_not_the_zero_one(void **state)
{
    static const struct config_key key = {.read = config_field_addr, .size = sizeof value.addr};
    static const char *const bad[] = {"192.0.2",     "192.0.2.256", "192.0.2.1/24", "example.net",
                                      "2001:db8::g", "'::'",        "''",           "[192.0.2.1]"};
    struct addr want;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(&key, bad[i], "expected an IPv4 or IPv6 address");
    assert_true(addr_parse("2001:db8::1", &want));
    assert_true(reads(&key, "2001:db8::1"));
    assert_true(addr_equal(&value.addr, &want));
}

static void prefix_has_no_host_bits(void **state)
{
    static const struct config_key key = {.read = config_field_prefix, .size = sizeof value.prefix};
    static const char *const bad[] = {"192.0.2.1/24",
                                      "192.0.2.0/33",
                                      "192.0.2.0/-1",
                                      "2001:db8::1/32",
                                      "2001:db8::/129",
                                      "/24",
                                      "''"};
    struct prefix want;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(&key, bad[i], "expected a prefix such as 192.0.2.0/24 or 2001:db8::/32");
    assert_true(prefix_parse("192.0.2.0/24", &want));
    assert_true(reads(&key, "192.0.2.0/24"));
    assert_true(prefix_equal(&value.prefix, &want));
}

static void server_is_an_address_with_its_port(void **state)
{
    static const struct config_key key = {.read = config_field_server, .size = sizeof value.server};
    static const char *const bad[] = {
        "127.0.0.1",        "localhost:53", "127.0.0.1:", "127.0.0.1:65536", "'::1:53'",
        "'[127.0.0.1]:53'", "'[::1:53'",    "'[]:53'",    "127.0.0.1:53x"};
    static const char *const good[] = {"127.0.0.1:53", "[::1]:65535", "192.0.2.1:0", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(&key, bad[i], "expected ADDRESS:PORT or [IPV6-ADDRESS]:PORT");
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char yaml[32];
        snprintf(yaml, sizeof yaml, "'%s'", good[i]);
        assert_true(reads(&key, yaml));
        assert_string_equal(value.server, good[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_keeps_to_printable_bytes_and_its_size),
        cmocka_unit_test(path_too_long_with_its_directory_is_refused),
        cmocka_unit_test(number_is_decimal_and_within_its_bounds),
        cmocka_unit_test(number_is_written_in_its_own_size_only),
        cmocka_unit_test(bool_is_true_or_false_and_no_other_word),
        cmocka_unit_test(choice_is_one_of_the_words),
        cmocka_unit_test(addr_is_one_address_and_not_the_zero_one),
        cmocka_unit_test(prefix_has_no_host_bits),
        cmocka_unit_test(server_is_an_address_with_its_port),
    };
    close(mkstemp(file));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}
