// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_ranges.h"

#include "guard/guard_memory.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A slot: its first line's number, and in four fields of ten bits where each further line begins,
 * less than nothing: 512 less the first of the 512 parts that it has, so that a sum with the part
 * looked for reaches the field's guard. 0 for none.
 */
enum {
    CUTS = GUARD_RANGES_CUTS,
    CUT_BITS = 9,
    CUT_PARTS = 1 << CUT_BITS,
    CUT_FIELD = CUT_BITS + 1,
    SLOT_LINE_SHIFT = CUTS * CUT_FIELD,
};

#define CUT_ONES   0x0040100401ull // one of each field
#define CUT_GUARDS (CUT_ONES << CUT_BITS)

// Forks are numbered by nodes of eight, which tell a byte; 256 of these tell the first two.
enum { FORK_PARTS = 32, NODE_FORKS = 256 / FORK_PARTS };

enum { V4_BYTE = ADDR_V4_BITS / 8 }; // of an address, where IPv4 begins

static_assert(GUARD_RANGES_BYTES_MAX / 64 <= 1 << (64 - SLOT_LINE_SHIFT), "a line's number fits");

typedef guard_ranges_number number;

/* How a family's addresses are read: the bits before the first word of the lines lead to a slot,
 * level by level; the rest is told by lines, word by word.
 */
struct shape {
    unsigned bits, word_bits; // of an address, of a word
    unsigned keys;            // of a line
    unsigned word;            // the first of the lines
    bool forks;               // tell the levels, else all numbers have their slot
    unsigned levels;
    uint8_t level_bits[3];
};

static const struct shape shapes[FAMILY_COUNT] = {
    [FAMILY_V4] = {32, 16, GUARD_LINE_KEYS_V4, 1, false, 1, {16}},
    [FAMILY_V6] = {128, 32, GUARD_LINE_KEYS_V6, 1, true, 3, {16, 8, 8}},
};

static struct shape shape_of(enum family_index family, bool is_few)
{
    struct shape shape = shapes[family];
    if (is_few)
        shape.levels = shape.word = 0;
    return shape;
}

struct items { // that are still being counted
    void *all;
    size_t count, room;
};

struct stem {       // addresses with the same upper bits, for which a fork or a slot is to be made
    uint32_t upper; // these bits
    uint32_t begin, end; // the ranges that begin in it, but not at its first number
};

struct part {            // numbers for which a line is to be made
    uint32_t line;       // its place
    uint32_t begin, end; // the ranges that begin there; what is before has the value of begin - 1
    uint32_t first, last;
    unsigned word; // that `first` and `last` are of
};

struct place { // of a part: from `key` to before the next one's
    uint32_t key;
    uint32_t begin, end; // the ranges that begin there, and within one number of the word: else 0
    uint8_t value;
};

struct build {
    struct shape shape;
    const number *starts;
    const uint8_t *values;
    struct items stems[2];            // of this level, and of the next
    struct items forks, slots, lines; // of their kind
    struct items parts;               // the last is taken first
    struct place *places;             // of one part
    int error;
};

// Room for `more` of them, the first of which it returns; NULL after an error.
static void *items_add(struct build *b, struct items *items, size_t more, size_t size)
{
    size_t count = items->count + more;
    if (count > GUARD_RANGES_BYTES_MAX / size)
        b->error = -E2BIG;
    if (count > items->room && !b->error) {
        size_t room = items->room * 2 > count ? items->room * 2 : count;
        void *grown = realloc(items->all, room * size);
        if (grown) {
            items->all = grown;
            items->room = room;
        } else {
            b->error = -ENOMEM;
        }
    }
    if (b->error)
        return NULL;
    items->count = count;
    return (uint8_t *)items->all + (count - more) * size;
}

static void part_add(struct build *b, struct part part)
{
    struct part *added = items_add(b, &b->parts, 1, sizeof part);
    if (added)
        *added = part;
}

// The number of the first of them, or 0 after an error.
static uint32_t lines_take(struct build *b, size_t count)
{
    (void)items_add(b, &b->lines, count, sizeof(struct guard_line));
    return b->error ? 0 : (uint32_t)(b->lines.count - count);
}

static unsigned below_word(const struct build *b, unsigned word)
{
    return b->shape.bits - b->shape.word_bits * (word + 1);
}

static uint32_t word_max(const struct build *b)
{
    return UINT32_MAX >> (32 - b->shape.word_bits);
}

static uint32_t word_of(const struct build *b, number n, unsigned word)
{
    return (uint32_t)(n >> below_word(b, word)) & word_max(b);
}

static bool ends_at(const struct build *b, number n, unsigned word) // nothing but zeros follow
{
    return (n & (((number)1 << below_word(b, word)) - 1)) == 0;
}

static uint32_t place_add(struct build *b, uint32_t count, struct place place)
{
    if (count > 0 && b->places[count - 1].key == place.key)
        count--;
    b->places[count] = place;
    return count + 1;
}

// The places of a part, at most two for each range that begins there and one more; how many.
static uint32_t places_make(struct build *b, const struct part *part)
{
    unsigned word = part->word;
    uint32_t i = part->begin;
    uint32_t count = place_add(b, 0, (struct place){part->first, i, 0, b->values[i - 1]});
    while (i < part->end) {
        uint32_t key = word_of(b, b->starts[i], word), next = i + 1;
        while (next < part->end && word_of(b, b->starts[next], word) == key)
            next++;
        bool within = next - i > 1 || !ends_at(b, b->starts[i], word);
        count = place_add(b, count, (struct place){key, i, within ? next : 0, b->values[i]});
        if (within && key < part->last)
            count = place_add(b, count, (struct place){key + 1, next, 0, b->values[next - 1]});
        i = next;
    }
    return count;
}

// Places that a line has no use for are like its last one.
static struct guard_line line_make(const struct build *b, const uint32_t *keys,
                                   const uint8_t *values, unsigned count, uint32_t next)
{
    struct guard_line line;
    for (unsigned i = 0; i < GUARD_LINE_KEYS_V4; i++)
        line.halves[i] = UINT16_MAX;
    for (unsigned i = 1; i < count; i++)
        if (b->shape.word_bits == 16)
            line.halves[i - 1] = (uint16_t)keys[i];
        else
            line.words[i - 1] = keys[i];
    for (unsigned i = 0; i < GUARD_LINE_PLACES; i++)
        line.values[i] = values[i < count ? i : count - 1];
    for (unsigned i = 0; i < sizeof line.next; i++)
        line.next[i] = (uint8_t)(next >> 8 * i);
    return line;
}

// A line of values; places that are cut within one number go on in the next word.
static struct guard_line leaf_make(struct build *b, const struct part *part, uint32_t count)
{
    uint32_t keys[GUARD_LINE_PLACES];
    uint8_t values[GUARD_LINE_PLACES];
    unsigned further = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct place *p = &b->places[i];
        keys[i] = p->key;
        values[i] = p->end ? (uint8_t)(GUARD_LINE_NEXT_WORD | further++) : p->value;
    }
    uint32_t next = lines_take(b, further);
    for (unsigned i = 0, line = next; i < count && !b->error; i++)
        if (b->places[i].end)
            part_add(b, (struct part){line++, b->places[i].begin, b->places[i].end, 0, word_max(b),
                                      part->word + 1});
    return line_make(b, keys, values, count, next);
}

// A line of further lines of the same word, all but evenly full.
static struct guard_line node_make(struct build *b, const struct part *part, uint32_t count)
{
    uint32_t keys[GUARD_LINE_PLACES];
    uint8_t values[GUARD_LINE_PLACES];
    uint64_t most = b->shape.keys + 1, each = most; // what is below one place
    while (each * most < count)
        each *= most;
    uint32_t parts = (uint32_t)((count + each - 1) / each);
    uint32_t next = lines_take(b, parts);
    for (uint32_t i = 0; i < parts && !b->error; i++) {
        uint32_t at = (uint32_t)((uint64_t)count * i / parts);
        uint32_t after = (uint32_t)((uint64_t)count * (i + 1) / parts);
        bool is_last = after == count;
        keys[i] = b->places[at].key;
        values[i] = (uint8_t)(GUARD_LINE_SAME_WORD | i);
        part_add(b, (struct part){next + i, b->places[at].begin,
                                  is_last ? part->end : b->places[after].begin, keys[i],
                                  is_last ? part->last : b->places[after].key - 1, part->word});
    }
    return line_make(b, keys, values, parts, next);
}

static void parts_make(struct build *b)
{
    while (b->parts.count > 0 && !b->error) {
        struct part part = ((struct part *)b->parts.all)[--b->parts.count];
        uint32_t count = places_make(b, &part);
        struct guard_line line =
            count <= b->shape.keys + 1 ? leaf_make(b, &part, count) : node_make(b, &part, count);
        if (!b->error)
            ((struct guard_line *)b->lines.all)[part.line] = line;
    }
}

struct cut {        // between the lines of a slot
    uint32_t first; // number of the word, after it
    uint32_t begin; // range
};

/* Cuts a slot into lines of at most `room` places, though more may crowd in one of its 512 parts.
 * How many cuts that takes; they stand in `cuts` unless there are more than CUTS.
 */
static unsigned cuts_make(const struct build *b, uint32_t count, uint32_t room,
                          struct cut cuts[CUTS])
{
    unsigned made = 0, shift = b->shape.word_bits - CUT_BITS;
    uint32_t held = 0, next;
    for (uint32_t i = 0; i < count && made <= CUTS; i = next) {
        const struct place *p = &b->places[i];
        uint32_t first = p->key >> shift << shift;
        for (next = i + 1; next < count && b->places[next].key >> shift == first >> shift; next++)
            ;
        if (held > 1 && held + (next - i) > room) {
            if (made < CUTS)
                cuts[made] = (struct cut){first, p->begin};
            made++;
            held = p->key > first; // what goes on from the line before
        }
        held += next - i;
    }
    return made;
}

static uint64_t slot_of(const struct build *b, uint32_t line, const struct cut *cuts, unsigned made)
{
    uint64_t slot = line;
    for (unsigned i = CUTS; i-- > 0;)
        slot = slot << CUT_FIELD |
               (i < made ? CUT_PARTS - (cuts[i].first >> (b->shape.word_bits - CUT_BITS)) : 0);
    return slot;
}

static uint64_t slot_make(struct build *b, const struct stem *stem)
{
    if (stem->begin == stem->end)
        return slot_of(b, b->values[stem->begin - 1], NULL, 0);
    struct part all = {0, stem->begin, stem->end, 0, word_max(b), b->shape.word};
    uint32_t count = places_make(b, &all), room = b->shape.keys + 1;
    struct cut cuts[CUTS];
    unsigned made;
    while ((made = cuts_make(b, count, room, cuts)) > CUTS)
        room *= b->shape.keys + 1; // and a line of lines it will be
    uint32_t line = lines_take(b, made + 1);
    for (unsigned i = 0; i <= made && !b->error; i++) {
        struct part part = {line + i, all.begin, all.end, all.first, all.last, all.word};
        if (i > 0)
            part.first = cuts[i - 1].first, part.begin = cuts[i - 1].begin;
        if (i < made)
            part.last = cuts[i].first - 1, part.end = cuts[i].begin;
        part_add(b, part);
    }
    parts_make(b);
    return slot_of(b, line, cuts, made);
}

// Lines of one value each, for where no range begins.
static void plain_lines_make(struct build *b)
{
    uint32_t first = lines_take(b, GUARD_RANGES_VALUES);
    for (uint8_t value = 0; value < GUARD_RANGES_VALUES && !b->error; value++)
        ((struct guard_line *)b->lines.all)[first + value] = line_make(b, NULL, &value, 1, 0);
}

/* The parts of a stem are the next level's stems. Where forks tell them, those that are alike one
 * after the other are one, and the first has the number `next`.
 */
static void stem_part(struct build *b, const struct stem *stem, unsigned bits, unsigned below,
                      uint32_t next)
{
    bool forks = b->shape.forks;
    struct guard_ranges_fork *fork =
        forks ? items_add(b, &b->forks, (1u << bits) / FORK_PARTS, sizeof *fork) : NULL;
    uint32_t i = stem->begin, alike = GUARD_RANGES_VALUES; // no value: ranges begin in it
    for (uint32_t part = 0; part < 1u << bits && !b->error; part++) {
        struct stem made = {stem->upper << bits | part, i, i};
        if (i < stem->end && b->starts[i] == (number)made.upper << below)
            made.begin = ++i;
        while (i < stem->end && b->starts[i] >> below == made.upper)
            i++;
        made.end = i;
        uint32_t value = made.begin < i ? GUARD_RANGES_VALUES : b->values[i - 1];
        bool is_new = !forks || part == 0 || value == GUARD_RANGES_VALUES || value != alike;
        alike = value;
        if (forks && part % FORK_PARTS == 0)
            *fork++ = (struct guard_ranges_fork){0, next + (uint32_t)b->stems[1].count - 1};
        if (!is_new)
            continue;
        if (forks)
            fork[-1].bits |= UINT32_C(1) << part % FORK_PARTS;
        struct stem *added = items_add(b, &b->stems[1], 1, sizeof made);
        if (added)
            *added = made;
    }
}

// Level by level; what is left in the end are the slots' stems.
static void stems_make(struct build *b, uint32_t count)
{
    const struct shape *shape = &b->shape;
    unsigned below = shape->bits;
    struct stem *root = items_add(b, &b->stems[0], 1, sizeof *root);
    if (root)
        *root = (struct stem){0, 1, count};
    for (unsigned level = 0; level < shape->levels && !b->error; level++) {
        struct items *stems = &b->stems[0], *next = &b->stems[1], spent = *stems;
        unsigned bits = shape->level_bits[level];
        size_t forks = b->forks.count + stems->count * ((1u << bits) / FORK_PARTS);
        size_t first = level + 1 < shape->levels ? forks / NODE_FORKS : 0; // a node, or a slot
        below -= bits;
        for (size_t i = 0; i < stems->count && !b->error; i++)
            stem_part(b, (struct stem *)stems->all + i, bits, below, (uint32_t)first);
        *stems = *next;
        *next = (struct items){spent.all, 0, spent.room};
    }
}

static void slots_make(struct build *b)
{
    const struct items *stems = &b->stems[0];
    uint64_t *slots = items_add(b, &b->slots, stems->count, sizeof *slots);
    for (size_t i = 0; i < stems->count && !b->error; i++)
        slots[i] = slot_make(b, (struct stem *)stems->all + i);
}

static size_t lines_whole(size_t bytes)
{
    size_t size = sizeof(struct guard_line);
    return (bytes + size - 1) / size * size;
}

static int keep(struct guard_ranges *ranges, const struct build *b)
{
    size_t forks = lines_whole(b->forks.count * sizeof *ranges->forks);
    size_t slots = lines_whole(b->slots.count * sizeof *ranges->slots);
    size_t lines = b->lines.count * sizeof *ranges->lines;
    if (forks + slots + lines > GUARD_RANGES_BYTES_MAX)
        return -E2BIG;
    uint8_t *memory = guard_memory_take(forks + slots + lines, -1);
    if (!memory)
        return -ENOMEM;
    ranges->forks = (void *)memory;
    ranges->slots = (void *)(memory + forks);
    ranges->lines = (void *)(memory + forks + slots);
    ranges->bytes = forks + slots + lines;
    if (forks)
        memcpy(ranges->forks, b->forks.all, b->forks.count * sizeof *ranges->forks);
    memcpy(ranges->slots, b->slots.all, b->slots.count * sizeof *ranges->slots);
    memcpy(ranges->lines, b->lines.all, lines);
    return 0;
}

int guard_ranges_build(struct guard_ranges *ranges, enum family_index family, const number *starts,
                       const uint8_t *values, uint32_t count)
{
    CHECK(count > 0 && starts[0] == 0);
    *ranges = (struct guard_ranges){
        .family = family,
        .is_few = count <= GUARD_RANGES_FEW,
        .find = __builtin_cpu_supports("avx2") ? guard_line_find_avx2 : guard_line_find_sse4,
    };
    struct build b = {.shape = shape_of(family, ranges->is_few),
                      .starts = starts,
                      .values = values,
                      .places = malloc((count * (size_t)2 + 1) * sizeof *b.places)};
    b.error = b.places ? 0 : -ENOMEM;
    if (!b.error)
        plain_lines_make(&b);
    if (!b.error)
        stems_make(&b, count);
    if (!b.error)
        slots_make(&b);
    if (!b.error)
        b.error = keep(ranges, &b);
    free(b.places);
    free(b.stems[0].all);
    free(b.stems[1].all);
    free(b.forks.all);
    free(b.slots.all);
    free(b.lines.all);
    free(b.parts.all);
    return b.error;
}

void guard_ranges_done(struct guard_ranges *ranges)
{
    guard_memory_give(ranges->forks, ranges->bytes);
    *ranges = (struct guard_ranges){0};
}

static inline uint32_t read_32(const struct addr *addr, unsigned at)
{
    uint32_t word;
    memcpy(&word, addr->bytes + at, sizeof word);
    return __builtin_bswap32(word);
}

// What the fork has for the part that the last five bits tell.
static inline uint32_t follow(const struct guard_ranges_fork *fork, uint32_t bits)
{
    return fork->before + (uint32_t)__builtin_popcount(fork->bits << (~bits & 31));
}

// All cuts are compared at once: the guards of those that the part has reached are counted.
static inline const struct guard_line *chosen_line(const struct guard_ranges *ranges,
                                                   uint32_t which, uint32_t part)
{
    uint64_t slot = ranges->slots[which] + part * CUT_ONES;
    return &ranges->lines[(slot >> SLOT_LINE_SHIFT) +
                          (unsigned)__builtin_popcountll(slot & CUT_GUARDS)];
}

static void locate_few(const struct guard_ranges *ranges, const struct addr *const *addrs,
                       unsigned n, const struct guard_line **ret_lines)
{
    unsigned at = ranges->family == FAMILY_V4 ? V4_BYTE : 0;
    for (unsigned i = 0; i < n; i++)
        ret_lines[i] = chosen_line(ranges, 0, read_32(addrs[i], at) >> (32 - CUT_BITS));
}

// Unrolled, like the loop over lines, for the sake of their ends: a wrong guess there costs as much
// as ten addresses.
static void locate_v4(const struct guard_ranges *ranges, const struct addr *const *addrs,
                      unsigned n, const struct guard_line **ret_lines)
{
#pragma GCC unroll 4
    for (unsigned i = 0; i < n; i++) {
        uint32_t word = read_32(addrs[i], V4_BYTE);
        ret_lines[i] = chosen_line(ranges, word >> 16, (word & 0xffff) >> (16 - CUT_BITS));
        __builtin_prefetch(ret_lines[i]);
    }
}

// Step by step, since each waits for the one before.
static void locate_v6(const struct guard_ranges *ranges, const struct addr *const *addrs,
                      unsigned n, const struct guard_line **ret_lines)
{
    uint32_t nodes[GUARD_RANGES_BURST];
    for (unsigned i = 0; i < n; i++) {
        uint32_t word = read_32(addrs[i], 0);
        uint32_t node = follow(&ranges->forks[word >> 21], word >> 16);
        nodes[i] = follow(&ranges->forks[node * NODE_FORKS + (word >> 13 & 7)], word >> 8);
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t word = read_32(addrs[i], 0);
        nodes[i] = follow(&ranges->forks[nodes[i] * NODE_FORKS + (word >> 5 & 7)], word);
    }
    for (unsigned i = 0; i < n; i++) {
        ret_lines[i] = chosen_line(ranges, nodes[i], read_32(addrs[i], 4) >> (32 - CUT_BITS));
        __builtin_prefetch(ret_lines[i]);
    }
}

void guard_ranges_locate(const struct guard_ranges *ranges, const struct addr *const *addrs,
                         unsigned n, const struct guard_line **ret_lines)
{
    if (ranges->is_few)
        locate_few(ranges, addrs, n, ret_lines);
    else if (ranges->family == FAMILY_V4)
        locate_v4(ranges, addrs, n, ret_lines);
    else
        locate_v6(ranges, addrs, n, ret_lines);
}

void guard_ranges_find(const struct guard_ranges *ranges, const struct addr *const *addrs,
                       unsigned n, const struct guard_line **lines, uint8_t *ret_values)
{
    struct shape shape = shape_of(ranges->family, ranges->is_few);
    unsigned before = 16 - shape.bits / 8; // IPv4 addresses are at the end of the mapped ones
    ranges->find(ranges->lines, ranges->family, before + shape.word * shape.word_bits / 8, addrs, n,
                 lines, ret_values);
}
