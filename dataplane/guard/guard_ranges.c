// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_ranges.h"

#include "guard/guard_memory.h"

#include <assert.h>
#include <errno.h>
#include <nmmintrin.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEYS = GUARD_RANGES_KEYS,
    PLACES = KEYS + 1,
    WORDS = 4,
    WORD_BITS = 32,
    FURTHER = GUARD_RANGES_VALUES,
    ROOT_BITS_MAX = 16, // 256 KB, which stay in the cache
    RUN_BITS_MAX = 15,
    CROWD = 2, // a run has no more lines than this many times what its ranges fill
};

#define BIAS 0x80000000u // SSE compares signed numbers only

static_assert(sizeof(struct guard_ranges_line) == 64, "a cache line");

// The root says: line << SHIFT_BITS | shift. The line is this one and word >> shift, modulo 2^27.
enum { SHIFT_BITS = 5, LINE_MASK = (1 << (32 - SHIFT_BITS)) - 1 };

static_assert((int)GUARD_RANGES_LINES_MAX <= (int)LINE_MASK, "a line's number fits the root");

typedef guard_ranges_number number;

struct part {            // numbers for which a line is to be made
    uint32_t line;       // its place
    uint32_t begin, end; // the ranges that begin there; what is before has the value of begin - 1
    uint32_t first, last;
    uint32_t word; // that `first` and `last` are of
};

struct place { // of a part: from `key` to before the next one's
    uint32_t key;
    uint32_t begin, end; // the ranges that begin there, and within one number of the word: else 0
    uint8_t value;
};

struct build {
    const number *starts;
    const uint8_t *values;
    struct guard_ranges_line *lines;
    size_t lines_count, lines_room;
    struct part *parts; // the last is taken first
    size_t parts_count, parts_room;
    struct place *places; // of one part
    int error;
};

static bool room_for(void **items, size_t *room, size_t needed, size_t size)
{
    if (needed <= *room)
        return true;
    size_t wanted = *room * 2 > needed ? *room * 2 : needed;
    void *grown = realloc(*items, wanted * size);
    if (!grown)
        return false;
    *items = grown;
    *room = wanted;
    return true;
}

// The first of them, or 0 after an error.
static uint32_t lines_take(struct build *b, size_t count)
{
    size_t first = b->lines_count;
    if (count > GUARD_RANGES_LINES_MAX - first)
        b->error = -E2BIG;
    else if (!room_for((void **)&b->lines, &b->lines_room, first + count, sizeof *b->lines))
        b->error = -ENOMEM;
    if (b->error)
        return 0;
    b->lines_count += count;
    return (uint32_t)first;
}

static void part_add(struct build *b, struct part part)
{
    if (room_for((void **)&b->parts, &b->parts_room, b->parts_count + 1, sizeof *b->parts))
        b->parts[b->parts_count++] = part;
    else
        b->error = -ENOMEM;
}

static uint32_t word_of(number n, unsigned word)
{
    return (uint32_t)(n >> (WORD_BITS * (WORDS - 1 - word)));
}

static bool ends_at(number n, unsigned word) // nothing but zeros follow
{
    return (n & (((number)1 << (WORD_BITS * (WORDS - 1 - word))) - 1)) == 0;
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
        uint32_t key = word_of(b->starts[i], word), next = i + 1;
        while (next < part->end && word_of(b->starts[next], word) == key)
            next++;
        bool within = next - i > 1 || !ends_at(b->starts[i], word);
        count = place_add(b, count, (struct place){key, i, within ? next : 0, b->values[i]});
        if (within && key < part->last)
            count = place_add(b, count, (struct place){key + 1, next, 0, b->values[next - 1]});
        i = next;
    }
    return count;
}

static struct guard_ranges_line line_empty(unsigned word)
{
    struct guard_ranges_line line = {.word = word};
    for (unsigned i = 0; i < KEYS; i++)
        line.keys[i] = INT32_MAX; // after which nothing is
    return line;
}

static void line_place(struct guard_ranges_line *line, unsigned i, uint32_t key, unsigned value)
{
    line->values[i] = (uint8_t)value;
    if (i > 0) // and so is the key: it follows that of place 0
        line->keys[i - 1] = (int32_t)((key - 1) ^ BIAS);
}

// A line of values; places that are cut within one number go on in the next word.
static struct guard_ranges_line leaf_make(struct build *b, const struct part *part, uint32_t count)
{
    struct guard_ranges_line line = line_empty(part->word);
    unsigned further = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct place *p = &b->places[i];
        line_place(&line, i, p->key, p->end ? FURTHER + further++ : p->value);
    }
    uint32_t next = lines_take(b, further);
    line.next = next - part->line;
    for (unsigned i = 0; i < count && !b->error; i++)
        if (b->places[i].end)
            part_add(b, (struct part){next++, b->places[i].begin, b->places[i].end, 0, UINT32_MAX,
                                      part->word + 1});
    return line;
}

// A line of further lines of the same word, all but evenly full.
static struct guard_ranges_line node_make(struct build *b, const struct part *part, uint32_t count)
{
    struct guard_ranges_line line = line_empty(part->word);
    uint64_t each = PLACES; // what is below one place
    while (each * PLACES < count)
        each *= PLACES;
    uint32_t parts = (uint32_t)((count + each - 1) / each);
    uint32_t next = lines_take(b, parts);
    line.next = next - part->line;
    for (uint32_t i = 0; i < parts && !b->error; i++) {
        uint32_t at = (uint32_t)((uint64_t)count * i / parts);
        uint32_t after = (uint32_t)((uint64_t)count * (i + 1) / parts);
        bool is_last = after == count;
        line_place(&line, i, b->places[at].key, FURTHER + i);
        part_add(b, (struct part){next + i, b->places[at].begin,
                                  is_last ? part->end : b->places[after].begin, b->places[at].key,
                                  is_last ? part->last : b->places[after].key - 1, part->word});
    }
    return line;
}

static void parts_make(struct build *b)
{
    while (b->parts_count > 0 && !b->error) {
        struct part part = b->parts[--b->parts_count];
        uint32_t count = places_make(b, &part);
        struct guard_ranges_line line =
            count <= PLACES ? leaf_make(b, &part, count) : node_make(b, &part, count);
        if (!b->error)
            b->lines[part.line] = line;
    }
}

// The ranges from `begin` on that begin up to `last`.
static uint32_t part_end(const struct build *b, const struct part *all, uint32_t begin,
                         uint32_t last)
{
    while (begin < all->end && word_of(b->starts[begin], all->word) <= last)
        begin++;
    return begin;
}

// A line of the run that `bits` after the root's choose.
static struct part run_part(const struct build *b, const struct part *all, unsigned shift,
                            uint32_t i, uint32_t begin)
{
    uint32_t first = all->first + (i << shift);
    uint32_t last = first + ((UINT32_C(1) << shift) - 1);
    return (struct part){all->line + i, begin, part_end(b, all, begin, last),
                         first,         last,  all->word};
}

// The fewest bits with which no line has lines below it, or the most that are worth it.
static unsigned run_bits(struct build *b, const struct part *all, unsigned shift)
{
    unsigned bits = 0;
    for (; bits < RUN_BITS_MAX && bits < shift; bits++) {
        bool crowded = false;
        uint32_t begin = all->begin;
        for (uint32_t i = 0; i < 1u << bits && !crowded; i++) {
            struct part part = run_part(b, all, shift - bits, i, begin);
            crowded = places_make(b, &part) > PLACES;
            begin = part.end;
        }
        if (!crowded || (2u << bits) > (all->end - all->begin) * CROWD / PLACES)
            break;
    }
    return bits;
}

static uint32_t root_slot(uint32_t line, uint32_t first, unsigned shift)
{
    return (line - (first >> shift)) << SHIFT_BITS | shift;
}

// What the root says of a part, 2^shift numbers of its word.
static uint32_t run_make(struct build *b, struct part all, unsigned shift)
{
    if (all.begin < all.end && word_of(b->starts[all.begin], all.word) == all.first &&
        ends_at(b->starts[all.begin], all.word))
        all.begin++;
    if (all.begin == all.end)
        return root_slot(b->values[all.begin - 1], all.first, shift);
    unsigned bits = run_bits(b, &all, shift);
    all.line = lines_take(b, (size_t)1 << bits);
    uint32_t begin = all.begin;
    for (uint32_t i = 0; i < 1u << bits && !b->error; i++) {
        part_add(b, run_part(b, &all, shift - bits, i, begin));
        begin = part_end(b, &all, begin, all.first + ((i + 1) << (shift - bits)) - 1);
    }
    parts_make(b);
    return root_slot(all.line, all.first, shift - bits);
}

// Lines of one value each, for where no range begins.
static void plain_lines_make(struct build *b, unsigned word)
{
    uint32_t first = lines_take(b, GUARD_RANGES_VALUES);
    for (unsigned value = 0; value < GUARD_RANGES_VALUES && !b->error; value++) {
        b->lines[first + value] = line_empty(word);
        line_place(&b->lines[first + value], 0, 0, value);
    }
}

static size_t root_bytes(const struct guard_ranges *ranges)
{
    return sizeof *ranges->root << (WORD_BITS - ranges->shift);
}

static int root_make(struct guard_ranges *ranges, struct build *b, unsigned word, uint32_t count)
{
    unsigned bits = WORD_BITS - (unsigned)__builtin_clz(count);
    ranges->shift = WORD_BITS - (bits < ROOT_BITS_MAX ? bits : ROOT_BITS_MAX);
    ranges->root = guard_memory_take(root_bytes(ranges), -1);
    if (!ranges->root)
        return -ENOMEM;
    plain_lines_make(b, word);
    struct part all = {.begin = 1, .word = word};
    for (uint32_t i = 0; i < 1u << (WORD_BITS - ranges->shift) && !b->error; i++) {
        all.first = i << ranges->shift;
        all.last = all.first + ((UINT32_C(1) << ranges->shift) - 1);
        all.end = count;
        all.end = part_end(b, &all, all.begin, all.last);
        ranges->root[i] = run_make(b, all, ranges->shift);
        all.begin = all.end;
    }
    return b->error;
}

static int keep(struct guard_ranges *ranges, const struct build *b)
{
    size_t bytes = b->lines_count * sizeof *b->lines;
    ranges->lines = guard_memory_take(bytes, -1);
    if (!ranges->lines)
        return -ENOMEM;
    ranges->lines_count = b->lines_count;
    memcpy(ranges->lines, b->lines, bytes);
    return 0;
}

int guard_ranges_build(struct guard_ranges *ranges, enum family_index family, const number *starts,
                       const uint8_t *values, uint32_t count)
{
    CHECK(count > 0 && starts[0] == 0);
    *ranges = (struct guard_ranges){0};
    struct build b = {.starts = starts,
                      .values = values,
                      .places = malloc((count * (size_t)2 + 1) * sizeof *b.places)};
    int error =
        b.places ? root_make(ranges, &b, family == FAMILY_V4 ? WORDS - 1 : 0, count) : -ENOMEM;
    if (!error)
        error = keep(ranges, &b);
    if (error)
        guard_ranges_done(ranges);
    free(b.lines);
    free(b.parts);
    free(b.places);
    return error;
}

void guard_ranges_done(struct guard_ranges *ranges)
{
    guard_memory_give(ranges->lines, ranges->lines_count * sizeof *ranges->lines);
    guard_memory_give(ranges->root, root_bytes(ranges));
    *ranges = (struct guard_ranges){0};
}

size_t guard_ranges_bytes(const struct guard_ranges *ranges)
{
    return root_bytes(ranges) + ranges->lines_count * sizeof *ranges->lines;
}

// How many keys are at or before the number: its place.
static inline unsigned place_of(const struct guard_ranges_line *line, int32_t word)
{
    const __m128i *keys = (const __m128i *)(const void *)line->keys;
    __m128i wanted = _mm_set1_epi32(word);
    __m128i a = _mm_cmpgt_epi32(wanted, _mm_load_si128(keys));
    __m128i b = _mm_cmpgt_epi32(wanted, _mm_load_si128(keys + 1));
    __m128i c = _mm_cmpgt_epi32(wanted, _mm_load_si128(keys + 2)); // its last is no key
    __m128i all = _mm_packs_epi16(_mm_packs_epi32(a, b), c);       // two bytes each of c
    return (unsigned)__builtin_popcount((unsigned)_mm_movemask_epi8(all) & 0x15ff);
}

struct search { // side by side
    const struct guard_ranges_line *at[GUARD_RANGES_BURST];
    int32_t words[GUARD_RANGES_BURST][WORDS]; // biased
    uint8_t walking[GUARD_RANGES_BURST];      // which are, after the first step
};

static inline void enter(const struct guard_ranges families[FAMILY_COUNT], const struct addr *addr,
                         struct search *s, unsigned i)
{
    const __m128i swap = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)addr->bytes);
    __m128i words = _mm_xor_si128(_mm_shuffle_epi8(bytes, swap), _mm_set1_epi32((int)BIAS));
    _mm_storeu_si128((__m128i *)(void *)s->words[i], words);
    bool v4 = addr_is_v4(addr);
    const struct guard_ranges *ranges = &families[v4 ? FAMILY_V4 : FAMILY_V6];
    uint32_t word;
    memcpy(&word, addr->bytes + (v4 ? 12 : 0), sizeof word);
    word = __builtin_bswap32(word);
    uint32_t slot = ranges->root[word >> ranges->shift];
    uint32_t line = (slot >> SHIFT_BITS) + (word >> (slot & ((1 << SHIFT_BITS) - 1)));
    s->at[i] = &ranges->lines[line & LINE_MASK];
    __builtin_prefetch(s->at[i]);
}

/* One step for those that walk; they are fewer from step to step. No branches: whether an address
 * has found its value or goes on is chance, and a wrong guess costs as much as all else. The first
 * step reads nothing that it writes: else every load waits for the stores before it.
 */
static inline unsigned step(struct search *s, bool is_first, unsigned count, uint8_t *ret_values)
{
    unsigned on = 0;
    for (unsigned j = 0; j < count; j++) {
        unsigned i = is_first ? j : s->walking[j];
        const struct guard_ranges_line *line = s->at[i];
        unsigned value = line->values[place_of(line, s->words[i][line->word])];
        ret_values[i] = (uint8_t)value;
        bool goes_on = value >= FURTHER;
        s->at[i] = line + ((line->next + value - FURTHER) & -(uint32_t)goes_on);
        __builtin_prefetch(s->at[i]);
        s->walking[on] = (uint8_t)i;
        on += goes_on;
    }
    return on;
}

void guard_ranges_find(const struct guard_ranges families[FAMILY_COUNT],
                       const struct addr *const *addrs, unsigned n, uint8_t *ret_values)
{
    struct search s;
    for (unsigned i = 0; i < n; i++)
        enter(families, addrs[i], &s, i);
    unsigned count = step(&s, true, n, ret_values);
    while (count > 0) // lines below a line have fewer ranges or a later word
        count = step(&s, false, count, ret_values);
}
