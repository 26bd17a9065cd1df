// SPDX-License-Identifier: BSD-3-Clause
#include "base/siphash_burst.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

// Key and messages of the authors' vectors: 00 01 … 0f, and 00 01 … of 15 bytes.
static const struct siphash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};

static uint64_t hash_of_fifteen_at(unsigned place)
{
    static uint64_t words[2][SIPHASH_BURST];
    uint64_t hashes[SIPHASH_BURST];
    memset(words, 0xee, sizeof words);
    words[0][place] = 0x0706050403020100u;
    words[1][place] = 0x000e0d0c0b0a0908u;
    siphash_burst(&key, (const uint64_t(*)[SIPHASH_BURST])words, 15, place + 1, hashes);
    return hashes[place];
}

static void whatever_the_cpu_has_gives_the_authors_vector_in_every_place(void **state)
{
    for (unsigned place = 0; place < SIPHASH_BURST; place++)
        assert_true(hash_of_fifteen_at(place) == 0xa129ca6149be45e5u);
}

static void each_set_that_the_cpu_has_can_be_chosen(void **state)
{
    assert_true(siphash_burst_choose(SIPHASH_SCALAR));
    assert_true(siphash_burst_choose(SIPHASH_SSE4));
    for (int set = 0; set < SIPHASH_SETS; set++)
        if (siphash_burst_choose((enum siphash_set)set))
            assert_true(hash_of_fifteen_at(7) == 0xa129ca6149be45e5u);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(whatever_the_cpu_has_gives_the_authors_vector_in_every_place),
        cmocka_unit_test(each_set_that_the_cpu_has_can_be_chosen),
    };
    return cmocka_run_group_tests_name("siphash_burst", cases, NULL, NULL);
}
