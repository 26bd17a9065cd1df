// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_lists.h"

#include "guard/guard_memory.h"
#include "guard/guard_ranges.h"

#include <errno.h>
#include <stdlib.h>

/* An address of either family as a number: IPv6 as it is, IPv4 at the top. So one way of building
 * does for both, and the upper half is what guard_ranges.h searches.
 */
typedef unsigned __int128 number;

enum {
    CLASS_DEEP = GUARD_RANGES_NODE - 1, // a /64 that is not of one class
};

static_assert((int)CLASSES_MAX <= CLASS_DEEP, "no class is taken for something else");
static_assert((int)GUARD_LISTS_BURST <= GUARD_RANGES_BURST, "one search a family");

struct deep {         // what is within such /64s; all in one piece of memory
    uint64_t *lows;   // lower 64 bits that a class begins at, a run for each /64, from 0 up
    uint32_t *firsts; // of each run; one more at the end
    uint8_t *classes; // of lows
    void *memory;
    size_t bytes;
};

struct guard_lists {
    struct guard_ranges ranges[FAMILY_COUNT];
    struct deep deep;
    unsigned references;
};

struct entry { // one prefix while the lists are built
    uint64_t high, low;
    uint8_t bits, class;
};

struct build {
    struct entry *entries;
    uint32_t count;
    // Ranges of one class: where each begins.
    number *starts;
    uint8_t *classes;
    uint32_t ranges;
    // Their upper halves.
    uint64_t *highs;
    uint8_t *values;
    uint32_t uppers;
    // The ranges that begin within a /64, and which /64s these are.
    uint32_t *lowers; // a range; its lower half begins a run when it is the first of its /64
    uint32_t lowers_count;
    uint32_t *deep; // uppers
    uint32_t deep_count;
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
            e = (struct entry){low << 32, 0, p->bits - ADDR_V4_BITS, prefixes[i].class};
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
static void flatten(struct build *b)
{
    struct open open[1 + 128 + 1];
    unsigned depth = 0;
    open[depth++] = (struct open){~(number)0, CLASS_DEFAULT};
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
        if (open[depth - 1].last != ~(number)0)
            emit(b, open[depth - 1].last + 1, open[depth - 2].class);
}

static void upper_add(struct build *b, uint64_t high, uint8_t value)
{
    b->highs[b->uppers] = high;
    b->values[b->uppers++] = value;
}

// A range begins within a /64: that becomes a deep one.
static void lower_add(struct build *b, uint64_t high, uint32_t range)
{
    if (b->highs[b->uppers - 1] != high)
        upper_add(b, high, CLASS_DEEP);
    if (b->deep_count == 0 || b->deep[b->deep_count - 1] != b->uppers - 1)
        b->deep[b->deep_count++] = b->uppers - 1;
    b->values[b->uppers - 1] = CLASS_DEEP;
    b->lowers[b->lowers_count++] = range;
    number after = (number)(high + 1) << 64;
    if (high != UINT64_MAX && (range + 1 == b->ranges || b->starts[range + 1] > after))
        upper_add(b, high + 1, b->classes[range]);
}

static void halve(struct build *b)
{
    for (uint32_t i = 0; i < b->ranges; i++) {
        uint64_t high = (uint64_t)(b->starts[i] >> 64);
        if ((uint64_t)b->starts[i] == 0)
            upper_add(b, high, b->classes[i]);
        else
            lower_add(b, high, i);
    }
}

/* Which run a /64 has: a leaf's mark says it of the first /64 of this kind that begins there, the
 * others follow.
 */
static void mark(struct guard_ranges *ranges, uint64_t high, uint32_t run, uint32_t *line)
{
    uint32_t place;
    guard_ranges_find(ranges, &high, 1, &place);
    if (run == 0 || place / GUARD_RANGES_PLACES != *line)
        ranges->lines[place / GUARD_RANGES_PLACES].mark = run;
    *line = place / GUARD_RANGES_PLACES;
}

static int keep_deep(struct guard_lists *lists, const struct build *b)
{
    struct deep *deep = &lists->deep;
    if (b->deep_count == 0)
        return 0;
    size_t lows = (size_t)b->lowers_count + b->deep_count;
    deep->bytes = lows * (sizeof *deep->lows + sizeof *deep->classes) +
                  (b->deep_count + (size_t)1) * sizeof *deep->firsts;
    deep->memory = guard_memory_take(deep->bytes, -1);
    if (!deep->memory)
        return -ENOMEM;
    deep->lows = (uint64_t *)deep->memory;
    deep->firsts = (uint32_t *)(deep->lows + lows);
    deep->classes = (uint8_t *)(deep->firsts + b->deep_count + 1);
    uint32_t at = 0, l = 0, line = 0;
    for (uint32_t d = 0; d < b->deep_count; d++) {
        uint64_t high = b->highs[b->deep[d]];
        mark(&lists->ranges[FAMILY_V6], high, d, &line);
        deep->firsts[d] = at;
        deep->classes[at++] = b->classes[b->lowers[l] - 1]; // from 0, until the first that follows
        for (; l < b->lowers_count && (uint64_t)(b->starts[b->lowers[l]] >> 64) == high; l++) {
            deep->lows[at] = (uint64_t)b->starts[b->lowers[l]];
            deep->classes[at++] = b->classes[b->lowers[l]];
        }
    }
    deep->firsts[b->deep_count] = at;
    return 0;
}

static int keep(struct guard_lists *lists, struct build *b, enum family_index family)
{
    b->highs = malloc((b->ranges * (size_t)2) * sizeof *b->highs);
    b->values = malloc(b->ranges * (size_t)2);
    b->lowers = malloc(b->ranges * sizeof *b->lowers);
    b->deep = malloc(b->ranges * sizeof *b->deep);
    if (!b->highs || !b->values || !b->lowers || !b->deep)
        return -ENOMEM;
    halve(b);
    int error = guard_ranges_build(&lists->ranges[family], b->highs, b->values, b->uppers);
    return error || family == FAMILY_V4 ? error : keep_deep(lists, b);
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
        flatten(&b);
        error = keep(lists, &b, family);
    }
    free(b.entries);
    free(b.starts);
    free(b.classes);
    free(b.highs);
    free(b.values);
    free(b.lowers);
    free(b.deep);
    return error;
}

struct guard_lists *guard_lists_build(const struct policy *policy, const char **ret_what)
{
    struct guard_lists *lists = calloc(1, sizeof *lists);
    int error = -ENOMEM;
    if (lists) {
        lists->references = 1;
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
    guard_memory_give(lists->deep.memory, lists->deep.bytes);
    free(lists);
}

size_t guard_lists_bytes(const struct guard_lists *lists)
{
    return sizeof *lists + guard_ranges_bytes(&lists->ranges[FAMILY_V4]) +
           guard_ranges_bytes(&lists->ranges[FAMILY_V6]) + lists->deep.bytes;
}

static uint8_t find_deep(const struct guard_lists *lists, uint32_t place, uint64_t low)
{
    const struct guard_ranges *ranges = &lists->ranges[FAMILY_V6];
    const struct guard_ranges_line *line = &ranges->lines[place / GUARD_RANGES_PLACES];
    const struct deep *deep = &lists->deep;
    uint32_t run = line->mark;
    for (unsigned i = 1; i < place % GUARD_RANGES_PLACES; i++) // the first begins elsewhere
        run += line->values[i] == CLASS_DEEP;
    uint32_t first = deep->firsts[run], count = deep->firsts[run + 1] - first;
    while (count > 1) { // the answer is one of `count` from first on
        uint32_t half = count / 2;
        first += deep->lows[first + half] <= low ? half : 0;
        count -= half;
    }
    return deep->classes[first];
}

struct asked { // of one family, in a burst
    uint64_t numbers[GUARD_RANGES_BURST];
    uint8_t of[GUARD_RANGES_BURST]; // position in the burst
    unsigned count;
};

void guard_lists_find_burst(const struct guard_lists *lists, const struct addr *const *addrs,
                            unsigned n, uint8_t *ret_classes)
{
    struct asked asked[FAMILY_COUNT];
    asked[FAMILY_V4].count = asked[FAMILY_V6].count = 0;
    for (unsigned i = 0; i < n; i++) {
        bool v4 = addr_is_v4(addrs[i]);
        struct asked *a = &asked[v4 ? FAMILY_V4 : FAMILY_V6];
        a->of[a->count] = (uint8_t)i;
        a->numbers[a->count++] =
            v4 ? bytes_number(addrs[i]->bytes + 8) << 32 : bytes_number(addrs[i]->bytes);
    }
    for (int family = 0; family < FAMILY_COUNT; family++) {
        const struct guard_ranges *ranges = &lists->ranges[family];
        const struct asked *a = &asked[family];
        uint32_t places[GUARD_RANGES_BURST];
        guard_ranges_find(ranges, a->numbers, a->count, places);
        for (unsigned j = 0; j < a->count; j++) {
            uint8_t value = guard_ranges_value(ranges, places[j]);
            if (value == CLASS_DEEP)
                value = find_deep(lists, places[j], bytes_number(addrs[a->of[j]]->bytes + 8));
            ret_classes[a->of[j]] = value;
        }
    }
}

uint8_t guard_lists_find(const struct guard_lists *lists, const struct addr *addr)
{
    uint8_t class;
    guard_lists_find_burst(lists, &addr, 1, &class);
    return class;
}
