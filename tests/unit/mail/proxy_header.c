// SPDX-License-Identifier: BSD-3-Clause
#include "mail/proxy_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t signature[] = {13, 10, 13, 10, 0, 13, 10, 'Q', 'U', 'I', 'T', 10};

static struct proxy_facts facts_of(const char *client, const char *local)
{
    struct proxy_facts facts = {.client_port = 0x1234, .local_port = 25, .id = 0xabcd};
    assert_true(addr_parse(client, &facts.client));
    assert_true(addr_parse(local, &facts.local));
    return facts;
}

static void our_own_connection_has_no_addresses(void **state)
{
    uint8_t out[PROXY_HEADER_MAX];
    assert_int_equal(proxy_header_make(NULL, out), 16);
    assert_memory_equal(out, signature, sizeof signature);
    static const uint8_t rest[] = {0x20, 0, 0, 0};
    assert_memory_equal(out + 12, rest, sizeof rest);
}

static void an_ipv4_client_is_named_with_its_session(void **state)
{
    uint8_t out[PROXY_HEADER_MAX];
    struct proxy_facts facts = facts_of("198.51.100.10", "198.51.100.1");
    static const uint8_t rest[] = {0x21, 0x11, 0,    31,   198, 51, 100,  10, 198, 51,
                                   100,  1,    0x12, 0x34, 0,   25, 0x05, 0,  16};
    assert_int_equal(proxy_header_make(&facts, out), 16 + 31);
    assert_memory_equal(out, signature, sizeof signature);
    assert_memory_equal(out + 12, rest, sizeof rest);
    assert_memory_equal(out + 12 + sizeof rest, "000000000000abcd", 16);
}

static void an_ipv6_client_is_named_in_full(void **state)
{
    uint8_t out[PROXY_HEADER_MAX];
    struct proxy_facts facts = facts_of("2001:db8:51::10", "2001:db8:51::1");
    assert_int_equal(proxy_header_make(&facts, out), 16 + 36 + 19);
    assert_int_equal(out[13], 0x21);
    assert_int_equal(out[15], 36 + 19);
    assert_memory_equal(out + 16, facts.client.bytes, 16);
    assert_memory_equal(out + 32, facts.local.bytes, 16);
}

static void tls_is_told_with_version_cipher_and_name(void **state)
{
    uint8_t out[PROXY_HEADER_MAX];
    struct proxy_facts facts = facts_of("198.51.100.10", "198.51.100.1");
    facts.tls_version = 3;
    facts.cipher = span_text("TLS_X");
    facts.server_name = span_text("mx.example");
    static const uint8_t tls[] = {0x20, 0,   23,  0x01, 0,   0,    0, 1, 0x21, 0,   7,   'T', 'L',
                                  'S',  'v', '1', '.',  '3', 0x23, 0, 5, 'T',  'L', 'S', '_', 'X'};
    size_t size = proxy_header_make(&facts, out);
    assert_int_equal(size, 16 + 12 + 13 + 19 + sizeof tls);
    static const uint8_t authority[] = {0x02, 0, 10, 'm', 'x'};
    assert_memory_equal(out + 28, authority, sizeof authority);
    assert_memory_equal(out + size - sizeof tls, tls, sizeof tls);
    assert_int_equal(out[14] << 8 | out[15], size - 16);
}

static void the_longest_facts_fit(void **state)
{
    uint8_t out[PROXY_HEADER_MAX];
    char name[HOST_NAME_MAX_DNS], cipher[200];
    struct proxy_facts facts = facts_of("2001:db8:51::10", "2001:db8:51::1");
    memset(name, 'a', sizeof name);
    memset(cipher, 'c', sizeof cipher);
    facts.tls_version = 2;
    facts.server_name = span_of(name, sizeof name);
    facts.cipher = span_of(cipher, sizeof cipher);
    size_t size = proxy_header_make(&facts, out);
    assert_true(size < PROXY_HEADER_MAX);
    assert_int_equal(out[14] << 8 | out[15], size - 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_connection_has_no_addresses),
        cmocka_unit_test(an_ipv4_client_is_named_with_its_session),
        cmocka_unit_test(an_ipv6_client_is_named_in_full),
        cmocka_unit_test(tls_is_told_with_version_cipher_and_name),
        cmocka_unit_test(the_longest_facts_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
