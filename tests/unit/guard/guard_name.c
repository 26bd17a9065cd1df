// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_name.h"

#include "base/rng.h"
#include "packet_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct siphash_key key = {{3, 4}};

static struct addr random_source(struct rng *rng)
{
    struct addr a;
    uint64_t bits[2] = {rng_next(rng), rng_next(rng)};
    memcpy(a.bytes, bits, sizeof a.bytes);
    return bits[0] % 3 ? addr_from_v4(&bits[1]) : a;
}

static void a_burst_is_named_as_one_by_one(void **state)
{
    struct rng rng;
    rng_seed(&rng, 20240608);
    for (unsigned count = 0; count <= SIPHASH_BURST; count++) {
        struct packet packets[SIPHASH_BURST];
        struct guard_name names[SIPHASH_BURST];
        for (unsigned i = 0; i < count; i++)
            packets[i].src = random_source(&rng);
        guard_name_burst(&key, packets, count, names);
        for (unsigned i = 0; i < count; i++) {
            struct guard_name one = guard_name_of(&key, &packets[i].src);
            assert_int_equal(names[i].v4, one.v4);
            assert_true(names[i].number == one.number && names[i].hash == one.hash &&
                        names[i].hash_48 == one.hash_48);
        }
    }
}

static void the_number_is_the_address_or_the_64(void **state)
{
    struct addr a = made_addr("192.0.2.1");
    struct guard_name name = guard_name_of(&key, &a);
    assert_true(name.v4 && name.number == 0xc0000201);
    name = guard_name_prefix(&name);
    assert_true(name.v4 && name.number == 0xc00002);
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
    wanted = guard_name_prefix(&wanted);
    for (unsigned subnet = 0; subnet < 1 << 16; subnet += 97) {
        struct addr a = zero;
        a.bytes[6] = (uint8_t)(subnet >> 8);
        a.bytes[7] = (uint8_t)subnet;
        struct guard_name name = guard_name_of(&key, &a), prefix = guard_name_prefix(&name);
        assert_true(prefix.number == wanted.number && prefix.hash == wanted.hash);
        assert_true(subnet == 0 || name.hash != wanted.hash);
    }
    struct guard_name name = guard_name_of(&key, &other);
    assert_true(guard_name_prefix(&name).hash != wanted.hash);
}

static void each_half_of_the_key_counts(void **state)
{
    struct addr a = made_addr("192.0.2.1");
    struct siphash_key one = key, two = key;
    one.word[0]++;
    two.word[1]++;
    uint64_t hash = guard_name_of(&key, &a).hash;
    assert_true(guard_name_of(&one, &a).hash != hash && guard_name_of(&two, &a).hash != hash);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_burst_is_named_as_one_by_one),
        cmocka_unit_test(the_number_is_the_address_or_the_64),
        cmocka_unit_test(all_subnets_of_a_48_have_its_prefix),
        cmocka_unit_test(each_half_of_the_key_counts),
    };
    return cmocka_run_group_tests_name("guard_name", cases, NULL, NULL);
}
