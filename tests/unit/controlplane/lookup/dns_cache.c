// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dns_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { RING = 128 * 1024, NOW = 1000000 };

static struct dns_cache cache;
static struct dns_answer given, got;

static int start(void **state)
{
    return dns_cache_init(&cache, RING);
}

static int stop(void **state)
{
    dns_cache_done(&cache);
    return 0;
}

static struct lookup_digest key(const char *name, enum dns_type type)
{
    return dns_cache_key(&cache, name, type);
}

static bool find(const char *name, enum dns_type type, uint64_t now_ms)
{
    return dns_cache_find(&cache, key(name, type), now_ms, &got);
}

static void put_text(const char *name, const char *text, size_t size, uint32_t ttl)
{
    dns_answer_make(&given, DNS_FOUND);
    given.ttl = ttl;
    given.count = 1;
    given.records[0] = (struct dns_record){.offset = 0, .size = (uint32_t)size};
    memcpy(given.bytes, text, size);
    given.bytes[size] = '\0';
    given.bytes_used = (uint32_t)size + 1;
    dns_cache_put(&cache, key(name, DNS_TXT), &given, NOW);
}

static void failures_and_answers_without_time_are_not_kept(void **state)
{
    dns_answer_make(&given, DNS_FAILED);
    dns_cache_put(&cache, key("a.example.org", DNS_TXT), &given, NOW);
    assert_false(find("a.example.org", DNS_TXT, NOW));
    put_text("a.example.org", "x", 1, 0);
    assert_false(find("a.example.org", DNS_TXT, NOW));
}

static void answer_is_not_found_for_another_name_or_type(void **state)
{
    put_text("a.example.org", "x", 1, 60);
    assert_false(find("b.example.org", DNS_TXT, NOW));
    assert_false(find("a.example.org", DNS_A, NOW));
    assert_false(find("a.example.or", DNS_TXT, NOW));
}

static void answer_is_gone_when_its_time_is_over(void **state)
{
    put_text("a.example.org", "x", 1, 60);
    assert_true(find("a.example.org", DNS_TXT, NOW + 59999));
    assert_int_equal(got.ttl, 1);
    assert_false(find("a.example.org", DNS_TXT, NOW + 60000));
}

static void long_times_are_cut(void **state)
{
    put_text("a.example.org", "x", 1, DNS_TTL_MAX);
    assert_true(find("a.example.org", DNS_TXT, NOW));
    assert_int_equal(got.ttl, DNS_CACHE_KEEP_MOST_S);
    dns_answer_make(&given, DNS_EMPTY);
    given.ttl = DNS_TTL_MAX;
    dns_cache_put(&cache, key("b.example.org", DNS_A), &given, NOW);
    assert_true(find("b.example.org", DNS_A, NOW));
    assert_int_equal(got.status, DNS_EMPTY);
    assert_int_equal(got.count, 0);
    assert_int_equal(got.ttl, DNS_CACHE_KEEP_EMPTY_MOST_S);
}

static void newer_answer_replaces_the_older(void **state)
{
    put_text("a.example.org", "old", 3, 60);
    put_text("A.Example.ORG", "newer", 5, 90);
    assert_true(find("a.example.org", DNS_TXT, NOW + 60000));
    assert_int_equal(got.count, 1);
    assert_true(span_equal(dns_answer_text(&got, 0), span_text("newer")));
}

static void addresses_come_back_as_given(void **state)
{
    dns_answer_make(&given, DNS_FOUND);
    given.count = DNS_RECORDS_MAX;
    for (uint32_t i = 0; i < DNS_RECORDS_MAX; i++)
        given.records[i] = (struct dns_record){.addr.bytes = {[15] = (uint8_t)i}};
    dns_cache_put(&cache, key("a.example.org", DNS_AAAA), &given, NOW);
    assert_true(find("a.example.org", DNS_AAAA, NOW));
    assert_int_equal(got.status, DNS_FOUND);
    assert_int_equal(got.count, DNS_RECORDS_MAX);
    assert_memory_equal(got.records, given.records, sizeof given.records);
}

// Sizes of every kind, from nothing to the most there is, ten times the ring's length.
static void oldest_answers_make_room_and_the_newest_stay_whole(void **state)
{
    static char text[DNS_BYTES_MAX - 1];
    static size_t sizes[2000];
    size_t bytes = 0;
    unsigned count = 0;
    for (; bytes < 10 * RING; count++) {
        char name[32];
        sizes[count] = count % 50 ? (count * 37) % 700 : sizeof text;
        snprintf(name, sizeof name, "n%u.example.org", count);
        memset(text, 'a' + (int)(count % 26), sizeof text);
        put_text(name, text, sizes[count], 60);
        bytes += sizes[count];
        assert_true(find(name, DNS_TXT, NOW));
    }
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%u.example.org", i);
        if (!find(name, DNS_TXT, NOW))
            continue;
        found++;
        assert_int_equal(got.records[0].size, sizes[i]);
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(got.bytes[at], 'a' + (int)(i % 26));
    }
    assert_in_range(found, 20, count / 2);
    assert_false(find("n0.example.org", DNS_TXT, NOW));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(failures_and_answers_without_time_are_not_kept, start,
                                        stop),
        cmocka_unit_test_setup_teardown(answer_is_not_found_for_another_name_or_type, start, stop),
        cmocka_unit_test_setup_teardown(answer_is_gone_when_its_time_is_over, start, stop),
        cmocka_unit_test_setup_teardown(long_times_are_cut, start, stop),
        cmocka_unit_test_setup_teardown(newer_answer_replaces_the_older, start, stop),
        cmocka_unit_test_setup_teardown(addresses_come_back_as_given, start, stop),
        cmocka_unit_test_setup_teardown(oldest_answers_make_room_and_the_newest_stay_whole, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
