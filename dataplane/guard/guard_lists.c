// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_lists.h"

#include <stdlib.h>

typedef unsigned __int128 number; // an address of either family as a number

struct range_v4 {
    uint32_t count; // ranges, at least 1; the first starts at address 0
    uint32_t *starts;
    uint8_t *classes;
    uint32_t *index; // index[x]: the range that holds the first address whose top bits are x
    unsigned shift;  // address >> shift is x
};

struct range_v6 {
    uint32_t count;
    number *starts;
    uint8_t *classes;
    uint32_t *index;
    unsigned shift;
};

struct guard_lists {
    struct range_v4 v4;
    struct range_v6 v6;
};

enum {
    INDEX_BITS_SMALL = 8,
    INDEX_BITS_LARGE = 16,
    INDEX_LARGE_FROM = 4096, // ranges
};

struct entry { // one prefix while the lists are built
    number first, last;
    uint8_t class;
};

struct build {
    struct entry *entries;
    uint32_t count;
    number *starts; // ranges, room for 2 * count + 1
    uint8_t *classes;
    uint32_t ranges;
};

static number addr_number(const struct addr *a)
{
    number value = 0;
    for (unsigned i = 0; i < sizeof a->bytes; i++)
        value = value << 8 | a->bytes[i];
    return value;
}

static uint32_t addr_number_v4(const struct addr *a)
{
    return (uint32_t)a->bytes[12] << 24 | (uint32_t)a->bytes[13] << 16 |
           (uint32_t)a->bytes[14] << 8 | a->bytes[15];
}

static bool is_v4(const struct prefix *p)
{
    return p->bits >= ADDR_V4_BITS && addr_is_v4(&p->addr);
}

static void collect(struct build *b, const struct policy *policy, bool v4)
{
    const struct policy_class_prefix *prefixes = policy_at(policy, policy->prefixes);
    for (uint32_t i = 0; i < policy->prefixes.count; i++) {
        const struct prefix *p = &prefixes[i].prefix;
        if (is_v4(p) != v4)
            continue;
        struct addr masked = addr_mask(&p->addr, p->bits);
        unsigned bits = v4 ? p->bits - ADDR_V4_BITS : p->bits;
        unsigned width = v4 ? 32 : 128;
        number first = v4 ? addr_number_v4(&masked) : addr_number(&masked);
        number all = v4 ? UINT32_MAX : ~(number)0;
        number host = bits == 0 ? all : ((number)1 << (width - bits)) - 1;
        b->entries[b->count++] = (struct entry){first, first | host, prefixes[i].class};
    }
}

// Outer before inner; of equal prefixes the stronger class last, so that it covers the other.
static int entry_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    if (x->last != y->last)
        return x->last > y->last ? -1 : 1;
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

/* One pass over the sorted prefixes. `open` are the prefixes that hold the place of the pass, the
 * innermost last; nested prefixes that differ in more than class differ in length, which bounds it.
 */
static void flatten(struct build *b, number all)
{
    struct entry open[128 + 2];
    unsigned depth = 0;
    open[depth++] = (struct entry){0, all, CLASS_DEFAULT};
    emit(b, 0, CLASS_DEFAULT);
    for (uint32_t i = 0; i < b->count; i++) {
        const struct entry *e = &b->entries[i];
        if (i + 1 < b->count && e[1].first == e->first && e[1].last == e->last)
            continue; // the last of equal ones is the strongest
        for (; open[depth - 1].last < e->first; depth--)
            emit(b, open[depth - 1].last + 1, open[depth - 2].class);
        CHECK(depth < sizeof open / sizeof open[0]);
        open[depth++] = *e;
        emit(b, e->first, e->class);
    }
    for (; depth > 1; depth--)
        if (open[depth - 1].last != all)
            emit(b, open[depth - 1].last + 1, open[depth - 2].class);
}

static unsigned index_bits(uint32_t ranges)
{
    return ranges >= INDEX_LARGE_FROM ? INDEX_BITS_LARGE : INDEX_BITS_SMALL;
}

// index[x] for every x, and one more so that index[x + 1] is always there.
static uint32_t *index_make(const struct build *b, unsigned bits, unsigned shift)
{
    uint32_t *index = malloc((((size_t)1 << bits) + 1) * sizeof *index);
    if (!index)
        return NULL;
    uint32_t at = 0;
    for (uint32_t x = 0; x < UINT32_C(1) << bits; x++) {
        while (at + 1 < b->ranges && b->starts[at + 1] <= (number)x << shift)
            at++;
        index[x] = at;
    }
    index[(size_t)1 << bits] = b->ranges - 1;
    return index;
}

static bool keep_v4(struct range_v4 *r, const struct build *b)
{
    unsigned bits = index_bits(b->ranges);
    *r = (struct range_v4){.count = b->ranges, .shift = 32 - bits};
    r->starts = malloc(b->ranges * sizeof *r->starts);
    r->classes = malloc(b->ranges);
    r->index = index_make(b, bits, r->shift);
    if (!r->starts || !r->classes || !r->index)
        return false;
    for (uint32_t i = 0; i < b->ranges; i++)
        r->starts[i] = (uint32_t)b->starts[i];
    memcpy(r->classes, b->classes, b->ranges);
    return true;
}

static bool keep_v6(struct range_v6 *r, const struct build *b)
{
    unsigned bits = index_bits(b->ranges);
    *r = (struct range_v6){.count = b->ranges, .shift = 128 - bits};
    r->starts = aligned_alloc(16, b->ranges * sizeof *r->starts);
    r->classes = malloc(b->ranges);
    r->index = index_make(b, bits, r->shift);
    if (!r->starts || !r->classes || !r->index)
        return false;
    memcpy(r->starts, b->starts, b->ranges * sizeof *r->starts);
    memcpy(r->classes, b->classes, b->ranges);
    return true;
}

static bool build_family(struct guard_lists *lists, const struct policy *policy, bool v4)
{
    size_t most = policy->prefixes.count;
    struct build b = {
        .entries = aligned_alloc(16, (most + 1) * sizeof *b.entries),
        .starts = aligned_alloc(16, (most * 2 + 1) * sizeof *b.starts),
        .classes = malloc(most * 2 + 1),
    };
    bool done = false;
    if (b.entries && b.starts && b.classes) {
        collect(&b, policy, v4);
        qsort(b.entries, b.count, sizeof *b.entries, entry_order);
        flatten(&b, v4 ? UINT32_MAX : ~(number)0);
        done = v4 ? keep_v4(&lists->v4, &b) : keep_v6(&lists->v6, &b);
    }
    free(b.entries);
    free(b.starts);
    free(b.classes);
    return done;
}

struct guard_lists *guard_lists_build(const struct policy *policy, const char **ret_what)
{
    struct guard_lists *lists = calloc(1, sizeof *lists);
    if (lists && build_family(lists, policy, true) && build_family(lists, policy, false))
        return lists;
    guard_lists_free(lists);
    *ret_what = "no memory for the allow and deny lists";
    return NULL;
}

void guard_lists_free(struct guard_lists *lists)
{
    if (!lists)
        return;
    free(lists->v4.starts);
    free(lists->v4.classes);
    free(lists->v4.index);
    free(lists->v6.starts);
    free(lists->v6.classes);
    free(lists->v6.index);
    free(lists);
}

static uint8_t find_v4(const struct range_v4 *r, uint32_t address)
{
    uint32_t x = address >> r->shift;
    uint32_t low = r->index[x], high = r->index[x + 1]; // the answer is one of low..high
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (r->starts[middle] <= address)
            low = middle;
        else
            high = middle - 1;
    }
    return r->classes[low];
}

static uint8_t find_v6(const struct range_v6 *r, number address)
{
    uint32_t x = (uint32_t)(address >> r->shift);
    uint32_t low = r->index[x], high = r->index[x + 1];
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (r->starts[middle] <= address)
            low = middle;
        else
            high = middle - 1;
    }
    return r->classes[low];
}

uint8_t guard_lists_find(const struct guard_lists *lists, const struct addr *addr)
{
    return addr_is_v4(addr) ? find_v4(&lists->v4, addr_number_v4(addr))
                            : find_v6(&lists->v6, addr_number(addr));
}
