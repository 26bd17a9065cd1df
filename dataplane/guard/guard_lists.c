// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_lists.h"

#include "guard/guard_ranges.h"

#include <errno.h>
#include <stdlib.h>

// An address of either family: IPv6 as it is, IPv4 as 32 bits.
typedef guard_ranges_number number;

static_assert((int)CLASSES_MAX <= (int)GUARD_RANGES_VALUES, "a class is a value");
static_assert((int)GUARD_LISTS_BURST <= (int)GUARD_RANGES_BURST, "one search a burst");

struct guard_lists {
    struct guard_ranges ranges[FAMILY_COUNT];
    unsigned references;
    bool is_empty; // all addresses are of CLASS_DEFAULT
};

struct entry { // one prefix while the lists are built
    uint64_t high, low;
    uint8_t bits, class; // bits of 128
};

struct build {
    struct entry *entries;
    uint32_t count;
    // Ranges of one class: where each begins.
    number *starts;
    uint8_t *classes;
    uint32_t ranges;
};

static uint64_t bytes_number(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap64(value);
}

static bool is_v4(const struct prefix *p)
{
    return p->bits >= ADDR_V4_BITS && addr_is_v4(&p->addr);
}

static void collect(struct build *b, const struct policy *policy, enum family_index family)
{
    const struct policy_class_prefix *prefixes = policy_at(policy, policy->prefixes);
    for (uint32_t i = 0; i < policy->prefixes.count; i++) {
        const struct prefix *p = &prefixes[i].prefix;
        if (is_v4(p) != (family == FAMILY_V4))
            continue;
        uint64_t high = bytes_number(p->addr.bytes), low = bytes_number(p->addr.bytes + 8);
        struct entry e = {high, low, p->bits, prefixes[i].class};
        if (family == FAMILY_V4)
            e = (struct entry){0, (uint32_t)low, p->bits, prefixes[i].class};
        b->entries[b->count++] = e;
    }
}

// Outer before inner; of equal prefixes the stronger class last.
static int entry_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    if (x->bits != y->bits)
        return x->bits < y->bits ? -1 : 1;
    return (x->class > y->class) - (x->class < y->class);
}

static void emit(struct build *b, number start, uint8_t class)
{
    if (b->ranges && b->starts[b->ranges - 1] == start)
        b->ranges--;
    if (b->ranges && b->classes[b->ranges - 1] == class)
        return;
    b->starts[b->ranges] = start;
    b->classes[b->ranges++] = class;
}

struct open { // a prefix that holds the place of the pass
    number last;
    uint8_t class;
};

// One pass over the sorted prefixes. Nested prefixes that differ differ in length: that bounds it.
static void flatten(struct build *b, number last)
{
    struct open open[1 + 128 + 1];
    unsigned depth = 0;
    open[depth++] = (struct open){last, CLASS_DEFAULT};
    emit(b, 0, CLASS_DEFAULT);
    for (uint32_t i = 0; i < b->count; i++) {
        const struct entry *e = &b->entries[i];
        if (i + 1 < b->count && e[1].high == e->high && e[1].low == e->low && e[1].bits == e->bits)
            continue;
        number first = (number)e->high << 64 | e->low;
        for (; open[depth - 1].last < first; depth--)
            emit(b, open[depth - 1].last + 1, open[depth - 2].class);
        CHECK(depth < sizeof open / sizeof open[0]);
        number host = e->bits == 0 ? ~(number)0 : ((number)1 << (128 - e->bits)) - 1;
        open[depth++] = (struct open){first | host, e->class};
        emit(b, first, e->class);
    }
    for (; depth > 1; depth--)
        if (open[depth - 1].last != last)
            emit(b, open[depth - 1].last + 1, open[depth - 2].class);
}

static int build_family(struct guard_lists *lists, const struct policy *policy,
                        enum family_index family)
{
    size_t most = policy->prefixes.count;
    struct build b = {
        .entries = malloc((most + 1) * sizeof *b.entries),
        .starts = aligned_alloc(sizeof(number), (most * 2 + 1) * sizeof *b.starts),
        .classes = malloc(most * 2 + 1),
    };
    int error = -ENOMEM;
    if (b.entries && b.starts && b.classes) {
        collect(&b, policy, family);
        qsort(b.entries, b.count, sizeof *b.entries, entry_order);
        flatten(&b, family == FAMILY_V4 ? UINT32_MAX : ~(number)0);
        error = guard_ranges_build(&lists->ranges[family], family, b.starts, b.classes, b.ranges);
    }
    free(b.entries);
    free(b.starts);
    free(b.classes);
    return error;
}

struct guard_lists *guard_lists_build(const struct policy *policy, const char **ret_what)
{
    struct guard_lists *lists = calloc(1, sizeof *lists);
    int error = -ENOMEM;
    if (lists) {
        lists->references = 1;
        lists->is_empty = policy->prefixes.count == 0;
        error = build_family(lists, policy, FAMILY_V4);
    }
    if (!error)
        error = build_family(lists, policy, FAMILY_V6);
    if (!error)
        return lists;
    guard_lists_free(lists);
    *ret_what = error == -E2BIG ? "the lists do not fit: they take more than 256 MB of a family"
                                : "no memory for the lists";
    return NULL;
}

struct guard_lists *guard_lists_share(struct guard_lists *lists)
{
    lists->references++;
    return lists;
}

void guard_lists_free(struct guard_lists *lists)
{
    if (!lists || --lists->references > 0)
        return;
    guard_ranges_done(&lists->ranges[FAMILY_V4]);
    guard_ranges_done(&lists->ranges[FAMILY_V6]);
    free(lists);
}

size_t guard_lists_bytes(const struct guard_lists *lists)
{
    return sizeof *lists + lists->ranges[FAMILY_V4].bytes + lists->ranges[FAMILY_V6].bytes;
}

// IPv4 to the front, IPv6 to the back.
static void part_families(struct guard_lists_burst *burst)
{
    const struct addr *addrs[GUARD_LISTS_BURST];
    memcpy(addrs, burst->addrs, burst->n * sizeof addrs[0]);
    unsigned v4 = 0, v6 = burst->n;
    for (unsigned i = 0; i < burst->n; i++) {
        bool is_v4 = addr_is_v4(addrs[i]);
        v6 -= !is_v4;
        unsigned at = is_v4 ? v4 : v6;
        burst->addrs[at] = addrs[i];
        burst->order[at] = (uint8_t)i;
        v4 += is_v4;
    }
}

void guard_lists_locate(const struct guard_lists *lists, struct guard_lists_burst *burst)
{
    CHECK(burst->n <= GUARD_LISTS_BURST);
    if (lists->is_empty)
        return;
    uint64_t v6_bits = 0; // one question of a burst, which most often is of IPv4 alone
    for (unsigned i = 0; i < burst->n; i++)
        v6_bits |= addr_v6_bits(burst->addrs[i]);
    burst->v4 = burst->n;
    for (unsigned i = 0; v6_bits && i < burst->n; i++)
        burst->v4 -= !addr_is_v4(burst->addrs[i]);
    burst->is_parted = burst->v4 > 0 && burst->v4 < burst->n;
    if (burst->is_parted)
        part_families(burst);
    guard_ranges_locate(&lists->ranges[FAMILY_V4], burst->addrs, burst->v4, burst->lines);
    guard_ranges_locate(&lists->ranges[FAMILY_V6], burst->addrs + burst->v4, burst->n - burst->v4,
                        burst->lines + burst->v4);
}

void guard_lists_find(const struct guard_lists *lists, struct guard_lists_burst *burst,
                      uint8_t *ret_classes)
{
    if (lists->is_empty) {
        memset(ret_classes, CLASS_DEFAULT, burst->n);
        return;
    }
    guard_ranges_find(&lists->ranges[FAMILY_V4], burst->addrs, burst->v4, burst->lines,
                      ret_classes);
    guard_ranges_find(&lists->ranges[FAMILY_V6], burst->addrs + burst->v4, burst->n - burst->v4,
                      burst->lines + burst->v4, ret_classes + burst->v4);
    if (!burst->is_parted)
        return;
    uint8_t parted[GUARD_LISTS_BURST];
    memcpy(parted, ret_classes, burst->n);
    for (unsigned i = 0; i < burst->n; i++)
        ret_classes[burst->order[i]] = parted[i];
}

uint8_t guard_lists_class(const struct guard_lists *lists, const struct addr *addr)
{
    struct guard_lists_burst burst = {.addrs = {addr}, .n = 1};
    uint8_t class;
    guard_lists_locate(lists, &burst);
    guard_lists_find(lists, &burst, &class);
    return class;
}
