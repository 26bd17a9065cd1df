// SPDX-License-Identifier: BSD-3-Clause
#include "guard/guard_line.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool find(guard_line_find *set, const struct guard_line *line, enum family_index family,
                 unsigned at, const struct addr *addr, uint8_t *ret_value)
{
    if (set == guard_line_find_avx2 && !__builtin_cpu_supports("avx2"))
        return false;
    const struct guard_line *lines = line;
    set(line, family, at, &addr, 1, &lines, ret_value);
    return true;
}

static unsigned key_of(const struct guard_line *line, enum family_index family, unsigned i)
{
    return family == FAMILY_V4 ? line->halves[i] : line->words[i];
}

static int by_half(const void *a, const void *b)
{
    const uint16_t *x = a, *y = b;
    return *x - *y;
}

static int by_word(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

// Values, and further lines of none, tell the place: no two of a line are alike.
static struct guard_line random_line(struct rng *rng, enum family_index family)
{
    struct guard_line line;
    for (unsigned i = 0; i < GUARD_LINE_KEYS_V4; i++)
        line.halves[i] = (uint16_t)rng_next(rng);
    if (family == FAMILY_V4)
        qsort(line.halves, GUARD_LINE_KEYS_V4, sizeof line.halves[0], by_half);
    else
        qsort(line.words, GUARD_LINE_KEYS_V6, sizeof line.words[0], by_word);
    for (unsigned i = 0; i < GUARD_LINE_PLACES; i++)
        line.values[i] = (uint8_t)(i % GUARD_LINE_FURTHER);
    memset(line.next, 0xff, sizeof line.next);
    return line;
}

// Below, at and after each key, and at both ends, in all words that an address has.
static void every_set_finds_the_place_of_a_number(void **state)
{
    static guard_line_find *const sets[] = {guard_line_find_sse4, guard_line_find_avx2};
    struct rng rng;
    rng_seed(&rng, 21);
    for (int round = 0; round < 4000; round++) {
        enum family_index family = round & 1 ? FAMILY_V4 : FAMILY_V6;
        bool v4 = family == FAMILY_V4;
        unsigned keys = v4 ? GUARD_LINE_KEYS_V4 : GUARD_LINE_KEYS_V6;
        unsigned at = v4 ? 12 + 2 * (unsigned)rng_below(&rng, 2) : 4 * (unsigned)rng_below(&rng, 4);
        struct guard_line line __attribute__((aligned(64))) = random_line(&rng, family);
        uint32_t number = key_of(&line, family, (unsigned)rng_below(&rng, keys));
        number += (uint32_t)rng_below(&rng, 3) - 1;
        if (rng_below(&rng, 20) == 0)
            number = rng_next(&rng) & 1 ? 0 : UINT32_MAX;
        number &= v4 ? UINT16_MAX : UINT32_MAX;
        struct addr addr;
        for (unsigned i = 0; i < sizeof addr.bytes; i++)
            addr.bytes[i] = (uint8_t)rng_next(&rng);
        for (unsigned i = 0; i < (v4 ? 2 : 4); i++)
            addr.bytes[at + i] = (uint8_t)(number >> ((v4 ? 8 : 24) - 8 * i));
        unsigned place = 0;
        while (place < keys && key_of(&line, family, place) <= number)
            place++;
        for (unsigned i = 0; i < sizeof sets / sizeof sets[0]; i++) {
            uint8_t value;
            if (find(sets[i], &line, family, at, &addr, &value))
                assert_int_equal(value, place % GUARD_LINE_FURTHER);
        }
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_set_finds_the_place_of_a_number),
    };
    return cmocka_run_group_tests_name("guard_line", cases, NULL, NULL);
}
