// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_name.h"

#include "packet_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct siphash_key key = {{0x9ae16a3b2f90404f, 0xc949c7defd1e0e3b}};

// Neighbours and numbers far apart lie as evenly as chance would have them.
static void buckets_fill_evenly(void **state)
{
    enum { BITS = 10, COUNT = 8 << BITS };
    for (unsigned step = 0; step <= 64 - 13 + 32 - 13; step++) { // of IPv6, then of IPv4
        bool v4 = step > 64 - 13;
        unsigned fill[1 << BITS] = {0}, most = 0;
        for (uint64_t i = 0; i < COUNT; i++)
            fill[guard_name_hash(&key, i << (v4 ? step - (64 - 13) : step), v4) >> (32 - BITS)]++;
        for (unsigned bucket = 0; bucket < 1 << BITS; bucket++)
            most = fill[bucket] > most ? fill[bucket] : most;
        assert_in_range(most, 8, 28); // 8 on the average
    }
}

static int by_value(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

// A table keeps the hash for the address: also under a key that is even.
static void addresses_are_hashed_one_to_one(void **state)
{
    enum { COUNT = 1 << 18 };
    static uint32_t hashes[COUNT];
    const struct siphash_key even = {{0x1122334455667788, 0x99aabbccddeeff00}};
    for (uint32_t i = 0; i < COUNT; i++) // any COUNT addresses; the first ones and the last ones
        hashes[i] = guard_name_hash(&even, i & 1 ? UINT32_MAX - i : i, true);
    qsort(hashes, COUNT, sizeof hashes[0], by_value);
    for (uint32_t i = 1; i < COUNT; i++)
        assert_true(hashes[i - 1] != hashes[i]);
}

static void the_number_is_the_address_or_the_64(void **state)
{
    struct addr a = made_addr("192.0.2.1");
    struct guard_name name = guard_name_of(&key, &a);
    assert_true(name.v4 && name.number == 0xc0000201);
    name = guard_name_prefix(&key, &name);
    assert_true(name.v4 && name.number == 0xc00002);
    assert_true(name.hash == guard_name_hash(&key, 0xc00002, true));
    a = made_addr("2001:db8:1:2:3::4");
    name = guard_name_of(&key, &a);
    assert_true(!name.v4 && name.number == 0x20010db800010002);
    a = made_addr("::ffff:0:0:1"); // close to a mapped one
    assert_false(guard_name_of(&key, &a).v4);
}

static void all_subnets_of_a_48_have_its_prefix(void **state)
{
    struct addr zero = made_addr("2001:db8:1::"), other = made_addr("2001:db8:2::");
    struct guard_name wanted = guard_name_of(&key, &zero);
    wanted = guard_name_prefix(&key, &wanted);
    for (unsigned subnet = 0; subnet < 1 << 16; subnet += 97) {
        struct addr a = zero;
        a.bytes[6] = (uint8_t)(subnet >> 8);
        a.bytes[7] = (uint8_t)subnet;
        struct guard_name name = guard_name_of(&key, &a), prefix = guard_name_prefix(&key, &name);
        assert_true(prefix.number == wanted.number && prefix.hash == wanted.hash);
        assert_true(subnet == 0 || name.hash != wanted.hash);
    }
    struct guard_name name = guard_name_of(&key, &other);
    assert_true(guard_name_prefix(&key, &name).hash != wanted.hash);
}

static void each_half_of_the_key_counts(void **state)
{
    struct addr a = made_addr("192.0.2.1");
    struct siphash_key one = key, two = key;
    one.word[0]++;
    two.word[1]++;
    uint32_t hash = guard_name_of(&key, &a).hash;
    assert_true(guard_name_of(&one, &a).hash != hash && guard_name_of(&two, &a).hash != hash);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(buckets_fill_evenly),
        cmocka_unit_test(addresses_are_hashed_one_to_one),
        cmocka_unit_test(the_number_is_the_address_or_the_64),
        cmocka_unit_test(all_subnets_of_a_48_have_its_prefix),
        cmocka_unit_test(each_half_of_the_key_counts),
    };
    return cmocka_run_group_tests_name("guard_name", cases, NULL, NULL);
}
