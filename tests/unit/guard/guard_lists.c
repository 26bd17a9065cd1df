// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_lists.h"

#include "base/rng.h"
#include "policy_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint8_t find(const struct guard_lists *lists, const char *text)
{
    struct addr a = made_addr(text);
    return guard_lists_class(lists, &a);
}

static struct guard_lists *build(const char *const *allow, const char *const *deny)
{
    struct made_policy made;
    made_policy_init(&made, allow, deny);
    const char *what = NULL;
    struct guard_lists *lists = guard_lists_build(&made.policy, &what);
    assert_non_null(lists);
    return lists;
}

static void empty_lists_say_nothing(void **state)
{
    struct guard_lists *lists = build((const char *[]){NULL}, (const char *[]){NULL});
    assert_int_equal(find(lists, "0.0.0.0"), CLASS_DEFAULT);
    assert_int_equal(find(lists, "255.255.255.255"), CLASS_DEFAULT);
    assert_int_equal(find(lists, "::"), CLASS_DEFAULT);
    assert_int_equal(find(lists, "ffff::1"), CLASS_DEFAULT);
    guard_lists_free(lists);
}

static void the_longest_prefix_decides_whatever_the_list(void **state)
{
    struct guard_lists *lists =
        build((const char *[]){"198.51.100.0/24", "2001:db8:1::/48", NULL},
              (const char *[]){"198.51.0.0/16", "198.51.100.66/32", "2001:db8::/32", NULL});
    assert_int_equal(find(lists, "198.50.255.255"), CLASS_DEFAULT);
    assert_int_equal(find(lists, "198.51.0.0"), CLASS_DENY);
    assert_int_equal(find(lists, "198.51.99.255"), CLASS_DENY);
    assert_int_equal(find(lists, "198.51.100.0"), CLASS_ALLOW);
    assert_int_equal(find(lists, "198.51.100.65"), CLASS_ALLOW);
    assert_int_equal(find(lists, "198.51.100.66"), CLASS_DENY);
    assert_int_equal(find(lists, "198.51.100.67"), CLASS_ALLOW);
    assert_int_equal(find(lists, "198.51.100.255"), CLASS_ALLOW);
    assert_int_equal(find(lists, "198.51.101.0"), CLASS_DENY);
    assert_int_equal(find(lists, "198.52.0.0"), CLASS_DEFAULT);
    assert_int_equal(find(lists, "2001:db8::1"), CLASS_DENY);
    assert_int_equal(find(lists, "2001:db8:1::1"), CLASS_ALLOW);
    assert_int_equal(find(lists, "2001:db9::"), CLASS_DEFAULT);
    guard_lists_free(lists);
}

static void of_equal_prefixes_allow_wins(void **state)
{
    struct guard_lists *lists =
        build((const char *[]){"192.0.2.0/24", "::/0", NULL},
              (const char *[]){"192.0.2.0/24", "192.0.2.0/24", "::/0", NULL});
    assert_int_equal(find(lists, "192.0.2.9"), CLASS_ALLOW);
    assert_int_equal(find(lists, "192.0.3.0"), CLASS_DEFAULT);
    assert_int_equal(find(lists, "2001:db8::"), CLASS_ALLOW);
    guard_lists_free(lists);
}

static void a_named_class_gives_way_to_deny_of_the_same_prefix(void **state)
{
    struct made_policy made;
    made_policy_init(&made, (const char *[]){NULL}, (const char *[]){"192.0.2.0/24", NULL});
    made_prefix(&made, CLASS_NAMED + 2, "192.0.2.0/24");
    made_prefix(&made, CLASS_NAMED + 2, "198.18.0.0/15");
    made_prefix(&made, CLASS_NAMED, "198.18.7.0/24");
    const char *what = NULL;
    struct guard_lists *lists = guard_lists_build(&made.policy, &what);
    assert_non_null(lists);
    assert_int_equal(find(lists, "192.0.2.1"), CLASS_DENY);
    assert_int_equal(find(lists, "198.18.6.255"), CLASS_NAMED + 2);
    assert_int_equal(find(lists, "198.18.7.0"), CLASS_NAMED);
    assert_int_equal(find(lists, "198.18.8.0"), CLASS_NAMED + 2);
    guard_lists_free(lists);
}

static void the_families_do_not_touch(void **state)
{
    struct guard_lists *lists =
        build((const char *[]){NULL}, (const char *[]){"::/0", "255.255.255.255/32", NULL});
    assert_int_equal(find(lists, "192.0.2.1"), CLASS_DEFAULT);
    assert_int_equal(find(lists, "255.255.255.255"), CLASS_DENY);
    assert_int_equal(find(lists, "255.255.255.254"), CLASS_DEFAULT);
    assert_int_equal(find(lists, "::1"), CLASS_DENY);
    guard_lists_free(lists);
    lists = build((const char *[]){NULL}, (const char *[]){"0.0.0.0/0", NULL});
    assert_int_equal(find(lists, "192.0.2.1"), CLASS_DENY);
    assert_int_equal(find(lists, "::1"), CLASS_DEFAULT);
    guard_lists_free(lists);
}

// Random nested prefixes in a small corner of each family, against a search of all of them.
static struct prefix random_prefix(struct rng *rng, bool v4, unsigned spread)
{
    struct addr a = {.bytes = {0x20, 0x01, 0x0d, 0xb8}};
    if (v4)
        a = addr_from_v4((const uint8_t[4]){10, 0, 0, 0});
    unsigned width = v4 ? 32 : 128, from = v4 ? 96 : 0;
    unsigned bits = (unsigned)rng_below(rng, width + 1);
    for (unsigned i = 0; i < spread; i++)
        if (rng_next(rng) & 1)
            a.bytes[15 - i / 8] ^= (uint8_t)(1u << i % 8);
    struct prefix p = {.bits = (uint8_t)(from + bits)};
    p.addr = addr_mask(&a, p.bits);
    if (v4 && p.bits == 96)
        p.addr = addr_from_v4((const uint8_t[4]){0});
    return p;
}

static uint8_t slow_find(const struct policy *policy, const struct addr *a)
{
    uint8_t class = CLASS_DEFAULT;
    int best = -1;
    const struct policy_class_prefix *prefixes = policy_at(policy, policy->prefixes);
    for (uint32_t i = 0; i < policy->prefixes.count; i++) {
        const struct prefix *p = &prefixes[i].prefix;
        bool v4 = p->bits >= 96 && addr_is_v4(&p->addr);
        bool better = p->bits > best || (p->bits == best && prefixes[i].class > class);
        if (v4 == addr_is_v4(a) && better && prefix_contains(p, a)) {
            best = p->bits;
            class = prefixes[i].class;
        }
    }
    return class;
}

static void what_ends_within_a_64_has_its_edges(void **state)
{
    struct guard_lists *lists =
        build((const char *[]){"2001:db8:0:1::8/127", "2001:db8:0:1:8000::/65", NULL},
              (const char *[]){"2001:db8::/32", "2001:db8:0:1::9/128", "2001:db8:0:2::1/128",
                               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", NULL});
    assert_int_equal(find(lists, "2001:db8:0:0:ffff:ffff:ffff:ffff"), CLASS_DENY);
    assert_int_equal(find(lists, "2001:db8:0:1::7"), CLASS_DENY);
    assert_int_equal(find(lists, "2001:db8:0:1::8"), CLASS_ALLOW);
    assert_int_equal(find(lists, "2001:db8:0:1::9"), CLASS_DENY);
    assert_int_equal(find(lists, "2001:db8:0:1::a"), CLASS_DENY);
    assert_int_equal(find(lists, "2001:db8:0:1:8000::"), CLASS_ALLOW);
    assert_int_equal(find(lists, "2001:db8:0:1:ffff:ffff:ffff:ffff"), CLASS_ALLOW);
    assert_int_equal(find(lists, "2001:db8:0:2::"), CLASS_DENY);
    assert_int_equal(find(lists, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"), CLASS_DEFAULT);
    assert_int_equal(find(lists, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), CLASS_DENY);
    guard_lists_free(lists);
}

static void a_burst_of_both_families_is_answered_in_its_order(void **state)
{
    static const char *const texts[] = {"192.0.2.1", "2001:db8::1", "192.0.3.1", "::1", "10.0.0.1"};
    static const uint8_t wanted[] = {CLASS_DENY, CLASS_ALLOW, CLASS_DEFAULT, CLASS_DEFAULT,
                                     CLASS_ALLOW};
    struct guard_lists *lists = build((const char *[]){"10.0.0.0/8", "2001:db8::/32", NULL},
                                      (const char *[]){"192.0.2.0/24", NULL});
    struct addr addrs[5];
    uint8_t classes[5];
    struct guard_lists_burst burst = {.n = 5};
    for (int i = 0; i < 5; i++) {
        addrs[i] = made_addr(texts[i]);
        burst.addrs[i] = &addrs[i];
    }
    guard_lists_locate(lists, &burst);
    guard_lists_find(lists, &burst, classes);
    assert_memory_equal(classes, wanted, sizeof wanted);
    burst.n = 0;
    guard_lists_locate(lists, &burst);
    guard_lists_find(lists, &burst, classes);
    guard_lists_free(lists);
}

static void random_lists_equal_a_search_of_all_prefixes(void **state)
{
    enum { MOST = 6000 };
    struct policy_class_prefix *prefixes;
    struct policy *policy = calloc(1, sizeof *policy + MOST * sizeof *prefixes);
    assert_non_null(policy);
    prefixes = (struct policy_class_prefix *)(policy + 1);
    struct rng rng;
    rng_seed(&rng, 5);
    for (uint32_t count = 1; count <= MOST; count = count * 4 + 1) {
        policy->prefixes = (struct policy_range){.offset = sizeof *policy, .count = count};
        for (uint32_t i = 0; i < count; i++)
            prefixes[i] = (struct policy_class_prefix){
                random_prefix(&rng, rng_next(&rng) & 1, 24),
                (uint8_t)(CLASS_NAMED + rng_below(&rng, CLASSES_MAX - CLASS_NAMED))};
        const char *what = NULL;
        struct guard_lists *lists = guard_lists_build(policy, &what);
        assert_non_null(lists);
        for (int i = 0; i < 1500; i++) {
            struct addr a = random_prefix(&rng, i & 1, i & 2 ? 24 : 25).addr;
            if (i & 4) { // the edges: last address of a prefix, and the one after
                const struct prefix *p = &prefixes[rng_below(&rng, count)].prefix;
                a = p->addr;
                for (unsigned b = p->bits; b < 128; b++)
                    a.bytes[b / 8] |= (uint8_t)(0x80u >> b % 8);
                for (int b = 15; (i & 8) && b >= 0 && ++a.bytes[b] == 0; b--)
                    ;
            }
            assert_int_equal(guard_lists_class(lists, &a), slow_find(policy, &a));
        }
        guard_lists_free(lists);
    }
    free(policy);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(empty_lists_say_nothing),
        cmocka_unit_test(the_longest_prefix_decides_whatever_the_list),
        cmocka_unit_test(of_equal_prefixes_allow_wins),
        cmocka_unit_test(a_named_class_gives_way_to_deny_of_the_same_prefix),
        cmocka_unit_test(the_families_do_not_touch),
        cmocka_unit_test(what_ends_within_a_64_has_its_edges),
        cmocka_unit_test(a_burst_of_both_families_is_answered_in_its_order),
        cmocka_unit_test(random_lists_equal_a_search_of_all_prefixes),
    };
    return cmocka_run_group_tests_name("guard_lists", cases, NULL, NULL);
}
